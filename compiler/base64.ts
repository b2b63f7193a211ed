/**
 * Base64, of which the compiler may use neither `atob` nor `Buffer`. In: text. Out: bytes. Invariant: both alphabets of
 * RFC 4648 (sections 4 and 5) are read, with or without padding.
 */

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The bytes that base64 stands for; undefined where it is none. */
export function bytesOfBase64(written: string): Uint8Array<ArrayBuffer> | undefined {
  const clean = written
    .replace(/-/g, "+")
    .replace(/_/g, "/")
    .replace(/[=\s]+$/, "");
  const bytes = new Uint8Array(Math.floor((clean.length * 3) / 4));
  let [held, bits, at] = [0, 0, 0];
  for (const letter of clean) {
    const digit = digits.indexOf(letter);
    if (digit < 0) return undefined;
    held = ((held << 6) | digit) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits;
  }
  return bytes;
}
