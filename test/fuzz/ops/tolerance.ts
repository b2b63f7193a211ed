/**
 * How far two right answers may lie apart. In: a graph and its inputs. Out: for every result, which elements may
 * differ by how much. Invariant: results behind exact operators only have no tolerance at all; all others get what
 * the graph itself does to roundings: it is computed again, several times, one operator at a time, with the operands
 * and results of every inexact operator moved by a rounding of their type, and what comes out moved by then is what
 * roundings can do. So cancellation, long sums, jumps and overflow need no rules of their own.
 */
import { interpret } from "../../../compiler/whole.ts";
import { isFloat } from "../../../compiler/ir/dtype.ts";
import { storeFunction } from "../../../compiler/ir/numeric.ts";
import type { DType, NumericData, Tensor } from "../../../runtime/dtype.ts";
import { Random } from "../random.ts";
import { largestIn, some } from "./elements.ts";
import { readerOf, tensorFrom } from "./data.ts";
import { DEFINITION_OPSET, definitionOf, numberOf } from "./definitions.ts";
import { modelOf, type FuzzGraph, type GraphNode, type Operand } from "./graph.ts";
import { namesUsed } from "./sampler.ts";

/** Operators that round nothing, or once and in one way only, so that every implementation gives the same bits. */
const EXACT: ReadonlySet<string> = new Set(
  (
    "Abs Neg Sign Ceil Floor Round Relu Identity Not And Or Xor BitwiseNot BitwiseAnd BitwiseOr BitwiseXor BitShift " +
    "Equal Less Greater LessOrEqual GreaterOrEqual Where Max Min Clip Cast CastLike BitCast IsNaN IsInf Transpose " +
    "Reshape Flatten Squeeze Unsqueeze Concat Split Slice Pad Tile Expand Shape Size Gather GatherElements GatherND " +
    "DepthToSpace SpaceToDepth Trilu EyeLike OneHot ConstantOfShape Constant CenterCropPad ReverseSequence Compress " +
    "NonZero Unique TopK ArgMax ArgMin Hardmax ReduceMax ReduceMin MaxPool GlobalMaxPool MaxUnpool QuantizeLinear " +
    "SequenceConstruct SequenceAt SequenceLength SequenceErase SequenceInsert SequenceEmpty ConcatFromSequence " +
    "SplitToSequence Optional OptionalGetElement OptionalHasElement TensorScatter ThresholdedRelu Crop " +
    "MatMulInteger ConvInteger ArrayFeatureExtractor FeatureVectorizer Binarizer Imputer OneHotEncoder LabelEncoder " +
    "CategoryMapper StringConcat StringNormalizer StringSplit RegexFullMatch NhwcMaxPool NonMaxSuppression"
  ).split(" "),
);

/** Whose results are looked at. */
export type Computer = "ours" | "onnxruntime";

/** Operators whose inner roundings are of the size of this, by element or of all of them, however small the result. */
function cancels({ op, attributes, inputs, outputs }: GraphNode, values: ReadonlyMap<string, Tensor>, by: Computer): Tensor | number | undefined {
  // What is left of 1 beside a gate, times a candidate, whose own function keeps it below 1 or so.
  if (op === "GRU" || (op === "LSTM" && attributes["input_forget"] === 1)) return 1;
  // The logarithm of a sum of which the largest term is 1: what is left of it, or nothing, is right to a rounding of 1.
  if (/^(LogSoftmax|ReduceLogSumExp)$/.test(op)) return besideOne(values.get(outputs[0] ?? ""));
  if (by !== "onnxruntime") return undefined;
  // Its logistic function is a fraction of polynomials and a half, right to a rounding of 1.
  if (/^(Sigmoid|RNN|LSTM)$/.test(op)) return 1;
  // The logarithm of one and an exponential, which is rounded as a number of the size of one.
  if (op === "ParametricSoftplus") return Math.abs(numberOf({ attributes }, "alpha", 1));
  // The same within the function body that stands for Mish where it has no kernel, times the operand.
  if (op === "Mish") return values.get(inputs[0] ?? "")?.dtype === "float32" ? undefined : values.get(inputs[0]!);
  // The places of a grid are rounded as numbers of the size of one, and then mapped.
  if (op === "AffineGrid") return largestIn(values.get(inputs[0]!));
  if (!blends({ op, attributes })) return undefined;
  const [x, y] = [values.get(inputs[0] ?? ""), values.get(outputs[0] ?? "")];
  return x && y && isFloat(x.dtype) ? blended(x, y) : undefined;
} // prettier-ignore

