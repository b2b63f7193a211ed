/**
 * Samples of control flow, sequences and optionals. In: a sampler. Out: an operator with what it needs around it.
 * Invariant: as in `elementwise.ts`; bodies have names of their own and may use what the graph around them has.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import type { OnnxTypeSpec } from "../../../../compiler/frontend/onnx/write.ts";
import type { Body, GraphNode } from "../graph.ts";
import type { Ref, Sampler } from "../sampler.ts";
import type { SampleTable } from "./elementwise.ts";

const sequenceOf = (dtype: DType): OnnxTypeSpec => ({ kind: "sequence", element: { kind: "tensor", dtype: dtype as "float32" } }); // prettier-ignore
const plain = (op: string, inputs: readonly string[], output: string, attributes: GraphNode["attributes"] = {}): GraphNode => ({ op, inputs, outputs: [output], attributes }); // prettier-ignore

/** A short chain over a value and one from around, as nodes of a body. */
function chain(s: Sampler, from: string, around: Ref | undefined): { nodes: GraphNode[]; result: string } {
  const nodes: GraphNode[] = [];
  let at = from;
  const count = s.random.between(1, 3);
  for (let i = 0; i < count; i++) {
    const next = s.fresh();
    const op = s.pick(around ? ["Add", "Sub", "Mul", "Max", "Relu"] : ["Relu", "Neg", "Abs", "Identity"]);
    nodes.push(plain(op, ["Relu", "Neg", "Abs", "Identity"].includes(op) ? [at] : [at, around!.name], next));
    at = next;
  }
  return { nodes, result: at };
}

function branches(s: Sampler): void {
  s.since(13);
  const x = s.any(["float32"]);
  const condition = (): string =>
    s.chance(0.6)
      ? s.param("bool", s.pick([[], [1]]), [s.random.below(2)], s.chance(0.3)).name
      : s.node("Greater", [s.node("ReduceSum", [x], { keepdims: 0 })[0]!, s.strictScalar("float32", 0.125, true)])[0]!; // prettier-ignore
  const [outer, inner] = [condition(), condition()];
  const wants = s.random.between(1, 2);
  const body = (depth: number): Body => {
    const { nodes, result } = chain(s, x.name, s.chance(0.5) ? x : undefined);
    let at = result;
    if (x.shape.length > 0 && s.chance(0.5)) {
      const [most, next] = [s.fresh(), s.fresh()];
      if (s.chance(0.5)) nodes.push(plain("Softmax", [at], next, { axis: -1 }));
      else nodes.push(plain("ReduceMax", [at], most), plain("Sub", [at, most], next));
      at = next;
    }
    if (depth < 2 && s.chance(0.3)) {
      const made = Array.from({ length: wants }, () => s.fresh());
      nodes.push({ op: "If", inputs: [inner], outputs: made, attributes: {}, bodies: { then_branch: body(depth + 1), else_branch: body(depth + 1) } }); // prettier-ignore
      const next = s.fresh();
      nodes.push(plain("Add", [at, made.at(-1)!], next));
      at = next;
    } else if (depth === 0 && x.shape.length > 0 && s.chance(0.15)) {
      const next = s.fresh();
      nodes.push(plain("Concat", [at, at], next, { axis: 0 }));
      at = next;
    }
    // onnxruntime wants another name for each result.
    const second = at === result ? s.fresh() : result;
    if (second !== result) nodes.push(plain("Identity", [result], second));
    const outputs = [at, second].slice(0, wants).map((name) => ({ name, dtype: "float32" as const }));
    return { inputs: [], nodes, outputs };
  };
  s.node("If", [outer], {}, { outputs: wants, bodies: { then_branch: body(0), else_branch: body(0) } });
}

function loop(s: Sampler): void {
  s.since(13);
  const x = s.tensor("float32", s.shape(0, 3, 60), "small");
  const trips = s.random.between(s.flavour.empty ? 0 : 1, 4);
  const names = { i: s.fresh(), go: s.fresh(), carried: s.fresh(), still: s.fresh(), counted: s.fresh(), next: s.fresh(), each: s.fresh() }; // prettier-ignore
  const nodes: GraphNode[] = [
    plain("Cast", [names.i], names.counted, { to: 1 }),
    plain(s.pick(["Add", "Sub"]), [names.carried, names.counted], names.next),
    plain(s.pick(["Relu", "Neg", "Identity"]), [names.next], names.each),
  ];
  const dependent = s.chance(0.3);
  if (dependent) {
    const [sum, limit] = [s.fresh(), s.fresh()];
    nodes.push(plain("ReduceMax", [names.next], sum, { keepdims: 0 }));
    nodes.push({ op: "Constant", inputs: [], outputs: [limit], attributes: { value_float: { kind: "float", value: 6 } } });
    nodes.push(plain("Less", [sum, limit], names.still));
  } else nodes.push(plain("Identity", [names.go], names.still));
  const body: Body = {
    inputs: [{ name: names.i, dtype: "int64", shape: [] }, { name: names.go, dtype: "bool", shape: [] }, { name: names.carried, dtype: "float32" }],
    nodes,
    outputs: [{ name: names.still, dtype: "bool" }, { name: names.next, dtype: "float32" }, { name: names.each, dtype: "float32" }],
  };
  s.decline(dependent && x.shape.includes(0));
  s.node("Loop", [s.strictScalar("int64", trips), s.chance(0.5) || dependent ? s.strictScalar("bool", 1, true) : undefined, x], {}, { outputs: 2, bodies: { body } });
} // prettier-ignore

