/**
 * Cast between strings and numbers, which Cast expands into. In: a tensor of one, known while binding. Out: a tensor of
 * the other. Invariant: a float becomes the shortest decimal that reads back as the same value of its type; what is not
 * the text of a number is refused. Source: ONNX operator Cast 25: "INF", "-INF" and "NaN", in either case, name what is
 * no number.
 */
import { allocate, computeType, isFloat, type DType, type Tensor } from "../ir/dtype.ts";
import { castFunction, loadFunction, storeFunction } from "../ir/numeric.ts";
import type { OpCall, OpDefinition } from "./define.ts";
import { typeAttribute } from "./elementwiseCast.ts";
import { hostOperator, stringTensor } from "./stringForm.ts";

type Scalar = number | bigint;

/** Significant digits past which an exponent is written, as C's "%.8g" and "%.17g" do. */
const placesOf = (dtype: DType): number => (dtype === "float64" ? 17 : 8);

/** The shortest decimal that `dtype` holds as `value`, written as C's "%g" writes it. */
function floatText(value: number, dtype: DType): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "INF" : "-INF";
  const shortest = shortestText(value, dtype);
  const [digits, exponent] = shortest.split("e") as [string, string];
  const power = Number(exponent);
  if (power < -4 || power >= placesOf(dtype)) {
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  if (Object.is(value, -0)) return "-0";
  const fraction = digits.split(".")[1] ?? "";
  return Number(shortest).toFixed(Math.max(0, fraction.length - power));
}

/** As `toExponential` writes it, with as few digits as tell the value from all others of its type. */
function shortestText(value: number, dtype: DType): string {
  if (dtype === "float64") return value.toExponential();
  // Storing a float32 leaves the rounding to the array.
  const store = dtype === "float32" ? (x: number) => Math.fround(x) : storeFunction(dtype);
  const stored = store(value);
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (store(Number(text)) === stored) return text;
  }
  return value.toExponential();
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const integer = /^[+-]?\d+$/;
const infinite = /^[+-]?inf(?:inity)?$/i;

/** The number that a text means; for integer types, all digits of an integer. */
function parse(text: string, exact: boolean): Scalar | undefined {
  if (exact && integer.test(text)) return BigInt(text.replace("+", ""));
  if (decimal.test(text)) return Number(text);
  if (infinite.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return /^[+-]?nan$/i.test(text) ? NaN : undefined;
}

function numbersOf(call: OpCall, texts: readonly string[], dtype: DType): Tensor["data"] {
  const data = allocate(dtype, texts.length) as { [at: number]: Scalar };
  const store = storeFunction(dtype);
  const fromFloat = castFunction("f64", dtype);
  const fromInteger = castFunction("i64", dtype);
  const exact = !isFloat(dtype);
  texts.forEach((text, i) => {
    const value = parse(text.trim(), exact);
    if (value === undefined) call.fail("dtype-unsupported", `"${text}" is not a number`);
    data[i] = store(typeof value === "bigint" ? fromInteger(value) : fromFloat(value));
  });
  return data as unknown as Tensor["data"];
}

/** Converts a known tensor of or to strings. */
function castStrings(call: OpCall, from: Tensor, dtype: DType): Tensor {
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

export const stringCastOps: readonly OpDefinition[] = [
  hostOperator(
    "CastStrings",
    (call, [from]) => [castStrings(call, from!, typeAttribute(call, "to")!)],
    "tilewright",
  ),
];