/** Of the size of one, for every element: also where it is 0. */
function besideOne(y: Tensor | undefined): Tensor | undefined {
  return y && { dtype: "float64", shape: y.shape, data: new Float64Array(y.data.length).fill(1) };
}

/** Whether elements are blended by weights that are numbers of float32 of the size of 1, and so right to a rounding of 1. */
function blends({ op, attributes }: Pick<GraphNode, "op" | "attributes">): boolean {
  const mode = attributes["mode"] ?? (op === "GridSample" ? "linear" : "nearest");
  return /^(Resize|Upsample|GridSample)$/.test(op) && mode !== "nearest";
}

/** For every element of a blend: the largest that it may be made of, which is one of its own channel's. */
function blended(x: Tensor, y: Tensor): Tensor {
  const planes = x.shape.slice(0, 2).reduce((a, b) => a * b, 1);
  const [before, after] = [x.data.length / planes, y.data.length / planes];
  const read = readerOf(x.dtype);
  // Weights are float32, whatever the elements are.
  const finer = Math.max(1, EPSILON.float32! / epsilonOf(x.dtype));
  const data = new Float64Array(y.data.length);
  for (let plane = 0; plane < planes; plane++) {
    let largest = 0;
    for (let i = plane * before; i < (plane + 1) * before; i++) {
      const size = Math.abs(Number(read(x.data[i]!)));
      if (Number.isFinite(size)) largest = Math.max(largest, size);
    }
    data.fill(finer * largest, plane * after, (plane + 1) * after);
  }
  return { dtype: "float64", shape: y.shape, data };
}

/** Operators of exponentials, of which some implementations give 0 where others give a number next to it. */
const VANISHES: Readonly<Record<Computer, RegExp>> = {
  ours: /^(Sigmoid|Softmax|Mish)$/,
  onnxruntime: /^(Sigmoid|Softmax|Mish|Tanh)$/,
};

/** The size of such numbers: results of this size are as good as zero, and may be multiplied by infinity. */
const NEXT_TO_ZERO = 2 ** -120;

/** Operators that say which: of their results, or of what is made of them, another one may be any other. */
const CHOOSES = /^(ArgMax|ArgMin|TopK|Unique|NonZero|NonMaxSuppression|.*Classifier)$/;

/** Integers that name a place or a class, or are made of such: between them there is no distance. */
function chosenNames({ nodes }: FuzzGraph): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of nodes) {
    if (!CHOOSES.test(node.op) && !namesUsed([node]).some((name) => names.has(name))) continue;
    for (const name of node.outputs) names.add(name);
  }
  return names;
}

const CONTAINERS = /^(Sequence(Construct|Erase|Insert|Empty|Map)|SplitToSequence|Optional)$/;

