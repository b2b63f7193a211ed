/**
 * The Gradient operator names values of its graph: it differentiates what lies between them. In: such a node and the
 * nodes around it. Out: the node with that part of the graph as a body, whose inputs are those of the node. Invariant:
 * a body holds every node that the target needs down to the named values, so it stays whole when the graph around
 * it is cut; what it reads besides is captured as the body of a branch captures it.
 * Source: ONNX operator Gradient 1 of ai.onnx.preview.training.
 */
import { fail } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import type { Attribute, Graph, OpNode, ValueId } from "../../ir/graph.ts";
import type { OnnxNode } from "./model.ts";

export function isGradient({ op, domain }: Pick<OnnxNode, "op" | "domain">): boolean {
  return op === "Gradient" && domain === "ai.onnx.preview.training";
}

/** The names of values among a Gradient's attributes: xs, zs and y. */
export function namesInGradient(node: OnnxNode): string[] {
  return ["xs", "zs", "y"].flatMap((key) => {
    const attribute = node.attributes.get(key);
    if (attribute?.kind === "strings") return [...attribute.value];
    return attribute?.kind === "string" ? [attribute.value] : [];
  });
}

/**
 * The node with a `body`, its inputs in the order of xs and zs, its one output y.
 *
 * @param resolve the value that a name means where the node stands
 * @param fresh a new value's name, from that of the value it is a copy of
 * @throws CompileError where names and inputs do not fit together
 */
export function withBody(
  node: OpNode,
  around: { readonly nodes: readonly OpNode[]; readonly constants: ReadonlyMap<ValueId, Tensor> },
  resolve: (name: string) => ValueId,
  fresh: (base: string) => ValueId,
): OpNode {
  const names = (key: string): readonly string[] => {
    const attribute = node.attributes.get(key);
    return attribute?.kind === "strings" ? attribute.value : [];
  };
  const y = node.attributes.get("y");
  const where = { node: node.name, op: node.op };
  if (names("xs").length === 0 || y?.kind !== "string")
    fail("attribute-invalid", "Gradient needs the names xs and y", where);
  const ids = [...names("xs"), ...names("zs")].map(resolve);
  if (ids.length !== node.inputs.length) {
    fail("graph-invalid", `${node.inputs.length} inputs for ${ids.length} names in xs and zs`, where);
  }
  const target = resolve(y.value);
  const nodes = between(around.nodes, new Set(ids), target);
  // Values have one producer each, so what the body makes gets names of its own.
  const own = new Map<ValueId, ValueId>(ids.map((id) => [id, fresh(id)]));
  for (const { outputs } of nodes) for (const id of outputs) if (id && !own.has(id)) own.set(id, fresh(id));
  const rename = (id: ValueId): ValueId => own.get(id) ?? id;
  const body: Graph = {
    name: node.name,
    inputs: ids.map((id) => ({ id: rename(id), type: { dtype: "float32", shape: undefined } })),
    outputs: [{ id: rename(target), name: y.value }],
    nodes: nodes.map((each) => ({ ...renamed(each, rename), outputs: each.outputs.map(rename) })),
    constants: new Map(),
  };
  return { ...node, attributes: new Map<string, Attribute>([...node.attributes, ["body", { kind: "graph", value: body }]]) }; // prettier-ignore
}

/** The node reading other values, in its subgraphs as well. */
function renamed(node: OpNode, rename: (id: ValueId) => ValueId): OpNode {
  const attributes = [...node.attributes].map(([key, attribute]): [string, Attribute] => {
    if (attribute.kind !== "graph") return [key, attribute];
    const { value } = attribute;
    const nodes = value.nodes.map((inner) => renamed(inner, rename));
    const outputs = value.outputs.map((output) => ({ ...output, id: rename(output.id) }));
    return [key, { kind: "graph", value: { ...value, nodes, outputs } }];
  });
  return { ...node, inputs: node.inputs.map(rename), attributes: new Map(attributes) };
}

/** The nodes that `target` needs, in order; what the named values are made of is not needed. */
function between(nodes: readonly OpNode[], named: ReadonlySet<ValueId>, target: ValueId): OpNode[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  const needed = new Set<OpNode>();
  const pending = [target];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const node = named.has(id) ? undefined : producers.get(id);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    pending.push(...valuesRead(node));
  }
  return nodes.filter((node) => needed.has(node));
}

/** Everything that a node and its subgraphs read; what subgraphs make themselves has no producer outside. */
function valuesRead(node: OpNode): ValueId[] {
  const inside = (graph: Graph): ValueId[] => [
    ...graph.nodes.flatMap(valuesRead),
    ...graph.outputs.map(({ id }) => id),
  ];
  const subgraphs = [...node.attributes.values()].flatMap((a) => (a.kind === "graph" ? inside(a.value) : []));
  return [...node.inputs, ...subgraphs].filter((id) => id !== "");
}
