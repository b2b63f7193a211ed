/**
 * The database of the cache. In: its name. Out: an open connection, or the reason why there is none. Invariants: a
 * connection never stands in the way of another tab that needs a newer version of the database: it closes, and opens
 * again when it is next needed; waiting for one ends after some seconds. What is stored is a cache, so another
 * version of the database starts empty.
 *
 * Stores: "entries" are models, programs and notes, with the content of what is whole; "pieces" are the parts of a
 * download that is not, by entry and number; "uses" are the times of last use, apart from the entries because
 * rewriting a record rewrites its content. Contents are Blobs, which pages hold without having them in memory; and
 * one large Blob is read three times as fast as arrays of a megabyte (Chromium 156: 16 ms against 55 for 14 MB).
 */
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb";

/** Raised when the stores change. */
const DATABASE_VERSION = 1;
const DATABASE_NAME = "tilewright";
/** What a browser that is busy may take to open a database, and one that is blocked by another tab. */
const OPEN_TIMEOUT_MS = 10_000;
const BLOCKED_TIMEOUT_MS = 1_000;

export type EntryKind = "artifact" | "model" | "record";

export interface Entry {
  readonly id: string;
  readonly kind: EntryKind;
  /** Kind, format version and content hash; "" until the first bytes have told. */
  readonly key: string;
  /** Where it was downloaded from. */
  readonly urls: readonly string[];
  /** Whether all of it is here and has been checked. */
  readonly whole: boolean;
  /** Bytes in all, 0 until they are known. */
  readonly bytes: number;
  /** Of the artifact format and code generation that wrote it. */
  readonly versions: string;
  readonly etag?: string;
  readonly modified?: string;
  /** The server need not be asked before this time, in milliseconds since 1970. */
  readonly freshUntil: number;
  readonly made: number;
  /** All of it; left out while it is in pieces. */
  readonly content?: Blob;
  /** SHA-256 of each piece, where the content has no hashes of its own. */
  readonly hashes?: readonly string[];
  /** Structured data of a record. */
  readonly note?: unknown;
  /** The entry that a record belongs to, by key: it leaves with that. */
  readonly owner?: string;
}

interface Schema extends DBSchema {
  entries: { key: string; value: Entry; indexes: { url: string; key: string; owner: string } };
  pieces: { key: [string, number]; value: Blob };
  uses: { key: string; value: number };
}

export type Database = IDBPDatabase<Schema>;

const open = new Map<string, Promise<Database>>();

/**
 * A connection, shared within this realm.
 *
 * @throws StoreError
 */
export function database(name = DATABASE_NAME): Promise<Database> {
  let opening = open.get(name);
  if (opening === undefined) {
    opening = connect(name);
    open.set(name, opening);
    const failed = opening;
    // The next one tries again.
    opening.catch(() => open.get(name) === failed && open.delete(name));
  }
  return opening;
}

/** Deletes a database. */
export async function deleteDatabase(name = DATABASE_NAME): Promise<void> {
  const opened = open.get(name);
  open.delete(name);
  (await opened?.catch(() => undefined))?.close();
  await deleteDB(name);
}

/** Why the store could not do something. */
export class StoreError extends Error {
  readonly code: "cache-unavailable" | "cache-blocked" | "cache-full";

  constructor(code: StoreError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** What went wrong with the store, from what a platform interface threw. */
export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError(
    name === "QuotaExceededError" ? "cache-full" : "cache-unavailable",
    `${name === "" ? "" : `${name}: `}${message || "the store failed"}`,
  );
}

async function connect(name: string): Promise<Database> {
  if ((globalThis as { readonly indexedDB?: IDBFactory }).indexedDB === undefined)
    throw new StoreError("cache-unavailable", "there is no IndexedDB here");
  let timer: ReturnType<typeof setTimeout> | undefined;
  let giveUp: (error: StoreError) => void = () => {};
  const late = new Promise<never>((_, reject) => {
    giveUp = reject;
    timer = setTimeout(
      () => reject(new StoreError("cache-unavailable", "the database did not open in time")),
      OPEN_TIMEOUT_MS,
    );
  });
  const opening: Promise<Database> = openDB<Schema>(name, DATABASE_VERSION, {
    upgrade(db) {
      for (const store of [...db.objectStoreNames]) db.deleteObjectStore(store);
      const entries = db.createObjectStore("entries", { keyPath: "id" });
      entries.createIndex("url", "urls", { multiEntry: true });
      entries.createIndex("key", "key");
      entries.createIndex("owner", "owner");
      db.createObjectStore("pieces");
      db.createObjectStore("uses");
    },
    blocked() {
      const blocked = new StoreError("cache-blocked", "another tab holds an older version of the database");
      setTimeout(() => giveUp(blocked), BLOCKED_TIMEOUT_MS);
    },
    blocking(_from, _to, event) {
      open.delete(name);
      (event.target as IDBDatabase).close();
    },
    terminated: () => void open.delete(name),
  });
  // One that opens after all is closed, so that it stands in nobody's way.
  let abandoned = false;
  opening.then(
    (db) => abandoned && db.close(),
    () => {},
  );
  try {
    return await Promise.race([opening, late]);
  } catch (error) {
    abandoned = true;
    if (error instanceof DOMException && error.name === "VersionError")
      throw new StoreError("cache-blocked", "the database was made by a newer version of this library");
    throw storeError(error);
  } finally {
    clearTimeout(timer);
  }
}

/** The range of the pieces of an entry. */
export function piecesOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id, 0], [id, Infinity]);
}
