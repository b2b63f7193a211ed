/**
 * Contractions whose operands are staged in memory of a workgroup, for GPUs that have such memory near their cores. In: a
 * sum of products of two operands, one of them along the vector axis, and a device. Out: steps, or nothing where the
 * contraction is too small or has another form. Invariant: no choice exceeds what a workgroup may have on every device.
 *
 * A workgroup computes a rectangle of results, each invocation some rows of one vector of four columns. Of both operands it
 * copies what a few steps of the reduction need, so that each element is read from memory once per rectangle and not once
 * per invocation. Rows are all axes along which the second operand stays the same: of an image, its pixels, whatever lies
 * between its lines, since only the copy has to find them.
 */
import { elementCount } from "../ir/dtype.ts";
import { assignments, type Assign, type Kernel } from "../ir/kernel.ts";
import type { Step } from "../ir/schedule.ts";
import type { Access, AssignAccesses } from "../lower/access.ts";
import { LANES } from "../ir/nest.ts";
import { soleLoad } from "../lower/pack.ts";
import { WORKGROUP_LIMITS } from "../lower/workgroup.ts";
import type { GpuDevice, StageLimits } from "./gpuDevice.ts";
import { mergeAxes } from "./merge.ts";

/** Smaller contractions are read from caches as soon. */
const LEAST_ROWS = 16;
const LEAST_COLUMNS = 16;
const LEAST_DEPTH = 32;
/** Bytes of an element of a copy. */
const WORD = 4;

/** The two operands of a sum of products. */
export interface Product {
  /** Does not depend on the vector axis. */
  readonly left: Access;
  readonly right: Access;
}

/** The operands of `sum of left * right`, where just one moves along `vector` and both lie at plain positions. */
function productOf(assign: Assign, accesses: AssignAccesses, vector: string): Product | undefined {
  const { op, body } = assign.reduce!;
  if (op !== "sum" || body.kind !== "binary") return undefined;
  if (body.op !== "dot4" && (body.op !== "mul" || body.type !== "f32")) return undefined;
  const operand = (e: typeof body.a): Access | undefined => accesses.loads.find((a) => a.inReduction && a.load === e); // prettier-ignore
  const [a, b] = [operand(body.a), operand(body.b)];
  if (!a || !b || a === b || a.buffer === b.buffer) return undefined;
  if (a.opaque.size > 0 || b.opaque.size > 0) return undefined;
  const moves = (x: Access): boolean => (x.strides.get(vector) ?? 0) !== 0;
  if (moves(a) === moves(b)) return undefined;
  return moves(a) ? { left: b, right: a } : { left: a, right: b };
}

/** Rows and vectors of a workgroup. */
interface Rectangle {
  /** Rows of an invocation. */
  readonly rows: number;
  /** Invocations along rows and along columns. */
  readonly down: number;
  readonly across: number;
}

/**
 * @param vector the axis along which the store is contiguous, of a multiple of four
 * @param packable whether an operand may be copied into panels before the first run
 */
