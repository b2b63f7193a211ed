/**
 * One model, from bytes to a verdict. In: a model, inputs, expected outputs, tolerances, code variants. Out: for each
 * variant the worst error of each output and the time it took. Invariant: runs unchanged in Node and in a page; the
 * model is compiled once, to an artifact, and every variant is loaded from that artifact by the runtime.
 */
import { compareTensors, networkTolerance, type Comparison } from "../../compiler/tensors/compare.ts";
import { compile, openSource } from "../../compiler/whole.ts";
import type { GpuKind } from "../../compiler/options.ts";
import { load, type Feature, type Inputs, type Outputs, type Tensor, type TensorData } from "../../runtime/index.ts"; // prettier-ignore
import type { Accuracy } from "./catalog.ts";
import type { ModelData } from "./modelData.ts";

export interface OutputVerdict extends Comparison {
  readonly name: string;
  /** The absolute tolerance that the output's range gave. */
  readonly absolute: number;
}

/** A level of WebAssembly, or the GPU. */
export type Code = Feature | "webgpu";

export interface VariantVerdict {
  readonly variant: Code;
  readonly passed: boolean;
  readonly outputs: readonly OutputVerdict[];
  readonly loadMilliseconds: number;
  readonly runMilliseconds: number;
  /** What was thrown, if anything. */
  readonly error?: string;
  /** On the GPU. */
  readonly dispatchesPerRun?: number | undefined;
  readonly hostStepsPerRun?: number | undefined;
}

export interface ModelVerdict {
  readonly kind: "bound" | "late" | "none";
  readonly compileMilliseconds: number;
  readonly artifactBytes: number;
  readonly variants: readonly VariantVerdict[];
}

/** Compiles a model for the shapes of its inputs, runs each variant and compares. */
export async function checkModel(
  data: ModelData,
  accuracy: Accuracy,
  variants: readonly Code[],
  gpu?: GpuKind,
): Promise<ModelVerdict> {
  // prettier-ignore
  const start = performance.now();
  let compiled: ReturnType<typeof compile>;
  try {
    const inputShapes = Object.fromEntries(data.inputs.map(({ name, tensor }) => [name, tensor.shape]));
    const targets = variants.includes("webgpu") ? (["webgpu"] as const) : (["wasm"] as const);
    compiled = compile(data.model, {
      inputShapes,
      targets,
      ...(gpu === undefined ? {} : { gpu }),
      externalData: (file) => data.external.get(file),
    });
  } catch (error) {
    return noVerdict(error, variants, performance.now() - start);
  }
  const { artifact, report } = compiled;
  const compileMilliseconds = performance.now() - start;
  const verdicts: VariantVerdict[] = [];
  for (const variant of variants) verdicts.push(await checkVariant(artifact, data, accuracy, variant));
  return { kind: report.kind, compileMilliseconds, artifactBytes: artifact.length, variants: verdicts };
}

/** The verdict on a model that could not be compiled, or whose page was lost. */
export function noVerdict(error: unknown, variants: readonly Code[], milliseconds: number): ModelVerdict {
  return {
    kind: "none",
    compileMilliseconds: milliseconds,
    artifactBytes: 0,
    variants: variants.map((variant) => failed(variant, error)),
  };
}

function failed(variant: Code, error: unknown): VariantVerdict {
  const text = error instanceof Error ? `${error.name}: ${error.message.split("\n")[0]}` : String(error);
  return { variant, passed: false, outputs: [], loadMilliseconds: 0, runMilliseconds: 0, error: text };
}

async function checkVariant(
  artifact: Uint8Array,
  data: ModelData,
  accuracy: Accuracy,
  variant: Code,
): Promise<VariantVerdict> {
  try {
    const start = performance.now();
    const session = await load(artifact, {
      ...(variant === "webgpu" ? { device: variant } : { variant }),
      compiler: () => ({ openSource }),
    });
    const loaded = performance.now();
    try {
      const inputs = Object.fromEntries(data.inputs.map(({ name, tensor }) => [name, tensor]));
      const outputs = await session.run(inputs);
      const runMilliseconds = performance.now() - loaded;
      const ran = session.device?.kind === "webgpu" ? "webgpu" : session.variant;
      if (ran !== variant) throw new Error(`ran the variant ${ran} instead of ${variant}`);
      const verdicts = data.outputs.map(({ name, tensor }) =>
        verdictOn(name, outputs[name], tensor, accuracy),
      );
      const passed = verdicts.length > 0 && verdicts.every((verdict) => verdict.passed);
      if (passed && variant !== "webgpu") await checkFirstRun(artifact, inputs, outputs, variant);
      const times = { loadMilliseconds: loaded - start, runMilliseconds };
      const { dispatchesPerRun, hostStepsPerRun } = session.gpuStats ?? {};
      return { variant, passed, outputs: verdicts, ...times, dispatchesPerRun, hostStepsPerRun };
    } finally {
      session.dispose();
    }
  } catch (error) {
    return failed(variant, error);
  }
}

/** A run that is made while the model arrives gives the same, bit for bit. */
async function checkFirstRun(
  artifact: Uint8Array,
  firstRun: Inputs,
  expected: Outputs,
  variant: Exclude<Code, "webgpu">,
): Promise<void> {
  const stream = new Blob([artifact as Uint8Array<ArrayBuffer>]).stream();
  const session = await load(stream, { variant, firstRun, compiler: () => ({ openSource }) });
  try {
    for (const [name, { shape, data }] of Object.entries(expected)) {
      const first = session.firstOutputs?.[name];
      if (first === undefined || String(first.shape) !== String(shape) || !sameBits(first.data, data)) {
        throw new Error(`output "${name}" of a run while the model arrives is another one`);
      }
    }
  } finally {
    session.dispose();
  }
}

function sameBits(a: TensorData, b: TensorData): boolean {
  if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b)) return String(a) === String(b);
  const [x, y] = [a, b].map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return x!.length === y!.length && x!.every((byte, i) => byte === y![i]);
}

function verdictOn(
  name: string,
  actual: Tensor | undefined,
  expected: Tensor,
  { share, relative, sameLargest = false }: Accuracy,
): OutputVerdict {
  const tolerance = networkTolerance(expected, share, relative);
  const { absolute } = tolerance;
  if (actual === undefined) {
    const elements = expected.data.length;
    const reason = "the output is missing";
    return {
      name,
      absolute,
      passed: false,
      worstAbsolute: NaN,
      worstRelative: NaN,
      wrong: elements,
      elements,
      reason,
    };
  }
  const comparison = compareTensors(actual, expected, tolerance);
  if (!comparison.passed || !sameLargest) return { name, absolute, ...comparison };
  const [have, want] = [positionOfLargest(actual), positionOfLargest(expected)];
  if (have === want) return { name, absolute, ...comparison };
  return {
    name,
    absolute,
    ...comparison,
    passed: false,
    reason: `the largest is element ${have} instead of ${want}`,
  };
}

function positionOfLargest({ data }: Tensor): number {
  let largest = 0;
  for (let i = 1; i < data.length; i++) if (data[i]! > data[largest]!) largest = i;
  return largest;
}
