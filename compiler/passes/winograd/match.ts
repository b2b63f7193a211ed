/**
 * Which contractions slide a window. In: an assignment whose loads name values by number. Out: its axes by the part
 * that they play, or undefined. Invariant: what is found is out[.., y, ..] = value(sum over k, c of
 * in[.., y + k + constant, .., c] * weights[.., k, .., c]) in each window dimension, with steps of one in both the
 * result and the window; everything else about positions is linear and moves with other axes only.
 */
import type { AxisExpr, Expr, LoadExpr } from "../../ir/expr.ts";
import { linear } from "../../ir/linear.ts";
import { axesOf, some } from "../../ir/walk.ts";
import type { Assign, Axis } from "../../ir/kernel.ts";

/** One dimension along which the window slides. */
export interface WindowAxes {
  readonly result: Axis;
  readonly tap: Axis;
}

export interface SlidingWindow {
  readonly assign: Assign;
  /** What the window slides over. */
  readonly input: LoadExpr;
  /** Made of constants. */
  readonly weights: Expr;
  readonly window: readonly WindowAxes[];
  /** Axes of the result along which only the input changes: images. */
  readonly images: readonly Axis[];
  /** Along which both change: groups. */
  readonly groups: readonly Axis[];
  /** Along which only the weights change: channels of the result. */
  readonly columns: readonly Axis[];
  /** Reduced axes but the window's own: channels of the input. */
  readonly depth: readonly Axis[];
}

/** @param fixed whether an expression depends on constants and coordinates only */
export function slidingWindow(assign: Assign, fixed: (e: Expr) => boolean): SlidingWindow | undefined {
  const { reduce } = assign;
  if (reduce?.op !== "sum" || reduce.body.type !== "f32") return undefined;
  const { body } = reduce;
  if (body.kind !== "binary" || body.op !== "mul" || fixed(body.a) === fixed(body.b)) return undefined;
  const [weights, input] = fixed(body.a) ? [body.a, body.b] : [body.b, body.a];
  if (input.kind !== "load" || axesUsedAsValues(weights)) return undefined;

  const wide = (axes: readonly Axis[]): Axis[] => axes.filter((a) => a.extent > 1);
  const results = new Map(wide(assign.axes).map((a) => [a.name, a]));
  const reduced = new Map(wide(reduce.axes).map((a) => [a.name, a]));
  const window: WindowAxes[] = [];
  for (const e of input.index) {
    const { terms } = linear(e);
    if ([...terms.keys()].some((term) => term.kind !== "axis")) return undefined;
    const names = [...terms].map(([term, c]) => ({ name: (term as AxisExpr).name, c }));
    const taps = names.filter(({ name }) => reduced.has(name));
    const moving = names.filter(({ name }) => results.has(name));
    // Channels by groups, say: several axes of one dimension, but no window.
    if (
      !taps.length ||
      !moving.length ||
      names.some(({ name }) => axesOf(weights).has(name) && results.has(name))
    )
      continue;
    if (names.length !== 2 || names.some(({ c }) => c !== 1)) return undefined;
    window.push({ result: results.get(moving[0]!.name)!, tap: reduced.get(taps[0]!.name)! });
  }
  if (!window.length) return undefined;
  const taps = new Set(window.map(({ tap }) => tap.name));
  const slid = new Set(window.map(({ result }) => result.name));
  if (taps.size !== window.length || slid.size !== window.length) return undefined;
  const inInput = axesOf(input);
  const inWeights = axesOf(weights);
  if ([...slid].some((name) => inWeights.has(name)) || [...taps].some((name) => !inWeights.has(name)))
    return undefined;
  // Each window axis in one dimension of the input only.
  for (const name of [...taps, ...slid])
    if (input.index.filter((e) => axesOf(e).has(name)).length !== 1) return undefined;
  const others = [...results.values()].filter((a) => !slid.has(a.name));
  const depth = [...reduced.values()].filter((a) => !taps.has(a.name));
  if (depth.some((a) => !inInput.has(a.name) || !inWeights.has(a.name))) return undefined;
  const part = (input: boolean, weights: boolean): Axis[] =>
    others.filter((a) => inInput.has(a.name) === input && inWeights.has(a.name) === weights);
  if (part(false, false).length) return undefined;
  return {
    assign,
    input,
    weights,
    window,
    images: part(true, false),
    groups: part(true, true),
    columns: part(false, true),
    depth,
  };
}

/** Whether a coordinate is more than a place to load from. */
function axesUsedAsValues(e: Expr): boolean {
  return some(
    e,
    (x) =>
      (x.kind === "cast" && x.a.type === "index") ||
      (x.kind === "load" && x.index.some((i) => [...linear(i).terms.keys()].some((t) => t.kind !== "axis"))),
  );
}