export function stagedContraction(
  kernel: Kernel,
  assign: Assign,
  accesses: AssignAccesses,
  vector: string,
  packable: (access: Access) => boolean,
  most: number,
  device: GpuDevice,
): Step[] | undefined {
  const limits = device.stage;
  const product = limits && productOf(assign, accesses, vector);
  if (!limits || !product) return undefined;
  const { left, right } = product;
  for (const { buffer, load } of [left, right]) {
    if (kernel.buffers[buffer]!.role !== "in" || load!.pad !== undefined) return undefined;
    if (soleLoad(assign, buffer) !== load) return undefined;
  }
  const along = (access: Access, name: string): number => access.strides.get(name) ?? 0;
  const others = assign.axes.filter(({ name }) => name !== vector);
  const rowAxes = others.filter((x) => x.extent > 1 && along(right, x.name) === 0 && along(left, x.name) !== 0 && !accesses.opaque.has(x.name)); // prettier-ignore
  const rows = elementCount(rowAxes.map((x) => x.extent));
  const columns = assign.axes.find(({ name }) => name === vector)!.extent;
  const { axes: reduceAxes } = assign.reduce!;
  const depth = elementCount(reduceAxes.map((x) => x.extent));
  if (rows < LEAST_ROWS || columns < LEAST_COLUMNS || depth < LEAST_DEPTH) return undefined;

  const packs = along(right, vector) !== 1 && packable(right) && readOnce(kernel, assign, right.buffer);
  const reduced = mergeAxes(reduceAxes, accesses, new Set(), packs ? new Set([right.buffer]) : new Set());
  const steps: Step[] = [...reduced.steps];
  const last = reduced.axes.findLast((x) => x.extent > 1);
  if (!last || last.extent % LANES !== 0) return undefined;
  const chunk = chunkOf(last.extent, limits.depth);
  const batches = elementCount(others.filter((x) => !rowAxes.includes(x)).map((x) => x.extent));
  const chosen = rectangleOf(
    rows,
    columns / LANES,
    batches,
    chunk,
    Math.min(most, limits.rows),
    limits,
    device.busy,
  );
  if (!chosen) return undefined;
  const { down, across } = chosen;
  if (packs) steps.unshift({ kind: "pack", buffer: right.buffer, panels: [[vector, across * LANES]] });

  // Pixels as one axis: which lines they are in matters to the copy and to the store.
  const [firstRow, ...moreRows] = rowAxes.map(({ name }) => name);
  const row = moreRows.reduce((outer, inner) => {
    steps.push({ kind: "merge", outer, inner });
    return `${outer}*${inner}`;
  }, firstRow!);
  const k = last.name;
  const v = vector;
  steps.push(
    { kind: "split", axis: row, by: chosen.rows * down, tail: rows % (chosen.rows * down) === 0 ? "peel" : "overlap" }, // prettier-ignore
    { kind: "split", axis: `${row}.i`, by: chosen.rows, tail: "peel" },
    { kind: "split", axis: v, by: LANES, tail: "peel" },
    { kind: "split", axis: `${v}.o`, by: across, tail: "peel" },
    { kind: "split", axis: k, by: chunk, tail: "peel" },
    { kind: "split", axis: `${k}.i`, by: LANES, tail: "peel" },
    { kind: "order", axes: [
      ...others.filter((x) => !rowAxes.includes(x)).map(({ name }) => name), `${row}.o`, `${v}.o.o`, `${row}.i.o`, `${v}.o.i`,
      ...reduced.axes.flatMap((x) => (x === last ? [`${k}.o`, `${k}.i.o`, `${k}.i.i`] : [x.name])), `${row}.i.i`, `${v}.i`,
    ] },
    { kind: "bind", axis: `${row}.i.o`, to: "group" },
    { kind: "bind", axis: `${v}.o.i`, to: "group" },
    { kind: "bind", axis: `${k}.i.i`, to: "unroll" },
    { kind: "bind", axis: `${row}.i.i`, to: "unroll" },
    { kind: "bind", axis: `${v}.i`, to: "vector" },
    { kind: "stage", buffer: left.buffer, at: `${k}.o` },
    { kind: "stage", buffer: right.buffer, at: `${k}.o` },
  ); // prettier-ignore
  return steps;
}

/** Whether no other assignment reads a buffer, so that panels of it take its place. */
function readOnce(kernel: Kernel, assign: Assign, buffer: number): boolean {
  return assignments(kernel).every(
    ({ assign: other }) => other === assign || soleLoad(other, buffer) === undefined,
  );
}

/** Steps of the reduction at a time: a divisor where there is one that is long enough. */
function chunkOf(extent: number, depth: number): number {
  for (let chunk = Math.min(2 * depth, extent); chunk >= depth / 2; chunk -= LANES)
    if (chunk % LANES === 0 && extent % chunk === 0 && chunk <= 1.5 * depth) return chunk;
  return Math.min(depth, extent);
}

/** The rectangle with the least to do per result, counted in loads of four and in idle or repeated work. */
function rectangleOf(
  rows: number,
  vectors: number,
  batches: number,
  chunk: number,
  mostRows: number,
  { invocations: [least, most], bytes }: StageLimits,
  busy: number,
): Rectangle | undefined {
  let best: Rectangle | undefined;
  let lowest = Infinity;
  const limit = Math.min(most, WORKGROUP_LIMITS.invocations);
  const room = Math.min(bytes, WORKGROUP_LIMITS.bytes) / WORD;
  for (let across = 4; across <= Math.min(16, vectors); across++) {
    if (vectors % across !== 0) continue;
    for (let own = Math.min(mostRows, rows); own >= 2; own--) {
      for (let down = 2; down * across <= limit && own * down <= rows; down++) {
        const size = down * across;
        // Rows of copies may be moved apart by a vector.
        if (size < least || (own * down + across * LANES) * (chunk + LANES) > room) continue;
        const blocks = Math.ceil(rows / (own * down));
        const total = blocks * own * down * vectors * batches;
        const invocations = total / own;
        const idle = Math.max(1, busy / 2 / invocations);
        // Of each product of four: a load per row from the copy and one of the column, and a share of filling both.
        const loads = 1 / own + 1 / LANES + 2 / (own * down) + 2 / (across * LANES);
        // Invocations run in lockstep by 32, as a rule.
        const lockstep = (Math.ceil(size / 32) * 32) / size;
        const cost = total * (1 + loads) * lockstep * idle ** 0.5;
        if (cost < lowest) {
          lowest = cost;
          best = { rows: own, down, across };
        }
      }
    }
  }
  return best;
}
