/**
 * Models that stay, because an app that works offline needs them. In: the addresses that a service worker keeps. Out: a
 * note of them in the database. Invariants: what is pinned is never evicted for something else; while a new version of
 * the app waits for its turn, what the old one needs is pinned as well.
 */
import { type Database, type Entry } from "./database.ts";
import { VERSIONS } from "./versions.ts";

/** Addresses with their revisions: null where the address itself changes with the content. */
export type Pinned = Readonly<Record<string, string | null>>;

export interface Pins {
  /** Of the version that is in use. */
  readonly active: Pinned;
  /** Of the version that is being installed, or waits. */
  readonly next?: Pinned;
}

const ID = "pins ";

/** @param owner who pins: the scope of a service worker */
export async function readPins(db: Database, owner: string): Promise<Pins> {
  const entry = await db.get("entries", ID + owner);
  return (entry?.note as Pins | undefined) ?? { active: {} };
}

export async function writePins(db: Database, owner: string, pins: Pins): Promise<void> {
  await db.put("entries", {
    id: ID + owner,
    kind: "record",
    key: "",
    urls: [],
    whole: true,
    bytes: 0,
    versions: VERSIONS,
    freshUntil: 0,
    made: Date.now(),
    note: pins,
  });
}

export function isPins({ id }: Entry): boolean {
  return id.startsWith(ID);
}

/** All addresses that somebody pins. */
export function pinnedUrls(entries: readonly Entry[]): ReadonlySet<string> {
  const notes = entries.filter(isPins).map(({ note }) => note as Pins);
  return new Set(notes.flatMap(({ active, next = {} }) => [...Object.keys(active), ...Object.keys(next)]));
}
