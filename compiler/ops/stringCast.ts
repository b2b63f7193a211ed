/**
 * Cast between strings and numbers. In: a tensor of one, known while binding. Out: a tensor of the other. Invariant:
 * a float becomes the shortest decimal that reads back as the same value of its type; what is not the text of a
 * number is refused. Source: ONNX operator Cast 25: "INF", "-INF" and "NaN", in either case, name what is no number.
 */
import { allocate, computeType, isFloat, type DType, type Tensor } from "../ir/dtype.ts";
import { castFunction, loadFunction, storeFunction } from "../ir/numeric.ts";
import type { OpCall } from "./define.ts";
import { stringTensor } from "./strings.ts";

type Scalar = number | bigint;

/** The shortest decimal that `dtype` holds as `value`. */
function floatText(value: number, dtype: DType): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "INF" : "-INF";
  if (dtype !== "float64") {
    const store = storeFunction(dtype);
    const stored = store(value);
    for (let digits = 1; digits < 9; digits++) {
      const shorter = Number(value.toPrecision(digits));
      if (store(shorter) === stored) return String(shorter);
    }
  }
  return String(value);
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const integer = /^[+-]?\d+$/;
const infinite = /^[+-]?inf(?:inity)?$/i;

/** The number that a text means; integers in full precision. */
function parse(text: string): Scalar | undefined {
  if (integer.test(text)) return BigInt(text.replace("+", ""));
  if (decimal.test(text)) return Number(text);
  if (infinite.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^[+-]?nan$/i.test(text) ? NaN : undefined;
}

function numbersOf(call: OpCall, texts: readonly string[], dtype: DType): Tensor["data"] {
  const data = allocate(dtype, texts.length) as { [at: number]: Scalar };
  const store = storeFunction(dtype);
  const fromFloat = castFunction("f64", dtype);
  const fromInteger = castFunction("i64", dtype);
  texts.forEach((text, i) => {
    const value = parse(text.trim());
    if (value === undefined) call.fail("dtype-unsupported", `"${text}" is not a number`);
    // Texts of integers for floats go by way of a double, which is the nearest.
    const exact = typeof value === "bigint" && !isFloat(dtype);
    data[i] = store(exact ? fromInteger(value) : fromFloat(Number(value)));
  });
  return data as unknown as Tensor["data"];
}

/** Converts a known tensor of or to strings. */
export function castStrings(call: OpCall, from: Tensor, dtype: DType): Tensor {
  const { shape } = from;
  if (dtype === from.dtype) return from;
  if (from.dtype === "string") {
    return { dtype, shape, data: numbersOf(call, from.data as readonly string[], dtype) };
  }
  const load = loadFunction(from.dtype);
  const real = isFloat(from.dtype) || ["f32", "f64"].includes(computeType(from.dtype));
  const texts = Array.from(from.data as Iterable<Scalar>, (stored) => {
    const value = load ? load(stored) : stored;
    return real ? floatText(value as number, from.dtype) : String(value);
  });
  return stringTensor(shape, texts);
}
