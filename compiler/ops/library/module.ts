/**
 * The bytes of a library kernel's WebAssembly module. In: a kernel's name, and whether the artifact's memory is
 * shared. Out: a module that imports `env.memory` of that kind and exports the one function. Invariant: the module
 * accepts a memory of any size, since the kernels touch only what their arguments point at.
 */
import { InternalError } from "../../diagnostic.ts";
import { libraryModules } from "./modules.generated.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Decodes base64 (RFC 4648, section 4, with padding). The compiler may use neither `atob` nor `Buffer`. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let pending = 0;
  let bits = 0;
  let at = 0;
  for (const digit of digits) {
    const value = alphabet.indexOf(digit);
    if (value < 0) throw new InternalError(`"${digit}" is not a base64 digit`);
    pending = ((pending << 6) | value) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (pending >> bits) & 0xff;
    }
  }
  return bytes;
}

/** The import section as `asc` writes it: one entry, "env" "memory", a memory of at least 0 pages, no maximum. */
const plainImport = [
  0x02, 0x0f, 0x01, 0x03, 0x65, 0x6e, 0x76, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0, 0,
];

/** The same for a shared memory, whose type needs a maximum: 65536 pages (LEB128), which fits every memory. */
const sharedImport = [0x02, 0x12, ...plainImport.slice(2, -2), 0x03, 0x00, 0x80, 0x80, 0x04];

/** Rewrites the memory import of a library module to take a shared memory (threads proposal, limits flag 3). */
export function withSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  for (let at = 8; at + plainImport.length <= bytes.length; at++) {
    if (!plainImport.every((byte, i) => bytes[at + i] === byte)) continue;
    const rest = bytes.subarray(at + plainImport.length);
    const result = new Uint8Array(at + sharedImport.length + rest.length);
    result.set(bytes.subarray(0, at));
    result.set(sharedImport, at);
    result.set(rest, at + sharedImport.length);
    return result;
  }
  throw new InternalError("a library module has no import of env.memory in the form that asc writes");
}

/** The module of the library kernel `name`, to be instantiated with `{ env: { memory } }`. */
export function libraryModuleBytes(
  name: string,
  options: { readonly sharedMemory?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const module = libraryModules[name];
  if (!module) throw new InternalError(`there is no library kernel "${name}"`);
  const bytes = decodeBase64(module.base64);
  return options.sharedMemory ? withSharedMemory(bytes) : bytes;
}