/** The distance from 1 to the next number. */
const EPSILON: Readonly<Partial<Record<DType, number>>> = {
  float32: 2 ** -23,
  float64: 2 ** -52,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

/** The least number above zero, which numbers next to it are apart. */
const LEAST: Readonly<Partial<Record<DType, number>>> = {
  float32: 2 ** -149,
  float64: 2 ** -1074,
  float16: 2 ** -24,
  bfloat16: 2 ** -133,
};

export function epsilonOf(dtype: DType): number {
  return EPSILON[dtype] ?? 0;
}

/** Nodes that are evaluated together, since what goes between them is not a tensor. */
function unitsOf(nodes: readonly GraphNode[]): GraphNode[][] {
  const units: GraphNode[][] = [];
  let until = -1;
  nodes.forEach((node, i) => {
    if (i > until) units.push([]);
    units.at(-1)!.push(node);
    if (!CONTAINERS.test(node.op)) return;
    nodes.forEach((later, at) => {
      if (at > i && namesUsed([later]).some((name) => node.outputs.includes(name)))
        until = Math.max(until, at);
    });
  });
  return units;
}

const isExact = (unit: readonly GraphNode[]): boolean =>
  unit.every(({ op, bodies, domain }) => EXACT.has(op) && bodies === undefined && (domain ?? "") !== "com.microsoft"); // prettier-ignore

function evaluate(
  opset: number,
  unit: readonly GraphNode[],
  values: ReadonlyMap<string, Tensor>,
): Record<string, Tensor> {
  // prettier-ignore
  const made = new Set(unit.flatMap(({ outputs }) => outputs));
  const inside = new Set(unit.filter(({ op }) => CONTAINERS.test(op)).flatMap(({ outputs }) => outputs));
  const used = [...new Set(namesUsed(unit))].filter((name) => !made.has(name) && values.has(name));
  const graph: FuzzGraph = {
    opset,
    wrapping: "none",
    nodes: unit,
    operands: used.map((name): Operand => {
      const { dtype, shape } = values.get(name)!;
      return { name, dtype, shape, data: { kind: "zeros", seed: 0 }, constant: false };
    }),
    outputs: [...made]
      .filter((name) => name !== "" && !inside.has(name))
      .map((name) => ({ name, type: { kind: "tensor", dtype: "float32" } })),
  };
  return interpret(modelOf(graph), Object.fromEntries(used.map((name) => [name, values.get(name)!])));
}

type Direction = -1 | 0 | 1;

/** Of the first runs; in all others every element goes its own way, and as far as it likes. */
const DIRECTIONS: readonly Direction[] = [1, -1];
const STEPS = [1, -1, 0.5, -0.5];

/** How roundings are moved. */
interface Motion {
  readonly random: Random;
  readonly direction: Direction;
  /** By how many of them. */
  readonly width: number;
}

/**
 * The tensor with every element moved by about a rounding, or `width` of them: up, down, or either way. What is less than a rounding away
 * from zero may also be zero.
 */
function moved(tensor: Tensor, { random, direction, width }: Motion, beside?: Tensor | number, vanishes = false): Tensor {
  const [epsilon, least] = [epsilonOf(tensor.dtype), LEAST[tensor.dtype] ?? 0];
  if (epsilon === 0) return tensor;
  const read = readerOf(tensor.dtype);
  const store = storeFunction(tensor.dtype);
  const data = (tensor.data as NumericData).slice();
  const other = typeof beside === "object" && beside.data.length === data.length ? beside : undefined;
  const readBeside = other && readerOf(other.dtype);
  const besideAt = (i: number): number =>
    typeof beside === "number" ? beside : other ? Math.abs(Number(readBeside!(other.data[i]!))) : 0;
  const scaleAt = (i: number, value: number): number => Math.max(Math.abs(value), besideAt(i));
  for (let i = 0; i < data.length; i++) {
    const value = Number(read(data[i]!));
    if ((value === 0 && !other) || !Number.isFinite(value)) continue;
    const step = direction === 0 ? random.pick(STEPS) : direction;
    const next = value + step * width * Math.max(least, epsilon * scaleAt(i, value));
    const crosses = next * value < 0 && (direction !== 0 || random.chance(0.5));
    const gone = crosses || (vanishes && step < 0 && Math.abs(value) < NEXT_TO_ZERO);
    (data as { [i: number]: number | bigint })[i] = store(gone ? 0 : next);
  }
  return { ...tensor, data };
} // prettier-ignore

/** Our sine and cosine of float32 are only known to be one this far out (see compiler/lower/math.ts). */
const FARTHEST_ANGLE = 2 ** 22;

/** Results of angles that are too large, anywhere on the circle. */
function withLostAngles(node: GraphNode, given: ReadonlyMap<string, Tensor>, result: Tensor, random: Random): Tensor {
  const x = given.get(node.inputs[0] ?? "");
  if (!/^(Sin|Cos|Tan)$/.test(node.op) || !x || x.dtype === "float64") return result;
  const [read, store] = [readerOf(x.dtype), storeFunction(result.dtype)];
  const data = (result.data as NumericData).slice();
  for (let i = 0; i < data.length; i++) {
    const angle = Math.abs(Number(read(x.data[i]!)));
    if (!Number.isFinite(angle) || angle <= FARTHEST_ANGLE) continue;
    const any = 2 * Math.PI * (random.below(2 ** 16) / 2 ** 16);
    const value = node.op === "Tan" ? Math.tan(any) : Math.sin(any);
    (data as { [i: number]: number | bigint })[i] = store(value);
  }
  return { ...result, data };
} // prettier-ignore

/** Operators that add up products of two operands, which some machines round before they add them and some do not. */
const ADDS_PRODUCTS = /^((Fused)?MatMul|(Fused)?Gemm|(Fused|Nhwc)?Conv(Transpose)?|Einsum)$/;

/** Whether products that an operator adds up may be beyond the largest number before they are rounded. */
function productsOverflow({ op, inputs }: GraphNode, given: ReadonlyMap<string, Tensor>): boolean {
  const operands = inputs.map((name) => given.get(name)).filter((tensor) => tensor !== undefined);
  // What a state comes to, and is multiplied with, is not seen from here.
  if (op === "LinearAttention") return operands.some((tensor) => largestIn(tensor) > 2 ** 16);
  const [x, y] = operands;
  return ADDS_PRODUCTS.test(op) && largestIn(x) * largestIn(y) > (x?.dtype === "float64" ? 2 ** 1000 : 2 ** 127);
} // prettier-ignore

/** Infinities where products overflow: one that is not rounded leaves the infinity it is added to, another makes NaN. */
function withLostInfinities(node: GraphNode, given: ReadonlyMap<string, Tensor>, result: Tensor, random: Random): Tensor {
  if (!isFloat(result.dtype) || !productsOverflow(node, given)) return result;
  const [read, store] = [readerOf(result.dtype), storeFunction(result.dtype)];
  const data = (result.data as NumericData).slice();
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(Number(read(data[i]!)))) (data as { [i: number]: number | bigint })[i] = store(random.pick([Infinity, -Infinity, NaN]));
  return { ...result, data };
} // prettier-ignore

