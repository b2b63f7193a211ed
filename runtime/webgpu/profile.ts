/**
 * Where the time of a run on the GPU goes. In: a session's engine and inputs. Out: the same profile as for WebAssembly: a
 * record for each dispatch, in order, against the multiply-adds and reads that this device was found to be capable of.
 * Invariant: times are the GPU's own (timestamp queries), so neither recording nor the way back is among them; browsers
 * round them (Chromium to 100 microseconds), so what is short is repeated within one pass. Steps on the CPU are in
 * `runMilliseconds` only.
 */
import { TilewrightError } from "../errors.ts";
import { type CallReport } from "../format/profile.ts";
import { type Profile, type ProfileOptions } from "../profile.ts";
import { throwIfAborted } from "../reader.ts";
import { type Inputs, type Session } from "../session.ts";
import { type Command, type Dispatch } from "./commands.ts";
import { MAP_READ, usage } from "./constants.ts";
import { type GpuContext } from "./device.ts";
import { type GpuEngine } from "./engine.ts";

/** A pass is repeated until it takes this long: two dozen steps of the clock. */
const LEAST_NANOSECONDS = 2.4e6;
const MOST_REPEATS = 4096;
const MOST_RUNS = 10;
/** Timestamps in one query set: the most that WebGPU allows is twice this. */
const PASSES_PER_SET = 1024;

/** Bytes that the loop below reads over and over: past the caches of most devices. */
const READ_BYTES = 1 << 26;
const PEAK_LOOPS = 256;
const PEAK_GROUPS = 1024;
/** What keeps a CPU busy that stands in for a GPU. */
const SOFTWARE_GROUPS = 64;
const GROUP_SIZE = 64;

/** @throws TilewrightError `profile-needed` where the device has no timestamps */
export async function profileOnGpu(
  session: Session,
  engine: GpuEngine,
  inputs: Inputs,
  { runs = MOST_RUNS, signal }: ProfileOptions,
): Promise<Profile> {
  const { context } = engine;
  if (!context.has("timestamp-query")) {
    throw new TilewrightError(
      "profile-needed",
      `${context.name} has no timestamps (feature timestamp-query)`,
    );
  }
  const whole: number[] = [];
  for (let i = 0; i < 4; i++) {
    throwIfAborted(signal);
    const start = performance.now();
    await session.run(inputs);
    if (i > 0) whole.push(performance.now() - start);
  }
  const { program } = engine;
  const commands: Command[] = program.batches.flatMap((batch) => batch.commands);
  const dispatches = commands.filter((command) => command.kind === "dispatch");
  const repeats = dispatches.map(() => 1);
  const passes: number[][] = [];
  for (let settled = false; passes.length < Math.min(MOST_RUNS, Math.max(1, runs));) {
    throwIfAborted(signal);
    const times = await timeDispatches(context, dispatches, repeats);
    const short = times.map(
      (time, i) => time * repeats[i]! < LEAST_NANOSECONDS && repeats[i]! < MOST_REPEATS,
    );
    if (!settled && short.includes(true)) {
      short.forEach((isShort, i) => {
        if (isShort) repeats[i] = Math.min(MOST_REPEATS, repeats[i]! * 4);
      });
      continue;
    }
    settled = true;
    passes.push(times);
  }
  // They are the device's, whatever runs on it.
  const { gflops, gbs } = await context.shared("peaks", async () => ({
    gflops: await multiplyAdds(context),
    gbs: await reads(context),
  }));
  const reported = engine.report?.calls;
  const steps = dispatches.map(({ call, pipeline }, i) => {
    const milliseconds = median(passes.map((times) => times[i]!)) / 1e6;
    return {
      milliseconds,
      report: (call === undefined ? undefined : reported?.[call]) ?? unknown(pipeline.label),
    };
  });
  const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return {
    name: session.name,
    variant: undefined,
    runs: passes.length,
    totalMilliseconds: total,
    runMilliseconds: median(whole),
    calls: steps.map(({ milliseconds, report }) => {
      const rates = {
        gflops: milliseconds > 0 ? report.operations / milliseconds / 1e6 : 0,
        gbs: milliseconds > 0 ? report.bytes / milliseconds / 1e6 : 0,
      };
      const [compute, memory] = [rates.gflops / gflops, rates.gbs / gbs];
      return {
        ...report,
        ...rates,
        milliseconds,
        share: total > 0 ? milliseconds / total : 0,
        roofline: Math.max(compute, memory),
        bound: compute > memory ? ("compute" as const) : ("memory" as const),
      };
    }),
    peak: { gflops, bandwidth: [{ bytes: READ_BYTES, gbs }] },
  };
}

