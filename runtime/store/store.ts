/**
 * The cache of models. In: an address and options. Out: its content, from the database or from the network by way of
 * the database, and what belongs to it. Invariants: whatever happens to the database, the content comes from
 * somewhere, and a typed warning says what happened; what comes out has been checked; of several tabs that want
 * the same address, one downloads and the others wait and take it from the store.
 */
import { TilewrightError } from "../errors.ts";
import { PREFIX_BYTES } from "../format.ts";
import { ByteReader, held, throwIfAborted } from "../reader.ts";
import { reasonOf } from "../warning.ts";
import { artifactKey, checkContent, streamOf } from "./content.ts";
import { database, type Database, type Entry, storeError } from "./database.ts";
import { Download, networkError } from "./download.ts";
import { contentOf, dropEntries, entriesAt, refresh, touch } from "./library.ts";
import {
  type CachedSource,
  type CacheOptions,
  type CacheStats,
  type ModelRecords,
  type Store,
  type StoreContext,
} from "./options.ts";
import { recordsOf } from "./records.ts";
import { ask, canContinue, freshUntil } from "./request.ts";
import { takeTurn, Teller } from "./turn.ts";
import { announceUpdate } from "./updates.ts";
import { VERSIONS } from "./versions.ts";

/** What goes on after the loads that began it. */
const behind = new Set<Promise<unknown>>();

/** Whatever is stored of this address leaves. */
export async function forget(url: string, { database: name }: Pick<CacheOptions, "database">): Promise<void> {
  const db = await database(name);
  await dropEntries(db, await entriesAt(db, addressOf(url)));
}

/** The content that is stored of this address, whole, without a copy of it in memory; not checked. */
export async function storedContent(
  url: string,
  { database: name }: Pick<CacheOptions, "database">,
): Promise<Blob | undefined> {
  const db = await database(name);
  const entry = (await entriesAt(db, addressOf(url))).find(isUsable);
  return entry && contentOf(db, entry);
}

/** Waits for what goes on in the background: storing, asking servers. Never fails. */
export async function whenSettled(): Promise<void> {
  while (behind.size > 0) await Promise.allSettled(behind);
}

function inBackground(work: Promise<unknown>): void {
  const ended = work.catch(() => {}).finally(() => behind.delete(ended));
  behind.add(ended);
}

/** The store in IndexedDB. */
export const store: Store = {
  async open(source, options, context) {
    const { signal, warn } = context;
    throwIfAborted(signal);
    const request = typeof source === "object" && "url" in source ? source : new Request(source);
    let db: Database;
    try {
      if (request.method !== "GET") throw new Error(`answers to ${request.method} are not stored`);
      db = await database(options.database);
    } catch (error) {
      const { code, message } = storeError(error);
      warn(code, `the cache is not used: ${message}`);
      return uncached(request, context);
    }
    return new Opening(db, request, options, context).open();
  },
};

/** Straight from the network. */
async function uncached(request: Request, context: StoreContext): Promise<CachedSource> {
  try {
    const { body, total } = await ask(request, context);
    let networkBytes = 0;
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        networkBytes += bytes.length;
        controller.enqueue(bytes);
      },
    });
    const stats = (): CacheStats => ({
      outcome: "off",
      storedBytes: 0,
      networkBytes,
      kept: false,
      key: undefined,
    });
    const content = body.pipeThrough(count);
    return { content, total, stats, records: async () => undefined, settle: async () => false };
  } catch (error) {
    throw networkError(request.url, error, context.signal);
  }
}

/** One load of one address. */
class Opening {
  readonly #db: Database;
  readonly #request: Request;
  readonly #url: string;
  readonly #options: CacheOptions;
  readonly #context: StoreContext;

  constructor(db: Database, request: Request, options: CacheOptions, context: StoreContext) {
    this.#db = db;
    this.#request = request;
    this.#url = addressOf(request.url);
    this.#options = options;
    this.#context = context;
  }