/** Weights of learned operators are attributes: they meet roundings as operands do. */
const WEIGHTS = ["coefficients", "support_vectors"];

function movedWeights(node: GraphNode, motion: Motion): GraphNode {
  const attributes = { ...node.attributes };
  for (const key of WEIGHTS) {
    const attribute = attributes[key] as { readonly kind: "floats"; readonly value: readonly number[] } | undefined;
    if (attribute?.kind !== "floats") continue;
    const { data } = moved({ dtype: "float32", shape: [attribute.value.length], data: Float32Array.from(attribute.value) }, motion); // prettier-ignore
    attributes[key] = { kind: "floats", value: [...(data as Float32Array)] };
  }
  return { ...node, attributes };
} // prettier-ignore

/** One run in which roundings are moved. */
interface Run extends Motion {
  readonly opset: number;
  readonly by: Computer;
}

/** What nodes give when everything that they read and make is moved. */
function evaluateMoved(unit: readonly GraphNode[], values: ReadonlyMap<string, Tensor>, run: Run): Record<string, Tensor> {
  const { by } = run;
  const changed = new Map(values);
  for (const name of new Set(namesUsed(unit))) {
    const tensor = values.get(name);
    if (tensor) changed.set(name, moved(tensor, run));
  }
  const only = unit.length === 1 ? unit[0]! : undefined;
  const results = evaluate(run.opset, unit.map((node) => movedWeights(node, run)), changed);
  if (only === undefined) return mapValues(results, (tensor) => moved(tensor, run));
  const beside = cancels(only, new Map([...changed, ...Object.entries(results)]), by);
  const vanishes = VANISHES[by].test(only.op);
  return mapValues(results, (tensor) => {
    const result = withLostInfinities(only, changed, moved(tensor, run, beside, vanishes), run.random);
    return by === "ours" ? withLostAngles(only, changed, result, run.random) : result;
  });
} // prettier-ignore

