/**
 * Blocks of rows: a loop over rows becomes one over blocks of them. In: assignments over common rows, with scratch
 * of one row. Out: a body in which every assignment covers all rows of a block, with scratch of a block. Invariant:
 * a block fits the first-level cache unless a few rows alone do not; within it each assignment is scheduled on its
 * own, so that reductions of several rows hide one another's latency, and rows side by side fill vectors.
 */
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import { add, axis as axisOf, int, loadTyped, mul, type Expr } from "../ir/expr.ts";
import { axesOf, rewrite, substituteAxes, visit } from "../ir/walk.ts";
import { coordinate, mapAssign, type Assign, type Axis, type Block } from "../ir/kernel.ts";
import type { ValueNumbers } from "./open.ts";
import { isProduct, PRODUCT_LIMITS, rowsOfProducts, type ProductLimits } from "./rowProducts.ts";
import type { RowForm } from "./rows.ts";

/** Bytes of a block: what is read and written of it is the first-level cache of most cores. */
const BLOCK_LIMIT = 32 * 1024;
/** The same where rows lie side by side: short pieces far apart evict one another there, so the second level. */
const SIDE_LIMIT = 128 * 1024;
/** Bytes up to which reading again what was just read is worth something: second level. */
const CACHE_LIMIT = 512 * 1024;
/** Rows to have independent sums that hide one another's latency. */
const FEW_ROWS = 4;
/** Rows where the block is not in the first-level cache anyway: a cache line, if rows come to lie side by side. */
const LINE_ROWS = 16;

/** Rows that make a block, and whether it stays in cache from one assignment to the next. */
export function rowsOfBlock(
  form: RowForm,
  numbers: ValueNumbers,
): { readonly rows: number; readonly cached: boolean } {
  const bytes = Math.max(1, rowBytes(form, numbers));
  const count = elementCount(form.rows.map((r) => r.extent));
  const beside = isBeside(form);
  const room = Math.floor((beside ? SIDE_LIMIT : BLOCK_LIMIT) / bytes);
  const rows = room >= Math.min(count, beside ? LINE_ROWS : FEW_ROWS) ? room : Math.min(count, LINE_ROWS);
  return { rows, cached: rows <= room || rows * bytes <= CACHE_LIMIT };
}