  async open(): Promise<CachedSource> {
    const { signal, warn } = this.#context;
    try {
      const here = await this.#stored();
      if (here !== undefined) return await this.#checkedFirst(here);
    } catch (error) {
      return this.#without(error);
    }
    const turn = await takeTurn(this.#url, signal, this.#context.elsewhere);
    try {
      const entries = await entriesAt(this.#db, this.#url).catch((error: unknown) => {
        warn(storeError(error).code, storeError(error).message);
        return [];
      });
      const whole = turn.waited ? entries.find(isUsable) : undefined;
      if (whole !== undefined) {
        turn.end();
        return this.#hit(whole, "joined");
      }
      return await this.#download(entries, turn.end);
    } catch (error) {
      turn.end();
      throw networkError(this.#url, error, signal);
    }
  }

  /** The whole entry of this address. */
  async #stored(): Promise<Entry | undefined> {
    return (await entriesAt(this.#db, this.#url)).find(isUsable);
  }

  /** With "first", the stored entry only if the server says that it is current, or cannot be reached. */
  async #checkedFirst(entry: Entry): Promise<CachedSource> {
    const { revalidate = "afterwards" } = this.#options;
    const { signal, warn, mustAsk = false } = this.#context;
    if (revalidate !== "first" || (entry.freshUntil > Date.now() && !mustAsk)) return this.#hit(entry, "hit");
    try {
      const answer = await ask(this.#request, this.#context, { entry });
      if (answer.status === "unchanged" || (await this.#isSame(answer.body, entry))) {
        inBackground(refresh(this.#db, entry, freshUntil(answer)));
        return this.#hit(entry, "hit");
      }
    } catch (error) {
      throwIfAborted(signal);
      warn("cache-revalidation", `whether ${this.#url} has changed is not known: ${reasonOf(error)}`);
      return this.#hit(entry, "hit");
    }
    const turn = await takeTurn(this.#url, signal, this.#context.elsewhere);
    return this.#download([], turn.end);
  }

  /** Whether an answer has the content of an entry; the body is used up. */
  async #isSame(body: ReadableStream<Uint8Array>, entry: Entry): Promise<boolean> {
    const reader = new ByteReader(body);
    const start = await reader.peek(PREFIX_BYTES);
    reader.close();
    return entry.key !== "" && artifactKey(start) === entry.key;
  }

  #hit(entry: Entry, outcome: "hit" | "joined"): CachedSource {
    const { warn } = this.#context;
    let content: ReadableStream<Uint8Array> | undefined;
    // An entry in pieces has to be looked up first, so the stream is made when it is read. One that is not gives its
    // own stream, which fills the reader's memory.
    const lazily = (): ReadableStream<Uint8Array> =>
      new ReadableStream<Uint8Array>(
        {
          pull: async (controller) => {
            content ??= streamOf(await contentOf(this.#db, entry), entry.hashes);
            const reader = content.getReader();
            const { done, value } = await held(reader, reader.read());
            reader.releaseLock();
            if (done) controller.close();
            else controller.enqueue(value);
          },
        },
        { highWaterMark: 0 },
      );
    const whole = entry.content && streamOf(entry.content, entry.hashes);
    const stats = (): CacheStats => ({
      outcome,
      storedBytes: entry.bytes,
      networkBytes: 0,
      kept: true,
      key: entry.key,
    });
    return {
      content: whole ?? lazily(),
      total: whole === undefined ? entry.bytes : entry.content?.size,
      exact: whole !== undefined,
      stats,
      stored: () => contentOf(this.#db, entry),
      behind: inBackground,
      records: async () => this.#recordsOf(entry.key),
      settle: async (error) => {
        if (error === undefined) {
          inBackground(touch(this.#db, entry.id));
          if (outcome === "hit") inBackground(this.#revalidate(entry));
          return false;
        }
        if (!isOfContent(error) && !isUnreadable(error)) return false;
        warn(
          "cache-corrupt",
          `the stored copy of ${this.#url} was damaged and is loaded anew: ${reasonOf(error)}`,
        );
        await dropEntries(this.#db, [entry]).catch(() => {});
        return true;
      },
    };
  }

  async #download(entries: readonly Entry[], end: () => void): Promise<CachedSource> {
    const { warn } = this.#context;
    const { mostBytes } = this.#options;
    const partial = await this.#partialOf(entries);
    const answer = await ask(
      this.#request,
      this.#context,
      partial && { entry: partial.entry, from: partial.content.size },
    );
    const continued = partial !== undefined && answer.status === "rest" ? partial : undefined;
    const outdated = entries.filter((entry) => !entry.whole && entry !== continued?.entry);
    inBackground(dropEntries(this.#db, outdated));
    const teller = new Teller(this.#url);
    const download = new Download({
      db: this.#db,
      url: this.#url,
      answer,
      partial: continued,
      mostBytes,
      warn,
      arrived: (loaded, total) => teller.tell(loaded, total),
      ended: () => {
        teller.close();
        end();
      },
    });
    let kept: boolean | undefined;
    const stats = (): CacheStats => ({
      outcome: continued === undefined ? "miss" : "resumed",
      storedBytes: download.storedBytes,
      networkBytes: download.networkBytes,
      kept,
      key: download.key === "" ? undefined : download.key,
    });
    let keeping: Promise<boolean> = Promise.resolve(false);
    return {
      content: download.content,
      total: download.total,
      stats,
      behind: inBackground,
      records: async () => ((await keeping) ? this.#recordsOf(download.key) : undefined),
      settle: async (error) => {
        if (error === undefined) {
          keeping = download.keep(download.key !== "");
          inBackground(keeping.then((result) => (kept = result)));
          if (this.#options.persist === true) inBackground(persist());
          return false;
        }
        kept = false;
        if (!isOfContent(error) && !download.brokenStore) {
          inBackground(download.leave());
          return false;
        }
        await download.discard();
        if (continued === undefined) return false;
        warn("cache-corrupt", `a part of ${this.#url} that was stored did not fit: it is loaded anew`);
        return true;
      },
    };
  }

  /** What there is of an earlier try. */
  async #partialOf(
    entries: readonly Entry[],
  ): Promise<{ readonly entry: Entry; readonly content: Blob } | undefined> {
    const entry = entries.find((one) => !one.whole && one.versions === VERSIONS && canContinue(one));
    if (entry === undefined) return undefined;
    try {
      const content = await contentOf(this.#db, entry);
      // Of one that is all there nothing is left to ask for, and something was wrong with it.
      const isPart = content.size > 0 && (entry.bytes === 0 || content.size < entry.bytes);
      return isPart ? { entry, content } : undefined;
    } catch {
      return undefined;
    }
  }

  /** The store could not be read: the network, and a warning. */
  async #without(error: unknown): Promise<CachedSource> {
    throwIfAborted(this.#context.signal);
    if (error instanceof TilewrightError) throw error;
    const { code, message } = storeError(error);
    this.#context.warn(code, `the cache is not used: ${message}`);
    return uncached(this.#request, this.#context);
  }

  /** Asks the server whether there is something newer, and stores it for the next load. */
  async #revalidate(entry: Entry): Promise<void> {
    const { revalidate = "afterwards", updated } = this.#options;
    const { warn, fetch } = this.#context;
    if (revalidate !== "afterwards" || entry.freshUntil > Date.now()) return;
    if ((navigator as Partial<Navigator>).onLine === false) return;
    const turn = await takeTurn(this.#url, undefined, undefined);
    try {
      const answer = await ask(new Request(this.#url), { fetch }, { entry });
      if (answer.status === "unchanged") {
        await refresh(this.#db, entry, freshUntil(answer));
        return;
      }
      const download = new Download({
        db: this.#db,
        url: this.#url,
        answer,
        mostBytes: this.#options.mostBytes,
        warn,
        arrived: () => {},
        ended: turn.end,
      });
      const bytes = await checkContent(download.content, entry.key);
      if (bytes === undefined) {
        await download.discard();
        await refresh(this.#db, entry, freshUntil(answer));
      } else if (await download.keep(download.key !== "")) {
        if (download.key === entry.key) return;
        const update = { url: this.#url, key: download.key, bytes };
        updated?.(update);
        announceUpdate(update);
      }
    } catch (error) {
      // Offline, mostly: what is here stays.
      if (error instanceof TilewrightError && error.code !== "network")
        warn("cache-revalidation", `a newer ${this.#url} is not right: ${error.message}`);
    } finally {
      turn.end();
    }
  }

  #recordsOf(key: string): ModelRecords {
    return recordsOf(this.#db, key, this.#options.mostBytes);
  }
}

/** Asks the browser to keep what is stored. */
export async function persist(): Promise<boolean> {
  return (await navigator.storage?.persist?.()) ?? false;
}

/** Entries of other versions are as good as absent. */
function isUsable(entry: Entry): boolean {
  return entry.whole && entry.versions === VERSIONS;
}

/** Whether a load failed because of the bytes that it got. */
function isOfContent(error: unknown): boolean {
  if (!(error instanceof TilewrightError)) return false;
  return ["artifact-corrupt", "artifact-malformed", "artifact-version"].includes(error.code);
}

/** Whether a load failed because the bytes could not be had. */
function isUnreadable(error: unknown): boolean {
  return error instanceof TilewrightError && error.code === "network";
}

/** The address without what only the page sees. */
function addressOf(url: string): string {
  return url.replace(/#.*$/, "");
}
