/**
 * Sums of integers instead of sums of scaled integers. In: a Program whose quantized tensors were written out: a kernel
 * stores `rounded * scale`, another one sums products of such values. Out: one whose kernels store the integers, as f32, and
 * multiply each sum by the scales once. Invariant: a product or a sum of integers below 2^24 has no rounding, so results
 * depend neither on the order of a sum nor on fused multiply-adds, and a later quantization rounds the same way on every
 * device; everything that is no sum computes the same bits as before, since it multiplies by the same scale.
 *
 * A value takes part where every reader either adds up products of such values, with scales that do not vary along the sum,
 * or uses it outside of sums.
 */
import { acc, add, mul, type Expr, type LoadExpr } from "../ir/expr.ts";
import { axesOf, operands, rewrite, substituteAxes, visit } from "../ir/walk.ts";
import { elementCount } from "../ir/dtype.ts";
import { assignments, mapAssigns, type Assign, type Reduction } from "../ir/kernel.ts";
import type { Call, Program } from "../ir/program.ts";
import { Constants } from "./hoist.ts";
import { closeCall, isIdentityIndex, openCall, soleAssign, ValueNumbers, type OpenCall } from "./open.ts";

/** What a value is made of: `whole * scale`, at the coordinates of an assignment. */
interface Scaled {
  readonly assign: Assign;
  readonly whole: Expr;
  readonly scale: Expr;
}

export function sumIntegers(program: Program, hit: (nodes: string) => void = () => undefined): Program {
  const numbers = new ValueNumbers(program.values);
  const constants = new Constants(numbers, usersOf(program, numbers));
  for (const [id, tensor] of program.constants) constants.fix(numbers.numberOf(id), tensor);
  const calls = program.calls.map((call) => openCall(call, numbers));
  const scaled = scaledValues(program, calls, numbers, constants);
  if (scaled.size === 0) return program;
  const changed = calls.flatMap((call, i): Call[] => {
    if (call.kind === "library") return [call];
    const reads = (e: Expr): boolean => loadsOf(e).some((load) => scaled.has(load.buffer));
    const touched = assignments(call).some(
      ({ assign }) => scaled.has(assign.out) || reads(assign.value) || (assign.reduce && factored(assign.reduce, scaled, constants)), // prettier-ignore
    );
    if (!touched) return [program.calls[i]!];
    const body = mapAssigns(call.body, (assign) => {
      const own = scaled.get(assign.out);
      const points = elementCount(assign.axes.map((a) => a.extent));
      const changedValue = (e: Expr): Expr => constants.hoist(withScales(e, scaled), points, call.nodes, () => undefined); // prettier-ignore
      let value = changedValue(own ? own.whole : assign.value);
      const sums = assign.reduce && factored(assign.reduce, scaled, constants);
      if (!sums) return { ...assign, value };
      hit(call.nodes.join("+"));
      const factor = constants.hoist(sums.scale, points, call.nodes, () => undefined);
      value = scaledSum(value, factor, numbers, constants, program);
      return { ...assign, value, reduce: { ...assign.reduce!, body: sums.body } };
    });
    const closed = closeCall({ ...call, body }, numbers);
    return [...constants.takeCalls(), closed];
  });
  return {
    ...program,
    calls: changed,
    values: new Map([...program.values, ...constants.values]),
    constants: new Map([...program.constants, ...constants.tensors]),
  };
}

function usersOf(program: Program, numbers: ValueNumbers): Map<number, number> {
  const users = new Map<number, number>();
  for (const call of program.calls)
    for (const id of new Set(call.inputs)) {
      if (id === "") continue;
      const number = numbers.numberOf(id);
      users.set(number, (users.get(number) ?? 0) + 1);
    }
  return users;
}

