/**
 * Elements of the fuzzer's operands. In: how they are made (a name and a seed, a range, or one by one), an element
 * type and a count. Out: values, and the same as source. Invariant: the same description gives the same elements on
 * every machine, so that a failing case can be printed in one line and stay the case that failed.
 */
import { allocate, elementCount, type DType, type Tensor } from "../../../runtime/dtype.ts";
import { loadFunction, storeFunction } from "../../../compiler/ir/numeric.ts";
import { isFloat } from "../../../compiler/ir/dtype.ts";
import { Random } from "../random.ts";

/** Named ways to make elements; integer types take whole numbers of them. */
export type DataKind =
  "small" | "normal" | "positive" | "unit" | "special" | "edge" | "extreme" | "zeros" | "ones" | "iota";

export type Element = number | bigint | string;

export type Data =
  | { readonly kind: DataKind; readonly seed: number }
  /** Whole numbers from `least` to `most`. */
  | { readonly kind: "range"; readonly seed: number; readonly least: number; readonly most: number }
  | { readonly kind: "values"; readonly values: readonly Element[] };

/** Smallest and largest value of the integer types. */
const LIMITS: Readonly<Partial<Record<DType, readonly [bigint, bigint]>>> = {
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32768n, 32767n],
  uint16: [0n, 65535n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  bool: [0n, 1n],
  int4: [-8n, 7n],
  uint4: [0n, 15n],
  int2: [-2n, 1n],
  uint2: [0n, 3n],
};

/** Values that are treated in ways of their own; sums of them do not overflow, or their order would be told. */
const SPECIALS = [
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1,
  -1,
  1e-40,
  -1e-40,
  1e-8,
  0.5,
  -0.5,
  1.5,
  2.5,
  16777216,
  1e9,
];

/** And the ends of the types, for operators that look at one element at a time. */
const EDGES = [...SPECIALS, 3.4028234663852886e38, -3.4028234663852886e38, 65504, 65520, 5e-324, 1e-40, -1e-40, 2147483648, -2147483649, 9.3e18, 88.8, -104]; // prettier-ignore

const TEXTS = ["", "a", "b", "abc", "Abc", "a b", "1", "-2.5", "nan", "x1", "é", "日本", "the cat", "1e3"];

function floatElement(kind: DataKind, random: Random, i: number): number {
  switch (kind) {
    case "small":
      return (random.below(17) - 8) / 4;
    case "normal": {
      const [u, v] = [(random.word() + 1) / 2 ** 32, random.word() / 2 ** 32];
      return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    }
    case "positive":
      return 0.125 + random.below(64) / 16;
    case "unit":
      return random.below(2 ** 16) / 2 ** 16;
    case "special":
      return random.chance(0.3) ? random.pick(SPECIALS) : (random.below(33) - 16) / 4;
    case "edge":
      return random.pick(EDGES);
    case "extreme":
      return random.pick([0, -0, 1e-30, -1e9, 1e6, 3, -2, 1e-40]);
    case "ones":
      return 1;
    case "iota":
      return i;
    default:
      return 0;
  }
}

function integerElement(dtype: DType, kind: DataKind, random: Random, i: number): bigint {
  const [least, most] = LIMITS[dtype]!;
  const clamp = (value: bigint): bigint => (value < least ? least : value > most ? most : value);
  switch (kind) {
    case "extreme":
    case "edge":
    case "special":
      if (random.chance(0.4)) return random.pick([least, most, least + 1n, most - 1n, clamp(-1n)]);
      return clamp(BigInt(random.below(21) - 10));
    case "zeros":
      return 0n;
    case "ones":
      return 1n;
    case "iota":
      return BigInt(i) % (most + 1n);
    case "positive":
    case "unit":
      return clamp(BigInt(1 + random.below(9)));
    default:
      return dtype === "bool" ? BigInt(random.below(2)) : clamp(BigInt(random.below(19) - 9));
  }
}

/** The elements as numbers, big integers or texts. */
export function elementsOf(dtype: DType, count: number, data: Data): Element[] {
  if (data.kind === "values") return [...data.values];
  const random = new Random(data.seed);
  return Array.from({ length: count }, (_, i): Element => {
    if (dtype === "string") return data.kind === "range" ? String(random.between(data.least, data.most)) : random.pick(TEXTS); // prettier-ignore
    if (data.kind === "range") return random.between(data.least, data.most);
    return isFloat(dtype) ? floatElement(data.kind, random, i) : integerElement(dtype, data.kind, random, i);
  });
}

export function tensorFrom(dtype: DType, shape: readonly number[], data: Data): Tensor {
  return tensorOfElements(dtype, shape, elementsOf(dtype, elementCount(shape), data));
}

/** A tensor of elements that need not be numbers. */
function tensorOfElements(dtype: DType, shape: readonly number[], elements: readonly Element[]): Tensor {
  if (dtype === "string") return { dtype, shape, data: elements.map(String) };
  const made = allocate(dtype, elements.length);
  const wide = dtype === "int64" || dtype === "uint64";
  const store = storeFunction(dtype);
  elements.forEach((value, i) => {
    const taken = wide ? BigInt(value) : Number(value);
    (made as { [i: number]: number | bigint })[i] = store(taken);
  });
  return { dtype, shape, data: made };
}

/** Reads stored elements as numbers, big integers or texts. */
export function readerOf(dtype: DType): (stored: Element) => Element {
  const decode = dtype === "string" ? undefined : loadFunction(dtype);
  return decode === undefined ? (stored) => stored : (stored) => decode(stored as number);
}

/** One element as TypeScript. */
function elementSource(value: Element): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A description as TypeScript. */
export function dataSource(data: Data): string {
  if (data.kind === "values")
    return `{ kind: "values", values: [${data.values.map(elementSource).join(", ")}] }`;
  const range = data.kind === "range" ? `, least: ${data.least}, most: ${data.most}` : "";
  return `{ kind: "${data.kind}", seed: ${data.seed}${range} }`;
}
