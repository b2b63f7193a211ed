/**
 * Operators on strings: normalise, join, split, match. In: string tensors, known while binding. Out: tensors made on
 * the host, as strings have no place in a program's memory. Invariant: characters are Unicode code points, and the
 * result depends on the strings and attributes only.
 * Source: ONNX operators StringNormalizer 10, StringConcat 20, StringSplit 20, RegexFullMatch 20.
 */
import { elementCount, type Tensor } from "../ir/dtype.ts";
import { broadcastShapes, type OpCall, type OpDefinition } from "./define.ts";
import { hostOperator, stringsOf, stringTensor } from "./stringForm.ts";
import { readRegex } from "./stringRegex.ts";
import { regexMatcher } from "./stringRegexRun.ts";

// ---------------------------------------------------------------------------------------------------------------
// StringNormalizer

/** ONNX writes locales as POSIX does ("en_US.UTF-8"); Unicode's are "en-US". */
function localeOf(call: OpCall): string | undefined {
  const name = call
    .string("locale")
    ?.replace(/[.@].*$/, "")
    .replaceAll("_", "-");
  if (!name || name === "C" || name === "POSIX") return undefined;
  try {
    return new Intl.Locale(name).toString();
  } catch {
    return call.fail("attribute-invalid", `"${name}" is not a locale`);
  }
}

function normalize(call: OpCall, [input]: readonly (Tensor | undefined)[]): Tensor[] {
  const words = stringsOf(call, input);
  const { shape } = call.input(0);
  if (shape.length !== 1 && !(shape.length === 2 && shape[0] === 1))
    call.fail("shape-mismatch", `[${shape}] is neither [C] nor [1, C]`);
  const locale = localeOf(call);
  const changes: Readonly<Record<string, (text: string) => string>> = {
    NONE: (text) => text,
    LOWER: (text) => text.toLocaleLowerCase(locale ?? "en-US"),
    UPPER: (text) => text.toLocaleUpperCase(locale ?? "en-US"),
  };
  const action = call.string("case_change_action", "NONE");
  const change = changes[action] ?? call.fail("attribute-invalid", `case_change_action ${action}`);
  const compared = call.int("is_case_sensitive", 0) !== 0 ? changes["NONE"]! : changes["LOWER"]!;
  const stopwords = new Set((call.strings("stopwords") ?? []).map(compared));
  const kept = words.filter((word) => !stopwords.has(compared(word))).map(change);
  const result = kept.length > 0 ? kept : [""];
  return [stringTensor([...shape.slice(0, -1), result.length], result)];
}

// ---------------------------------------------------------------------------------------------------------------
// StringConcat

/** Positions in a row-major tensor of `shape` of every point of the broadcast result, in order. */
function broadcastPositions(shape: readonly number[], result: readonly number[]): number[] {
  let positions = [0];
  let stride = elementCount(shape);
  result.forEach((extent, d) => {
    const own = d - (result.length - shape.length);
    const dim = own < 0 ? 1 : shape[own]!;
    if (own >= 0) stride = dim === 0 ? 0 : stride / dim;
    const step = dim === 1 ? 0 : stride;
    positions = positions.flatMap((at) => Array.from({ length: extent }, (_, i) => at + i * step));
  });
  return positions;
}

function concat(call: OpCall, inputs: readonly (Tensor | undefined)[]): Tensor[] {
  const [a, b] = [stringsOf(call, inputs[0]), stringsOf(call, inputs[1])];
  const shapes = [call.input(0).shape, call.input(1).shape] as const;
  const shape = broadcastShapes(call, shapes);
  const [left, right] = shapes.map((own) => broadcastPositions(own, shape)) as [number[], number[]];
  return [stringTensor(shape, left.map((at, i) => a[at]! + b[right[i]!]!))]; // prettier-ignore
}

// ---------------------------------------------------------------------------------------------------------------
// StringSplit

/** Splits at most `most` times at runs of white space; none begins or ends the text. */
function splitAtSpace(text: string, most: number): string[] {
  const pieces: string[] = [];
  let rest = text.trim();
  while (rest !== "" && pieces.length < most) {
    const gap = rest.search(/\s/u);
    if (gap < 0) break;
    pieces.push(rest.slice(0, gap));
    rest = rest.slice(gap).trimStart();
  }
  return rest === "" ? pieces : [...pieces, rest];
}

/** Splits at most `most` times; an empty text has one piece, as in Python. */
function splitAt(text: string, delimiter: string, most: number): string[] {
  const pieces = text.split(delimiter);
  return pieces.length <= most + 1 ? pieces : [...pieces.slice(0, most), pieces.slice(most).join(delimiter)];
}

function split(call: OpCall, [input]: readonly (Tensor | undefined)[]): Tensor[] {
  const texts = stringsOf(call, input);
  const { shape } = call.input(0);
  const delimiter = call.string("delimiter", "");
  const limit = call.int("maxsplit", -1);
  const most = limit < 0 ? Infinity : limit;
  const pieces = texts.map((text) => (delimiter === "" ? splitAtSpace(text, most) : splitAt(text, delimiter, most))); // prettier-ignore
  const width = pieces.reduce((longest, list) => Math.max(longest, list.length), 0);
  const padded = pieces.flatMap((list) => [...list, ...new Array<string>(width - list.length).fill("")]);
  const counts = BigInt64Array.from(pieces, (list) => BigInt(list.length));
  return [stringTensor([...shape, width], padded), { dtype: "int64", shape, data: counts }];
}

// ---------------------------------------------------------------------------------------------------------------
// RegexFullMatch

/** Whether the pattern, in RE2's syntax, matches the whole of each string; in time linear in the strings' lengths. */
function fullMatch(call: OpCall, [input]: readonly (Tensor | undefined)[]): Tensor[] {
  const texts = stringsOf(call, input);
  const pattern = call.string("pattern") ?? call.fail("attribute-invalid", "attribute pattern is missing");
  const refuse = (reason: string): never =>
    call.fail("attribute-invalid", `the pattern "${pattern.slice(0, 200)}" ${reason}`);
  const matches = regexMatcher(readRegex(pattern, refuse), refuse);
  const data = Uint8Array.from(texts, (text) => Number(matches(text)));
  return [{ dtype: "bool", shape: call.input(0).shape, data }];
}

export const stringOps: readonly OpDefinition[] = [
  hostOperator("StringNormalizer", normalize),
  hostOperator("StringConcat", concat),
  hostOperator("StringSplit", split),
  hostOperator("RegexFullMatch", fullMatch),
];