function mapValues<T>(record: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** The same of a compound operator: what goes between the nodes that it is made of is moved, too. */
function evaluateDefinition(node: GraphNode, definition: readonly GraphNode[], values: ReadonlyMap<string, Tensor>, run: Run): Record<string, Tensor> {
  const all = new Map(values);
  for (const part of definition) {
    const opset = part.op === node.op ? run.opset : DEFINITION_OPSET;
    const results = isExact([part]) ? evaluate(opset, [part], all) : evaluateMoved([part], all, { ...run, opset });
    for (const [name, tensor] of Object.entries(results)) all.set(name, tensor);
  }
  const made = node.outputs.filter((name) => name !== "");
  return Object.fromEntries(made.map((name) => [name, moved(all.get(name)!, run)]));
} // prettier-ignore

/** Every tensor of the graph, with every rounding moved; `undefined`: none is. */
function computed(graph: FuzzGraph, seed: number, direction: Direction | undefined, by: Computer = "ours", width = 1): Map<string, Tensor> {
  const random = new Random(seed);
  const { opset } = graph;
  const values = new Map<string, Tensor>();
  for (const { name, dtype, shape, data } of graph.operands) values.set(name, tensorFrom(dtype, shape, data));
  const resultsOf = (unit: readonly GraphNode[]): Record<string, Tensor> => {
    if (direction === undefined || isExact(unit)) return evaluate(opset, unit, values);
    const run: Run = { opset, random, direction, width, by };
    const [node] = unit as [GraphNode];
    const definition = unit.length === 1 ? definitionOf(node, values.get(node.inputs[0] ?? "") ?? { dtype: "float32", shape: [] }) : undefined;
    return definition ? evaluateDefinition(node, definition, values, run) : evaluateMoved(unit, values, run);
  };
  for (const unit of unitsOf(graph.nodes))
    for (const [name, tensor] of Object.entries(resultsOf(unit))) values.set(name, tensor);
  return values;
} // prettier-ignore

/** Every tensor of the graph, operands too. */
export function valuesOf(graph: FuzzGraph): Map<string, Tensor> {
  return computed(graph, 0, undefined);
}

/** Whether every bit of a result is determined. */
export function exactResults(graph: FuzzGraph): ReadonlySet<string> {
  const inexact = new Set<string>();
  for (const unit of unitsOf(graph.nodes)) {
    if (isExact(unit) && !namesUsed(unit).some((name) => inexact.has(name))) continue;
    for (const { outputs } of unit) for (const name of outputs) inexact.add(name);
  }
  return new Set(graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => !inexact.has(name)));
}

/** Of attention operators: the inputs that queries and keys are made of. */
const SCORED: Readonly<Record<string, readonly number[]>> = {
  Attention: [0, 1, 4],
  "com.microsoft:Attention": [0, 1, 2, 4],
  "com.microsoft:MultiHeadAttention": [0, 1, 3, 6],
  "com.microsoft:GroupQueryAttention": [0, 1, 3],
};

/** Queries and keys of a QAttention are sums of products of integers, which the scales make large or small. */
function quantizedScoresAreLost(inputs: readonly string[], values: ReadonlyMap<string, Tensor>): boolean {
  const at = (position: number): Tensor | undefined => values.get(inputs[position] ?? "");
  const depth = at(1)?.shape[0] ?? 0;
  const meant = (data: number, scale: number, zero: number): number =>
    (largestIn(at(data)) + largestIn(at(zero))) * largestIn(at(scale));
  const query = depth * meant(0, 3, 6) * meant(1, 4, 7) + largestIn(at(2));
  // A score of a thousand is rounded by more than a softmax may differ.
  return query ** 2 > 2 ** 10;
}

/** Whether scores may be so large that their roundings decide a softmax: no operand shows what happens inside. */
function scoresAreLost({ op, domain, inputs }: GraphNode, values: ReadonlyMap<string, Tensor>): boolean {
  if (op === "QAttention") return quantizedScoresAreLost(inputs, values);
  const positions = SCORED[domain === undefined ? op : `${domain}:${op}`] ?? [];
  let largest = 0;
  for (const position of positions) {
    const tensor = values.get(inputs[position] ?? "");
    if (!tensor || !isFloat(tensor.dtype)) continue;
    const read = readerOf(tensor.dtype);
    for (const value of tensor.data as Iterable<number>)
      if (Number.isFinite(read(value))) largest = Math.max(largest, Math.abs(Number(read(value))));
  }
  return largest ** 2 > 2 ** 16;
}

/**
 * Whether a product may pass the largest or the least number on its way, and then meet a 0 or come back: that depends
 * on the order, which is open.
 */
