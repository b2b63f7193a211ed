/**
 * What a caller says about the cache and is told by it: types only, so that who does not use the cache downloads none
 * of it. Invariant: nothing here depends on IndexedDB; another store can take its place.
 */
import { type OpenSource } from "../source.ts";
import { type Warn } from "../warning.ts";

/** How `load(url, { cache })` treats what it finds. */
export interface CacheOptions {
  /**
   * When the server is asked whether a stored model is still the current one. "afterwards", the default: the stored
   * one is used at once, and the server is asked when its answer to the last request has gone stale
   * (`Cache-Control`); a newer model is stored for the next load. "first": as soon as it has gone stale the server
   * is asked before anything else; offline, the stored one is used. "never": for URLs that name their content.
   */
  readonly revalidate?: "afterwards" | "first" | "never" | undefined;
  /** Called when a newer model than the one in use has been stored by a revalidation "afterwards". */
  readonly updated?: ((update: ModelUpdate) => void) | undefined;
  /** Most bytes that this database may hold; the least recently used leave first. Default: what the quota allows. */
  readonly mostBytes?: number | undefined;
  /** Asks the browser to keep the site's storage when disks are full (`navigator.storage.persist`). Default: false. */
  readonly persist?: boolean | undefined;
  /** Name of the database. Default: "tilewright". */
  readonly database?: string | undefined;
  /**
   * The store itself, where it cannot be imported when it is needed (service workers): `store` of `tilewright/cache`.
   */
  readonly store?: Store | undefined;
}

export interface ModelUpdate {
  readonly url: string;
  /** By which the new content is known: kind, format version, and hash. */
  readonly key: string;
  /** Bytes of the new model. */
  readonly bytes: number;
}

/**
 * Where the bytes of a load came from. "hit": the store; "joined": the store, after another tab or call had
 * downloaded them; "resumed": a part from the store and the rest from the network; "miss": the network; "off": the
 * store could not be used.
 */
export type CacheOutcome = "hit" | "joined" | "resumed" | "miss" | "off";

export interface CacheStats {
  readonly outcome: CacheOutcome;
  /** Bytes that came out of the store. */
  readonly storedBytes: number;
  /** Bytes that came from the network. */
  readonly networkBytes: number;
  /** Whether the model is in the store now; undefined until that is known. */
  readonly kept: boolean | undefined;
  /** By which its content is known: kind, format version, and hash. */
  readonly key: string | undefined;
}

/** One thing that is stored, as `listCache` tells it. */
export interface CachedModel {
  readonly urls: readonly string[];
  /** Kind, format version and content hash. */
  readonly key: string;
  /** Bytes on disk, with the programs that were bound for it. */
  readonly bytes: number;
  /** Whether all of it is here; a download that broke off goes on where it stopped. */
  readonly whole: boolean;
  readonly downloaded: Date;
  readonly used: Date;
  /** Programs bound to shapes that are kept beside it. */
  readonly programs: number;
}

/** What the store gives to one load. */
export interface CachedSource extends OpenSource {
  readonly stats: () => CacheStats;
  /** Programs and descriptions that belong to this content; of what is being downloaded, once it is settled. */
  readonly records: () => Promise<ModelRecords | undefined>;
  /** What goes on behind the load; `whenSettled` waits for it. */
  readonly behind?: (work: Promise<unknown>) => void;
  /** All of it at once, without a copy in memory; only where it is stored, and not checked. */
  readonly stored?: () => Promise<Blob>;
  /**
   * Told how the load ended. After a failure: whether to try again, since what failed had come from the store and
   * has been dropped.
   */
  settle(error?: unknown): Promise<boolean>;
}

/** Small things that are kept beside a model, by name. */
export interface ModelRecords {
  get(name: string): Promise<StoredRecord | undefined>;
  put(name: string, record: StoredRecord): Promise<void>;
}

export interface StoredRecord {
  readonly bytes?: Uint8Array;
  /** Structured data. */
  readonly note?: unknown;
}

export interface StoreContext {
  readonly signal?: AbortSignal | undefined;
  readonly warn: Warn;
  /** Bytes that another tab, for which this one waits, has downloaded. */
  readonly elsewhere?: (loaded: number, total: number | undefined) => void;
  /** What asks the server. Default: `fetch`. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** With revalidate "first": asks even where the last answer is still fresh. */
  readonly mustAsk?: boolean | undefined;
}

/** A store of models. */
export interface Store {
  /** @throws TilewrightError `network`, `aborted`; never because of the store itself */
  open(source: string | URL | Request, options: CacheOptions, context: StoreContext): Promise<CachedSource>;
}
