/**
 * Shared memory for programs that are written for any. In: what the caller wants, and a module. Out: how many threads
 * there are to be, and the module over a shared memory. Source: WebAssembly core specification 3.0, sections 5.3.8
 * (limits) and 5.5.5 (imports), and the threads proposal, where bit 1 of the limits says that a memory is shared.
 */
import { TilewrightError } from "../errors.ts";
import { MOST_THREADS } from "./pool.ts";

/** How many threads a session is to run on, and what keeps it from more. */
export interface ThreadChoice {
  readonly count: number;
  /** Why there is only one although more were asked for, in words; left out where that is not so. */
  readonly reason?: string;
}

/** The threads of a session. */
export interface Threads extends ThreadChoice {
  /** How many are there by now: workers come when they can, and no run waits for them. */
  readonly ready: number;
  /** Parts of all runs that were computed by other threads than the caller's. */
  readonly helped: number;
}

/** What suits most devices: programs share well up to here, and a page has more to do than to infer. */
const ENOUGH_THREADS = 4;

/** @param wanted "auto": as many as the device has, within reason. @param shareable whether any kernel is worth it. */
export function chooseThreads(wanted: number | "auto", shareable: boolean): ThreadChoice {
  if (wanted !== "auto" && (!Number.isInteger(wanted) || wanted < 1))
    throw new TilewrightError("option-invalid", `threads should be "auto" or a number from 1, not ${wanted}`);
  if (wanted === 1) return { count: 1 };
  if (!shareable) return { count: 1, reason: "no kernel of this program is long enough to be shared" };
  const { crossOriginIsolated, SharedArrayBuffer: shared } = globalThis as Partial<typeof globalThis>;
  if (shared === undefined || crossOriginIsolated === false) {
    const hint =
      "serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";
    return { count: 1, reason: `the page is not cross-origin isolated: ${hint}` };
  }
  if (wanted !== "auto") return { count: Math.min(wanted, MOST_THREADS) };
  const cores = navigatorOf()?.hardwareConcurrency ?? 1;
  return { count: Math.max(1, Math.min(cores, ENOUGH_THREADS)) };
}

function navigatorOf(): { readonly hardwareConcurrency?: number } | undefined {
  const { navigator, process } = globalThis as {
    readonly navigator?: { readonly hardwareConcurrency?: number };
    readonly process?: {
      readonly getBuiltinModule?: (name: "node:os") => { availableParallelism(): number };
    };
  };
  if (navigator?.hardwareConcurrency) return navigator;
  const os = process?.getBuiltinModule?.("node:os");
  return os && { hardwareConcurrency: os.availableParallelism() };
}

/**
 * The module with its imported memory declared as shared, of `pages` pages at the least and `most` at the most.
 *
 * @throws TilewrightError `artifact-malformed`
 */
export function withSharedMemory(module: Uint8Array, pages: number, most = pages): Uint8Array<ArrayBuffer> {
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++];
      if (byte === undefined || shift > 28) throw malformed();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  const skipName = (): void => {
    const length = number();
    at += length;
  };
  while (at < module.length) {
    const section = at;
    const id = module[at++];
    const size = number();
    const start = at;
    if (id !== 2) {
      at = start + size;
      continue;
    }
    for (let left = number(); left > 0; left--) {
      skipName();
      skipName();
      const kind = module[at++];
      if (kind === 0) number();
      else if (kind === 2) {
        const limits = at;
        const flags = module[at++]!;
        number();
        if (flags & 1) number();
        const memory = Uint8Array.of(3, ...unsigned(pages), ...unsigned(most));
        const grown = size - (at - limits) + memory.length;
        return joined([
          module.subarray(0, section),
          Uint8Array.of(2, ...unsigned(grown)),
          module.subarray(start, limits),
          memory,
          module.subarray(at),
        ]);
      } else throw malformed();
    }
    throw malformed();
  }
  throw malformed();
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function malformed(): TilewrightError {
  return new TilewrightError("artifact-malformed", "a section of code imports no memory");
}
