/**
 * From an artifact that arrives to a program on the GPU. In: a plan, a device, and the parts of an artifact as they come.
 * Out: a program whose weights and pipelines are in place. Invariant: weights pass through and are not kept on the CPU;
 * pipelines are being made while weights arrive; whatever goes wrong, no buffer stays behind.
 */
import { TilewrightError } from "../errors.ts";
import { type BoundPlan, type GpuVariant, type Header, WEIGHTS_SECTION } from "../format.ts";
import { type GpuWeights, readGpuPlan, WGSL_SECTION } from "../format/gpu.ts";
import { chooseVariant as chooseCode, Modules, type Opening, place } from "../open.ts";
import { createMemory } from "../program.ts";
import { nextTask } from "../slices.ts";
import { Allocations } from "./allocations.ts";
import { CommandMaker } from "./commands.ts";
import { usage } from "./constants.ts";
import { type GpuContext } from "./device.ts";
import { Host } from "./host.ts";
import { makePipelines, type Pipelines } from "./pipelines.ts";
import { GpuProgram } from "./program.ts";
import { chooseText, chooseVariant } from "./variant.ts";

/** Bytes of uploads that may be on their way to the GPU before the download waits for them. */
const UPLOADS_IN_FLIGHT = 1 << 25;

/**
 * What makes a program on the GPU of an artifact.
 *
 * @throws TilewrightError `webgpu-limits`, `artifact-malformed`; `finish` also `shader-invalid`, `out-of-memory`,
 * `device-lost`, `run-failed`
 */
export function gpuOpening({ sections }: Header, plan: BoundPlan, context: GpuContext): Opening<GpuProgram> {
  const checked = readGpuPlan(plan.gpu, { ...plan, sections, weights: WEIGHTS_SECTION });
  const variant = chooseVariant(checked, context);
  const { device } = context;
  const host = hostOf(plan, variant);
  const memory = new Allocations(device);
  device.pushErrorScope("validation");
  const buffers = memory.watch(() =>
    variant.buffers.map(({ bytes }) =>
      device.createBuffer({
        size: bytes,
        usage: usage.storage | usage.copySource | usage.copyDestination,
      }),
    ),
  );
  // A scope of a device that is lost rejects: that is found by other means.
  const refused = device.popErrorScope().catch(() => null);
  const ranges = [...variant.weights].filter(({ bytes }) => bytes > 0).sort((a, b) => a.offset - b.offset);
  let pipelines: Promise<Pipelines> | undefined;
  let inFlight = 0;
  const abandon = (): void => {
    for (const buffer of buffers) buffer.destroy();
  };
  return {
    wanted: new Set([...(variant.modules.length > 0 ? [WGSL_SECTION] : []), ...(host?.modules.wanted ?? [])]),
    section(name, content) {
      if (name !== WGSL_SECTION) return host!.modules.add(name, content);
      const decoder = new TextDecoder();
      const textOf = (module: number): string => {
        const { offset, bytes } = chooseText(variant.modules[module]!, context);
        return decoder.decode(content.subarray(offset, offset + bytes));
      };
      pipelines = nextTask().then(() => makePipelines(context, variant, textOf));
      pipelines.catch(() => {}); // heard of after the weights
      return undefined;
    },
    weights(chunk, offset) {
      inFlight += memory.watch(() => upload(device.queue, buffers, ranges, chunk, offset));
      host?.take(chunk, offset);
    },
    pause() {
      if (inFlight < UPLOADS_IN_FLIGHT) return undefined;
      inFlight = 0;
      // An empty submission sends what was written on its way.
      device.queue.submit([]);
      return device.queue.onSubmittedWorkDone();
    },
    async finish() {
      try {
        const made = (await pipelines) ?? { pipelines: [], layouts: [] };
        await memory.check();
        const validation = await refused;
        if (validation)
          throw new TilewrightError("webgpu-limits", `the GPU refused a buffer: ${validation.message}`);
        const steps = [variant.init, variant.run];
        const started =
          host &&
          (await Host.start(
            { plan, host: variant.host!, memory: host.memory, modules: await host.modules.all() },
            steps,
          ));
        // Hundreds of bind groups take a while: not in one task with what came before, nor with the first run.
        await nextTask();
        const resources = { context, buffers, pipelines: made };
        const maker = memory.watch(() => new CommandMaker(resources, steps));
        await memory.check();
        const program = new GpuProgram({ ...resources, plan, variant, maker, host: started });
        await nextTask();
        await program.init();
        context.check();
        return program;
      } catch (error) {
        abandon();
        throw error;
      }
    },
    abandon,
  };
}

interface PendingHost {
  readonly memory: WebAssembly.Memory;
  readonly modules: Modules;
  readonly take: (chunk: Uint8Array, offset: number) => void;
}

/** The memory and the modules of the host of a variant, if it has one. */
function hostOf(plan: BoundPlan, { host }: GpuVariant): PendingHost | undefined {
  if (host === undefined) return undefined;
  const { section, requires, memoryBytes } = host;
  const memory = createMemory(memoryBytes);
  const ranges = host.weights.filter(({ bytes }) => bytes > 0);
  return {
    memory,
    modules: new Modules(plan, chooseCode([{ section, requires }])),
    take: (chunk, offset) => place(chunk, offset, ranges, memory),
  };
}

/** Uploads what of a part of the weights belongs to ranges, which are in order of their offsets; gives its bytes. */
function upload(
  queue: GPUQueue,
  buffers: readonly GPUBuffer[],
  ranges: readonly GpuWeights[],
  chunk: Uint8Array,
  offset: number,
): number {
  let sum = 0;
  for (const range of ranges) {
    if (range.offset >= offset + chunk.length) break;
    const from = Math.max(range.offset, offset);
    const to = Math.min(range.offset + range.bytes, offset + chunk.length);
    if (from >= to) continue;
    const address = range.address + from - range.offset;
    if (address % 4 !== 0) {
      throw new TilewrightError(
        "artifact-malformed",
        "the chunks of the weights are no multiples of four bytes",
      );
    }
    let part = chunk.subarray(from - offset, to - offset);
    if (part.length % 4 !== 0) {
      const padded = new Uint8Array(Math.ceil(part.length / 4) * 4);
      padded.set(part);
      part = padded;
    }
    queue.writeBuffer(buffers[range.buffer]!, address, part as Uint8Array<ArrayBuffer>);
    sum += part.length;
  }
  return sum;
}