/** The values that can be stored as integers, by number. */
function scaledValues(
  program: Program,
  calls: readonly OpenCall[],
  numbers: ValueNumbers,
  constants: Constants,
): Map<number, Scaled> {
  const found = new Map<number, Scaled>();
  const summed = new Set<number>();
  const makers = new Map<number, number>();
  for (const call of calls)
    for (const id of call.outputs) {
      const number = numbers.numberOf(id);
      makers.set(number, (makers.get(number) ?? 0) + 1);
    }
  const outputs = new Set(program.outputs.map(({ id }) => numbers.numberOf(id)));
  for (const call of calls) {
    const assign = soleAssign(call);
    if (!assign || outputs.has(assign.out) || makers.get(assign.out) !== 1 || !isIdentityIndex(assign)) continue; // prettier-ignore
    const parts = numbers.at(assign.out).dtype === "float32" ? wholeTimesScale(assign.value) : undefined;
    // A scale of the input's own making, as dynamic quantization has it, is no constant.
    if (parts && constants.fixed(parts.scale)) found.set(assign.out, { assign, ...parts });
  }
  for (let before = -1; before !== found.size;) {
    before = found.size;
    summed.clear();
    for (const call of calls) {
      if (call.kind === "library") {
        for (const id of call.inputs) if (id) found.delete(numbers.numberOf(id));
        continue;
      }
      for (const { assign } of assignments(call)) {
        const { reduce, value } = assign;
        for (const load of loadsOf(value)) if ((load.pad ?? 0) !== 0) found.delete(load.buffer);
        if (!reduce) continue;
        const loads = loadsOf(reduce.body).filter((load) => found.has(load.buffer));
        if (loads.length === 0) continue;
        const works = factored(reduce, found, constants) !== undefined;
        for (const load of loads)
          if (works) summed.add(load.buffer);
          else found.delete(load.buffer);
      }
    }
  }
  for (const number of found.keys()) if (!summed.has(number)) found.delete(number);
  return found;
}

/** A sum of products of integers, each with a scale, as the sum of the integers' products and the scale of all. */
function factored(
  { op, body, axes }: Reduction,
  scaled: ReadonlyMap<number, Scaled>,
  constants: Constants,
): { readonly body: Expr; readonly scale: Expr } | undefined {
  if (op !== "sum" || body.type !== "f32") return undefined;
  const along = new Set(axes.map(({ name }) => name));
  const wholes: Expr[] = [];
  const scales: Expr[] = [];
  for (const e of factorsOf(body)) {
    if (e.kind === "load" && scaled.has(e.buffer)) {
      if ((e.pad ?? 0) !== 0) return undefined;
      wholes.push(e);
      scales.push(scaleAt(e, scaled));
    } else if (e.kind !== "const" && isWhole(e)) {
      if (loadsOf(e).some((load) => scaled.has(load.buffer))) return undefined;
      wholes.push(e);
    } else if (constants.fixed(e)) scales.push(e);
    else return undefined;
  }
  if (wholes.length === 0 || scales.length === 0) return undefined;
  if (scales.some((e) => [...axesOf(e)].some((name) => along.has(name)))) return undefined;
  return { body: wholes.reduce((a, b) => mul(a, b)), scale: scales.reduce((a, b) => mul(a, b)) };
}

/**
 * A value of a sum where the sum is to be multiplied by a factor. A bias of so many times the factor, to the bit, is added
 * to the sum as that integer: this is what integer arithmetic does, and leaves one rounding where there would be two.
 */
