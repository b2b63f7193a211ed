/**
 * One download of an address at a time, in all tabs of a site. In: an address. Out: the turn to download it, at once
 * or after another tab is done or gone. Invariants: a tab that is closed gives its turn back (Web Locks); nobody waits
 * for one that has stopped telling how far it is; where there are no locks everyone has a turn at once.
 */
import { throwIfAborted } from "../reader.ts";

/** A turn; `end` gives it back, and may be called again. */
export interface Turn {
  /** Whether another one had it before. */
  readonly waited: boolean;
  end(): void;
}

/** Of another tab's download: bytes that are there. */
interface Told {
  readonly url: string;
  readonly loaded: number;
  readonly total: number | undefined;
}

const CHANNEL = "tilewright";
/** The longest silence of the tab that is being waited for. */
const SILENCE_MS = 15_000;
/** How often a tab tells how far it is. */
const TELL_EVERY_MS = 250;

export async function takeTurn(
  url: string,
  signal: AbortSignal | undefined,
  elsewhere: ((loaded: number, total: number | undefined) => void) | undefined,
): Promise<Turn> {
  const { locks } = navigator as Partial<Navigator>;
  if (locks === undefined) return { waited: false, end: () => {} };
  const name = `tilewright ${url}`;
  const now = await request(locks, name, { ifAvailable: true });
  if (now !== undefined) return { waited: false, end: now };

  const waiting = new AbortController();
  const stop = (): void => waiting.abort();
  signal?.addEventListener("abort", stop, { once: true });
  let silence = setTimeout(stop, SILENCE_MS);
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<Told>) => {
    if (data.url !== url) return;
    clearTimeout(silence);
    silence = setTimeout(stop, SILENCE_MS);
    elsewhere?.(data.loaded, data.total);
  };
  try {
    const end = await request(locks, name, { signal: waiting.signal });
    return { waited: true, end: end ?? (() => {}) };
  } catch (error) {
    throwIfAborted(signal);
    if (!waiting.signal.aborted) throw error;
    return { waited: true, end: () => {} }; // whoever has it is asleep
  } finally {
    clearTimeout(silence);
    channel.close();
    signal?.removeEventListener("abort", stop);
  }
}

/** Holds a lock until the function that is given back is called; undefined if it is not available now. */
function request(locks: LockManager, name: string, options: LockOptions): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    locks
      .request(name, options, (lock) => {
        if (lock === null) {
          resolve(undefined);
          return undefined;
        }
        return new Promise<void>((release) => resolve(() => release()));
      })
      .catch(reject);
  });
}

/** Tells the tabs that wait how far a download is. */
export class Teller {
  readonly #channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(CHANNEL);
  readonly #url: string;
  #told = -Infinity;
  #closed = false;

  constructor(url: string) {
    this.#url = url;
  }

  tell(loaded: number, total: number | undefined): void {
    const now = performance.now();
    // A download goes on after its storing has ended.
    if (this.#closed || now - this.#told < TELL_EVERY_MS) return;
    this.#told = now;
    this.#channel?.postMessage({ url: this.#url, loaded, total } satisfies Told);
  }

  close(): void {
    this.#closed = true;
    this.#channel?.close();
  }
}
