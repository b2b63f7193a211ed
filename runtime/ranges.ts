/**
 * Sizes that change from run to run. In: types of inputs, run after run, and a program that a compiler made for a range of
 * sizes. Out: what follows from one number that changes, and runs of the program on tensors of the sizes that they have.
 * Invariant: beyond the sizes of a run all inputs of the program are zero, and nothing from there is given out.
 */
import { type LinearSize, type RangedStage, type ShapeRange, type TensorShape } from "./binder.ts";
import { allocate, elementCount, type NumericData, type Tensor, viewOf } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type NumericTensor } from "./inputs.ts";
import { type Into, roomFor } from "./into.ts";
import { inputViews, type Program } from "./program.ts";

export type Shapes = ReadonlyMap<string, TensorShape>;

/**
 * Ranges end at multiples of 32, and of half of a power of two where that is more: wider ones compute more of what nobody
 * reads (attention goes over all of the room), narrower ones are compiled more often (`npm run bench -- --sizes`).
 */
const FEWEST = 32;
const SHARE = 2;
/** The least n: a dimension of 1 is another program, one that broadcasts. */
const LEAST = 2;

/** Sizes of this many runs are remembered; one that came so often among them has earned a program of its own. */
const RECENT = 32;
const OFTEN = 4;

/** What makes the same program for another size: a stage, and the values that it was told. */
interface Group {
  readonly shapes: Shapes;
  /** How often there was no program for a range of sizes. */
  refused: number;
}

/** After this many ranges without a program none is asked for any more. */
const MOST_REFUSED = 2;
const MOST_GROUPS = 64;

/** A range of sizes, and the value of its number that is wanted now. */
export interface WantedRange {
  readonly range: ShapeRange;
  readonly at: number;
}

/** What sizes have come so far, and what they say of those to come. */
export class SizeHistory {
  /** Least recently used first. */
  readonly #groups = new Map<string, Group>();
  readonly #recent: string[] = [];