function scaledSum(
  value: Expr,
  factor: Expr,
  numbers: ValueNumbers,
  constants: Constants,
  program: Program,
): Expr {
  const sum = acc("f32");
  const dataOf = (e: Expr): Float32Array | undefined => {
    if (e.kind === "const") return Float32Array.of(Number(e.value));
    if (e.kind !== "load" || e.pad !== undefined) return undefined;
    const { id } = numbers.at(e.buffer);
    const data = (constants.tensors.get(id) ?? program.constants.get(id))?.data;
    return data instanceof Float32Array ? data : undefined;
  };
  const factors = dataOf(factor);
  const whole = (bias: Expr): Expr | undefined => {
    const data = dataOf(bias);
    if (!data || !factors || bias.kind !== "load" || numbers.at(bias.buffer).shape.length !== 1) return undefined; // prettier-ignore
    const alike = factor.kind === "const" || (factor.kind === "load" && factor.index.length === 1 && factor.index[0] === bias.index[0]); // prettier-ignore
    if (!alike) return undefined;
    const at = (i: number): number => factors[factor.kind === "const" ? 0 : i]!;
    const integers = data.map((b, i) => (b === 0 ? 0 : Math.round(b / at(i))));
    const same = integers.every((n, i) => Math.fround(n * at(i)) === data[i]);
    return same
      ? constants.given(bias, { dtype: "float32", shape: [data.length], data: integers })
      : undefined;
  };
  return rewrite(value, (e) => {
    // Operands are seen first: the sum alone has become a product by the time of the addition.
    if (e === sum) return mul(sum, factor);
    if (e.kind !== "binary" || e.op !== "add") return undefined;
    const [scaledOne, bias] = e.a === mul(sum, factor) ? [e.a, e.b] : [e.b, e.a];
    if (scaledOne !== mul(sum, factor)) return undefined;
    const n = whole(bias);
    return n && mul(add(sum, n), factor);
  });
}

/** The factors of an integer times a scale. */
export function wholeTimesScale(e: Expr): Pick<Scaled, "whole" | "scale"> | undefined {
  if (e.kind !== "binary" || e.op !== "mul" || e.type !== "f32") return undefined;
  const [whole, scale] = isWhole(e.a) ? [e.a, e.b] : [e.b, e.a];
  return isWhole(whole) ? { whole, scale } : undefined;
}

/** Whether a value is an integer (or infinite, or NaN), whatever it is computed from. */
function isWhole(e: Expr): boolean {
  switch (e.kind) {
    case "const":
      return e.type === "f32" && Number.isInteger(Number(e.value));
    case "unary":
      return ["round", "floor", "ceil", "trunc"].includes(e.op) || (e.op === "neg" && isWhole(e.a));
    case "binary":
      return ["add", "sub", "min", "max"].includes(e.op) && isWhole(e.a) && isWhole(e.b);
    case "select":
      return isWhole(e.a) && isWhole(e.b);
    case "cast":
      return e.to === "float32" && (e.a.type === "i32" || e.a.type === "u32" || isWhole(e.a));
    default:
      return false;
  }
}

function factorsOf(e: Expr): Expr[] {
  return e.kind === "binary" && e.op === "mul" && e.type === "f32" ? [...factorsOf(e.a), ...factorsOf(e.b)] : [e]; // prettier-ignore
}

/** All loads under an expression, those of a product each as often as it stands there. */
function loadsOf(e: Expr): LoadExpr[] {
  if (e.kind === "binary" && e.op === "mul") return [...loadsOf(e.a), ...loadsOf(e.b)];
  const found: LoadExpr[] = [];
  visit(e, (x) => x.kind === "load" && found.push(x));
  return found;
}

/** The scale of the element that a load reads. */
function scaleAt(load: LoadExpr, scaled: ReadonlyMap<number, Scaled>): Expr {
  const { assign, scale } = scaled.get(load.buffer)!;
  const by = new Map<string, Expr>();
  assign.index.forEach((e, d) => e.kind === "axis" && by.set(e.name, load.index[d]!));
  return substituteAxes(scale, by);
}

/** The same value, where loads give integers. */
function withScales(e: Expr, scaled: ReadonlyMap<number, Scaled>): Expr {
  if (!operands(e).length && e.kind !== "load") return e;
  return rewrite(e, (x) => (x.kind === "load" && scaled.has(x.buffer) ? mul(x, scaleAt(x, scaled)) : undefined)); // prettier-ignore
}
