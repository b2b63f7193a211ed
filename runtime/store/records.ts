/**
 * What is kept beside a model: programs that were bound to shapes, descriptions. In: the key of the model. Out: records
 * by name. Invariants: names carry the versions of the artifact format and of code generation, so that code of
 * another version is never found; what comes out has the hash that it had when it went in; a record leaves with its
 * model; failing to keep one is no failure.
 */
import { ByteReader } from "../reader.ts";
import { hashOf, PIECE_BYTES, streamOf } from "./content.ts";
import { type Database } from "./database.ts";
import { dropEntries, makeRoom, touch } from "./library.ts";
import { type ModelRecords } from "./options.ts";
import { VERSIONS } from "./versions.ts";

/** Programs that are kept of one model: each has the weights in it, as its kernels want them. */
const MOST_PROGRAMS = 16;

/** Makes room for one record more of a model: that which was not used for longest leaves. */
async function dropOldest(db: Database, owner: string, id: string): Promise<void> {
  const ids = (await db.getAllKeysFromIndex("entries", "owner", owner)).filter((one) => one !== id);
  if (ids.length < MOST_PROGRAMS) return;
  const used = await Promise.all(ids.map(async (one) => (await db.get("uses", one)) ?? 0));
  const oldest = ids.map((one, at) => ({ id: one, used: used[at]! })).sort((a, b) => a.used - b.used);
  await dropEntries(
    db,
    oldest.slice(0, ids.length - MOST_PROGRAMS + 1).map((one) => ({ id: one.id, key: "" })),
  );
}

export function recordsOf(db: Database, owner: string, mostBytes: number | undefined): ModelRecords {
  const idOf = (name: string): string => `${owner} ${VERSIONS} ${name}`;
  return {
    async get(name) {
      const id = idOf(name);
      const entry = await db.get("entries", id);
      if (entry === undefined) return undefined;
      touch(db, id).catch(() => {});
      if (entry.content === undefined) return { note: entry.note };
      try {
        if (entry.content.size !== entry.bytes) throw new Error("a part is missing");
        const bytes = await new ByteReader(streamOf(entry.content, entry.hashes)).lend(entry.bytes);
        return { bytes, note: entry.note };
      } catch (error) {
        await dropEntries(db, [{ id, key: "" }]);
        throw error;
      }
    },
    async put(name, { bytes, note }) {
      const id = idOf(name);
      const hashes: string[] = [];
      for (let at = 0; at < (bytes?.length ?? 0); at += PIECE_BYTES)
        hashes.push(await hashOf(bytes!.slice(at, at + PIECE_BYTES)));
      const size = bytes?.length ?? 0;
      await dropOldest(db, owner, id);
      await makeRoom(db, size, { mostBytes, keep: id });
      await db.put("entries", {
        id,
        kind: "record",
        key: "",
        owner,
        urls: [],
        whole: true,
        bytes: size,
        versions: VERSIONS,
        freshUntil: 0,
        made: Date.now(),
        ...(bytes === undefined ? {} : { content: new Blob([bytes as BlobPart]), hashes }),
        ...(note === undefined ? {} : { note }),
      });
      await touch(db, id);
    },
  };
}
