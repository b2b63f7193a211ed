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

/** Hashes a section while it arrives. */
class SectionCheck {
  readonly #entry: SectionEntry;
  readonly #leaves: Uint8Array;
  readonly #inFlight: Promise<void>[] = [];
  #at = 0;

  constructor(entry: SectionEntry) {
    this.#entry = entry;
    this.#leaves = new Uint8Array(Math.ceil(entry.bytes / LEAF_BYTES) * 32);
  }

  /** Takes the next leaf; what is given back, if anything, is to be awaited before the next one is given. */
  add(leaf: Uint8Array): Promise<void> | undefined {
    const at = this.#at;
    this.#at += 32;
    const hashed = digest(leaf).then((hash) => this.#leaves.set(hash, at));
    hashed.catch(() => {}); // heard of when its turn comes
    this.#inFlight.push(hashed);
    return this.#inFlight.length < LEAVES_IN_FLIGHT ? undefined : this.#inFlight.shift();
  }

  /** Throws `artifact-corrupt` unless all of it was the section. */
  async finish(): Promise<void> {
    await Promise.all(this.#inFlight);
    await verify(this.#leaves, this.#entry.sha256, `section "${this.#entry.name}"`);
  }
}

/**
 * Reads a section, with the reader at its start, in slices. What `use` is given is valid during the call only, and is
 * known to fit its hash only when all of this returns. With `pause`, that is awaited after each leaf.
 */
export async function forEachLeaf(
  reader: ByteReader,
  entry: SectionEntry,
  check: boolean,
  use: (leaf: Uint8Array, offset: number) => void = () => {},
  pause?: () => Promise<void>,
): Promise<void> {
  const hashes = check ? new SectionCheck(entry) : undefined;
  const slices = new Slices();
  for (let offset = 0; offset < entry.bytes; offset += LEAF_BYTES) {
    const leaf = await reader.lend(Math.min(LEAF_BYTES, entry.bytes - offset));
    const busy = hashes?.add(leaf);
    use(leaf, offset);
    if (busy !== undefined) await busy;
    if (pause !== undefined) await pause();
    const turn = slices.over();
    if (turn !== undefined) await turn;
  }
  await hashes?.finish();
}

/** The bytes themselves, or a copy if their memory is shared, which platform interfaces refuse. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
