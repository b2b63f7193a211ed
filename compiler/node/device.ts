/**
 * Two ways to compute a model's outputs behind one interface. In: a model file, a device and the compiler's options.
 * Out: its inputs and outputs, and a function that runs it. Invariant: "interp" is the interpreter that defines the
 * result and needs an ONNX file; "wasm" is what a page would run, through the same runtime.
 */
import { describe, interpret, openSource } from "../whole.ts";
import type { CompileOptions, PortDescription } from "../options.ts";
import { load, type Feature, type Tensor } from "../../runtime/index.ts";
import { usage } from "./commandLine.ts";
import type { ModelFile } from "./modelFile.ts";

export const devices = ["wasm", "interp"] as const;
export type DeviceName = (typeof devices)[number];

export const variants = ["relaxed-simd", "simd"] as const satisfies readonly Feature[];

/** What a model is compiled for, by the name that people choose it by. */
export const targets = { wasm: ["wasm"], webgpu: ["webgpu"], auto: ["wasm", "webgpu"] } as const;
export type TargetName = keyof typeof targets;

/** Tensors by name. */
export type Tensors = Readonly<Record<string, Tensor>>;

export interface OpenModel {
  readonly inputs: readonly PortDescription[];
  readonly outputs: readonly PortDescription[];
  run(inputs: Tensors): Promise<Tensors>;
  /** The code in use and the threads that it runs on, once something has run. */
  variant(): string | undefined;
  threads(): number | undefined;
  dispose(): void;
}

/**
 * Opens a model on a device.
 *
 * @throws CompileError, TilewrightError, UsageError
 */
export async function openModel(
  file: Pick<ModelFile, "bytes" | "kind" | "path">,
  device: DeviceName,
  options: CompileOptions,
  variant?: Feature,
  threads?: number,
): Promise<OpenModel> {
  if (device === "interp") return interpreted(file, options);
  const session = await load(file.bytes, {
    compiler: () => ({ openSource: (bytes) => openSource(bytes, options) }),
    ...(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit }),
    ...(variant === undefined ? {} : { variant }),
    ...(threads === undefined ? {} : { threads }),
  });
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    run: (inputs) => session.run(inputs),
    variant: () => session.variant,
    threads: () => session.threads?.count,
    dispose: () => session.dispose(),
  };
}

function interpreted(file: Pick<ModelFile, "bytes" | "kind" | "path">, options: CompileOptions): OpenModel {
  if (file.kind === "tile")
    usage(`--device interp needs the model itself; ${file.path} holds only compiled code`);
  const { inputs, outputs } = describe(file.bytes, options);
  return {
    inputs,
    outputs,
    run: async (given) => interpret(file.bytes, given, options),
    variant: () => undefined,
    threads: () => undefined,
    dispose: () => {},
  };
}
