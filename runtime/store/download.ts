/**
 * A download that is stored while it passes. In: an address and what is stored of it already. Out: a stream of the
 * whole content, which the loader checks, and the entry when that has succeeded. Invariants: a piece is stored before
 * the piece after the next is asked for, so that little is in memory twice; what has arrived when a connection or a
 * tab ends is there for the next try, which asks for the rest only; a store that fails ends the storing and never the
 * download; an entry counts as whole only when its content has been checked.
 */
import { TilewrightError } from "../errors.ts";
import { PREFIX_BYTES } from "../format.ts";
import { held, throwIfAborted } from "../reader.ts";
import { reasonOf, type Warn } from "../warning.ts";
import { artifactKey, fileKey, hashOf, PIECE_BYTES, streamOf } from "./content.ts";
import { type Database, type Entry, piecesOf, storeError } from "./database.ts";
import { contentOf, dropEntries, entryWith, makeRoom, touch } from "./library.ts";
import { freshUntil, type Answer } from "./request.ts";
import { VERSIONS } from "./versions.ts";

/** Files of what has left are removed in their own time: how long a download waits for that, and between tries. */
const PATIENCE_MS = 5_000;
const RETRY_MS = 250;

export interface DownloadOptions {
  readonly db: Database;
  readonly url: string;
  readonly answer: Answer;
  /** What is there of an earlier try, and its entry; the answer continues after it. */
  readonly partial?: { readonly entry: Entry; readonly content: Blob } | undefined;
  readonly mostBytes: number | undefined;
  readonly warn: Warn;
  /** Told about all bytes that are there, those of earlier tries included. */
  readonly arrived: (loaded: number, total: number | undefined) => void;
  /** Called once when nothing more will be stored: others may have their turn. */
  readonly ended: () => void;
}

export class Download {
  readonly content: ReadableStream<Uint8Array>;
  readonly total: number | undefined;
  /** Bytes that came out of the store. */
  storedBytes: number;
  networkBytes = 0;
  key = "";
  /** What was stored of an earlier try could not be read. */
  brokenStore = false;
  readonly #options: DownloadOptions;
  readonly #network: ReadableStreamDefaultReader<Uint8Array>;
  #entry: Entry;
  /** Undefined when nothing is stored any more. */
  #saving: Promise<void> | undefined;
  #loaded = 0;
  #pieces = 0;
  #hashes: string[] = [];
  /** Arrived and not yet a piece. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #complete = false;
  /** Until when to try again after models have left to make room. */
  #patientUntil = Infinity;
  #ended = false;
  /** Nothing more is stored. */
  #discarded = false;

