/**
 * Contents on their way out of the store, and how they are named. In: a Blob. Out: a stream of it, a few megabytes in
 * memory at a time, checked where the content has no hashes of its own (an artifact has: its loader checks it). The
 * key of an artifact is the hash of its header, which holds the hashes of everything else; that of another file is the
 * hash of the hashes of its pieces.
 */
import { TilewrightError } from "../errors.ts";
import { corrupt, FORMAT_VERSION, isArtifact, PREFIX_BYTES, readHeader, readPrefix } from "../format.ts";
import { ByteReader } from "../reader.ts";
import { hex, sha256Hex } from "../sha256.ts";
import { digest, forEachLeaf, verify } from "../verify.ts";

/** Bytes of a piece: what a download that is killed loses at most, and what is hashed together. */
export const PIECE_BYTES = 1 << 20;

/** The key of the artifact that starts so; undefined for what is none, or of another format version. */
export function artifactKey(start: Uint8Array): string | undefined {
  if (start.length < PREFIX_BYTES || !isArtifact(start)) return undefined;
  try {
    return `artifact/f${FORMAT_VERSION}/${readPrefix(start.subarray(0, PREFIX_BYTES)).sha256}`;
  } catch {
    return undefined;
  }
}

/** Whether an address is one that only an artifact may come from: a page that asks for a login is none. */
export function isTile(url: string): boolean {
  return /\.tile(?:[?#]|$)/.test(url);
}

/** The key of any other file. */
export function fileKey(hashes: readonly string[]): string {
  return `file/${sha256Hex(new TextEncoder().encode(hashes.join()))}`;
}

/** SHA-256 in hex. */
export async function hashOf(bytes: Uint8Array): Promise<string> {
  return hex(await digest(bytes));
}

/**
 * The content as a stream; `hashes` are those of its pieces, if it is to be checked on the way. Where it is not, the
 * stream is the Blob's own, which fills memory of the reader's: half the time that arrays of some megabytes take, each
 * of which is new memory (Chromium 156: 11 ms against 23 for 14 MB).
 */
export function streamOf(content: Blob, hashes?: readonly string[]): ReadableStream<Uint8Array> {
  if (hashes === undefined) return content.stream();
  const read = async (at: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(await content.slice(at, at + PIECE_BYTES).arrayBuffer());
    await verify(bytes, hashes[at / PIECE_BYTES] ?? "", "a stored copy");
    return bytes;
  };
  let at = 0;
  let ahead: Promise<Uint8Array> | undefined;
  const next = (): Promise<Uint8Array> | undefined => {
    if (at >= content.size) return undefined;
    const reading = read(at);
    reading.catch(() => {}); // heard of when its turn comes
    at += PIECE_BYTES;
    return reading;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await (ahead ?? next());
        ahead = next();
        if (bytes === undefined) controller.close();
        else controller.enqueue(bytes);
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Reads a file to its end and checks what can be checked without running it: all hashes of an artifact. Keeps nothing.
 *
 * @param known key of an artifact that is here already: as soon as the file turns out to be that, it is left
 * @param only "artifact": anything else is malformed
 * @returns its bytes; undefined if it is the known one
 * @throws TilewrightError as `load` would
 */
export async function checkContent(
  stream: ReadableStream<Uint8Array>,
  known?: string,
  only?: "artifact",
): Promise<number | undefined> {
  const reader = new ByteReader(stream);
  try {
    const start = await reader.peek(PREFIX_BYTES);
    if (only !== undefined && !isArtifact(start))
      throw new TilewrightError("artifact-malformed", "this is not a Tilewright artifact");
    if (isArtifact(start)) {
      if (known !== undefined && artifactKey(start) === known) return undefined;
      await checkArtifact(reader);
    }
    for (;;) {
      const { length } = await reader.peek(1);
      if (length === 0) return reader.consumed;
      await reader.read((await reader.peek(PIECE_BYTES)).length);
    }
  } finally {
    reader.close();
  }
}

async function checkArtifact(reader: ByteReader): Promise<void> {
  const prefix = readPrefix(await reader.read(PREFIX_BYTES));
  const headerBytes = await reader.read(prefix.headerBytes);
  await verify(headerBytes, prefix.sha256, "the header");
  const header = readHeader(headerBytes);
  for (const entry of header.sections) {
    await reader.read(header.dataStart + entry.offset - reader.consumed);
    await forEachLeaf(reader, entry, true);
  }
  if ((await reader.peek(1)).length > 0) throw corrupt("the end");
}
