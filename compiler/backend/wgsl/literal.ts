/**
 * Types and constants of WGSL. In: compute types and values. Out: text. Invariant: a literal has exactly the bits of its
 * value; what WGSL does not take as a constant expression (NaN, the infinities, the sign of a zero) is made of bits in a
 * private variable, which no compiler folds (WGSL specification, section 15.7: they assume there is neither).
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";

/** The type in which a value of a compute type is held: two words for 64 bits, the low one first. */
export function wgslType(type: ComputeType): string {
  switch (type) {
    case "f32":
    case "u32":
    case "bool":
      return type;
    case "i32":
    case "index":
      return "i32";
    case "i64":
    case "u64":
      return "vec2u";
    default:
      throw new InternalError(`${type} has no form in WGSL`);
  }
}

/** The same for four lanes. */
export function wgslVector(type: ComputeType): string {
  const scalar = wgslType(type);
  if (scalar === "bool") return "vec4<bool>";
  if (scalar === "vec2u") throw new InternalError(`${type} in a vector`);
  return `vec4${scalar[0]}`;
}

/** Text of a constant; `bits` names a variable that holds the given bits. */
export function literal(type: ComputeType, value: number | bigint, bits: (word: number) => string): string {
  switch (type) {
    case "f32":
      return floatLiteral(Number(value), bits);
    case "bool":
      return value ? "true" : "false";
    case "u32":
      return `${Number(value)}u`;
    case "i32":
    case "index":
      return intLiteral(Number(value));
    case "i64":
    case "u64": {
      const word = BigInt.asUintN(64, BigInt(value));
      return `vec2u(${word & 0xffffffffn}u, ${word >> 32n}u)`;
    }
    default:
      throw new InternalError(`a constant of ${type} in WGSL`);
  }
}

export function intLiteral(value: number): string {
  if (value === -(2 ** 31)) return "i32(-2147483648)";
  return value < 0 ? `(${value})` : `${value}`;
}

function floatLiteral(value: number, bits: (word: number) => string): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return `bitcast<f32>(${bits(floatWord(value))})`;
  const text = `${shortest(value)}f`;
  return value < 0 ? `(${text})` : text;
}

/** The bits of an f32. */
export function floatWord(value: number): number {
  return new Uint32Array(new Float32Array([value]).buffer)[0]!;
}

const LARGEST_FLOAT = 3.4028234663852886e38;

/** The shortest decimal that reads as the same f32, and is itself no larger than the largest: WGSL takes no other. */
function shortest(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const read = Number(value.toPrecision(digits));
    if (Math.fround(read) === value && Math.abs(read) <= LARGEST_FLOAT) return String(read);
  }
  return String(value);
}
