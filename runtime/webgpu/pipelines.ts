/**
 * Compute pipelines, made without holding up the page. In: the WGSL text of a program's modules and the list of its
 * pipelines. Out: pipelines in the order of the list, with the layouts of their bindings. Invariant: at most a few are
 * being made at once and each is started in a task of its own, so that the page stays responsive however many there
 * are; one that does not compile ends in `shader-invalid` with the kernel, its schedule and the lines in question.
 */
import { TilewrightError } from "../errors.ts";
import { nextTask } from "../slices.ts";
import { type GpuPipeline, type GpuVariant } from "../format.ts";
import { COMPUTE_STAGE } from "./constants.ts";
import { type GpuContext, messageOf } from "./device.ts";

/** Pipelines that are being made at a time: enough for every compiler thread that browsers have. */
const IN_FLIGHT = 8;

/** Milliseconds that may pass in one task before the page gets its turn: a fifth of what counts as a long task. */
const TURN_MILLISECONDS = 10;

/** Lines of WGSL that a message shows before and after the one in question. */
const CONTEXT_LINES = 3;

export interface Pipelines {
  readonly pipelines: readonly GPUComputePipeline[];
  readonly layouts: readonly GPUBindGroupLayout[];
}

/** The layout of bind group 0 for storage buffers; the same one for all pipelines of a device with the same bindings. */
function layoutFor(context: GpuContext, bindings: GpuPipeline["bindings"]): GPUBindGroupLayout {
  return context.shared(`layout ${bindings.join()}`, () =>
    context.device.createBindGroupLayout({
      entries: bindings.map((access, binding) => ({
        binding,
        visibility: COMPUTE_STAGE,
        buffer: { type: access === "read" ? "read-only-storage" : "storage" },
      })),
    }),
  );
}

function pipelineLayoutFor(context: GpuContext, bindings: GpuPipeline["bindings"]): GPUPipelineLayout {
  return context.shared(`pipeline layout ${bindings.join()}`, () =>
    context.device.createPipelineLayout({ bindGroupLayouts: [layoutFor(context, bindings)] }),
  );
}

/**
 * Makes all pipelines of a variant.
 *
 * @param textOf gives the text of a module
 * @throws TilewrightError `shader-invalid`, `webgpu-limits` (more bindings than the device has), `device-lost`
 */
export async function makePipelines(
  context: GpuContext,
  variant: GpuVariant,
  textOf: (module: number) => string,
): Promise<Pipelines> {
  const { device } = context;
  const most = device.limits.maxStorageBuffersPerShaderStage;
  const large = variant.pipelines.find(({ bindings }) => bindings.length > most);
  if (large !== undefined) {
    throw new TilewrightError(
      "webgpu-limits",
      `kernel ${large.name} binds ${large.bindings.length} buffers, ${context.name} allows ${most}`,
    );
  }
  const modules: (GPUShaderModule | undefined)[] = [];
  const pipelines: GPUComputePipeline[] = [];
  const { signal, cancel } = cancelling();
  let next = 0;
  const turn = new Turn();
  const worker = async (): Promise<void> => {
    while (next < variant.pipelines.length && !signal.cancelled) {
      const index = next++;
      while (turn.isOver()) await nextTask();
      const pipeline = variant.pipelines[index]!;
      const module = (modules[pipeline.module] ??= device.createShaderModule({
        label: pipeline.name,
        code: textOf(pipeline.module),
      }));
      try {
        pipelines[index] = await device.createComputePipelineAsync({
          label: pipeline.name,
          layout: pipelineLayoutFor(context, pipeline.bindings),
          compute: { module, entryPoint: pipeline.entry },
        });
      } catch (cause) {
        cancel();
        context.check();
        throw await shaderError(context, pipeline, module, textOf(pipeline.module), cause);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, variant.pipelines.length) }, worker));
  context.check();
  return { pipelines, layouts: variant.pipelines.map(({ bindings }) => layoutFor(context, bindings)) };
}

function cancelling(): { readonly signal: { readonly cancelled: boolean }; readonly cancel: () => void } {
  const signal = { cancelled: false };
  return { signal, cancel: () => void (signal.cancelled = true) };
}

/** How long a task has been at work, though it does not know when it began: from the first question in it. */
class Turn {
  #start: number | undefined;

  /** Whether the page should get its turn. Pipelines that are ready together come back in one task. */
  isOver(): boolean {
    if (this.#start === undefined) {
      this.#start = performance.now();
      void nextTask().then(() => (this.#start = undefined));
    }
    return performance.now() - this.#start > TURN_MILLISECONDS;
  }
}

/** The error for a pipeline that could not be made. */
async function shaderError(
  context: GpuContext,
  pipeline: GpuPipeline,
  module: GPUShaderModule,
  text: string,
  cause: unknown,
): Promise<TilewrightError> {
  const info = await module.getCompilationInfo().catch(() => undefined);
  const problem = info?.messages.find(({ type }) => type === "error");
  const lines = text.split("\n");
  const line = problem?.lineNum ?? lines.findIndex((content) => content.includes(pipeline.entry)) + 1;
  const from = Math.max(0, line - 1 - CONTEXT_LINES);
  const excerpt = lines
    .slice(from, line + CONTEXT_LINES)
    .map((content, at) => `${from + at + 1 === line ? ">" : " "} ${from + at + 1}: ${content}`);
  const where = problem === undefined ? "" : ` at ${problem.lineNum}:${problem.linePos}`;
  const message = [
    `kernel ${pipeline.name} does not compile on ${context.name}${where}: ${problem?.message ?? messageOf(cause)}`,
    `schedule: ${pipeline.schedule ?? "not recorded"}`,
    ...excerpt,
    'load with device: "wasm" runs the model without WebGPU; please report this message',
  ].join("\n");
  return new TilewrightError("shader-invalid", message, cause);
}
