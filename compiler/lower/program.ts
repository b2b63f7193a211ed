/**
 * From bound nodes to a program. In: a BoundGraph. Out: a Program with one call per node. Invariant: each output of
 * the program is a value of its own that some call writes: an input or constant that is returned as it came gets a
 * copy, and so does a value that is returned twice.
 */
import type { Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Call, Program, ProgramOutput, ProgramValue } from "../ir/program.ts";
import type { BoundGraph } from "../passes/bind.ts";
import { copyKernel } from "./copy.ts";

export function lowerGraph(graph: BoundGraph): Program {
  const values = new Map<ValueId, ProgramValue>();
  const constants = new Map<ValueId, Tensor>();
  const calls: Call[] = [];
  const valueOf = (id: ValueId): ProgramValue => {
    const type = graph.types.get(id)!;
    const { dtype, shape, dynamicDim } = type;
    return dynamicDim === undefined ? { dtype, shape } : { dtype, shape, dynamicDim };
  };
  for (const input of graph.inputs) values.set(input.id, valueOf(input.id));
  for (const [id, tensor] of graph.constants) {
    constants.set(id, tensor);
    values.set(id, valueOf(id));
  }
  for (const node of graph.nodes) {
    for (const id of node.outputs) if (id) values.set(id, valueOf(id));
    const common = { nodes: [node.name], inputs: node.inputs, outputs: node.outputs };
    if (node.computation.kind === "kernel")
      calls.push({ kind: "kernel", kernel: node.computation.kernel, ...common });
    else calls.push({ kind: "library", library: node.computation.library, ...common });
  }
  const inputs = graph.inputs.map((input) => input.id);
  const taken = new Set<ValueId>([...inputs, ...constants.keys()]);
  const refusals = graph.refusals.map(({ value, message }) => ({ id: value, name: value, refusal: message }));
  const outputs = [...graph.outputs, ...refusals].map((output: ProgramOutput, i) => {
    const { id, name } = output;
    if (!taken.has(id)) {
      taken.add(id);
      return output;
    }
    const copy = `${id}>${i}`;
    const value = values.get(id)!;
    values.set(copy, value.dynamicDim === undefined ? value : { ...value, sizeOf: id });
    calls.push({
      kind: "kernel",
      nodes: [name],
      kernel: copyKernel(value.dtype, value.shape),
      inputs: [id],
      outputs: [copy],
    });
    return { ...output, id: copy };
  });
  return { name: graph.name, values, constants, calls, inputs, outputs };
}
