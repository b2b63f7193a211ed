/**
 * One operator whose inputs come only when it runs, for unit tests of what definitions do without knowing values.
 * In: its name, input tensors, and which of them are known when binding. Out: its outputs. Invariant: nothing but
 * the inputs listed in `known` is visible to the definition; the bound kernels are then interpreted in order.
 */
import type { Tensor } from "../compiler/ir/dtype.ts";
import type { Graph } from "../compiler/ir/graph.ts";
import { bind } from "../compiler/passes/bind.ts";
import { evaluateKernel, evaluateLibrary } from "../compiler/passes/evaluate.ts";
import { addAllGroups } from "../compiler/ops/rare/all.ts";

addAllGroups();

export interface RunTimeUse {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  /** Positions of the inputs that are constants of the model; none if not said. */
  readonly known?: readonly number[];
  readonly attributes?: Graph["nodes"][number]["attributes"];
}

export function runAtRunTime({ op, inputs, known = [], attributes = new Map() }: RunTimeUse): Tensor {
  const ids = inputs.map((_, i) => `in${i}`);
  const constants = new Map(known.map((i) => [ids[i]!, inputs[i]!]));
  const graph: Graph = {
    name: "one",
    inputs: ids
      .filter((id) => !constants.has(id))
      .map((id) => ({ id, type: { dtype: "float32", shape: undefined } })),
    outputs: [{ id: "out", name: "out" }],
    nodes: [
      {
        name: op,
        op,
        domain: "",
        inputs: ids,
        outputs: ["out"],
        attributes,
        version: Number.MAX_SAFE_INTEGER,
      },
    ],
    constants,
  };
  const values = new Map<string, Tensor>(ids.map((id, i) => [id, inputs[i]!]));
  const bound = bind(graph, values, new Map());
  if (bound.rest) throw new Error(`${op} needs the values of ${bound.rest.demands.join(", ")}`);
  for (const [id, tensor] of bound.constants) values.set(id, tensor);
  for (const node of bound.nodes) {
    const types = node.outputs.map((id) => bound.types.get(id)!);
    const given = node.inputs.map((id) => values.get(id));
    const { computation } = node;
    const made =
      computation.kind === "kernel"
        ? evaluateKernel(computation.kernel, given, types)
        : evaluateLibrary(computation.library, given, types);
    node.outputs.forEach((id, i) => values.set(id, made[i]!));
  }
  return values.get(bound.outputs[0]!.id)!;
}
