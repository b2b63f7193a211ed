/**
 * Asynchronous hash checks. In: bytes and the SHA-256 they should have, in hex. Out: nothing, or `artifact-corrupt`.
 * The platform's implementation is used where there is one (secure contexts, Node), else our own. Invariant: what is
 * given may change after the call, since the platform hashes a copy.
 */
import { corrupt, LEAF_BYTES, type SectionEntry } from "./format.ts";
import { type ByteReader } from "./reader.ts";
import { hex, sha256 } from "./sha256.ts";
import { Slices } from "./slices.ts";

/** The SHA-256 of some bytes. */
export async function digest(bytes: Uint8Array): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  return subtle === undefined
    ? sha256(bytes)
    : new Uint8Array(await subtle.digest("SHA-256", unshared(bytes)));
}

/** Throws `artifact-corrupt`, naming `what`, unless `bytes` have this hash. */
export async function verify(bytes: Uint8Array, expected: string, what: string): Promise<void> {
  if (hex(await digest(bytes)) !== expected) throw corrupt(what);
}

/** Leaves that may be in the hands of the hash function at once: it may work beside us, but holds memory. */
const LEAVES_IN_FLIGHT = 32;

/**
 * Reads a section, with the reader at its start, in slices. What `use` is given is valid during the call only, and is
 * known to fit its hash only when all of this returns. With `pause`, that is awaited after each leaf.
 */
export async function forEachLeaf(
  reader: ByteReader,
  { name, bytes, sha256: expected }: SectionEntry,
  check: boolean,
  use?: (leaf: Uint8Array, offset: number) => void,
  pause?: () => Promise<void>,
): Promise<void> {
  const hashes = new Uint8Array(Math.ceil(bytes / LEAF_BYTES) * 32);
  const inFlight: Promise<void>[] = [];
  const slices = new Slices();
  for (let offset = 0, at = 0; offset < bytes; offset += LEAF_BYTES, at += 32) {
    const leaf = await reader.lend(Math.min(LEAF_BYTES, bytes - offset));
    if (check) {
      const hashed = digest(leaf).then((hash) => hashes.set(hash, at));
      hashed.catch(() => {}); // heard of when its turn comes
      inFlight.push(hashed);
    }
    use?.(leaf, offset);
    if (inFlight.length > LEAVES_IN_FLIGHT) await inFlight.shift();
    await pause?.();
    await slices.over();
  }
  await Promise.all(inFlight);
  if (check) await verify(hashes, expected, `section "${name}"`);
}

/** The bytes themselves, or a copy if their memory is shared, which platform interfaces refuse. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