/** What is known of a call of a program that was not compiled to be profiled. */
function unknown(name: string): CallReport {
  return {
    name,
    nodes: [],
    work: 0,
    operations: 0,
    bytes: 0,
    parts: 1,
    schedule: "",
    codeBytes: 0,
    sharedBy: 1,
  };
}

/** Nanoseconds of each dispatch, which is a pass of its own with so many repeats. */
async function timeDispatches(
  context: GpuContext,
  dispatches: readonly Pick<Dispatch, "pipeline" | "group" | "groups">[],
  repeats: readonly number[],
): Promise<number[]> {
  const { device } = context;
  const times: number[] = [];
  for (let first = 0; first < dispatches.length; first += PASSES_PER_SET) {
    const part = dispatches.slice(first, first + PASSES_PER_SET);
    const count = part.length * 2;
    const querySet = device.createQuerySet({ type: "timestamp", count });
    const resolved = device.createBuffer({ size: count * 8, usage: usage.queryResolve | usage.copySource });
    const staging = device.createBuffer({ size: count * 8, usage: usage.mapRead | usage.copyDestination });
    const encoder = device.createCommandEncoder();
    part.forEach(({ pipeline, group, groups }, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let repeat = 0; repeat < repeats[first + i]!; repeat++) pass.dispatchWorkgroups(...groups);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
    device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(MAP_READ);
      const stamps = new BigUint64Array(staging.getMappedRange());
      part.forEach((_, i) => {
        times.push(Number(stamps[2 * i + 1]! - stamps[2 * i]!) / repeats[first + i]!);
      });
    } finally {
      for (const resource of [querySet, resolved, staging]) resource.destroy();
    }
  }
  return times;
}

/** GFLOP/s of fused multiply-adds on vectors of four, eight of them in flight in each invocation. */
async function multiplyAdds(context: GpuContext): Promise<number> {
  const sums = Array.from({ length: 8 }, (_, i) => i);
  const code = `
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(${GROUP_SIZE}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = out[0]; let y = out[1];
  ${sums.map((i) => `var s${i} = x + ${i}.0;`).join(" ")}
  for (var i = 0u; i < ${PEAK_LOOPS}u; i++) { ${sums.map((i) => `s${i} = fma(s${i}, x, y);`).join(" ")} }
  out[id.x] = ${sums.map((i) => `s${i}`).join(" + ")};
}`;
  const groups = context.adapter.software ? SOFTWARE_GROUPS : PEAK_GROUPS;
  const count = GROUP_SIZE * groups;
  const nanoseconds = await best(context, code, count * 16, groups);
  return (count * PEAK_LOOPS * sums.length * 4 * 2) / nanoseconds;
}

/** GB/s of reading. */
async function reads(context: GpuContext): Promise<number> {
  const vectors = READ_BYTES / 16;
  const invocations = GROUP_SIZE * PEAK_GROUPS;
  const code = `
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(${GROUP_SIZE}) fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = vec4f();
  for (var i = id.x; i < ${vectors}u; i += ${invocations}u) { sum += data[i]; }
  if (sum.x != 0.0) { data[id.x] = sum; }
}`;
  return READ_BYTES / (await best(context, code, READ_BYTES, PEAK_GROUPS));
}

/** Nanoseconds of a kernel over one zeroed buffer, the shortest of a few. */
async function best(context: GpuContext, code: string, bytes: number, groups: number): Promise<number> {
  const { device } = context;
  const buffer = device.createBuffer({ size: bytes, usage: usage.storage });
  try {
    const pipeline = await device.createComputePipelineAsync({
      layout: "auto",
      compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
    });
    const entries = [{ binding: 0, resource: { buffer } }];
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    let least = Infinity;
    for (let i = 0; i < 4; i++) {
      const [time] = await timeDispatches(context, [{ pipeline, group, groups: [groups, 1, 1] }], [4]);
      least = Math.min(least, Math.max(1, time!));
    }
    return least;
  } finally {
    buffer.destroy();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
