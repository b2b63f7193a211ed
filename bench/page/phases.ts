/**
 * Where the milliseconds until the first answer go. In: a page that is about to load a runtime. Out: what the
 * platform was asked for, when, and how long that held the page's thread. Invariant: it is seen from outside, in the
 * same way for each runtime: functions of the platform are replaced by ones that note the time and call them; times of
 * such a start are for reading, not for comparing.
 */
import { type Phase } from "../protocol.ts";

type Callable = (this: unknown, ...args: unknown[]) => unknown;

/** Functions of a program's module whose time is told apart; what else a module exports is left alone. */
const EXPORTS = ["init", "begin", "warm", "run"];

export class PhaseWatch {
  readonly #phases = new Map<string, { from: number; to: number; busy?: number; calls: number }>();
  #start = performance.now();

  constructor() {
    this.#wrap(globalThis, "fetch", "request, to the answer's head");
    this.#wrap(SubtleCrypto.prototype, "digest", "hashes");
    this.#wrap(IDBFactory.prototype, "open", "database opens");
    this.#wrap(Blob.prototype, "arrayBuffer", "blobs are read");
    this.#wrap(Response.prototype, "arrayBuffer", "body is read");
    this.#wrap(ReadableStreamBYOBReader.prototype, "read", "stream is read");
    this.#wrap(ReadableStreamDefaultReader.prototype, "read", "stream is read");
    this.#wrap(WebAssembly, "compile", "WebAssembly.compile");
    this.#wrap(WebAssembly, "compileStreaming", "WebAssembly.compile");
    this.#wrap(WebAssembly, "instantiateStreaming", "WebAssembly.instantiate", (made) =>
      this.#withExports(made),
    );
    this.#wrap(WebAssembly, "instantiate", "WebAssembly.instantiate", (made) => this.#withExports(made));
  }

  begin(): void {
    this.#phases.clear();
    this.#start = performance.now();
  }

  /** In order of their beginnings. */
  read(): readonly Phase[] {
    return [...this.#phases].map(([name, phase]) => ({ name, ...phase })).sort((a, b) => a.from - b.from);
  }

  /** Notes a part of the start that consists of others: it began at `from` and ends now. */
  part(name: string, from: number): void {
    const start = this.#start;
    this.#phases.set(name, { from: from - start, to: performance.now() - start, calls: 1 });
  }

  /** Notes something that began at `from` and held the thread until `until`; it ends now. */
  #note(name: string, from: number, until = performance.now()): void {
    const known = this.#phases.get(name) ?? { from: from - this.#start, to: 0, calls: 0 };
    known.to = performance.now() - this.#start;
    known.busy = (known.busy ?? 0) + until - from;
    known.calls++;
    this.#phases.set(name, known);
  }

  #wrap(
    owner: object,
    key: string,
    name: string,
    change: (result: unknown) => unknown = (same) => same,
  ): void {
    const table = owner as Record<string, Callable>;
    const original = table[key]!;
    const note = this.#note.bind(this);
    table[key] = function (...args) {
      const from = performance.now();
      const result = original.apply(this, args);
      const until = performance.now();
      if (result instanceof IDBRequest) result.addEventListener("success", () => note(name, from, until));
      else if (result instanceof Promise) {
        const noted = (): void => note(name, from, until);
        result.then(noted, noted);
        return result.then(change);
      } else note(name, from, until);
      return result;
    };
  }

  /** An instance whose functions are noted: exports themselves cannot be changed. */
  #withExports(made: unknown): unknown {
    if (!(made instanceof WebAssembly.Instance) || !("run" in made.exports)) return made;
    const exports = Object.fromEntries(
      Object.entries(made.exports).map(([name, value]) => {
        if (!EXPORTS.includes(name)) return [name, value];
        const original = value as unknown as Callable;
        const noted: Callable = (...args) => {
          const from = performance.now();
          const result = original(...args);
          this.#note(`the program's ${name}()`, from);
          return result;
        };
        return [name, noted];
      }),
    );
    return { exports };
  }
}
