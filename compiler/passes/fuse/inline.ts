/**
 * A producer in its consumer (a prologue, or a link of a chain). In: a map, and a kernel that reads what it makes. Out:
 * the kernel with the map's expression in place of the loads; undefined where that would compute more than it saves, make
 * the kernel too large, or bend a contraction's strides. Invariant: what the kernel computes does not change.
 */
import { elementCount } from "../../ir/dtype.ts";
import { loadTyped, type Expr, type LoadExpr } from "../../ir/expr.ts";
import { assignments, type Assign } from "../../ir/kernel.ts";
import { linear } from "../../ir/linear.ts";
import { range } from "../../ir/range.ts";
import { axesOf, rewrite, substituteAxes, visit } from "../../ir/walk.ts";
import { mapBody, type OpenKernel } from "../open.ts";
import { splitDividedAxes } from "../splitAxes.ts";
import type { OpenCalls } from "./calls.ts";
import { loadsOf, MAX_INPUTS, MAX_SIZE, sizeOf } from "./limits.ts";

/**
 * @param number of the value between the two
 * @param value what the map stores, by the axes of `producer`
 * @param weight its cost; 0 where it only moves elements
 */
export function inlined(
  consumer: OpenKernel,
  number: number,
  producer: Assign,
  value: Expr,
  weight: number,
  calls: OpenCalls,
): OpenKernel | undefined {
  // One input goes; kernels that have far too many stay as they are, without a look into them.
  if (calls.inputsOf(consumer).length - 1 > MAX_INPUTS) return undefined;
  const { numbers } = calls;
  let evaluations = 0;
  let refused = false;
  const { shape } = numbers.at(number);
  const place = (x: LoadExpr): Expr | undefined => {
    if (x.buffer !== number) return undefined;
    if (x.pad !== undefined && !staysInside(x, shape)) {
      const moved = movedPad(value, producer, x, (buffer) => numbers.at(buffer).shape);
      if (moved) return moved;
      refused = true;
      return undefined;
    }
    return substituteAxes(value, producerAxes(producer, x.index));
  };
  const before = contractionOpaque(consumer);
  for (const { assign, loops } of assignments(consumer)) {
    const points = elementCount([...loops.map((l) => l.axis), ...assign.axes].map((a) => a.extent));
    const depth = assign.reduce ? elementCount(assign.reduce.axes.map((a) => a.extent)) : 1;
    evaluations += loadsOf(assign.value, number) * points;
    if (assign.reduce) evaluations += loadsOf(assign.reduce.body, number) * points * depth;
  }
  const body = mapBody(consumer.body, (e) => rewrite(e, (x) => (x.kind === "load" ? place(x) : undefined)));
  if (refused) return undefined;
  const linearised = splitDividedAxes(body, "reduced");
  const result: OpenKernel = { ...consumer, body: linearised };
  if (weight > 0 && evaluations > elementCount(shape) * (weight <= 2 ? 3 : 1)) return undefined;
  if (calls.inputsOf(result).length > MAX_INPUTS) return undefined;
  if (sizeOf(body) > MAX_SIZE) return undefined;
  // A contraction needs straight strides more than it needs one kernel less.
  if (contractionOpaque(result) > before) return undefined;
  return result;
}

/** Axes of a map producer by the coordinates at which it is read. */
function producerAxes(producer: Assign, index: readonly Expr[]): Map<string, Expr> {
  const by = new Map<string, Expr>();
  producer.index.forEach((e, d) => {
    if (e.kind === "axis") by.set(e.name, index[d]!);
  });
  return by;
}

function staysInside(load: LoadExpr, shape: readonly number[]): boolean {
  return load.index.every((e, d) => {
    const [low, high] = range(e);
    return low >= 0 && high < shape[d]!;
  });
}

/** A padded read of a pure rearrangement of whole dimensions is a padded read of its source. */
function movedPad(
  value: Expr,
  producer: Assign,
  x: LoadExpr,
  shapeOf: (buffer: number) => readonly number[],
): Expr | undefined {
  if (value.kind !== "load" || value.pad !== undefined) return undefined;
  const seen = new Set<string>();
  const source = shapeOf(value.buffer);
  for (let d = 0; d < value.index.length; d++) {
    const e = value.index[d]!;
    if (e.kind === "const" && e.value === 0 && source[d] === 1) continue;
    // A slice ends before its source does: what lies beyond is not padding.
    if (e.kind !== "axis" || seen.has(e.name) || e.extent !== source[d]) return undefined;
    seen.add(e.name);
  }
  if (!producer.axes.every((a) => a.extent === 1 || seen.has(a.name))) return undefined;
  // Dimensions of extent 1 must not be read out of bounds: there is no axis to carry the test.
  const by = new Map<string, Expr>();
  for (let d = 0; d < producer.index.length; d++) {
    const e = producer.index[d]!;
    if (e.kind === "axis") by.set(e.name, x.index[d]!);
    else if (!(x.index[d]!.kind === "const" && (x.index[d] as Expr & { kind: "const" }).value === 0))
      return undefined;
  }
  return loadTyped(value.buffer, value.type, value.index.map((e) => substituteAxes(e, by)), x.pad); // prettier-ignore
}

/** Loads inside contractions (sums of products) whose position is more than linear. */
function contractionOpaque(kernel: OpenKernel): number {
  let count = 0;
  for (const {
    assign: { reduce },
  } of assignments(kernel)) {
    if (reduce?.op !== "sum" || elementCount(reduce.axes.map((a) => a.extent)) < 4) continue;
    visit(reduce.body, (x) => {
      if (x.kind !== "load") return;
      for (const i of x.index)
        for (const term of linear(i).terms.keys()) if (term.kind !== "axis" && axesOf(term).size) count++;
    });
  }
  return count;
}
