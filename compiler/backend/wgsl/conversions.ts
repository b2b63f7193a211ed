/**
 * Conversions between types. In: text of a value, its compute type, and the storage type that it becomes. Out: text, with
 * what it needs of the library. Invariant: what ONNX's Cast says: integers wrap, floats saturate and NaN becomes 0; floats
 * of less than 32 bits were lowered before.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType, DType } from "../../ir/dtype.ts";
import type { Library } from "./library.ts";
import { isWide } from "./wide.ts";

/** A value of compute type `from` as one of storage type `to`. */
export function converted(
  library: Library,
  a: string,
  from: ComputeType,
  to: DType | "index",
  vector: boolean,
): string {
  const f = vector ? "vec4f" : "f32";
  const i = vector ? "vec4i" : "i32";
  const u = vector ? "vec4u" : "u32";
  const zero = (type: string): string => `${type}()`;
  switch (to) {
    case "bool":
      if (from === "bool") return a;
      if (isWide(from)) return `any(${a} != vec2u())`;
      if (from === "f32") return `!(${a} == ${zero(f)})`;
      return `(${a} != ${zero(from === "u32" ? u : i)})`;
    case "float32":
      if (isWide(from)) return `${library.use(from === "u64" ? "floatU64" : "floatI64")}(${a})`;
      return from === "f32" ? a : `${f}(${a})`;
    case "int64":
    case "uint64":
      if (isWide(from)) return a;
      if (from === "f32") return `${library.use(to === "int64" ? "toI64" : "toU64")}(${a})`;
      if (from === "u32" || from === "bool") return `vec2u(u32(${a}), 0u)`;
      return `vec2u(bitcast<u32>(${a}), bitcast<u32>(${a} >> 31u))`;
    case "uint32":
      if (from === "f32") return `${library.use("toUint", vector)}(${a})`;
      if (isWide(from)) return `${a}.x`;
      return from === "u32" ? a : from === "bool" ? `${u}(${a})` : `bitcast<${u}>(${a})`;
    default:
  }
  const whole =
    from === "f32"
      ? `${library.use("toInt", vector)}(${a})`
      : isWide(from)
        ? `bitcast<i32>(${a}.x)`
        : from === "u32"
          ? `bitcast<${i}>(${a})`
          : from === "bool"
            ? `${i}(${a})`
            : a;
  return narrowed(whole, to, vector);
}

/** The low bits of an i32 that a narrow type has room for. */
export function narrowed(text: string, to: DType | "index", vector: boolean): string {
  const bits: Partial<Record<string, number>> = { int8: 8, uint8: 8, int16: 16, uint16: 16, int4: 4, uint4: 4, int2: 2, uint2: 2 }; // prettier-ignore
  const count = bits[to];
  if (count === undefined) {
    if (to === "int32" || to === "index") return text;
    throw new InternalError(`cast to ${to} reached the emitter`);
  }
  if (to.startsWith("int")) return `extractBits(${text}, 0u, ${count}u)`;
  const mask = `${2 ** count - 1}`;
  return `(${text} & ${vector ? `vec4i(${mask})` : mask})`;
}
