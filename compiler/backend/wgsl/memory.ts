/**
 * How a kernel's buffers lie on a GPU. In: buffers, and the binding and form of each. Out: declarations, and the text of
 * an element. Invariant: narrow types take four bytes each ("wide") unless they are constants in their ordinary bytes
 * ("packed"), which are read by shift and mask; a binding that several buffers share has one type, and what does not have
 * that type goes through its bits.
 */
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement, type DType } from "../../ir/dtype.ts";

/** Where a buffer of a kernel is found. */
export type Operand =
  /** Elements from number `offset` on, counted in elements of the buffer, of a binding. */
  | { readonly kind: "bound"; readonly binding: number; readonly offset: number; readonly packed: boolean }
  /** Scratch in memory: `stride` elements for each workgroup, or invocation. */
  | {
      readonly kind: "scratch";
      readonly binding: number;
      readonly offset: number;
      readonly stride: number;
    }
  /** Scratch in variables of a workgroup or an invocation. */
  | { readonly kind: "workgroup" | "private" };

export interface Binding {
  readonly mode: "read" | "write";
  /** Bytes of the range that is bound, a multiple of 16. */
  readonly bytes: number;
}

/** What lies in memory: a machine word of a type, two for 64 bits, or half a one where the device has such floats. */
export type Word = "f32" | "i32" | "u32" | "vec2u" | "f16";

export function wordOf(dtype: DType, packed: boolean): Word {
  if (dtype === "float32") return "f32";
  // Elsewhere such a buffer is one of float32 or of bits; see lower/storage.ts.
  if (dtype === "float16") return "f16";
  if (dtype === "uint32") return "u32";
  if (dtype === "int64" || dtype === "uint64") return "vec2u";
  if (dtype === "float64" || dtype === "string") throw new InternalError(`${dtype} in WGSL`);
  return packed && bytesPerElement(dtype) < 4 ? "u32" : "i32";
}

export function wordBytes(word: Word): number {
  return word === "vec2u" ? 8 : word === "f16" ? 2 : 4;
}

/** The type of four words. */
export function quadOf(word: Word): string {
  return word === "f16" ? "vec4h" : `vec4${word[0]}`;
}

/** Text that reads `from`-typed text as the same bits of another type of 32 bits. */
export function asWord(text: string, from: Word, to: Word, vector = false): string {
  if (from === to) return text;
  if (from === "f16" || to === "f16") throw new InternalError("floats of 16 bits share a binding");
  return `bitcast<${vector ? `vec4${to[0]}` : to}>(${text})`;
}
