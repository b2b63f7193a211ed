/**
 * How long a kernel may take on one thread, before anything is known of the device: what decides whether it is shared
 * among threads. In: blocks of a kernel. Out: nanoseconds, rough. The rates are those of one core of the machines
 * that we measure on (2025, Sapphire Rapids class), a little on the slow side.
 */
import { elementCount } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import { assignments, type Axis, type Block } from "../ir/kernel.ts";
import { axesOf, visit } from "../ir/walk.ts";
import { costOf } from "./cost.ts";

/** A multiply-add in vectors. */
const MULTIPLY_ADD = 0.045;
/** One operation on elements of 32 bits, in vectors, its share of memory traffic included. */
const OPERATION = 0.1;
/** An element of 32 bits that no cache holds: most of the time of a matrix times a vector. */
const READING = 0.14;
/** Elements from which that is so: a quarter of a megabyte, as other kernels run in between. */
const LEAST_READ = 2 ** 16;
/** How much slower what does not run in vectors is. */
const SCALAR = 6;

/** What is shorter stays on one thread: starting and meeting takes about a microsecond. */
export const LEAST_SHARED = 16_000;

/** A run of which no more than this could be shared does without threads. */
export const LEAST_SHARED_RUN = 150_000;

export function nanosecondsOf(blocks: readonly Block[]): number {
  let sum = 0;
  for (const { assign, loops } of assignments({ body: blocks })) {
    const points = elementCount([...loops.map(({ axis }) => axis), ...assign.axes].map((a) => a.extent));
    let each = (1 + costOf(assign.value)) * OPERATION * slowness(assign.value);
    if (assign.reduce) {
      const { op, axes, body } = assign.reduce;
      const steps = elementCount(axes.map((a) => a.extent));
      const product = op === "sum" && body.kind === "binary" && (body.op === "dot4" || (body.op === "mul" && body.type === "f32")); // prettier-ignore
      each += steps * slowness(body) * (product ? MULTIPLY_ADD : (1 + costOf(body)) * OPERATION);
      if (product && points > 0) each = Math.max(each, readingOf(body, [...assign.axes, ...axes]) / points);
    }
    sum += points * each;
  }
  return sum;
}

/** Nanoseconds that reading the largest operand takes, where no cache holds it. */
function readingOf(body: Expr, axes: readonly Axis[]): number {
  let most = 0;
  visit(body, (x) => {
    // Windows overlap: each of their elements is read by several points.
    if (x.kind !== "load" || !x.index.every((e) => e.kind === "axis" || e.kind === "const")) return;
    const used = axesOf(x);
    most = Math.max(most, elementCount(axes.filter(({ name }) => used.has(name)).map((a) => a.extent)));
  });
  return most >= LEAST_READ ? most * READING : 0;
}

/** Values of 64 bits and what is read at computed places take one element at a time. */
function slowness(e: Expr): number {
  let scalar = false;
  visit(e, (x) => {
    if (x.type === "i64" || x.type === "u64" || x.type === "f64") scalar = true;
  });
  return scalar ? SCALAR : 1;
}
