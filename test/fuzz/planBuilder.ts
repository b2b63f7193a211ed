/**
 * What the graph generator writes its plans with. In: choices. Out: a `GraphPlan` whose every value carries, besides
 * its type, how large its elements can be and how exact they are. Invariant: a value with `step` > 0 is computed
 * without any rounding (all elements are multiples of it, and few enough for a float32's 24 bits), in whatever
 * order sums are done, so operators that jump (Floor, Less, ArgMax) may follow it and every bit is compared; with
 * `step` 0, `error` bounds what roundings may have done.
 */
import { elementCount } from "../../runtime/dtype.ts";
import type { OnnxAttributes } from "../../compiler/frontend/onnx/write.ts";
import type { GraphPlan, PlanData, PlanDType, PlanSource, PlanStep, PlanValue } from "./plan.ts";
import { type Random } from "./random.ts";

export interface Value extends PlanValue {
  /** No element is larger in magnitude. */
  readonly bound: number;
  /** All elements are multiples of it; 0 when roundings were made. */
  readonly step: number;
}

/** What an operator does to sizes and errors. */
export interface Range {
  readonly bound: number;
  readonly step?: number;
  /** Of what came in; the operator's own rounding is added. */
  readonly error?: number;
}

/** Thrown when a step cannot be made here (too large, too inexact, nothing to take): another is chosen. */
export class Refused extends Error {}

/** Most elements of a value, in graphs of small and of large shapes. */
const MAX_ELEMENTS = { small: 4096, large: 40_000 } as const;

/** Most multiply-adds of a step. */
const MAX_WORK = { small: 150_000, large: 2_000_000 } as const;
const MAX_BOUND = 1e7;
const MAX_ERROR = 0.02;
const EXACT_LEVELS = 2 ** 24;

/** Of one operator: a few units in the last place of a float32, polynomials included. */
const ROUNDING = 2 ** -20;

const INTEGER_BOUND: Readonly<Partial<Record<PlanDType, number>>> = {
  bool: 1,
  uint8: 255,
  int8: 128,
  int32: 2 ** 31,
  int64: 2 ** 52,
};

/** Extents: ones, primes, and what fills vectors and tiles. */
const DIMS = [1, 1, 1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 31, 33] as const;
const LARGE_DIMS = [1, 3, 8, 16, 24, 31, 32, 48, 64, 65, 96, 100, 128] as const;

export class PlanBuilder {
  readonly random: Random;
  readonly opset: number;
  values: Value[] = [];
  private readonly inputs: PlanSource[] = [];
  private readonly constants: PlanSource[] = [];
  private steps: PlanStep[] = [];
  private names = 0;
  /** Whether extents of 0 may be made. */
  readonly empty: boolean;
  /** Large shapes fill tiles and panels, small ones are all border. */
  readonly size: "small" | "large";

  constructor(random: Random, opset: number, empty: boolean, size: "small" | "large" = "small") {
    this.size = size;
    this.random = random;
    this.opset = opset;
    this.empty = empty;
  }

  /** Refuses steps of more multiply-adds than the interpreter has time for. */
  limitWork(work: number): void {
    if (work > MAX_WORK[this.size]) throw new Refused();
  }

  shape(leastRank = 1, mostRank = 4): number[] {
    const most = MAX_ELEMENTS[this.size] / 4;
    const rank = this.random.between(leastRank, mostRank);
    for (;;) {
      const shape = Array.from({ length: rank }, (): number =>
        this.empty && this.random.chance(0.15)
          ? 0
          : this.random.pick(this.size === "large" ? LARGE_DIMS : DIMS),
      );
      if (elementCount(shape) <= most) return shape;
    }
  }

  input(dtype: PlanDType, shape: readonly number[]): Value {
    const value = this.source(this.inputs, `x${this.inputs.length}`, dtype, shape, this.patternOf(dtype));
    this.values.push(value);
    return value;
  }

  /** A constant, which may also come as an input: then nothing of it can be folded. */
  weight(
    dtype: PlanDType,
    shape: readonly number[],
    range?: { least: number; most: number; step: number },
  ): Value {
    if (elementCount(shape) > MAX_ELEMENTS[this.size]) throw new Refused();
    const data = range
      ? { kind: "pattern" as const, seed: this.random.word() >>> 8, ...range }
      : this.patternOf(dtype);
    if (this.random.chance(0.3))
      return this.source(this.inputs, `x${this.inputs.length}`, dtype, shape, data);
    return this.source(this.constants, `c${this.constants.length}`, dtype, shape, data);
  }

  /** A constant whose values matter: axes, indices, pads. */
  integers(values: readonly number[]): string {
    return this.literal("int64", [values.length], values).name;
  }

  literal(dtype: PlanDType, shape: readonly number[], values: readonly number[]): Value {
    return this.source(this.constants, `c${this.constants.length}`, dtype, shape, { kind: "values", values });
  }

  private patternOf(dtype: PlanDType): PlanData {
    const seed = this.random.word() >>> 8;
    if (dtype === "float32") return { kind: "pattern", seed, least: -2, most: 2, step: 0.25 };
    if (dtype === "bool") return { kind: "pattern", seed, least: 0, most: 1, step: 1 };
    if (dtype === "uint8") return { kind: "pattern", seed, least: 0, most: 255, step: 1 };
    return { kind: "pattern", seed, least: -9, most: 9, step: 1 };
  }

