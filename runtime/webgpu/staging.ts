/**
 * Buffers through which results come back. In: how many bytes. Out: a buffer that can be mapped, taken from those that
 * earlier runs have given back. Invariant: a buffer is with one user at a time; the pool keeps a few, so that runs in
 * flight at once do not make new ones each time. Uploads need no ring of ours: `queue.writeBuffer` copies into one that
 * the browser keeps, and unlike a mapped buffer it is never waited for.
 */
import { MAP_READ, usage } from "./constants.ts";

const MOST_KEPT = 4;
const LEAST_BYTES = 256;

export class StagingPool {
  readonly #device: GPUDevice;
  #free: GPUBuffer[] = [];
  #closed = false;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** A buffer of at least so many bytes. */
  take(bytes: number): GPUBuffer {
    const at = this.#free.findIndex(({ size }) => size >= bytes);
    if (at >= 0) return this.#free.splice(at, 1)[0]!;
    // Larger than asked by less than an eighth, so that sizes near each other share buffers.
    const unit = Math.max(LEAST_BYTES, 2 ** (Math.floor(Math.log2(Math.max(1, bytes))) - 3));
    const size = Math.ceil(Math.max(bytes, 1) / unit) * unit;
    return this.#device.createBuffer({ size, usage: usage.mapRead | usage.copyDestination });
  }

  /** Waits until what was submitted so far has filled the buffer, hands its bytes to `use`, and takes it back. */
  async read<T>(buffer: GPUBuffer, bytes: number, use: (content: Uint8Array) => T): Promise<T> {
    try {
      await buffer.mapAsync(MAP_READ, 0, Math.max(4, bytes));
    } catch (error) {
      // It may have no memory behind it: nobody is to have it again.
      buffer.destroy();
      throw error;
    }
    try {
      return use(new Uint8Array(buffer.getMappedRange(0, Math.max(4, bytes))));
    } finally {
      this.give(buffer);
    }
  }

  give(buffer: GPUBuffer): void {
    if (buffer.mapState === "mapped") buffer.unmap();
    if (this.#closed || this.#free.length >= MOST_KEPT || buffer.mapState !== "unmapped") buffer.destroy();
    else this.#free.push(buffer);
  }

  destroy(): void {
    this.#closed = true;
    for (const buffer of this.#free) buffer.destroy();
    this.#free = [];
  }
}
