/**
 * What a GPU says of memory that was asked for. In: work that makes buffers or writes to them. Out: nothing, or
 * `out-of-memory`. Invariant: WebGPU makes a buffer in any case, and one without memory behind it looks like every other;
 * so whatever has asked for memory is believed only after `check`.
 */
import { TilewrightError } from "../errors.ts";

export class Allocations {
  readonly #device: GPUDevice;
  readonly #answers: Promise<GPUError | null>[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Does work that does not pause: the device is shared, and so is its stack of error scopes. */
  watch<T>(work: () => T): T {
    this.#device.pushErrorScope("out-of-memory");
    try {
      return work();
    } finally {
      // A scope of a device that is lost rejects: that is found by other means.
      this.#answers.push(this.#device.popErrorScope().catch(() => null));
    }
  }

  /** @throws TilewrightError `out-of-memory`, if there was none for any of the work so far */
  async check(): Promise<void> {
    const refused = (await Promise.all(this.#answers)).find((answer) => answer !== null);
    if (refused !== undefined) throw outOfMemory(refused.message);
  }
}

/** Work that makes arrays. @throws TilewrightError `out-of-memory` where the engine has no room for one */
export function makingArrays<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError) || !/alloc/i.test(error.message)) throw error;
    throw new TilewrightError("out-of-memory", `there is no memory for a copy: ${error.message}`, error);
  }
}

function outOfMemory(reason: string): TilewrightError {
  const hint =
    'dispose of sessions that are no longer needed, take a smaller model, or load it with device: "wasm"';
  const [line = ""] = reason.trim().split("\n");
  return new TilewrightError("out-of-memory", `the GPU has no memory left: ${line.trim()}; ${hint}`);
}
