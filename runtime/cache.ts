/**
 * The entry `tilewright/cache`: what a page does with the cache besides loading through it. In: addresses, a database
 * name. Out: what is stored, and the storage's state. Invariant: nothing here is needed for `load(url, { cache })`,
 * which imports the store by itself when it is first used.
 *
 * @example
 * import { clearCache, listCache, storageState } from "tilewright/cache";
 * for (const { urls, bytes, used } of await listCache()) console.log(urls, bytes, used);
 * if ((await storageState()).free < 50e6) await clearCache({ unusedFor: 30 * 24 * 3600e3 });
 */
import { TilewrightError } from "./errors.ts";
import { checkContent, isTile } from "./store/content.ts";
import { database, deleteDatabase } from "./store/database.ts";
import { dropEntries, entriesAt, list } from "./store/library.ts";
import { type CachedModel, type CacheOptions, type CacheStats } from "./store/options.ts";
import { persist as askToPersist, store, whenSettled } from "./store/store.ts";
import { type Warning } from "./warning.ts";

export {
  type CachedModel,
  type CacheOptions,
  type CacheStats,
  type ModelUpdate,
  type Store,
} from "./store/options.ts";
export { store, whenSettled };

/**
 * What is stored.
 *
 * @returns the most recently used first; nothing where there is no store
 */
export async function listCache(
  options: Pick<CacheOptions, "database"> = {},
): Promise<readonly CachedModel[]> {
  return list(await database(options.database));
}

export interface ClearOptions extends Pick<CacheOptions, "database"> {
  /** Only what was downloaded from this address. */
  readonly url?: string | URL;
  /** Only what was last used longer ago than so many milliseconds. */
  readonly unusedFor?: number;
}

/**
 * Removes what is stored, all of it unless the options name less.
 *
 * @returns bytes that were removed
 */
export async function clearCache(options: ClearOptions = {}): Promise<number> {
  const { url, unusedFor, database: name } = options;
  if (url === undefined && unusedFor === undefined) {
    // One that cannot be read (of a newer version, say) goes as well.
    const held = await listCache(options).catch(() => []);
    await deleteDatabase(name);
    return held.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  const db = await database(name);
  const before = await list(db);
  const base = (globalThis as { readonly location?: Location }).location?.href;
  const address = url === undefined ? undefined : new URL(url, base).href;
  const since = Date.now() - (unusedFor ?? 0);
  const leaving = before.filter(
    ({ urls, used }) =>
      (address === undefined || urls.includes(address)) &&
      (unusedFor === undefined || used.getTime() <= since),
  );
  for (const { urls, key } of leaving) {
    const entries = await entriesAt(db, urls[0]!);
    await dropEntries(
      db,
      entries.filter((entry) => entry.key === key),
    );
  }
  return leaving.reduce((sum, { bytes }) => sum + bytes, 0);
}

export interface StorageState {
  /** Bytes that the site uses, by the browser's count. */
  readonly used: number;
  /** Bytes that it may use more. */
  readonly free: number;
  /** Whether the browser may remove it when disks are full. */
  readonly persisted: boolean;
}

/** How much the site stores, and how much more it may. */
export async function storageState(): Promise<StorageState> {
  const { storage } = navigator as Partial<Navigator>;
  const { usage = 0, quota = 0 } = (await storage?.estimate?.()) ?? {};
  return {
    used: usage,
    free: Math.max(0, quota - usage),
    persisted: (await storage?.persisted?.()) ?? false,
  };
}

/**
 * Asks the browser to keep the site's storage when disks are full. It may ask the user.
 *
 * @returns whether it will
 */
export async function persistCache(): Promise<boolean> {
  return askToPersist();
}

export interface StoredModel extends CacheStats {
  readonly bytes: number;
  readonly warnings: readonly Warning[];
}

export interface StoreOptions extends CacheOptions {
  readonly signal?: AbortSignal;
  readonly progress?: (loaded: number, total: number | undefined) => void;
  /** What asks the server; for requests that need headers of their own, say. Default: `fetch`. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Asks the server whether a stored model is current even where its last answer is still fresh. Default: false. */
  readonly mustAsk?: boolean | undefined;
}

/**
 * Puts a model into the store without running it, so that a later load has it at once. An artifact is checked
 * against its hashes.
 *
 * @throws TilewrightError `network`, `aborted`, `artifact-corrupt`, `artifact-malformed`
 * @example
 * const { kept } = await storeModel("/models/digits.tile");
 */
export async function storeModel(
  source: string | URL | Request,
  options: StoreOptions = {},
): Promise<StoredModel> {
  const { signal, progress, fetch, mustAsk } = options;
  const revalidate = mustAsk === true ? "first" : options.revalidate;
  const address = source instanceof Request ? source.url : String(source);
  const warnings: Warning[] = [];
  for (let attempt = 0; ; attempt++) {
    const opened = await store.open(
      source,
      { ...options, revalidate },
      {
        signal,
        fetch,
        mustAsk,
        warn: (code, message) => warnings.push({ code, message }),
        ...(progress === undefined ? {} : { elsewhere: progress }),
      },
    );
    let loaded = 0;
    const counted = (opened.content as ReadableStream<Uint8Array>).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(bytes, controller) {
          loaded += bytes.length;
          progress?.(loaded, opened.total);
          controller.enqueue(bytes);
        },
      }),
      signal === undefined ? {} : { signal },
    );
    try {
      const bytes = (await checkContent(counted, undefined, isTile(address) ? "artifact" : undefined))!;
      await opened.settle();
      await whenSettled();
      return { ...opened.stats(), bytes, warnings };
    } catch (error) {
      const again = await opened.settle(error);
      if (signal?.aborted === true)
        throw new TilewrightError("aborted", "aborted by the caller", signal.reason);
      if (!again || attempt > 1) throw error;
    }
  }
}
