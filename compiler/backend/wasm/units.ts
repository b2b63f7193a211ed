/**
 * What a nest can be cut into. In: a nest. Out: how many units it is: stretches of work that are independent of one
 * another, numbered in the order in which the nest runs them. Invariant: only grid loops are cut, and those inside one
 * another only as deep as it takes to have enough units; a list that holds anything else is one unit. A loop that every
 * unit runs all of changes nothing but the order.
 */
import { bytesPerElement, elementCount } from "../../ir/dtype.ts";
import { visit, axesOf } from "../../ir/walk.ts";
import type { Expr } from "../../ir/expr.ts";
import { layoutOf } from "../../ir/kernel.ts";
import type { ForStatement, Nest, Statement } from "../../ir/nest.ts";

/** Enough to share evenly among the threads of any device. */
const ENOUGH = 64;

/** Tiles of points that are rather cut than panels, as an image of 14x14 has. */
const ENOUGH_POINTS = 16;

/** Of constants that every part reads all of: they stay in a core's second-level cache, beside what else is there. */
const MOST_REPEATED = 256 * 1024;

export interface Cut {
  /** How many grid loops inside one another are cut. */
  readonly levels: number;
  /** The grid loop outside of these that is not cut. */
  readonly whole?: string;
}

export function isCut(statement: Statement): statement is ForStatement {
  return statement.kind === "for" && statement.mode === "grid";
}

/** Units of `list` when grid loops are cut, of which up to `levels` stand in one another; one iteration is no loop. */
export function unitsOf(list: readonly Statement[], cut: Cut): number {
  if (!list.every(isCut)) return 1;
  let units = 0;
  for (const { extent, body, variable } of list) {
    if (extent === 1 || variable === cut.whole) units += unitsOf(body, cut);
    else units += cut.levels === 0 ? 1 : extent * unitsOf(body, { ...cut, levels: cut.levels - 1 });
  }
  return units;
}

/** How a nest is cut. */
export function cutOf(nest: Nest): Cut {
  const whole = panelLoop(nest);
  const kept = whole === undefined ? {} : { whole };
  for (let levels = 0, units = 0; ; levels++) {
    const more = unitsOf(nest.body, { ...kept, levels });
    if (more >= ENOUGH || more === units)
      return { ...kept, levels: Math.max(0, more === units ? levels - 1 : levels) };
    units = more;
  }
}

/**
 * The outermost loop where it goes over panels of weights and those inside of it over points. Parts of it would be
 * channels: each thread would store pieces of cache lines whose other pieces are another thread's, and the next call,
 * whose parts are points, would find half of what it loads in another core's cache. Small weights are rather read again
 * for each part. (Between cores without a common cache, 2026-11-21: MobileNetV2's next calls took twice as long.
 * 2026-11-22, images of 14x14 too: its two threads over one are 1.60 instead of 1.50, YOLOX-nano's 1.50 instead of
 * 1.44.)
 */
function panelLoop({ body, buffers }: Nest): string | undefined {
  let list = body;
  while (list.length === 1 && isCut(list[0]!) && list[0].extent === 1) list = list[0].body;
  const [loop] = list;
  if (list.length !== 1 || !loop || !isCut(loop)) return undefined;
  let inside = loop.body;
  const only = (): ForStatement | undefined =>
    inside.length === 1 && isCut(inside[0]!) ? inside[0] : undefined;
  while (only()?.extent === 1) inside = only()!.body;
  if (inside.length === 0 || !inside.every(isCut)) return undefined;
  const points = new Set(inside.map(({ variable }) => variable));
  if (unitsOf(inside, { levels: 1 }) < ENOUGH_POINTS) return undefined;
  const uses = (e: Expr, names: ReadonlySet<string>): boolean =>
    [...axesOf(e)].some((name) => names.has(name));
  const panels = new Set([loop.variable]);
  let [apart, together, repeated] = [0, 0, 0];
  const weights = new Set<number>();
  const see = (e: Expr): void =>
    visit(e, (x) => {
      if (x.kind === "load" && x.index.some((i) => uses(i, panels)) && !x.index.some((i) => uses(i, points)))
        weights.add(x.buffer);
    });
  const walk = (statements: readonly Statement[]): void => {
    for (const s of statements) {
      if (s.kind === "for") walk(s.body);
      else if (s.kind === "update") see(s.body);
      else if (s.kind === "store") {
        const { strides } = layoutOf(buffers[s.buffer]!);
        s.index.forEach((e, d) => {
          if (uses(e, panels)) together = Math.max(together, Math.abs(strides[d]!));
          if (uses(e, points)) apart = Math.max(apart, Math.abs(strides[d]!));
        });
      }
    }
  };
  walk(loop.body);
  for (const n of weights) {
    const { shape, dtype } = buffers[n]!;
    repeated += elementCount(shape) * bytesPerElement(dtype);
  }
  return together < apart && weights.size > 0 && repeated <= MOST_REPEATED ? loop.variable : undefined;
}
