/**
 * Bytes in order, from memory or from a stream. In: a byte array or a stream. Out: as many bytes as are asked for.
 * Invariant: nothing is allocated for bytes that have not arrived, whatever length a header promises; a stream is
 * never held as a whole unless all of it is asked for; a read ends soon after the signal is aborted.
 */
import { TilewrightError } from "./errors.ts";
import { truncated } from "./format.ts";

export interface ReaderOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes that have arrived so far. */
  readonly arrived?: (bytes: number) => void;
}

/** Throws `aborted` if the signal is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new TilewrightError("aborted", "aborted by the caller", signal.reason);
}

/** Reads a source from start to end. */
export class ByteReader {
  /** Bytes handed out so far. */
  consumed = 0;
  #arrived = 0;
  /** Arrived and not yet consumed, in order. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  readonly #stream: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #options: ReaderOptions;
  readonly #aborted: Promise<never>;
  readonly #finished = new AbortController();

  constructor(source: Uint8Array | ReadableStream<Uint8Array>, options: ReaderOptions = {}) {
    this.#options = options;
    const { signal } = options;
    this.#aborted = new Promise((_, reject) => {
      const listening = { once: true, signal: this.#finished.signal };
      signal?.addEventListener("abort", () => reject(signal.reason as unknown), listening);
    });
    this.#aborted.catch(() => {}); // whoever is reading then hears of it; nobody may be
    if (source instanceof ReadableStream) this.#stream = source.getReader();
    else this.#push(source);
  }

  /** The next bytes without consuming them: `count`, or fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#pendingBytes < count && (await this.#pull()));
    return this.#take(Math.min(count, this.#pendingBytes), false);
  }

  /**
   * Exactly the next `count` bytes; a view of the source where they lie together.
   *
   * @throws TilewrightError `artifact-malformed` when the source ends before, `network`, `aborted`
   */
  async read(count: number): Promise<Uint8Array> {
    while (this.#pendingBytes < count) {
      if (!(await this.#pull())) throw truncated(this.consumed + this.#pendingBytes, this.consumed + count);
    }
    throwIfAborted(this.#options.signal);
    this.consumed += count;
    return this.#take(count, true);
  }

  /** All that is left. */
  async rest(): Promise<Uint8Array> {
    while (await this.#pull());
    return this.read(this.#pendingBytes);
  }

  /** Lets go of the source: what has not been read of a download is not downloaded. Never fails. */
  close(): void {
    this.#finished.abort();
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#stream?.cancel().catch(() => {});
  }

  #push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#arrived += bytes.length;
    this.#options.arrived?.(this.#arrived);
  }

  /** Waits for more; false at the end. */
  async #pull(): Promise<boolean> {
    throwIfAborted(this.#options.signal);
    if (this.#stream === undefined) return false;
    let next: ReadableStreamReadResult<Uint8Array>;
    try {
      next = await Promise.race([this.#stream.read(), this.#aborted]);
    } catch (cause) {
      throwIfAborted(this.#options.signal);
      throw new TilewrightError("network", `the source broke off after ${this.#arrived} bytes`, cause);
    }
    if (next.done) return false;
    if (!(next.value instanceof Uint8Array)) {
      throw new TilewrightError("network", "the stream does not consist of byte arrays");
    }
    this.#push(next.value);
    return true;
  }

  /** The first `count` of the pending bytes, joined if they lie in several pieces. */
  #take(count: number, consume: boolean): Uint8Array {
    const first = this.#pending[0];
    let taken: Uint8Array;
    let pieces = 0;
    let used = 0; // of the piece after those
    if (first === undefined || count <= first.length) {
      taken = first?.subarray(0, count) ?? new Uint8Array(0);
      used = count;
    } else {
      taken = new Uint8Array(count);
      for (let at = 0; at < count; pieces++) {
        const piece = this.#pending[pieces]!;
        used = Math.min(piece.length, count - at);
        taken.set(piece.subarray(0, used), at);
        at += used;
      }
      pieces--;
    }
    if (consume && first !== undefined) {
      this.#pendingBytes -= count;
      this.#pending.splice(0, pieces);
      const last = this.#pending[0]!;
      if (used < last.length) this.#pending[0] = last.subarray(used);
      else this.#pending.shift();
    }
    return taken;
  }
}
