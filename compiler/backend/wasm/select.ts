/**
 * Which instruction does what for which type. In: an operator and a compute type, or an element type in memory.
 * Out: instruction names. Invariant: a table and nothing else; what has no instruction is `undefined` (vector) or
 * an error (scalar), and the emitter falls back or refuses.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType, DType } from "../../ir/dtype.ts";
import type { BinaryOp } from "../../ir/expr.ts";
import type { Code } from "./assembler.ts";
import type { ValueType } from "./opcodes.ts";

export function scalarType(type: ComputeType): ValueType {
  switch (type) {
    case "f32":
      return "f32";
    case "f64":
      return "f64";
    case "i64":
    case "u64":
      return "i64";
    default:
      return "i32";
  }
}

interface MemoryForms {
  readonly load: string;
  readonly store: string;
  readonly vectorLoad: string | undefined;
  /** Instructions that widen what `vectorLoad` gives to 32-bit lanes. */
  readonly widen: readonly string[];
  readonly vectorStore: string | undefined;
}

const words: Omit<MemoryForms, "load" | "store"> = {
  vectorLoad: "v128.load",
  widen: [],
  vectorStore: "v128.store",
};
const bytesSigned = ["i16x8.extend_low_i8x16_s", "i32x4.extend_low_i16x8_s"];
const bytesUnsigned = ["i16x8.extend_low_i8x16_u", "i32x4.extend_low_i16x8_u"];

/** How elements of a dtype are loaded and stored; small floats must have been lowered to integers. */
export function memoryForms(dtype: DType): MemoryForms {
  switch (dtype) {
    case "float32":
      return { load: "f32.load", store: "f32.store", ...words };
    case "int32":
    case "uint32":
      return { load: "i32.load", store: "i32.store", ...words };
    case "float64":
      return {
        load: "f64.load",
        store: "f64.store",
        vectorLoad: undefined,
        widen: [],
        vectorStore: undefined,
      };
    case "int64":
    case "uint64":
      return {
        load: "i64.load",
        store: "i64.store",
        vectorLoad: undefined,
        widen: [],
        vectorStore: undefined,
      };
    case "int16":
      return { load: "i32.load16_s", store: "i32.store16", vectorLoad: "v128.load16x4_s", widen: [], vectorStore: "v128.store64_lane" }; // prettier-ignore
    case "uint16":
      return { load: "i32.load16_u", store: "i32.store16", vectorLoad: "v128.load16x4_u", widen: [], vectorStore: "v128.store64_lane" }; // prettier-ignore
    case "int8":
    case "int4":
    case "int2":
      return { load: "i32.load8_s", store: "i32.store8", vectorLoad: "v128.load32_zero", widen: bytesSigned, vectorStore: "v128.store32_lane" }; // prettier-ignore
    case "uint8":
    case "bool":
    case "uint4":
    case "uint2":
      return { load: "i32.load8_u", store: "i32.store8", vectorLoad: "v128.load32_zero", widen: bytesUnsigned, vectorStore: "v128.store32_lane" }; // prettier-ignore
    default:
      throw new InternalError(`elements of ${dtype} reached the emitter`);
  }
}

const floatNames: Partial<Record<BinaryOp, string>> = {
  add: "add", sub: "sub", mul: "mul", div: "div", min: "min", max: "max",
  eq: "eq", ne: "ne", lt: "lt", le: "le", gt: "gt", ge: "ge",
}; // prettier-ignore

const signedNames: Partial<Record<BinaryOp, string>> = {
  add: "add", sub: "sub", mul: "mul", div: "div_s", rem: "rem_s", and: "and", or: "or", xor: "xor",
  shl: "shl", shr: "shr_s", eq: "eq", ne: "ne", lt: "lt_s", le: "le_s", gt: "gt_s", ge: "ge_s",
}; // prettier-ignore

const unsignedNames: Partial<Record<BinaryOp, string>> = {
  ...signedNames,
  div: "div_u", rem: "rem_u", shr: "shr_u", lt: "lt_u", le: "le_u", gt: "gt_u", ge: "ge_u",
}; // prettier-ignore

function isUnsigned(type: ComputeType): boolean {
  return type === "u32" || type === "u64" || type === "bool";
}

