/**
 * The entries of the cache. In: a database. Out: what is there by URL, key or name; room for more; a list. Invariant:
 * an entry leaves together with its pieces, its time of use and the records that belong to it, in one transaction;
 * what is being downloaded is never evicted by its own download.
 */
import { type CachedModel } from "./options.ts";
import { type Database, type Entry, piecesOf, StoreError } from "./database.ts";
import { isPins, pinnedUrls } from "./pins.ts";
import { VERSIONS } from "./versions.ts";

/** Part of the quota that is left to the page: its own data comes first. */
const QUOTA_SHARE = 0.9;

/** Entries that were downloaded from this address, whole or not, the newest first. */
export async function entriesAt(db: Database, url: string): Promise<readonly Entry[]> {
  const found = await db.getAllFromIndex("entries", "url", url);
  return found.sort((a, b) => b.made - a.made);
}

/** The whole entry with this content. */
export async function entryWith(db: Database, key: string): Promise<Entry | undefined> {
  const found = await db.getAllFromIndex("entries", "key", key);
  return found.find(({ whole, versions }) => whole && versions === VERSIONS);
}

/** The content of an entry that is whole, or the pieces that are there without a gap. */
export async function contentOf(db: Database, entry: Entry): Promise<Blob> {
  if (entry.content !== undefined) return entry.content;
  const range = piecesOf(entry.id);
  const transaction = db.transaction("pieces");
  const [keys, pieces] = await Promise.all([
    transaction.store.getAllKeys(range),
    transaction.store.getAll(range),
  ]);
  const gap = keys.findIndex(([, index], at) => index !== at);
  return new Blob(gap < 0 ? pieces : pieces.slice(0, gap));
}

/** Removes entries and all that belongs to them. */
export async function dropEntries(
  db: Database,
  entries: readonly Pick<Entry, "id" | "key">[],
): Promise<void> {
  if (entries.length === 0) return;
  const transaction = db.transaction(["entries", "pieces", "uses"], "readwrite");
  const stored = transaction.objectStore("entries");
  const requests: Promise<unknown>[] = [transaction.done];
  for (const { id, key } of entries) {
    const owned = key === "" ? [] : await stored.index("owner").getAllKeys(key);
    for (const one of [id, ...owned]) {
      requests.push(
        stored.delete(one),
        transaction.objectStore("pieces").delete(piecesOf(one)),
        transaction.objectStore("uses").delete(one),
      );
    }
  }
  await Promise.all(requests);
}

/** Notes that an entry was used now. */
export async function touch(db: Database, id: string): Promise<void> {
  await db.put("uses", Date.now(), id);
}

/** Notes that an entry is current until then; one that has left meanwhile stays away, whatever it held. */
export async function refresh(db: Database, { id }: Entry, freshUntil: number): Promise<void> {
  const transaction = db.transaction("entries", "readwrite");
  const entry = await transaction.store.get(id);
  if (entry !== undefined) await transaction.store.put({ ...entry, freshUntil });
  await transaction.done;
}

/** What the library holds, the least recently used first. */
async function byUse(
  db: Database,
): Promise<readonly { readonly entry: Entry; readonly used: number; readonly bytes: number }[]> {
  const transaction = db.transaction(["entries", "uses"]);
  const [entries, ids, times] = await Promise.all([
    transaction.objectStore("entries").getAll(),
    transaction.objectStore("uses").getAllKeys(),
    transaction.objectStore("uses").getAll(),
  ]);
  const uses = new Map(ids.map((id, index) => [id, times[index]!]));
  const sizes = new Map<Entry, number>();
  for (const entry of entries) sizes.set(entry, await bytesHeld(db, entry));
  return entries
    .map((entry) => ({ entry, used: uses.get(entry.id) ?? entry.made, bytes: sizes.get(entry)! }))
    .sort((a, b) => a.used - b.used);
}

async function bytesHeld(db: Database, entry: Entry): Promise<number> {
  const note =
    entry.note === undefined
      ? 0
      : JSON.stringify(entry.note, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))
          .length;
  return (await contentOf(db, entry)).size + note;
}

/** What makes room, and for whom. */
export interface RoomOptions {
  readonly mostBytes: number | undefined;
  /** Id of the entry that the room is for. */
  readonly keep: string;
  /**
   * The browser has refused to store more. It alone knows the quota: what it tells pages may be a round number for
   * all of them.
   */
  readonly refused?: boolean;
}

/**
 * Makes room for so many bytes more, the least recently used leaving first.
 *
 * @throws StoreError `cache-full`
 */
export async function makeRoom(
  db: Database,
  bytes: number,
  { mostBytes, keep, refused = false }: RoomOptions,
): Promise<void> {
  const { usage = 0, quota = Infinity } = (await navigator.storage?.estimate?.()) ?? {};
  let excess = Math.max(usage + bytes - quota * QUOTA_SHARE, refused ? bytes : -Infinity);
  if (excess <= 0 && mostBytes === undefined) return;
  const all = await byUse(db);
  const pinned = pinnedUrls(all.map(({ entry }) => entry));
  const others = all.filter(({ entry }) => entry.id !== keep);
  const held = others.filter(({ entry }) => !isPins(entry) && !entry.urls.some((url) => pinned.has(url)));
  if (mostBytes !== undefined) {
    const sum = others.reduce((total, one) => total + one.bytes, 0);
    excess = Math.max(excess, sum + bytes - mostBytes);
  }
  const leaving: Entry[] = [];
  for (const { entry, bytes: size } of held) {
    if (excess <= 0) break;
    leaving.push(entry);
    excess -= size;
  }
  if (excess > 0) {
    // Nothing leaves for what has no room anyway.
    const limit = excess === bytes ? "the quota" : `${Math.floor(Math.min(quota, mostBytes ?? quota))} bytes`;
    throw new StoreError("cache-full", `there is no room for ${bytes} bytes: the limit is ${limit}`);
  }
  await dropEntries(db, leaving);
}

/** Everything that is stored, the most recently used first. */
export async function list(db: Database): Promise<readonly CachedModel[]> {
  const held = await byUse(db);
  return held
    .filter(({ entry }) => entry.kind !== "record")
    .map(({ entry, used, bytes }) => {
      const owned = held.filter((one) => entry.key !== "" && one.entry.owner === entry.key);
      return {
        urls: entry.urls,
        key: entry.key,
        bytes: bytes + owned.reduce((sum, one) => sum + one.bytes, 0),
        whole: entry.whole,
        downloaded: new Date(entry.made),
        used: new Date(used),
        programs: owned.filter((one) => one.entry.content !== undefined).length,
      };
    })
    .reverse();
}
