/**
 * Asynchronous hash checks. In: bytes and the SHA-256 they should have, in hex. Out: nothing, or `artifact-corrupt`.
 * The platform's implementation is used where there is one (secure contexts, Node), else our own.
 */
import { corrupt } from "./format.ts";
import { hex, sha256 } from "./sha256.ts";

/** Throws `artifact-corrupt`, naming `what`, unless `bytes` have this hash. */
export async function verify(bytes: Uint8Array, expected: string, what: string): Promise<void> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  const digest =
    subtle === undefined ? sha256(bytes) : new Uint8Array(await subtle.digest("SHA-256", unshared(bytes)));
  if (hex(digest) !== expected) throw corrupt(what);
}

/** The bytes themselves, or a copy if their memory is shared, which platform interfaces refuse. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
