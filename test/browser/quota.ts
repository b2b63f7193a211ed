/**
 * A store that is as good as full. In: the bytes that are to be left to this origin. Out: a way back, or why this browser
 * cannot be brought there. Invariant: where a browser lets its quota be set, it is set; where it does not, the origin's
 * real quota is filled, which is no mock at all but has to be small enough.
 */
import { executeServerCommand } from "@web/test-runner-commands";
import { deleteDB, openDB } from "idb";

/** More than this is not filled for a test. */
const MOST_FILLED = 512e6;
const PIECE = 16e6;
const BALLAST = "test-ballast";

export interface FullStore {
  /** Whether what the cache holds is what is too much: otherwise it is something else of this origin. */
  readonly evicts: boolean;
  /** Makes it as it was. */
  restore(): Promise<void>;
}

/** Leaves less than `bytes` to the origin. */
export async function fillStore(bytes: number): Promise<FullStore | { readonly impossible: string }> {
  const { origin } = location;
  const set = (quota: number): Promise<{ supported: boolean }> =>
    executeServerCommand<{ supported: boolean }, unknown>("set-quota", { origin, quota });
  if ((await set(bytes)).supported) return { evicts: true, restore: async () => void (await set(0)) };

  const { quota = Infinity } = await navigator.storage.estimate();
  if (quota > MOST_FILLED)
    return { impossible: `the quota cannot be set, and ${quota} bytes are too many to fill` };
  const restore = async (): Promise<void> => deleteDB(BALLAST);
  try {
    for (let piece = PIECE; piece >= bytes / 2;) if (!(await fits(piece))) piece /= 2;
    const { usage = 0 } = await navigator.storage.estimate();
    if (quota - usage > bytes) throw new Error(`only ${usage} of ${quota} bytes could be filled`);
    return { evicts: false, restore };
  } catch (error) {
    await restore();
    throw error;
  }
}

/** Stores so many bytes more; whether there was room. */
async function fits(bytes: number): Promise<boolean> {
  // A connection of its own: Firefox takes no more writes from one that has met the limit.
  const db = await openDB(BALLAST, 1, {
    upgrade: (fresh) => void fresh.createObjectStore("pieces", { autoIncrement: true }),
  });
  try {
    await db.add("pieces", new Blob([new Uint8Array(bytes)]));
    return true;
  } catch (error) {
    if (["QuotaExceededError", "AbortError"].includes((error as DOMException).name)) return false;
    throw error;
  } finally {
    db.close();
  }
}
