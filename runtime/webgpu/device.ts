/**
 * The GPU of this realm. In: what a caller prefers. Out: a `GpuContext`, one for all sessions of the realm, until it is
 * lost; the next one who asks then gets a new one. Invariant: a context's device has all the features and limits of its
 * adapter that programs can use, so that a session that comes later never needs a device of its own, and buffers pass
 * between sessions.
 */
import { TilewrightError } from "../errors.ts";
import { type GpuFeature } from "../format.ts";
import { MAP_READ, usage } from "./constants.ts";

/** Which GPU a session runs on; all of it may be left out. */
export interface WebGpuOptions {
  /** Where adapters come from, for realms without `navigator.gpu`. */
  readonly gpu?: GPU | undefined;
  /** A device of the caller's, which keeps it: sessions then never ask for another. */
  readonly device?: GPUDevice | undefined;
  readonly powerPreference?: GPUPowerPreference | undefined;
}

/** A browser that has refused to map a buffer of a lost device tells of the loss within this. */
const LOSS_MILLISECONDS = 1_000;

/** What is known of an adapter. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** Whether it computes on the CPU. */
  readonly software: boolean;
}

/** Features that programs or profiles can use. */
const FEATURES: readonly GpuFeature[] = ["shader-f16", "subgroups", "timestamp-query"];

/** Limits that programs can use more of than every device has. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** A device and what is known of it. */
export class GpuContext {
  readonly device: GPUDevice;
  readonly adapter: AdapterInfo;
  /** Set as soon as the device is known to be gone. */
  lost: GPUDeviceLostInfo | undefined;
  /** Settles when it is; never rejects. */
  readonly whenLost: Promise<GPUDeviceLostInfo>;
  /** What devices of one context share: made once, by name. */
  readonly #shared = new Map<string, unknown>();
  readonly #language: ReadonlySet<string>;

  /** @param gpu where the device comes from; its language may have features */
  constructor(device: GPUDevice, gpu: GPU | undefined) {
    this.device = device;
    this.#language = new Set((gpu as Partial<GPU> | undefined)?.wgslLanguageFeatures);
    const info = device.adapterInfo as GPUAdapterInfo | undefined;
    this.adapter = {
      vendor: info?.vendor ?? "",
      architecture: info?.architecture ?? "",
      description: info?.description ?? "",
      software: info?.isFallbackAdapter ?? false,
    };
    this.whenLost = device.lost.then((lost) => (this.lost = lost));
  }

  /** The adapter in a few words. */
  get name(): string {
    const { vendor, architecture, description } = this.adapter;
    return description !== "" ? description : [vendor, architecture].filter(Boolean).join(" ") || "a GPU";
  }

  /** Whether the device, or the language of its kernels, has a feature of this name. */
  has(feature: string): boolean {
    return this.device.features.has(feature as GPUFeatureName) || this.#language.has(feature);
  }

  /** The value of a limit by its name in WebGPU; undefined for a name that this device does not know. */
  limit(name: string): number | undefined {
    return (this.device.limits as unknown as Readonly<Record<string, number | undefined>>)[name];
  }