function productsAreLost(node: GraphNode, opset: number, values: ReadonlyMap<string, Tensor>): boolean {
  const x = values.get(node.inputs[0] ?? "");
  if (node.op !== "ReduceProd" || !x || !isFloat(x.dtype)) return false;
  const read = readerOf(x.dtype);
  // An operator of the same form sums how many powers of two the elements take a product up, or down.
  const powers = [1, -1].map((sign) => {
    const data = Float64Array.from(x.data as Iterable<number>, (value) => {
      const power = sign * Math.log2(Math.abs(Number(read(value))));
      return Number.isFinite(power) ? Math.max(0, power) : 0;
    });
    const changed = new Map(values).set(node.inputs[0]!, { dtype: "float64", shape: x.shape, data });
    const [sums] = Object.values(evaluate(opset, [{ ...node, op: "ReduceL1" }], changed));
    return Math.max(0, ...(sums!.data as Float64Array));
  });
  return Math.max(...powers) > (x.dtype === "float64" ? 1020 : 124);
}

/** Whether an integer may be made of what is no number: which one that is is open. */
function countsNothing({ op, inputs, outputs }: GraphNode, values: ReadonlyMap<string, Tensor>): boolean {
  const [x, y] = [values.get(inputs[0] ?? ""), values.get(outputs[0] ?? "")];
  if (!x || !isFloat(x.dtype) || (y !== undefined && isFloat(y.dtype))) return false;
  // An infinite range has an infinite scale, by which infinities are divided.
  if (/^DynamicQuantize/.test(op)) return some(x, (value) => !Number.isFinite(value));
  return /^(Cast|CastLike|QuantizeLinear)$/.test(op) && some(x, Number.isNaN);
}

/** Results that are anything, since they follow from such an operator. */
function undetermined(graph: FuzzGraph, values: ReadonlyMap<string, Tensor>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of graph.nodes) {
    const lost =
      scoresAreLost(node, values) ||
      productsAreLost(node, graph.opset, values) ||
      countsNothing(node, values);
    if (!lost && !namesUsed([node]).some((name) => names.has(name))) continue;
    for (const name of node.outputs) names.add(name);
  }
  return names;
}

/** The name of a result in the graph; a member of a sequence moves as the value that it was made of. */
function nameInGraph(name: string, result: Tensor, values: ReadonlyMap<string, Tensor>): string {
  if (values.has(name)) return name;
  const isSame = ({ dtype, shape, data }: Tensor): boolean =>
    dtype === result.dtype &&
    String(shape) === String(result.shape) &&
    result.data.every((element, i) => Object.is(element, data[i]));
  return [...values].find(([, value]) => isSame(value))?.[0] ?? name;
}

/** How much each element of each result moved with `width` roundings at once, infinity where it is anything. */
export function sensitivity(
  graph: FuzzGraph,
  results: Readonly<Record<string, Tensor>>,
  by: Computer,
  width = 1,
  runs = 24,
): Map<string, Float64Array | undefined> {
  // prettier-ignore
  const base = computed(graph, 0, undefined);
  const inGraph = new Map(
    Object.entries(results).map(([name, tensor]) => [name, nameInGraph(name, tensor, base)]),
  );
  const names = [...new Set(inGraph.values())];
  const result = new Map<string, Float64Array | undefined>();
  const anything = undetermined(graph, base);
  const chosen = chosenNames(graph);
  for (const name of names) {
    const tensor = base.get(name);
    result.set(name, tensor && new Float64Array(tensor.data.length).fill(anything.has(name) ? Infinity : 0)); // prettier-ignore
  }
  for (let run = 0; run < runs; run++) {
    let other: Map<string, Tensor>;
    try {
      other = computed(graph, run + 1, DIRECTIONS[run] ?? 0, by, width);
    } catch {
      continue;
    }
    for (const name of names) {
      const [before, after, most] = [base.get(name), other.get(name), result.get(name)];
      if (!before || !after || !most) continue;
      if (String(before.shape) !== String(after.shape)) {
        most.fill(Infinity);
        continue;
      }
      const read = readerOf(before.dtype);
      for (let i = 0; i < most.length; i++) {
        const [a, b] = [read(before.data[i]!), read(after.data[i]!)];
        if (Object.is(a, b) || a === b) continue;
        // Labels and places are the same or they are not: between them there is no distance.
        const isName = typeof a === "string" || (chosen.has(name) && !isFloat(before.dtype));
        const distance = isName ? Infinity : Math.abs(Number(a) - Number(b));
        most[i] = Math.max(most[i]!, Number.isFinite(distance) ? distance : Infinity);
      }
    }
  }
  for (const [name, known] of inGraph) result.set(name, result.get(known));
  return result;
}