/** Bytes that the assignments touch for each row, scratch included. */
function rowBytes({ rows, assigns }: RowForm, numbers: ValueNumbers): number {
  const count = elementCount(rows.map((r) => r.extent));
  const touched = new Map<number, number>();
  const see = (value: number, along: ReadonlySet<string>): void => {
    const { dtype, shape, temp } = numbers.at(value);
    if (temp) touched.set(value, elementCount(shape) * bytesPerElement(dtype));
    else if (rows.every((r) => along.has(r.name)))
      touched.set(value, (elementCount(shape) / count) * bytesPerElement(dtype));
  };
  for (const assign of assigns) {
    see(assign.out, new Set(assign.index.flatMap((e) => [...axesOf(e)])));
    mapAssign(assign, (e) => {
      visit(e, (x) => x.kind === "load" && see(x.buffer, axesOf(x)));
      return e;
    });
  }
  return [...touched.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Whether the last of the rows' axes is the one along which the reductions' operands lie in memory. */
function isBeside({ rows, assigns }: RowForm): boolean {
  const last = rows.at(-1);
  if (!last) return false;
  let beside = false;
  for (const { reduce } of assigns) {
    if (!reduce) continue;
    visit(reduce.body, (x) => {
      const end = x.kind === "load" ? x.index.findLast((e) => e.kind !== "const") : undefined;
      if (end?.kind === "axis" && end.name === last.name && x.kind === "load" && axesOf(x).size > 1)
        beside = true;
    });
  }
  return beside;
}

/** The body over blocks of rows, or undefined where a loop over single rows is as good. */
export function blockRows(
  form: RowForm,
  numbers: ValueNumbers,
  limits: ProductLimits = PRODUCT_LIMITS,
): readonly Block[] | undefined {
  const { rows, assigns } = form;
  if (!rows.length || !assigns.some((a) => a.reduce)) return undefined;
  const products = assigns.some(isProduct);
  let room = products ? rowsOfProducts(form, numbers, limits) : rowsOfBlock(form, numbers).rows;
  if (room < 2) return undefined;

  // From the innermost axis out: axes that fit whole, one that is cut, and loops over the rest.
  const whole: Axis[] = [];
  let cut: { readonly axis: Axis; readonly by: number } | undefined;
  const outer = [...rows];
  while (outer.length && outer.at(-1)!.extent <= room) {
    const axis = outer.pop()!;
    whole.unshift(axis);
    // Products of one block read the same operand: no block goes over two of them.
    room = products ? 1 : Math.floor(room / axis.extent);
  }
  if (outer.length && room >= 2) {
    const axis = outer.pop()!;
    cut = { axis, by: blockOf(axis.extent, room, storesAlong(form, axis, numbers)) };
  }
  if (!whole.length && !cut) return undefined;
  const blockAxes = [...(cut ? [{ name: cut.axis.name, extent: cut.by }] : []), ...whole];
  const scratch = new Map<number, number>();
  for (const { out } of assigns) {
    const { id, dtype, shape, temp } = numbers.at(out);
    if (temp && !scratch.has(out))
      scratch.set(
        out,
        numbers.add(`${id} of a block`, dtype, [...blockAxes.map((a) => a.extent), ...shape], true),
      );
  }
  const over = (axes: readonly Axis[], at: ReadonlyMap<string, Expr>, suffix: string): Assign[] =>
    assigns.map((assign) => blockOfAssign(assign, axes, at, scratch, suffix));
  let body: Block[];
  if (!cut) body = over(whole, new Map(), "");
  else {
    const { axis, by } = cut;
    const steps: Axis = { name: `${axis.name}b`, extent: Math.floor(axis.extent / by) };
    const inBlock: Axis = { name: `${axis.name}i`, extent: by };
    const start = mul(coordinate(steps), int(by));
    body = [
      {
        kind: "loop",
        axis: steps,
        carried: false,
        body: over([inBlock, ...whole], new Map([[axis.name, add(start, coordinate(inBlock))]]), ""),
      },
    ];
    const rest = axis.extent % by;
    if (rest) {
      const last: Axis = { name: `${axis.name}r`, extent: rest };
      body.push(
        ...over(
          [last, ...whole],
          new Map([[axis.name, add(coordinate(last), int(axis.extent - rest))]]),
          "r",
        ),
      );
    }
  }
  return outer.reduceRight<readonly Block[]>(
    (inside, axis) => [{ kind: "loop", axis, carried: false, body: inside }],
    body,
  );
}

/** One assignment over the rows of a block: `at` says where a row of the block is among all rows. */
function blockOfAssign(
  assign: Assign,
  block: readonly Axis[],
  at: ReadonlyMap<string, Expr>,
  scratch: ReadonlyMap<number, number>,
  suffix: string,
): Assign {
  // A copy for the rest of the rows has axes of its own.
  const by = new Map(at);
  const own = (a: Axis): Axis => {
    if (suffix === "") return a;
    by.set(a.name, axisOf(a.name + suffix, a.extent));
    return { name: a.name + suffix, extent: a.extent };
  };
  const [first, ...others] = block;
  const axes = [
    ...(first && at.size ? [first] : first ? [own(first)] : []),
    ...others.map(own),
    ...assign.axes.map(own),
  ];
  const reduced = assign.reduce?.axes.map(own);
  const inBlock = axes.slice(0, block.length).map(coordinate);
  const memo = new Map<Expr, Expr>();
  const change = (e: Expr): Expr =>
    rewrite(
      substituteAxes(e, by),
      (x) => {
        const temp = x.kind === "load" ? scratch.get(x.buffer) : undefined;
        return x.kind === "load" && temp !== undefined
          ? loadTyped(temp, x.type, [...inBlock, ...x.index])
          : undefined;
      },
      memo,
    );
  const temp = scratch.get(assign.out);
  const result = mapAssign(assign, change);
  return {
    ...result,
    axes,
    index: temp === undefined ? result.index : [...inBlock, ...result.index],
    out: temp ?? assign.out,
    ...(result.reduce ? { reduce: { ...result.reduce, axes: reduced! } } : {}),
  };
}

/** Whether results of neighbouring rows are neighbours in memory: then vectors run across rows, and need four. */
function storesAlong({ assigns }: RowForm, axis: Axis, numbers: ValueNumbers): boolean {
  return assigns.some(({ out, index }) => {
    const last = index.findLast((e) => e.kind !== "const");
    return !numbers.at(out).temp && last?.kind === "axis" && last.name === axis.name;
  });
}

/**
 * Rows of a block: whole fours without a rest if there is such a number near the most that fit, and fours before all
 * else where vectors run across them.
 */
function blockOf(extent: number, room: number, across: boolean): number {
  const fours = across ? 3 : 1.5;
  let best = 1;
  let bestScore = 0;
  for (let by = room; by >= Math.max(2, room / 4); by--) {
    const score = (extent % by === 0 ? 2 : 0) + (by % FEW_ROWS === 0 ? fours : 0) + by / room;
    if (score > bestScore) [best, bestScore] = [by, score];
  }
  return best;
}
