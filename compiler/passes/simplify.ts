/**
 * Fewer operations per element. In: a Program after fusion. Out: one whose kernels have simpler expressions: rules
 * applied (rules.ts), scales and shifts by constants moved out of a contraction into its weights and one bias, and
 * what depends on constants only computed ahead (hoist.ts). A convolution followed by a batch normalisation becomes
 * the convolution with other weights, without either being known here by name. Invariant: values stay within f32
 * rounding, and bit for bit in kernels where the last bit decides (quantization).
 */
import { elementCount } from "../ir/dtype.ts";
import { acc, add, mul, type Expr } from "../ir/expr.ts";
import { axesOf, rewrite, some } from "../ir/walk.ts";
import type { ValueId } from "../ir/graph.ts";
import { assignments, type Assign, type Axis, type Block } from "../ir/kernel.ts";
import type { Call, KernelCall, Program } from "../ir/program.ts";
import { affineOf, chainAboveAcc, isZero, type Affine } from "./affine.ts";
import { Constants } from "./hoist.ts";
import { closeCall, openCall, ValueNumbers, type OpenKernel } from "./open.ts";
import { applyRules, lastBitMatters, type Surroundings } from "./rules.ts";
import { signedZeros } from "./zeroSign.ts";

/** Told of each change: its rule and the call's nodes. */
export interface SimplifyTrace {
  (rule: string, nodes: string): void;
}

/** Runs after which scaling weights at load must have paid for itself. */
const PAYBACK_RUNS = 64;

export interface SimplifyOptions {
  /** Keeps every value bit for bit, not only in kernels where the last bit decides. */
  readonly exact?: boolean;
}

export function simplify(
  program: Program,
  trace: SimplifyTrace = () => undefined,
  options: SimplifyOptions = {},
): Program {
  const numbers = new ValueNumbers(program.values);
  const users = new Map<number, number>();
  for (const call of program.calls) {
    for (const id of new Set(call.inputs)) {
      if (id === "") continue;
      const number = numbers.numberOf(id);
      users.set(number, (users.get(number) ?? 0) + 1);
    }
  }
  const constants = new Constants(numbers, users);
  for (const [id, tensor] of program.constants) constants.fix(numbers.numberOf(id), tensor);
  const outputs = new Set(program.outputs.map((o) => o.id));
  const calls: Call[] = [];
  for (const call of program.calls) {
    const atLoad = call.inputs.every((id) => id === "" || constants.isFixedValue(numbers.numberOf(id)));
    if (atLoad && !call.outputs.some((id) => outputs.has(id))) {
      for (const id of call.outputs) if (id) constants.fix(numbers.numberOf(id));
      calls.push(call);
      continue;
    }
    if (call.kind === "library") {
      calls.push(call);
      continue;
    }
    const changed = simplifyCall(call, numbers, constants, trace, options.exact ?? false);
    calls.push(...constants.takeCalls(), changed);
  }
  return pruned({
    ...program,
    calls,
    values: new Map([...program.values, ...constants.values]),
    constants: new Map([...program.constants, ...constants.tensors]),
  });
}

function simplifyCall(
  call: KernelCall,
  numbers: ValueNumbers,
  constants: Constants,
  trace: SimplifyTrace,
  exact: boolean,
): KernelCall {
  const open = openCall(call, numbers) as OpenKernel;
  const nodes = call.nodes.join("+");
  const hit = (rule: string): void => trace(rule, nodes);
  const exactOnly =
    exact ||
    assignments(call.kernel).some(
      ({ assign }) =>
        lastBitMatters(assign.value) || (assign.reduce !== undefined && lastBitMatters(assign.reduce.body)),
    );
  let changed = false;
  const change = (assign: Assign, loops: readonly Axis[]): Assign => {
    const points = elementCount([...loops, ...assign.axes].map((a) => a.extent));
    const inside = points * elementCount(assign.reduce?.axes.map((a) => a.extent) ?? []);
    const context = (uses: number, signedZero = false): Surroundings => ({
      exactOnly,
      signedZero,
      fixed: constants.fixed,
      free: (e) => constants.isFree(e, uses),
      uniform: constants.uniform,
      dtypeOf: (number) => numbers.at(number).dtype,
      hit,
    });
    const hoisted = (e: Expr, uses: number): Expr =>
      constants.hoist(e, uses, call.nodes, () => hit("constant"));
    let value = applyRules(assign.value, context(points));
    const signed =
      assign.reduce !== undefined && [...signedZeros(assign.value, false)].some((e) => e.kind === "acc");
    // A sum begins with 0, so a sum that is zero is 0 whatever the signs of its terms.
    const ofTerms = signed && assign.reduce?.op !== "sum";
    let body = assign.reduce && applyRules(assign.reduce.body, context(inside, ofTerms));
    const scaled = body && !exactOnly && !signed && assign.reduce!.op === "sum" ? scaledWeights(value, body, points, inside, constants) : undefined; // prettier-ignore
    if (scaled) {
      hit("weights");
      value = applyRules(scaled.value, context(points));
      body = scaled.body;
    }
    value = hoisted(value, points);
    body = body && hoisted(body, inside);
    if (value === assign.value && body === assign.reduce?.body) return assign;
    changed = true;
    return { ...assign, value, ...(assign.reduce ? { reduce: { ...assign.reduce, body: body! } } : {}) };
  };
  const walk = (blocks: readonly Block[], loops: readonly Axis[]): Block[] =>
    blocks.map((block) =>
      block.kind === "assign"
        ? change(block, loops)
        : { ...block, body: walk(block.body, [...loops, block.axis]) },
    );
  const body = walk(open.body, []);
  return changed ? (closeCall({ ...open, body }, numbers) as KernelCall) : call;
}

