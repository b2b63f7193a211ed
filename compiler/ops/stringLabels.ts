/**
 * Tables from labels to labels where either are strings: LabelEncoder, CategoryMapper. In: a known tensor, keys,
 * values and a default. Out: the values of its elements. Invariant: of keys that repeat the last one counts, NaN
 * equals itself, and an element that is no key gets the default. Source: ai.onnx.ml LabelEncoder 4, CategoryMapper 1.
 */
import { allocate, elementCount, type Tensor } from "../ir/dtype.ts";
import { loadFunction } from "../ir/numeric.ts";
import type { AttributeLike, OpCall, OpDefinition } from "./define.ts";
import { hostOperator, stringTensor } from "./stringForm.ts";

type Label = string | number | bigint;

/** Elements in a form in which equal labels of any two numeric types are the same. */
function labels({ dtype, data }: Tensor): Label[] {
  if (dtype === "string") return [...(data as readonly string[])];
  const load = loadFunction(dtype);
  return Array.from(data as Iterable<number | bigint>, (stored) => {
    const value = load ? load(stored) : stored;
    return Number.isInteger(value) ? BigInt(value) : value;
  });
}

/** Elements of `from` at these positions. */
function taken(from: Tensor, positions: readonly number[], shape: readonly number[]): Tensor {
  if (from.dtype === "string") {
    const strings = from.data as readonly string[];
    return stringTensor(shape, positions.map((at) => strings[at]!)); // prettier-ignore
  }
  const data = allocate(from.dtype, positions.length);
  positions.forEach((at, i) => {
    (data as { [i: number]: Label })[i] = from.data[at]!;
  });
  return { dtype: from.dtype, shape, data };
}

/** The value that belongs to each element; the last element of `values` is the default. */
export function lookUp(input: Tensor, keys: Tensor, values: Tensor): Tensor {
  const positions = new Map(labels(keys).map((key, i) => [key, i]));
  const otherwise = elementCount(values.shape) - 1;
  return taken(
    values,
    labels(input).map((label) => positions.get(label) ?? otherwise),
    input.shape,
  );
}

/** Values with the default behind them. */
export function withDefault(call: OpCall, values: Tensor, otherwise: Tensor): Tensor {
  if (values.dtype !== otherwise.dtype)
    call.fail("attribute-invalid", `values of type ${values.dtype} and a default of type ${otherwise.dtype}`);
  const count = elementCount(values.shape);
  const own = [...(values.data as Iterable<Label>), otherwise.data[0]!];
  if (values.dtype === "string") return stringTensor([count + 1], own as string[]);
  const data = allocate(values.dtype, count + 1);
  own.forEach((value, i) => {
    (data as { [i: number]: Label })[i] = value;
  });
  return { dtype: values.dtype, shape: [count + 1], data };
}

export function integerTensor(values: readonly number[]): Tensor {
  return { dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** Attributes of a LabelEncoder that gives each of these strings its position, and -1 to others. */
export function encodingOf(names: readonly string[]): Record<string, AttributeLike> {
  return {
    keys_strings: { kind: "strings", value: names },
    values_int64s: { kind: "ints", value: names.map((_, i) => i) },
    default_int64: -1,
  };
}

function mapCategories(call: OpCall, [input]: readonly (Tensor | undefined)[]): Tensor[] {
  const names = call.strings("cats_strings") ?? [];
  const numbers = call.ints("cats_int64s") ?? [];
  if (names.length !== numbers.length)
    call.fail("attribute-invalid", `${names.length} strings for ${numbers.length} integers`);
  const strings = stringTensor([names.length], names);
  const integers = integerTensor(numbers);
  if (input!.dtype === "string") {
    const values = withDefault(call, integers, integerTensor([call.int("default_int64", -1)]));
    return [lookUp(input!, strings, values)];
  }
  const values = withDefault(call, strings, stringTensor([1], [call.string("default_string", "_Unused")]));
  return [lookUp(input!, integers, values)];
}

export const stringLabelOps: readonly OpDefinition[] = [
  hostOperator("CategoryMapper", mapCategories, "ai.onnx.ml"),
];
