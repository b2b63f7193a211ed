/**
 * On what a session computes. In: what the caller asked for and what an artifact has programs for. Out: an engine, and
 * why it is that one. Invariant: nothing of WebGPU is downloaded unless it may be used; types only are imported from
 * there.
 */
import { TilewrightError } from "./errors.ts";
import { type BoundPlan, type Header } from "./format.ts";
import { readInputs, type TensorLike } from "./inputs.ts";
import { openProgram, type OpenOptions } from "./open.ts";
import { type Program } from "./program.ts";
import { type ByteReader } from "./reader.ts";
import { type Inputs } from "./session.ts";
import { type AdapterInfo, type WebGpuOptions } from "./webgpu/device.ts";
import { type GpuEngine } from "./webgpu/engine.ts";

/** What a session can run on. */
export type DeviceKind = "wasm" | "webgpu";

export interface DeviceOptions extends OpenOptions {
  /**
   * "wasm": WebAssembly on the CPU. "webgpu": the GPU. "auto": whichever is faster in a short trial, whose outcome is
   * remembered for the artifact and the adapter. Default: "wasm", or "webgpu" where the artifact has nothing else.
   */
  readonly device?: DeviceKind | "auto" | undefined;
  /** Which GPU; left out, the one of this realm that all sessions share. */
  readonly webgpu?: WebGpuOptions | undefined;
  /** What the first run is made with: on WebAssembly, it is begun while weights arrive. */
  readonly firstInputs?: Inputs | undefined;
  /** Longest time of the trial of "auto", in milliseconds, beyond one run of each. Default: 500. */
  readonly trialMilliseconds?: number | undefined;
}

/** What a session runs on. */
export interface Device {
  readonly kind: DeviceKind;
  /** Why it is not the other one. */
  readonly reason: string;
  /** The device, for `GPUBuffer`s of your own. It is shared: do not destroy it. */
  readonly gpu?: GPUDevice;
  readonly adapter?: AdapterInfo;
  /** Median times of a run in the trial of "auto". */
  readonly trial?: { readonly wasmMilliseconds: number; readonly webgpuMilliseconds: number };
}

/** What runs: a program of WebAssembly, or one on the GPU. */
export type BoundEngine =
  | {
      readonly kind: "wasm";
      readonly program: Program;
      readonly device: Device;
      /** Whether the run with `firstInputs` has been made. */
      readonly hasRun?: boolean;
    }
  | { readonly kind: "webgpu"; readonly program: GpuEngine };

/** Opens the artifact once more, at its start; undefined where that cannot be done. */
export type Reopen = (() => Promise<ByteReader>) | undefined;

/**
 * Makes what runs a bound artifact.
 *
 * @param reader at the start of the file
 * @param reopen for a GPU that is lost
 * @param allArrived called when the last byte is in place
 */
export async function openBound(
  reader: ByteReader,
  header: Header,
  plan: BoundPlan,
  options: DeviceOptions,
  reopen: Reopen,
  allArrived: () => void = () => {},
): Promise<BoundEngine> {
  const { device = plan.variants.length > 0 ? "wasm" : "webgpu" } = options;
  const onWasm = async (reason: string): Promise<BoundEngine> => {
    if (plan.variants.length === 0) {
      const how = 'compile it with the target "wasm" too';
      throw new TilewrightError("option-invalid", `"${plan.name}" was compiled for WebGPU only: ${how}`);
    }
    const { firstInputs } = options;
    const first = firstInputs && readInputs(plan.inputs, firstInputs as Readonly<Record<string, TensorLike>>);
    const program = await openProgram(reader, header, plan, { ...options, first }, allArrived);
    return { kind: "wasm", program, device: { kind: "wasm", reason }, hasRun: first !== undefined };
  };
  if (device === "wasm") {
    return onWasm(options.device === undefined ? "the default" : 'asked for with device: "wasm"');
  }
  if (device !== "webgpu" && device !== "auto") {
    throw new TilewrightError(
      "option-invalid",
      `device is "wasm", "webgpu" or "auto", not ${String(device)}`,
    );
  }
  if (plan.gpu === undefined) {
    const reason = `"${plan.name}" was compiled without a program for WebGPU`;
    if (device === "auto") return onWasm(reason);
    throw new TilewrightError("option-invalid", `${reason}: compile it with the target "webgpu"`);
  }
  if (device === "auto" && plan.variants.length > 0 && !hasWebGpu(options)) {
    return onWasm("there is no WebGPU here");
  }
  const { openOnGpu } = await import("./webgpu/choose.ts");
  return openOnGpu({ reader, header, plan, options, reopen, allArrived, onWasm });
}

function hasWebGpu({ webgpu }: DeviceOptions): boolean {
  if (webgpu?.gpu !== undefined || webgpu?.device !== undefined) return true;
  return (globalThis.navigator as { readonly gpu?: unknown } | undefined)?.gpu !== undefined;
}