/** Moves the constant factor of a sum of products into the products: sum(x * w) * s + t is sum(x * (w * s)) + t. */
function scaledWeights(
  value: Expr,
  body: Expr,
  points: number,
  inside: number,
  constants: Constants,
): { value: Expr; body: Expr } | undefined {
  if (body.type !== "f32") return undefined;
  const found = scaleOfAcc(value, constants);
  if (!found) return undefined;
  const { top, form } = found;
  if (!constants.isFree(form.term, points)) return undefined;
  const weights = constantFactor(body, form.factor, constants);
  if (!weights) return undefined;
  const scaled = mul(weights, form.factor);
  if (!constants.isFree(scaled, inside)) return undefined;
  if (!constants.knownNow(scaled) && constants.sizeOf(scaled) > points * PAYBACK_RUNS) return undefined;
  const result = acc("f32");
  const plain = isZero(form.term) ? result : add(result, form.term);
  return {
    body: withFactor(body, weights, scaled),
    value: top === value ? plain : rewrite(value, (e) => (e === top ? plain : undefined)),
  };
}

/** The longest affine chain from `acc` that all of `value` goes through and that has a factor. */
function scaleOfAcc(value: Expr, constants: Constants): { top: Expr; form: Affine } | undefined {
  const chain = chainAboveAcc(value, constants.fixed);
  for (const top of chain.reverse()) {
    const form = affineOf(top, constants.fixed);
    if (form.core.kind !== "acc") continue;
    const { factor } = form;
    return factor.kind === "const" && Math.abs(Number(factor.value)) === 1 ? undefined : { top, form };
  }
  return undefined;
}

/** A factor of the product `body` that is made of constants and depends on all axes of `scale`. */
function constantFactor(body: Expr, scale: Expr, constants: Constants): Expr | undefined {
  if (body.kind === "binary" && body.op === "mul" && !constants.fixed(body)) {
    return constantFactor(body.a, scale, constants) ?? constantFactor(body.b, scale, constants);
  }
  if (!constants.fixed(body) || !some(body, (e) => e.kind === "load")) return undefined;
  const axes = axesOf(body);
  return [...axesOf(scale)].every((name) => axes.has(name)) ? body : undefined;
}

/** The product with one factor replaced, where it stands first. */
function withFactor(body: Expr, factor: Expr, by: Expr): Expr {
  const replace = (e: Expr): Expr | undefined => {
    if (e === factor) return by;
    if (e.kind !== "binary" || e.op !== "mul") return undefined;
    const a = replace(e.a);
    if (a) return mul(a, e.b);
    const b = replace(e.b);
    return b && mul(e.a, b);
  };
  return replace(body)!;
}

/** Drops calls and constants that nothing reads any more. */
export function pruned(program: Program): Program {
  const needed = new Set<ValueId>(program.outputs.map((o) => o.id));
  const kept: Call[] = [];
  for (const call of program.calls.toReversed()) {
    if (!call.outputs.some((id) => needed.has(id))) continue;
    kept.push(call);
    for (const id of call.inputs) needed.add(id);
  }
  const constants = new Map([...program.constants].filter(([id]) => needed.has(id)));
  return { ...program, calls: kept.reverse(), constants };
}
