/**
 * Bytes in order, from memory or from a stream. In: a byte array or a stream. Out: as many bytes as are asked for.
 * Invariant: nothing is allocated for bytes that have not arrived beyond one piece, whatever length a header promises;
 * a stream is never held as a whole unless all of it is asked for; a read ends soon after the signal is aborted. Where
 * the stream can fill memory of ours ("byob", Streams Standard 4.5), what is lent passes through one buffer: no
 * garbage is left behind that an engine collects only after tens of megabytes, and nothing is copied on the way; who
 * waits for a stream is not collected with it.
 */
import { TilewrightError } from "./errors.ts";
import { truncated } from "./format.ts";

export interface ReaderOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes that have arrived so far. */
  readonly arrived?: (bytes: number) => void;
  /** How many bytes a stream has, where that is certain: its end, which some tell late, is then not waited for. */
  readonly exactly?: number | undefined;
}

/** Throws `aborted` if the signal is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new TilewrightError("aborted", "aborted by the caller", signal.reason);
}

/** What is asked for at once where the stream fills our memory: the first, so that small files take little. */
const FIRST_PIECE_BYTES = 1 << 16;
const PIECE_BYTES = 1 << 20;

/**
 * Readers that somebody waits for. What waits for a stream is reachable from the stream alone, and nothing holds that
 * while it waits for a Blob or a download: Chromium (156) collects them together, sooner or later, and the read never
 * ends. WebKit has known the same (bug 302685).
 */
const waitedFor = new Set<object>();

/** What a read of this reader answers; nothing of it is collected until then. One read of a reader at a time. */
export async function held<T>(reader: object, answer: Promise<T>): Promise<T> {
  waitedFor.add(reader);
  try {
    return await answer;
  } finally {
    waitedFor.delete(reader);
  }
}

type Filling = ReadableStreamBYOBReader;
type Giving = ReadableStreamDefaultReader<Uint8Array>;

/** Reads a source from start to end. */
export class ByteReader {
  /** Bytes handed out so far. */
  consumed = 0;
  #arrived = 0;
  /** Arrived and not yet consumed, in order. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** What {@link lend} lends when the bytes are not together elsewhere. */
  #lent = new ArrayBuffer(0);
  readonly #stream:
    | { readonly kind: "fills"; readonly reader: Filling }
    | { readonly kind: "gives"; readonly reader: Giving }
    | undefined;
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
    if (source instanceof ReadableStream) {
      const reader = fillingReader(source);
      this.#stream = reader ? { kind: "fills", reader } : { kind: "gives", reader: source.getReader() };
    } else this.#push(source);
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
      if (!(await this.#pull())) throw this.#truncated(count, this.#pendingBytes);
    }
    throwIfAborted(this.#options.signal);
    this.consumed += count;
    return this.#take(count, true);
  }

  /**
   * As {@link read}, but what is returned is valid only until the next call of any method: the memory is used again.
   * For a `count` that is the same most of the time, and small enough to be allocated before the bytes are there.
   *
   * @example
   * const chunk = await reader.lend(1 << 20);
   * target.set(chunk, at);
   */
  async lend(count: number): Promise<Uint8Array> {
    const stream = this.#stream;
    const first = this.#pending[0];
    if (stream === undefined || (first !== undefined && first.length >= count)) return this.read(count);
    if (this.#lent.byteLength < count) this.#lent = new ArrayBuffer(count);
    let at = Math.min(this.#pendingBytes, count);
    this.#moveTo(new Uint8Array(this.#lent, 0, at));
    while (at < count) {
      throwIfAborted(this.#options.signal);
      if (stream.kind === "fills") {
        const filled = await this.#next(stream.reader.read(new Uint8Array(this.#lent, at, count - at)));
        if (filled.value !== undefined) this.#lent = filled.value.buffer;
        if (filled.done) throw this.#truncated(count, at);
        at += filled.value.length;
        this.#count(filled.value.length);
      } else {
        if (!(await this.#pull())) throw this.#truncated(count, at);
        const more = Math.min(this.#pendingBytes, count - at);
        this.#moveTo(new Uint8Array(this.#lent, at, more));
        at += more;
      }
    }
    throwIfAborted(this.#options.signal);
    this.consumed += count;
    return new Uint8Array(this.#lent, 0, count);
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
    this.#lent = new ArrayBuffer(0);
    this.#stream?.reader.cancel().catch(() => {});
  }

  #truncated(count: number, available: number): TilewrightError {
    return truncated(this.consumed + available, this.consumed + count);
  }

  #push(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#count(bytes.length);
  }

  #count(bytes: number): void {
    this.#arrived += bytes;
    this.#options.arrived?.(this.#arrived);
  }

  /** Waits for more; false at the end. */
  async #pull(): Promise<boolean> {
    throwIfAborted(this.#options.signal);
    const stream = this.#stream;
    if (stream === undefined || this.#arrived === this.#options.exactly) return false;
    const room = this.#arrived === 0 ? FIRST_PIECE_BYTES : PIECE_BYTES;
    const next = await this.#next<ReadableStreamReadResult<Uint8Array>>(
      stream.kind === "fills" ? stream.reader.read(new Uint8Array(room)) : stream.reader.read(),
    );
    if (next.done) return false;
    if (!(next.value instanceof Uint8Array)) {
      throw new TilewrightError("network", "the stream does not consist of byte arrays");
    }
    this.#push(next.value);
    return true;
  }

  /** What our stream answers to a read, unless the caller aborts before. */
  async #next<T>(read: Promise<T>): Promise<T> {
    try {
      return await held(this.#stream!.reader, Promise.race([read, this.#aborted]));
    } catch (cause) {
      throwIfAborted(this.#options.signal);
      throw new TilewrightError("network", `the source broke off after ${this.#arrived} bytes`, cause);
    }
  }

  /** Fills the target with the first of the pending bytes, which are at least as many. */
  #moveTo(target: Uint8Array): void {
    for (let at = 0; at < target.length;) {
      const piece = this.#pending[0]!;
      const used = Math.min(piece.length, target.length - at);
      target.set(used < piece.length ? piece.subarray(0, used) : piece, at);
      at += used;
      this.#pendingBytes -= used;
      if (used < piece.length) this.#pending[0] = piece.subarray(used);
      else this.#pending.shift();
    }
  }

  /** The first `count` of the pending bytes, joined if they lie in several pieces. */
  #take(count: number, consume: boolean): Uint8Array {
    const first = this.#pending[0];
    if (first === undefined || count <= first.length) {
      if (first !== undefined && consume) {
        this.#pendingBytes -= count;
        if (count < first.length) this.#pending[0] = first.subarray(count);
        else this.#pending.shift();
      }
      return first?.subarray(0, count) ?? new Uint8Array(0);
    }
    const taken = new Uint8Array(count);
    if (consume) this.#moveTo(taken);
    else {
      let at = 0;
      for (const piece of this.#pending) {
        if (at === count) break;
        const used = Math.min(piece.length, count - at);
        taken.set(piece.subarray(0, used), at);
        at += used;
      }
    }
    return taken;
  }
}

/** A reader that fills memory of ours, if this is a stream of bytes in an engine that can do that. */
function fillingReader(stream: ReadableStream<Uint8Array>): Filling | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    if (stream.locked) throw error;
    return undefined;
  }
}