  private source(
    list: PlanSource[],
    name: string,
    dtype: PlanDType,
    shape: readonly number[],
    data: PlanData,
  ): Value {
    const value: PlanValue = { name, dtype, shape, error: 0 };
    list.push({ value, data });
    if (data.kind === "pattern") {
      return { ...value, bound: Math.max(Math.abs(data.least), Math.abs(data.most)), step: data.step };
    }
    return { ...value, bound: Math.max(0, ...data.values.map(Math.abs)), step: dtype === "float32" ? 0 : 1 };
  }

  /** A value made so far, the latest ones first. */
  take(fits: (value: Value) => boolean = () => true): Value {
    const found = this.values.filter(fits);
    if (found.length === 0) throw new Refused();
    const recent = found.slice(-3);
    return this.random.pick(this.random.chance(0.6) ? recent : found);
  }

  float(fits: (value: Value) => boolean = () => true): Value {
    return this.take((value) => value.dtype === "float32" && fits(value));
  }

  node(
    op: string,
    inputs: readonly (Value | string)[],
    attributes: OnnxAttributes,
    dtype: PlanDType,
    shape: readonly number[],
    range: Range,
  ): Value {
    return this.nodes(op, inputs, attributes, [{ dtype, shape, range }])[0]!;
  }

  /** Adds a step; `range` of a result that is the same numbers elsewhere is the input's. */
  nodes(
    op: string,
    inputs: readonly (Value | string)[],
    attributes: OnnxAttributes,
    outputs: readonly {
      readonly dtype: PlanDType;
      readonly shape: readonly number[];
      readonly range: Range;
    }[],
  ): Value[] {
    const made = outputs.map(({ dtype, shape, range }): Value => {
      if (elementCount(shape) > MAX_ELEMENTS[this.size] || shape.length > 6) throw new Refused();
      if (!this.empty && elementCount(shape) === 0) throw new Refused();
      const name = `v${this.names++}`;
      const most = INTEGER_BOUND[dtype];
      if (most !== undefined)
        return { name, dtype, shape, bound: Math.min(range.bound, most), step: 1, error: 0 };
      const step = range.step ?? 0;
      const exact = step > 0 && range.bound / step <= EXACT_LEVELS;
      const error = exact ? 0 : (range.error ?? 0) + range.bound * ROUNDING;
      if (range.bound > MAX_BOUND || error > MAX_ERROR) throw new Refused();
      return { name, dtype, shape, bound: range.bound, step: exact ? step : 0, error };
    });
    const names = inputs.map((input) => (typeof input === "string" ? input : input.name));
    this.steps.push({
      op,
      inputs: names,
      attributes,
      outputs: made.map(({ name, dtype, shape, error }) => ({ name, dtype, shape, error })),
    });
    this.values.push(...made);
    return made;
  }

  /** Tries an addition of one or more steps; leaves nothing behind when it is refused. */
  attempt(add: (builder: PlanBuilder) => void): boolean {
    const mark = [this.values.length, this.steps.length, this.inputs.length, this.constants.length];
    try {
      add(this);
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.values.length = mark[0]!;
      this.steps.length = mark[1]!;
      this.inputs.length = mark[2]!;
      this.constants.length = mark[3]!;
      return false;
    }
  }

  get stepCount(): number {
    return this.steps.length;
  }

  /** The plan: what nobody reads are its outputs, and sometimes a value in the middle. */
  finish(): GraphPlan {
    const used = new Set(this.steps.flatMap(({ inputs }) => inputs));
    const outputs = this.steps
      .flatMap((step) => step.outputs)
      .filter(({ name, dtype }) => dtype !== "float16" && (!used.has(name) || this.random.chance(0.08)));
    const read = (source: PlanSource): boolean => used.has(source.value.name);
    return {
      opset: this.opset,
      inputs: this.inputs.filter(read),
      constants: this.constants.filter(read),
      steps: this.steps,
      outputs: outputs.map(({ name }) => name),
    };
  }
}

/** Sizes and exactness of the same numbers in another place. */
export function same({ bound, step, error }: Value): Range {
  return { bound, step, error };
}

/** Of values from several places. */
export function either(values: readonly Value[]): Range {
  const exact = values.every(({ step }) => step > 0);
  return {
    bound: Math.max(...values.map(({ bound }) => bound)),
    step: exact ? Math.min(...values.map(({ step }) => step)) : 0,
    error: Math.max(...values.map(({ error }) => error)),
  };
}

/**
 * What roundings do to a sum of `count` numbers, twice which is allowed: half a unit of the last place for each number,
 * of the last binade, where equal numbers are all rounded one way.
 */
export const summing = (total: number, count: number): number => total * count * 2 ** -26;

/** Of a sum of `count` products of elements of two values. */
export function products(a: Value, b: Value, count: number): Range {
  const bound = a.bound * b.bound * count;
  const error = (a.bound * b.error + b.bound * a.error + a.error * b.error) * count;
  return { bound, step: a.step * b.step, error: error + summing(bound, count) };
}

export function isExact(value: Value): boolean {
  return value.step > 0;
}
