/**
 * The bytes of a library kernel's WebAssembly module. In: a kernel's name. Out: a module that imports
 * `env.memory` and exports the one function. Invariant: the module
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

/** The module of the library kernel `name`, to be instantiated with `{ env: { memory } }`. */
export function libraryModuleBytes(name: string): Uint8Array<ArrayBuffer> {
  const module = libraryModules[name];
  if (!module) throw new InternalError(`there is no library kernel "${name}"`);
  return decodeBase64(module.base64);
}