  constructor(options: DownloadOptions) {
    const { answer, partial, url } = options;
    this.#options = options;
    this.#network = answer.body.getReader();
    this.storedBytes = partial?.content.size ?? 0;
    this.total = answer.total === undefined ? undefined : this.storedBytes + answer.total;
    const { etag, modified } = answer;
    this.#entry = partial?.entry ?? {
      id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`,
      kind: "model",
      key: "",
      urls: [url],
      whole: false,
      bytes: this.total ?? 0,
      versions: VERSIONS,
      ...(etag === undefined ? {} : { etag }),
      ...(modified === undefined ? {} : { modified }),
      freshUntil: 0,
      made: Date.now(),
    };
    this.key = this.#entry.key;
    this.#hashes = [...(this.#entry.hashes ?? [])];
    this.#pieces = Math.floor(this.storedBytes / PIECE_BYTES);
    this.#saving = partial === undefined ? this.#begin() : Promise.resolve();
    this.#saving.catch(() => {}); // heard of by the first piece
    this.content = this.#stream(partial?.content);
  }

  /** How much there is to come of what is stored, then the network's. */
  #stream(stored: Blob | undefined): ReadableStream<Uint8Array> {
    const before = stored && streamOf(stored, this.#hashes).getReader();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const earlier = this.#loaded < this.storedBytes ? await this.#readStored(before) : undefined;
            const next = earlier?.done === false ? earlier : await held(this.#network, this.#network.read());
            if (next.done) {
              if (this.total !== undefined && this.#loaded < this.total && this.#options.answer.identity)
                throw new TypeError(`the connection ended after ${this.#loaded} of ${this.total} bytes`);
              await this.#flush();
              this.#complete = true;
              controller.close();
              return;
            }
            this.#loaded += next.value.length;
            if (next !== earlier) {
              this.networkBytes += next.value.length;
              await this.#take(next.value);
            } else if (next.value.length < PIECE_BYTES) this.#retake(next.value);
            this.#options.arrived(this.#loaded, this.total);
            controller.enqueue(next.value);
          } catch (error) {
            // What has arrived stays for the next try.
            await this.#flush();
            this.#end();
            throw error;
          }
        },
        cancel: async () => {
          await this.#network.cancel().catch(() => {});
          await this.#flush();
          if (!this.#complete) this.#end();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #readStored(
    reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
  ): Promise<ReadableStreamReadResult<Uint8Array> | undefined> {
    try {
      return reader && (await held(reader, reader.read()));
    } catch (error) {
      this.brokenStore = true;
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { db, mostBytes } = this.#options;
    await makeRoom(db, this.#entry.bytes, { mostBytes, keep: this.#entry.id });
    await this.#withRoom(this.#entry.bytes, () => db.put("entries", this.#entry));
  }

  /** Writes; where the browser refuses, older models leave for the `bytes` that are still to come. */
  async #withRoom(bytes: number, write: () => Promise<unknown>): Promise<void> {
    const { db, mostBytes } = this.#options;
    for (;;) {
      try {
        await write();
        return;
      } catch (error) {
        if (storeError(error).code !== "cache-full" || performance.now() > this.#patientUntil) throw error;
        if (this.#patientUntil === Infinity) {
          await makeRoom(db, bytes, { mostBytes, keep: this.#entry.id, refused: true });
          this.#patientUntil = performance.now() + PATIENCE_MS;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Stores bytes that came from the network, when there are enough for a piece. */
  async #take(bytes: Uint8Array): Promise<void> {
    if (this.#saving === undefined) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    while (this.#pendingBytes >= PIECE_BYTES) await this.#save(PIECE_BYTES);
  }

  /** The short piece at the end of an earlier try: it becomes the beginning of a whole one. */
  #retake(bytes: Uint8Array): void {
    this.#pending = [bytes];
    this.#pendingBytes = bytes.length;
  }

  /** Stores what is left as a short piece, the last one. */
  async #flush(): Promise<void> {
    if (this.#pendingBytes > 0) await this.#save(this.#pendingBytes);
    await this.#saving?.catch((error: unknown) => this.#giveUp(error));
  }

  /** Stores the next piece; waits for the one before. */
  async #save(count: number): Promise<void> {
    const bytes = this.#cut(count);
    try {
      await this.#saving;
    } catch (error) {
      this.#giveUp(error);
    }
    if (this.#saving === undefined || this.#discarded) return;
    if (this.#pieces === 0 && this.key === "") this.key = artifactKey(bytes.subarray(0, PREFIX_BYTES)) ?? "";
    const index = this.#pieces++;
    this.#saving = this.#store(index, bytes);
    this.#saving.catch(() => {}); // heard of by the next piece
  }

  async #store(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { db } = this.#options;
    this.#hashes[index] = await hashOf(bytes);
    const write = async (): Promise<void> => {
      const transaction = db.transaction(["entries", "pieces"], "readwrite", { durability: "relaxed" });
      // The hashes say how much of what is in the store is right.
      this.#entry = { ...this.#entry, key: this.key, hashes: this.#hashes.slice(0, index + 1) };
      await Promise.all([
        transaction.objectStore("pieces").put(new Blob([bytes]), [this.#entry.id, index]),
        transaction.objectStore("entries").put(this.#entry),
        transaction.done,
      ]);
    };
    await this.#withRoom(Math.max(bytes.length, this.#entry.bytes - index * PIECE_BYTES), write);
  }

  #cut(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const piece = this.#pending[0]!;
      const part = piece.subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      if (part.length < piece.length) this.#pending[0] = piece.subarray(part.length);
      else this.#pending.shift();
    }
    this.#pendingBytes -= count;
    return bytes;
  }

  #giveUp(error: unknown): void {
    if (this.#saving === undefined) return;
    this.#saving = undefined;
    this.#pending = [];
    this.#pendingBytes = 0;
    const { code, message } = storeError(error);
    this.#options.warn(code, `the model is not stored: ${message}`);
    dropEntries(this.#options.db, [{ id: this.#entry.id, key: "" }]).catch(() => {});
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.ended();
  }

  /**
   * The content was right: the entry is whole, takes the place of others from this address, and its pieces become
   * one Blob.
   *
   * @returns whether it is in the store
   */
  async keep(isArtifact: boolean): Promise<boolean> {
    try {
      if (this.#saving === undefined || !this.#complete) return false;
      const { db, url, answer } = this.#options;
      const { id } = this.#entry;
      const same = await entryWith(db, isArtifact ? this.key : fileKey(this.#hashes));
      const older = (await db.getAllFromIndex("entries", "url", url)).filter(
        (one) => one.id !== id && one.id !== same?.id,
      );
      const bytes = this.#loaded;
      if (same !== undefined) {
        // The same content is here, from another address.
        await dropEntries(db, [{ id, key: "" }]);
        await db.put("entries", {
          ...same,
          urls: [...new Set([...same.urls, url])],
          freshUntil: freshUntil(answer),
        });
      } else {
        const { hashes, ...entry } = this.#entry;
        this.key = isArtifact ? this.key : fileKey(this.#hashes);
        const whole: Entry = {
          ...entry,
          kind: isArtifact ? "artifact" : "model",
          key: this.key,
          whole: true,
          bytes,
          freshUntil: freshUntil(answer),
          // An artifact has hashes of its own, which its loader checks.
          ...(isArtifact || hashes === undefined ? {} : { hashes }),
        };
        await db.put("entries", whole);
        await join(db, whole).catch(() => {}); // no room for both: it stays in pieces
      }
      await release(db, older, url);
      await touch(db, same?.id ?? id);
      return true;
    } catch (error) {
      this.#giveUp(error);
      return false;
    } finally {
      this.#end();
    }
  }

  /** The content was wrong: nothing of it stays. */
  async discard(): Promise<void> {
    // A stream that is being cancelled stores what is left of it.
    this.#discarded = true;
    await this.#network.cancel().catch(() => {});
    await this.#saving?.catch(() => {});
    if (this.#saving !== undefined)
      await dropEntries(this.#options.db, [{ id: this.#entry.id, key: "" }]).catch(() => {});
    this.#saving = undefined;
    this.#end();
  }

  /** The load ended otherwise: what is stored stays. */
  async leave(): Promise<void> {
    await this.#flush();
    this.#end();
  }
}

/** The pieces of an entry as one Blob, which is read several times as fast. */
async function join(db: Database, entry: Entry): Promise<void> {
  const content = await contentOf(db, entry);
  if (content.size !== entry.bytes) throw new Error("pieces are missing");
  const transaction = db.transaction(["entries", "pieces"], "readwrite");
  await Promise.all([
    transaction.objectStore("entries").put({ ...entry, content }),
    transaction.objectStore("pieces").delete(piecesOf(entry.id)),
    transaction.done,
  ]);
}

/** Entries that are no longer what this address gives: they leave, unless another address gives them. */
async function release(db: Database, entries: readonly Entry[], url: string): Promise<void> {
  const shared = entries.filter(({ urls }) => urls.length > 1);
  for (const entry of shared)
    await db.put("entries", { ...entry, urls: entry.urls.filter((one) => one !== url) });
  await dropEntries(
    db,
    entries.filter((entry) => !shared.includes(entry)),
  );
}

/** As a load reports it. */
export function networkError(url: string, error: unknown, signal: AbortSignal | undefined): TilewrightError {
  throwIfAborted(signal);
  if (error instanceof TilewrightError) return error;
  return new TilewrightError("network", `${url} cannot be read: ${reasonOf(error)}`, error);
}