function scan(s: Sampler): void {
  s.since(9);
  const [length, width] = [s.dim(5), s.dim(7)];
  const x = s.tensor("float32", [length, width]);
  const state = s.tensor("float32", [width]);
  const [carried, row, next, each] = [s.fresh(), s.fresh(), s.fresh(), s.fresh()];
  const body: Body = {
    inputs: [{ name: carried, dtype: "float32", shape: [width] }, { name: row, dtype: "float32", shape: [width] }],
    nodes: [plain(s.pick(["Add", "Mul", "Max", "Sub"]), [carried, row], next), plain(s.pick(["Neg", "Relu", "Identity"]), [next], each)],
    outputs: [{ name: next, dtype: "float32" }, { name: each, dtype: "float32" }],
  };
  s.node("Scan", [state, x], { num_scan_inputs: 1, scan_input_directions: s.maybe([0], [1]), scan_output_directions: s.maybe([0], [1]), scan_output_axes: s.maybe([0], [1]) }, { outputs: 2, bodies: { body } });
} // prettier-ignore

/** A sequence of a few tensors of one type, and their number. */
function sequence(s: Sampler): { name: string; dtype: DType; count: number; shape: readonly number[] } {
  s.since(11);
  const x = s.any(["float32", "int64"], { ranks: [1, 3] });
  const count = s.random.between(1, 3);
  const parts = [x, ...Array.from({ length: count - 1 }, () => s.any([x.dtype], { shape: x.shape }))];
  const [name] = s.node("SequenceConstruct", parts);
  s.container(name!, sequenceOf(x.dtype));
  return { name: name!, dtype: x.dtype, count, shape: x.shape };
}

const position = (s: Sampler, count: number): Ref => s.strictScalar(s.pick<DType>(["int64", "int32"]), s.random.between(-count, count - 1)); // prettier-ignore

export const controlSamples: SampleTable = {
  If: branches,
  Loop: loop,
  Scan: scan,
  SequenceConstruct: (s) => void sequence(s),
  SequenceAt: (s) => {
    const list = sequence(s);
    s.node("SequenceAt", [list.name, position(s, list.count)]);
  },
  SequenceLength: (s) => void s.node("SequenceLength", [sequence(s).name]),
  SequenceErase: (s) => {
    const list = sequence(s);
    const [less] = s.node("SequenceErase", [list.name, s.chance(0.7) ? position(s, list.count) : undefined]);
    s.container(less!, sequenceOf(list.dtype));
    s.node("SequenceLength", [less!]);
  },
  SequenceInsert: (s) => {
    const list = sequence(s);
    const [more] = s.node("SequenceInsert", [list.name, s.any([list.dtype], { shape: list.shape }), s.chance(0.6) ? position(s, list.count) : undefined]); // prettier-ignore
    s.container(more!, sequenceOf(list.dtype));
    s.node("SequenceAt", [more!, s.strictScalar("int64", list.count)]);
  },
  SequenceEmpty: (s) => {
    s.since(11);
    const dtype = s.pick<DType>(["float32", "int64"]);
    const [empty] = s.node("SequenceEmpty", [], { dtype: dtype === "int64" ? 7 : s.maybe(1) });
    s.container(empty!, sequenceOf(dtype));
    const [one] = s.node("SequenceInsert", [empty!, s.any([dtype])]);
    s.container(one!, sequenceOf(dtype));
    s.node("SequenceAt", [one!, s.strictScalar("int64", 0)]);
  },
  ConcatFromSequence: (s) => {
    const list = sequence(s);
    const fresh = s.chance(0.5);
    const rank = list.shape.length + (fresh ? 1 : 0);
    s.node("ConcatFromSequence", [list.name], { axis: s.random.between(-rank, rank - 1), new_axis: fresh ? 1 : s.maybe(0) }); // prettier-ignore
  },
  SplitToSequence: (s) => {
    s.since(11);
    const x = s.any(["float32", "int64"], { ranks: [1, 3], filled: true });
    const { at, written } = s.axis(x.shape.length);
    const dim = x.shape[at]!;
    const form = s.random.below(3);
    const parts = s.random.between(1, dim);
    const split = form === 0 ? undefined : form === 1 ? s.strictScalar("int64", parts) : s.ints(parts === dim ? [dim] : [parts, dim - parts]); // prettier-ignore
    const [list] = s.node("SplitToSequence", [x, split], { axis: written, keepdims: form === 0 ? s.maybe(0, 1) : undefined }); // prettier-ignore
    s.container(list!, sequenceOf(x.dtype));
    s.node("SequenceAt", [list!, s.strictScalar("int64", s.pick([0, -1]))]);
  },
  SequenceMap: (s) => {
    s.since(17);
    const list = sequence(s);
    const item = s.fresh();
    const { nodes, result } = chain(s, item, undefined);
    const body: Body = { inputs: [{ name: item, dtype: list.dtype }], nodes, outputs: [{ name: result, dtype: list.dtype }] }; // prettier-ignore
    s.decline(list.dtype !== "float32");
    const [mapped] = s.node("SequenceMap", [list.name], {}, { bodies: { body } });
    s.container(mapped!, sequenceOf(list.dtype));
    s.node("SequenceAt", [mapped!, s.strictScalar("int64", -1)]);
  },
  Optional: (s) => optional(s),
  OptionalGetElement: (s) => optional(s),
  OptionalHasElement: (s) => {
    s.since(18);
    s.node("OptionalHasElement", [s.any(["float32"])]);
  },
};

function optional(s: Sampler): void {
  s.since(15);
  const x = s.any(["float32", "int64"]);
  const [some] = s.node("Optional", [x]);
  s.container(some!, { kind: "optional", element: { kind: "tensor", dtype: x.dtype as "float32" } });
  s.node("OptionalGetElement", [some!]);
  s.node("OptionalHasElement", [some!]);
}
