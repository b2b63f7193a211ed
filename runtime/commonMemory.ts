/**
 * One memory for the programs of a model whose shapes are bound when they come. In: programs, each made to lie above
 * those before it and to read the weights that they have left. Out: the memory, with room for the next one. Invariant: what
 * a program may write to is its own; so weights are there once, however many shapes there are. It grows, and only as a
 * whole does it go: programs that are let go of leave a gap, and when gaps are most of it, it is time to start over.
 */
import { type CommonPlace, type Resident } from "./binder.ts";
import { TilewrightError } from "./errors.ts";
import { createMemory, PAGE_BYTES, pagesOf } from "./program.ts";
import { chooseThreads } from "./threads/shared.ts";

/** Pages of the most that 32-bit addresses reach. */
const MOST_PAGES = 2 ** 16;

/** Gaps up to this size are no reason to load weights again. */
const SMALL_GAPS = 64 << 20;

export class CommonMemory {
  /** Whether threads could share it, which is decided when it is made. */
  readonly shared: boolean;
  readonly #residents = new Map<number, number>();
  #memory: WebAssembly.Memory | undefined;
  #mostPages: number;
  #end = 0;
  #gaps = 0;

  /** @param limit most bytes @param threads as of `load` */
  constructor(limit: number | undefined, threads: number | "auto" | undefined) {
    this.#mostPages = Math.min(MOST_PAGES, Math.floor((limit ?? Infinity) / PAGE_BYTES));
    this.shared = chooseThreads(threads ?? "auto", true).count > 1;
  }

  /** Pages that it may grow to; known when {@link upTo} has been called. */
  get mostPages(): number {
    return this.#mostPages;
  }

  /** Where the next program may lie. */
  get place(): CommonPlace {
    return { base: this.#end, residents: this.#residents };
  }

  /** Whether most of it is nobody's. */
  get isWasted(): boolean {
    return this.#gaps > SMALL_GAPS && 2 * this.#gaps > this.#end;
  }

  /** The memory, for a program that ends at so many bytes. @throws TilewrightError `out-of-memory` */
  upTo(bytes: number): WebAssembly.Memory {
    const pages = pagesOf(bytes);
    this.#memory ??= this.#made(pages);
    const missing = pages - this.#memory.buffer.byteLength / PAGE_BYTES;
    try {
      if (missing > 0) this.#memory.grow(missing);
    } catch (cause) {
      throw new TilewrightError("out-of-memory", `${bytes} bytes of memory cannot be had`, cause);
    }
    return this.#memory;
  }

  /** Some engines do not give addresses for all that a memory might become. */
  #made(pages: number): WebAssembly.Memory {
    for (;;) {
      this.#mostPages = Math.max(pages, this.#mostPages);
      try {
        return createMemory(pages * PAGE_BYTES, this.shared, this.#mostPages);
      } catch (error) {
        if (this.#mostPages === pages) throw error;
        this.#mostPages >>= 2;
      }
    }
  }

  /** A program lies there up to `end` now, and leaves this. Gives the bytes that nobody has when it has gone. */
  took(end: number, residents: readonly Resident[]): number {
    let own = end - this.#end;
    this.#end = end;
    for (const { number, address, bytes } of residents) {
      this.#residents.set(number, address);
      own -= bytes;
    }
    return own;
  }

  /** A program has gone, and these bytes are nobody's. */
  left(own: number): void {
    this.#gaps += own;
  }
}