  /**
   * Another run with inputs that a program for a range of sizes could take. Whether they have come so often of late
   * that a program of their own, which is faster, pays: a cache that grows by one has each size once.
   *
   * @param key of the sizes
   */
  comesAgain(key: string): boolean {
    this.#recent.push(key);
    if (this.#recent.length > RECENT) this.#recent.shift();
    return this.#recent.filter((recent) => recent === key).length >= OFTEN;
  }

  /**
   * Inputs that nothing is ready for. Gives the range around their sizes for which a program is worth a try: none for the
   * first inputs of their group, nor where they have changed in more than one way.
   */
  came(group: string, inputs: Shapes): WantedRange | undefined {
    const { shapes, refused } = this.#groups.get(group) ?? { refused: 0 };
    this.#groups.delete(group);
    const [oldest] = this.#groups.keys();
    if (this.#groups.size >= MOST_GROUPS) this.#groups.delete(oldest!);
    this.#groups.set(group, { shapes: typesOf(inputs), refused });
    return shapes && refused < MOST_REFUSED ? rangeOf(shapes, inputs) : undefined;
  }

  /** There was no program for the range that was wanted last. */
  refuse(group: string): void {
    const known = this.#groups.get(group);
    if (known) known.refused++;
  }
}

/** Types without the tensors that have them. */
export function typesOf(inputs: Shapes): Map<string, TensorShape> {
  return new Map([...inputs].map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
}

/**
 * The number by which inputs have grown from one run to another, with the range of it that a program should be made for.
 * Undefined where they have changed in more than one way.
 */
export function rangeOf(before: Shapes, now: Shapes): WantedRange | undefined {
  const changes: { readonly from: number; readonly to: number }[] = [];
  for (const [name, { dtype, shape }] of now) {
    const earlier = before.get(name);
    if (earlier?.dtype !== dtype || earlier.shape.length !== shape.length || dtype === "string")
      return undefined;
    shape.forEach((to, d) => {
      const from = earlier.shape[d]!;
      if (from !== to) changes.push({ from, to });
    });
  }
  if (before.size !== now.size || changes.length === 0) return undefined;
  // The one that changes least counts steps of one.
  const { from, to: at } = changes.reduce((a, b) => (Math.abs(b.to - b.from) < Math.abs(a.to - a.from) ? b : a)); // prettier-ignore
  if (at < LEAST) return undefined;
  const step = Math.max(FEWEST, 2 ** Math.floor(Math.log2(at)) / SHARE);
  const high = Math.ceil(at / step) * step;
  const low = Math.max(LEAST, high - step + 1);
  const inputs: Record<string, { dtype: TensorShape["dtype"]; shape: LinearSize[] }> = {};
  for (const [name, { dtype, shape }] of now) {
    const sizes = shape.map((size, d): LinearSize => {
      const slope = (size - before.get(name)!.shape[d]!) / (at - from);
      return { slope, offset: size - slope * at };
    });
    if (!sizes.every((size) => Number.isInteger(size.slope) && size.slope >= 0 && sizeAt(size, low) >= 0))
      return undefined;
    inputs[name] = { dtype, shape: sizes };
  }
  return { range: { low, high, inputs }, at };
}

function sizeAt({ slope, offset }: LinearSize, n: number): number {
  return slope * n + offset;
}

/** The number that gives inputs these shapes; undefined where there is none within the range. */
export function numberOf({ low, high, inputs }: ShapeRange, shapes: Shapes): number | undefined {
  let n: number | undefined;
  if (shapes.size !== Object.keys(inputs).length) return undefined;
  for (const [name, { dtype, shape }] of shapes) {
    const sizes = inputs[name];
    if (sizes?.dtype !== dtype || sizes.shape.length !== shape.length) return undefined;
    for (const [d, size] of shape.entries()) {
      const line = sizes.shape[d]!;
      if (line.slope > 0) n ??= (size - line.offset) / line.slope;
      if (sizeAt(line, n ?? low) !== size) return undefined;
    }
  }
  return n !== undefined && Number.isInteger(n) && n >= low && n <= high ? n : undefined;
}

/** A program for a range of sizes. */
export interface RangedProgram extends Pick<RangedStage, "parameter" | "outputs"> {
  readonly range: ShapeRange;
  readonly program: Program;
}

/**
 * One inference.
 *
 * @param n of {@link numberOf} these inputs
 * @throws TilewrightError `run-failed`, `output-unfit`
 */
export function runRanged(
  { program, parameter, outputs }: RangedProgram,
  n: number,
  inputs: ReadonlyMap<string, Tensor>,
  into: Into,
): Map<string, NumericTensor> {
  const { plan, memory } = program;
  const views = inputViews(plan, memory);
  plan.inputs.forEach(({ name, dtype, shape }, i) => {
    const view = views[i]!;
    if (name === parameter) {
      (view as Int32Array)[0] = n;
      return;
    }
    const given = inputs.get(name);
    if (given?.dtype !== dtype)
      throw new TilewrightError("run-failed", `the program's input "${name}" was not provided`);
    // Both are the typed array that the dtype is held in.
    copyBox(given.data as NumericData, given.shape, view, shape, given.shape);
    clearBeyond(view, shape, given.shape);
  });
  program.invoke();
  return new Map(
    plan.outputs.map(({ name, dtype, shape: room, address }) => {
      const shape = outputs[name]!.map((size) => sizeAt(size, n));
      const count = elementCount(shape);
      const mine = Object.hasOwn(into, name) ? into[name] : undefined;
      const data = mine ? roomFor(name, dtype, count, mine) : allocate(dtype, count);
      copyBox(viewOf(dtype, memory.buffer, address, elementCount(room)), room, data, shape, shape);
      return [name, { dtype, shape, data }];
    }),
  );
}

/** Copies the first elements of each dimension, as many as `box` says, between two row-major arrays. */
function copyBox(
  from: NumericData,
  fromShape: readonly number[],
  to: NumericData,
  toShape: readonly number[],
  box: readonly number[],
): void {
  forEachLine(box, [fromShape, toShape], (length, source, target) => {
    // As bytes, since both are of one type: a float that is no number keeps its bits.
    (to as Uint8Array).set((from as Uint8Array).subarray(source, source + length), target);
  });
}

/** Zeros all elements outside of the first ones of each dimension. */
function clearBeyond(data: NumericData, shape: readonly number[], box: readonly number[]): void {
  let block = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    const [size, kept] = [shape[d]!, box[d]!];
    // Along this dimension, for each place in those before it.
    if (kept < size) {
      const room = size * block;
      for (let at = 0; at < data.length; at += room)
        (data as Uint8Array).fill(zeroOf(data) as number, at + kept * block, at + room);
    }
    block *= size;
  }
}

function zeroOf(data: NumericData): number | bigint {
  return data instanceof BigInt64Array || data instanceof BigUint64Array ? 0n : 0;
}

/** Visits the longest runs of elements that lie together in both of two row-major arrays. */
function forEachLine(
  box: readonly number[],
  [first, second]: readonly [readonly number[], readonly number[]],
  visit: (length: number, first: number, second: number) => void,
): void {
  let inner = box.length;
  let length = 1;
  for (let isWhole = true; isWhole && inner > 0;) {
    inner--;
    length *= box[inner]!;
    isWhole = box[inner] === first[inner] && box[inner] === second[inner];
  }
  const [strides, others] = [stridesOf(first), stridesOf(second)];
  const walk = (d: number, a: number, b: number): void => {
    if (d === inner) visit(length, a, b);
    else for (let i = 0; i < box[d]!; i++) walk(d + 1, a + i * strides[d]!, b + i * others[d]!);
  };
  if (length > 0) walk(0, 0, 0);
}

function stridesOf(shape: readonly number[]): number[] {
  let stride = 1;
  return shape.map((_, i) => {
    const own = stride;
    stride *= shape[shape.length - 1 - i]!;
    return own;
  }).reverse(); // prettier-ignore
}
