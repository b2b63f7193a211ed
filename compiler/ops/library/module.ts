/**
 * The bytes of a library kernel's WebAssembly module. In: a kernel's name. Out: a module that imports `env.memory` and
 * exports the one function. Invariant: the module accepts a memory of any size, since the kernels touch only what their
 * arguments point at.
 */
import { bytesOfBase64 } from "../../base64.ts";
import { InternalError } from "../../diagnostic.ts";
import { libraryModules } from "./modules.generated.ts";

/** The module of the library kernel `name`, to be instantiated with `{ env: { memory } }`. */
export function libraryModuleBytes(name: string): Uint8Array<ArrayBuffer> {
  const module = libraryModules[name];
  if (!module) throw new InternalError(`there is no library kernel "${name}"`);
  const bytes = bytesOfBase64(module.base64);
  if (!bytes) throw new InternalError(`the library kernel "${name}" is no base64`);
  return bytes;
}
