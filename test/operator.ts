/**
 * One operator by itself, for unit tests of definitions. In: its name, input tensors and attributes. Out: its
 * outputs, as the interpreter computes them. Invariant: goes the same way as a model does (inference, expansion,
 * kernels), by binding a graph of one node whose inputs are all constants.
 */
import { type DType, type Tensor } from "../compiler/ir/dtype.ts";
import type { Attribute, Graph } from "../compiler/ir/graph.ts";
import { bind } from "../compiler/passes/bind.ts";
import { tensorOf } from "../compiler/passes/evaluate.ts";
import type { AttributeLike } from "../compiler/ops/define.ts";
import { addAllGroups } from "../compiler/ops/rare/all.ts";

addAllGroups();

export interface OperatorUse {
  /** "op" or "domain:op". */
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: Readonly<Record<string, AttributeLike>>;
  /** How many outputs are wanted; 1 if not said. A list says which. */
  readonly outputs?: number | readonly boolean[];
}

/** A tensor from plain numbers. */
export function tensor(dtype: DType, shape: readonly number[], values: Iterable<number>): Tensor {
  return tensorOf(dtype, shape, [...values]);
}

/** float32 1, 2, 3, ... of a shape, times `step`. */
export function counting(shape: readonly number[], step = 1): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return tensor(
    "float32",
    shape,
    Array.from({ length: count }, (_, i) => (i + 1) * step),
  );
}

/** The wanted outputs, in order. */
export function runOperator(use: OperatorUse): Tensor[] {
  const [domain, op] = use.op.includes(":") ? (use.op.split(":") as [string, string]) : ["", use.op];
  const wanted =
    typeof use.outputs === "object" ? use.outputs : new Array<boolean>(use.outputs ?? 1).fill(true);
  const constants = new Map<string, Tensor>();
  use.inputs.forEach((value, i) => {
    if (value) constants.set(`in${i}`, value);
  });
  const outputs = wanted.map((want, i) => (want ? `out${i}` : ""));
  const attributes = new Map(
    Object.entries(use.attributes ?? {}).map(([key, value]) => [key, attributeOf(value)]),
  );
  const graph: Graph = {
    name: "one",
    inputs: [],
    outputs: outputs.filter(Boolean).map((id) => ({ id, name: id })),
    nodes: [
      {
        name: op,
        op,
        domain,
        inputs: use.inputs.map((value, i) => (value ? `in${i}` : "")),
        outputs,
        attributes,
        version: Number.MAX_SAFE_INTEGER,
      },
    ],
    constants,
  };
  const bound = bind(graph, new Map(), new Map(), { foldLimit: 1 << 20 });
  return graph.outputs.map(({ name }) => {
    const made = bound.outputs.find((output) => output.name === name);
    const result = made ? bound.constants.get(made.id) : bound.known.get(name);
    if (!result) throw new Error(`${name} of ${op} was not computed`);
    return result;
  });
}

function attributeOf(value: AttributeLike): Attribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  if ("kind" in value) return value;
  if ("float" in value) return { kind: "float", value: value.float };
  if ("floats" in value) return { kind: "floats", value: value.floats };
  return typeof value[0] === "string"
    ? { kind: "strings", value: value as readonly string[] }
    : { kind: "ints", value: value as readonly number[] };
}