  /** What was made under this name for this device, or is now. */
  shared<T>(name: string, make: () => T): T {
    if (!this.#shared.has(name)) this.#shared.set(name, make());
    return this.#shared.get(name) as T;
  }

  /**
   * Throws `device-lost` if it is, also where the browser has not yet said so: no buffer of a lost device is ever mapped,
   * and those of others are.
   */
  async prove(): Promise<void> {
    const probe = this.device.createBuffer({ size: 4, usage: usage.mapRead | usage.copyDestination });
    const isThere = await probe.mapAsync(MAP_READ).then(
      () => true,
      () => false,
    );
    probe.destroy();
    if (!isThere) {
      const late = new Promise((resolve) => setTimeout(resolve, LOSS_MILLISECONDS));
      await Promise.race([this.whenLost, late]);
    }
    this.check();
  }

  /** Throws `device-lost` if it is known to be. */
  check(): void {
    if (this.lost !== undefined) throw lostError(this.lost);
  }
}

function lostError({ reason, message }: GPUDeviceLostInfo): TilewrightError {
  const why = message === "" ? reason : message;
  return new TilewrightError("device-lost", `the GPU device was lost (${why})`);
}

/** Contexts of devices that callers brought. */
const brought = new WeakMap<GPUDevice, GpuContext>();

/** The contexts of this realm: for each source of adapters (null: that of the realm), and preference. */
const bySource = new Map<GPU | null, Map<string, Promise<GpuContext>>>();

function contextsOf(source: GPU | null): Map<string, Promise<GpuContext>> {
  const contexts = bySource.get(source) ?? new Map<string, Promise<GpuContext>>();
  bySource.set(source, contexts);
  return contexts;
}

/**
 * The GPU to run on.
 *
 * @throws TilewrightError `webgpu-unavailable`; `device-lost` when the caller's own device is lost
 */
export async function openGpu(options: WebGpuOptions = {}): Promise<GpuContext> {
  const { device } = options;
  if (device !== undefined) {
    const context = brought.get(device) ?? new GpuContext(device, gpuOf(options));
    brought.set(device, context);
    await context.prove(); // it may have been lost before
    return context;
  }
  const current = contextsOf(options.gpu ?? null);
  const key = options.powerPreference ?? "";
  const kept = current.get(key);
  if (kept !== undefined) {
    const context = await kept.catch(() => undefined);
    if (context !== undefined && context.lost === undefined) return context;
    if (current.get(key) === kept) current.delete(key);
    // Several may have waited for the one that is gone: the first of them asks, the others wait again.
    return openGpu(options);
  }
  const asked = requestContext(options);
  current.set(key, asked);
  try {
    const context = await asked;
    void context.whenLost.then(() => {
      if (current.get(key) === asked) current.delete(key);
    });
    return context;
  } catch (error) {
    if (current.get(key) === asked) current.delete(key);
    throw error;
  }
}

async function requestContext(options: WebGpuOptions): Promise<GpuContext> {
  const adapter = await requestAdapter(options);
  const requiredFeatures = FEATURES.filter((name) => adapter.features.has(name as GPUFeatureName));
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  try {
    return new GpuContext(
      await adapter.requestDevice({ requiredFeatures: requiredFeatures as GPUFeatureName[], requiredLimits }),
      gpuOf(options),
    );
  } catch (cause) {
    throw new TilewrightError(
      "webgpu-unavailable",
      `the adapter gave no device: ${messageOf(cause)}; reload the page, or load with device: "auto" or "wasm"`,
      cause,
    );
  }
}

/** Where adapters come from. */
function gpuOf({ gpu }: WebGpuOptions): GPU | undefined {
  return gpu ?? (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
}

async function requestAdapter(options: WebGpuOptions): Promise<GPUAdapter> {
  const { powerPreference } = options;
  const found = gpuOf(options);
  if (found === undefined) {
    const { isSecureContext } = globalThis as { readonly isSecureContext?: boolean };
    const hint =
      isSecureContext === false
        ? "it needs a secure context: serve the page over https or from localhost"
        : "it takes Chrome or Edge from 113, Safari from 26, Firefox from 141, or in Node the package `webgpu` " +
          "(pass its GPU as webgpu.gpu)";
    throw new TilewrightError(
      "webgpu-unavailable",
      `this realm has no WebGPU: ${hint}; device: "auto" or "wasm" runs without`,
    );
  }
  const adapter = await found
    .requestAdapter(powerPreference === undefined ? {} : { powerPreference })
    .catch((cause: unknown) => {
      throw new TilewrightError("webgpu-unavailable", `no WebGPU adapter: ${messageOf(cause)}`, cause);
    });
  if (adapter !== null) return adapter;
  throw new TilewrightError(
    "webgpu-unavailable",
    "WebGPU is there but has no adapter: the GPU or its driver is blocked (see about:gpu), or hardware " +
      'acceleration is switched off; device: "auto" or "wasm" runs without',
  );
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
