/**
 * A process whose GPU runs out of memory. In: nothing. Out: a line of JSON: what loading and running answered while the
 * address space of the process had a limit, and after it was lifted. Invariant: the refusals are the driver's own
 * (a software driver takes the memory of a buffer from this process), nothing here pretends them.
 *
 * A limit from the beginning would stop JavaScript's own engine, which reserves tens of gigabytes; so it is set once
 * all is running, by `prlimit` of util-linux.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { load, TilewrightError } from "../runtime/index.ts";
import { nodeGpu } from "../scripts/nodeGpu.ts";
import { gpuArtifact } from "./gpuPrograms.ts";

const BUFFER_BYTES = 2 ** 29;
/** Beyond what is in use when the limit is set: room for threads and small things, and for no such buffer. */
const SPARE_BYTES = 2 ** 28;

/** y = 2 x[0] for each of so many floats y; with a buffer of BUFFER_BYTES for nothing where asked. */
function doubling(length: number, isLarge: boolean, inputs = 1): Uint8Array<ArrayBuffer> {
  const bytes = length * 4;
  const inputBytes = inputs * 4;
  const port = { dtype: "float32", address: 0 } as const;
  const range = (buffer: number, size: number) => ({ buffer, address: 0, bytes: size });
  return gpuArtifact({
    ports: {
      inputs: [{ name: "x", ...port, shape: [inputs] }],
      outputs: [{ name: "y", ...port, shape: [length] }],
    },
    inputs: [{ name: "x", ...range(0, inputBytes), form: "packed" }],
    outputs: [{ name: "y", ...range(1, bytes), form: "packed" }],
    buffers: [{ bytes: inputBytes }, { bytes }, ...(isLarge ? [{ bytes: BUFFER_BYTES }] : [])],
    kernels: [
      {
        name: "double",
        bindings: ["read", "write"],
        text: `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) n: vec3u) {
 for (var i = id.x; i < ${length}u; i += n.x * 64u) { y[i] = 2.0 * x[0]; }
}`,
      },
    ],
    run: [
      {
        kind: "dispatch",
        pipeline: 0,
        bindings: [range(0, inputBytes), range(1, bytes)],
        groups: [64, 1, 1],
      },
    ],
  });
}

/** The soft limit of this process's address space. */
function limit(bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(process.pid), `--as=${bytes}:`]);
}

function addressSpace(): number {
  return Number(/VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024;
}

async function answer(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    return error instanceof TilewrightError ? `${error.code}: ${error.message}` : String(error);
  }
}

async function main(): Promise<Record<string, string>> {
  const found = await nodeGpu();
  if ("missing" in found) return { skipped: found.missing };
  const options = { device: "webgpu", webgpu: { gpu: found.gpu } } as const;
  const length = BUFFER_BYTES / 4;
  const one = new Float32Array(1).fill(3);
  const small = await load(doubling(1, false), options);
  await small.run({ x: one });
  const large = await load(doubling(length, false), options);
  const answers: Record<string, string> = {};
  const load1 = (): Promise<unknown> => load(doubling(1, true), options).then((session) => session.dispose());
  const long = await load(doubling(1, false, length), options);
  const ones = new Float32Array(length).fill(1);
  limit(addressSpace() + SPARE_BYTES);
  answers["load"] = await answer(load1);
  answers["run into a new buffer"] = await answer(() => large.run({ x: one }, { location: "gpu" }));
  answers["run into memory"] = await answer(() => large.run({ x: one }));
  answers["run with a large input"] = await answer(() => long.run({ x: ones }));
  answers["what is there runs on"] = await answer(() => small.run({ x: one }));
  limit("unlimited");
  answers["load, with memory"] = await answer(load1);
  answers["run, with memory"] = await answer(async () => {
    const { y } = await large.run({ x: one }, { location: "gpu" });
    (y as { readonly buffer: GPUBuffer }).buffer.destroy();
    const { data } = (await large.run({ x: one }))["y"]!;
    if ((data as Float32Array).some((value) => value !== 6)) throw new Error("a wrong result");
  });
  return answers;
}

console.log(JSON.stringify(await main()));
process.exit(0);