/** Writes `a op b` for two scalars on the stack. Integer division by zero gives zero and never traps. */
export function scalarBinary(code: Code, op: BinaryOp, type: ComputeType): void {
  const width = scalarType(type);
  if (width === "f32" || width === "f64") {
    const name = floatNames[op];
    if (!name) throw new InternalError(`${op} of ${type} is no instruction`);
    code.op(`${width}.${name}`);
    return;
  }
  const unsigned = isUnsigned(type);
  if (op === "min" || op === "max") {
    const a = code.locals.take(width);
    const b = code.locals.take(width);
    const compare = `${width}.${op === "min" ? "lt" : "gt"}_${unsigned ? "u" : "s"}`;
    code.set(b).tee(a).get(b).get(a).get(b).op(compare).select(width);
    code.locals.release(a);
    code.locals.release(b);
    return;
  }
  const name = (unsigned ? unsignedNames : signedNames)[op];
  if (!name) throw new InternalError(`${op} of ${type} is no instruction`);
  if (op === "div" || op === "rem") {
    guardedDivision(code, `${width}.${name}`, width, unsigned, op);
    return;
  }
  code.op(`${width}.${name}`);
}

/** The machine traps on x / 0 and on MIN / -1; a model's data must not be able to stop it. */
function guardedDivision(
  code: Code,
  name: string,
  width: "i32" | "i64" | ValueType,
  unsigned: boolean,
  op: BinaryOp,
): void {
  const a = code.locals.take(width);
  const b = code.locals.take(width);
  const zero = (): Code => (width === "i64" ? code.i64(0n) : code.i32(0));
  const one = (): Code => (width === "i64" ? code.i64(1n) : code.i32(1));
  const minusOne = (): Code => (width === "i64" ? code.i64(-1n) : code.i32(-1));
  code.set(b).set(a);
  // The divisor 1 stands in for 0 and -1, whose results are chosen afterwards.
  code.get(a);
  one();
  code.get(b).get(b);
  one();
  code.op(`${width}.add`);
  if (width === "i64") code.i64(2n).op("i64.lt_u");
  else code.i32(2).op("i32.lt_u");
  // b + 1 < 2 unsigned: b is -1 or 0.
  if (unsigned) {
    code.drop();
    code.get(b).op(`${width}.eqz`);
  }
  code.select(width).op(name);
  const result = code.locals.take(width);
  code.set(result);
  if (!unsigned) {
    // x / -1 = -x, x rem -1 = 0.
    if (op === "div") {
      zero();
      code.get(a).op(`${width}.sub`);
    } else zero();
    code.get(result).get(b);
    minusOne();
    code.op(`${width}.eq`).select(width).set(result);
  }
  zero();
  code.get(result).get(b).op(`${width}.eqz`).select(width);
  code.locals.release(a);
  code.locals.release(b);
  code.locals.release(result);
}

const vectorFloat: Partial<Record<BinaryOp, string>> = floatNames;
const vectorSigned: Partial<Record<BinaryOp, string>> = {
  add: "add", sub: "sub", mul: "mul", min: "min_s", max: "max_s",
  eq: "eq", ne: "ne", lt: "lt_s", le: "le_s", gt: "gt_s", ge: "ge_s",
}; // prettier-ignore
const vectorUnsigned: Partial<Record<BinaryOp, string>> = {
  add: "add", sub: "sub", mul: "mul", min: "min_u", max: "max_u",
  eq: "eq", ne: "ne", lt: "lt_u", le: "le_u", gt: "gt_u", ge: "ge_u",
}; // prettier-ignore

/**
 * Writes `a op b` for two vectors of 32-bit lanes; comparisons give masks. Returns false (and writes nothing) when
 * there is no such instruction. With `pseudo`, min and max keep a NaN of the first operand only.
 */
export function vectorBinary(
  code: Code | undefined,
  op: BinaryOp,
  type: ComputeType,
  pseudo: boolean,
): boolean {
  let name: string | undefined;
  if (type === "f32") {
    const plain = vectorFloat[op];
    if (plain) name = pseudo ? `f32x4.p${plain}` : `f32x4.${plain}`;
  } else if (op === "and" || op === "or" || op === "xor") {
    name = `v128.${op}`;
  } else {
    const plain = (type === "u32" || type === "bool" ? vectorUnsigned : vectorSigned)[op];
    if (plain) name = `i32x4.${plain}`;
  }
  if (!name) return false;
  code?.op(name);
  return true;
}
