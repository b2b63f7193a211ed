/**
 * What a tensor looks like, for people and for JSON. In: a tensor. Out: its dtype, shape, range and first values,
 * or the five best classes where it looks like class scores. Invariant: figures are of the decoded values (a
 * float16 is its number, not its bits), and NaN never counts into a range but is counted by itself.
 */
import { isFloat } from "../ir/dtype.ts";
import { loadFunction } from "../ir/numeric.ts";
import type { DType, Tensor } from "../../runtime/dtype.ts";
import { numberText, shapeText } from "./table.ts";

type Element = number | bigint | string;

export interface TensorSummary {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Smallest and largest element; absent for strings and where there is no number. */
  readonly range?: readonly [number | bigint, number | bigint];
  /** How many elements are NaN; absent when none is. */
  readonly nan?: number;
  /** The first elements. */
  readonly first: readonly Element[];
  /** The five largest, best first, where the tensor looks like class scores. */
  readonly top?: readonly { readonly index: number; readonly value: number }[];
}

const FIRST = 8;
const TOP = 5;
/** Fewer elements than this are better shown than ranked. */
const LEAST_CLASSES = 10;

/** Sums up a tensor. */
export function summarise(tensor: Tensor): TensorSummary {
  const { dtype, shape, data } = tensor;
  const decode = dtype === "string" ? undefined : loadFunction(dtype);
  const at = (i: number): Element => {
    const stored = data[i]!;
    return decode === undefined || typeof stored === "string" ? stored : decode(stored);
  };
  let least: number | bigint | undefined;
  let most: number | bigint | undefined;
  let nan = 0;
  if (dtype !== "string") {
    for (let i = 0; i < data.length; i++) {
      const value = at(i) as number | bigint;
      if (Number.isNaN(value)) nan++;
      else {
        if (least === undefined || value < least) least = value;
        if (most === undefined || value > most) most = value;
      }
    }
  }
  return {
    dtype,
    shape,
    elements: data.length,
    ...(least === undefined || most === undefined ? {} : { range: [least, most] as const }),
    ...(nan === 0 ? {} : { nan }),
    first: Array.from({ length: Math.min(FIRST, data.length) }, (_, i) => at(i)),
    ...(looksLikeScores(tensor) && nan === 0 ? { top: best(data.length, (i) => at(i) as number) } : {}),
  };
}

/** One row of ten or more floats: the scores of classes, most likely. */
function looksLikeScores({ dtype, shape, data }: Tensor): boolean {
  return isFloat(dtype) && data.length >= LEAST_CLASSES && shape.filter((dim) => dim !== 1).length === 1;
}

function best(count: number, at: (i: number) => number): { index: number; value: number }[] {
  const top: { index: number; value: number }[] = [];
  for (let index = 0; index < count; index++) {
    const value = at(index);
    if (top.length === TOP && value <= top[TOP - 1]!.value) continue;
    const place = top.findIndex((entry) => value > entry.value);
    top.splice(place < 0 ? top.length : place, 0, { index, value });
    top.length = Math.min(top.length, TOP);
  }
  return top;
}

/** Lines that show one output. */
export function summaryLines(name: string, summary: TensorSummary): string[] {
  const { dtype, shape, range, nan, first, top, elements } = summary;
  const facts = [
    `${name}: ${dtype} ${shapeText(shape)}`,
    range && `${numberText(range[0])} to ${numberText(range[1])}`,
    nan && `${nan} of ${elements} are NaN`,
  ];
  const lines = [facts.filter(Boolean).join(", ")];
  if (top !== undefined) {
    const width = Math.max(...top.map(({ index }) => String(index).length));
    for (const { index, value } of top)
      lines.push(`  ${String(index).padStart(width)}  ${numberText(value)}`);
    return lines;
  }
  if (elements === 0) return [...lines, "  (no elements)"];
  const shown = first.map((value) => (typeof value === "string" ? JSON.stringify(value) : numberText(value)));
  return [...lines, `  ${shown.join("  ")}${elements > first.length ? "  ..." : ""}`];
}

/** The summary as JSON can hold it: bigints as numbers where exact, else as text; NaN and infinities as text. */
export function summaryJson(summary: TensorSummary): Record<string, unknown> {
  return { ...summary, range: summary.range?.map(plain), first: summary.first.map(plain), top: summary.top?.map(({ index, value }) => ({ index, value: plain(value) })) }; // prettier-ignore
}

function plain(value: Element): number | string {
  if (typeof value === "string") return value;
  const number = Number(value);
  if (typeof value === "bigint") return Number.isSafeInteger(number) ? number : String(value);
  return Number.isFinite(number) ? number : String(number);
}
