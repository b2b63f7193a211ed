/**
 * A random graph over the whole table of operators, as data: operands, nodes, and how the nodes are wrapped. In: such
 * a description. Out: the ONNX file, the tensors to feed, and the description as TypeScript. Invariant: a node uses
 * only what stands before it; every wrapping computes the same values (a branch that is taken, a loop whose every
 * iteration does the same, a function, dimensions that a run tells), so that wrapped graphs test what they wrap.
 */
import {
  float,
  onnxModel,
  type OnnxAttributes,
  type OnnxAttributeValue,
  type OnnxDataType,
  type OnnxGraphBuilder,
  type OnnxNodeBuilder,
  type OnnxTypeSpec,
} from "../../../compiler/frontend/onnx/write.ts";
import { elementCount, type DType, type Tensor } from "../../../runtime/dtype.ts";
import { dataSource, elementsOf, tensorFrom, type Data } from "./data.ts";

export interface Operand {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Data;
  /** A weight of the model; else it is fed. */
  readonly constant: boolean;
}

/** A graph in an attribute: its inputs by name and type, nodes, outputs. It may use names of the graph around it. */
export interface Body {
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: DType;
    readonly shape?: readonly number[];
  }[];
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly { readonly name: string; readonly dtype: DType }[];
}

export interface GraphNode {
  readonly op: string;
  readonly domain?: string;
  /** "" is an absent input. */
  readonly inputs: readonly string[];
  /** "" is an output that nobody wants. */
  readonly outputs: readonly string[];
  readonly attributes: OnnxAttributes;
  readonly bodies?: Readonly<Record<string, Body>>;
}

export const wrappings = [
  "none",
  "dynamic",
  "unranked",
  "if",
  "if-fed",
  "loop",
  "loop-fed",
  "scan",
  "function",
] as const;
export type Wrapping = (typeof wrappings)[number];

/** A result: its type is known from the interpreter. */
export interface Result {
  readonly name: string;
  readonly type: OnnxTypeSpec;
}

export interface FuzzGraph {
  readonly opset: number;
  readonly wrapping: Wrapping;
  readonly operands: readonly Operand[];
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly Result[];
}

/** Versions of the other domains. */
const DOMAINS: Readonly<Record<string, number>> = {
  "ai.onnx.ml": 3,
  "com.microsoft": 1,
  "ai.onnx.preview.training": 1,
  "ai.onnx.preview": 1,
};

/** How often wrapping loops go round. */
const TRIPS = 2;

/** What wrapping adds to the inputs. */
const CONDITION = "fuzz_condition";
const TRIP_COUNT = "fuzz_trips";

function addNodes(b: OnnxNodeBuilder, nodes: readonly GraphNode[], g?: OnnxGraphBuilder, suffix = ""): void {
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const renamed = (name: string): string =>
    suffix !== "" && name !== "" && made.has(name) ? name + suffix : name;
  for (const { op, domain, inputs, outputs, attributes, bodies } of nodes) {
    const graphs: Record<string, OnnxAttributeValue> = {};
    for (const [name, body] of Object.entries(bodies ?? {})) {
      if (!g) throw new RangeError(`${op} has a body where none can be`);
      graphs[name] = g.subgraph(`${op}_${name}${suffix}`, (inner) => {
        for (const { name: id, dtype, shape } of body.inputs)
          inner.input(id + suffix, dtype as OnnxDataType, shape);
        const own = [...body.inputs.map(({ name: id }) => id), ...body.nodes.flatMap((n) => n.outputs)];
        const inside = (id: string): string => (id !== "" && own.includes(id) ? id + suffix : renamed(id));
        addNodes(inner, body.nodes.map((n) => ({ ...n, inputs: n.inputs.map(inside), outputs: n.outputs.map(inside) })), inner); // prettier-ignore
        for (const { name: id, dtype } of body.outputs) inner.output(inside(id), dtype as OnnxDataType);
      });
    }
    b.nodeWithOutputs(op, inputs.map(renamed), outputs.map(renamed), { ...attributes, ...graphs }, domain === undefined ? {} : { domain }); // prettier-ignore
  }
}

/** The ONNX file. */
export function modelOf(graph: FuzzGraph): Uint8Array {
  const { opset, wrapping, operands, nodes, outputs } = graph;
  const b = onnxModel("fuzz", { opset });
  const importing = new Set<string>();
  const visit = (list: readonly GraphNode[]): void => {
    for (const { domain, bodies } of list) {
      if (domain) importing.add(domain);
      for (const body of Object.values(bodies ?? {})) visit(body.nodes);
    }
  };
  visit(nodes);
  for (const domain of importing) b.importOpset(domain, domain === "ai.onnx.ml" && nodes.some(({ op }) => op === "TreeEnsemble") ? 5 : DOMAINS[domain]!); // prettier-ignore
  for (const { name, dtype, shape, data, constant } of operands) {
    if (constant) b.initializer(dtype as OnnxDataType, shape, elementsOf(dtype, elementCount(shape), data) as number[], name); // prettier-ignore
    else if (wrapping === "unranked") b.input(name, dtype as OnnxDataType);
    else b.input(name, dtype as OnnxDataType, wrapping === "dynamic" ? shape.map((_, i) => `${name}_${i}`) : shape); // prettier-ignore
  }
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const wanted = outputs.filter(({ name }) => made.has(name));
  if (wrapping === "if" || wrapping === "if-fed") {
    const condition =
      wrapping === "if"
        ? b.scalar("bool", true)
        : b.input(CONDITION, "bool", wrapping === "if-fed" ? [] : [1]);
    const branch = (title: string, suffix: string): OnnxAttributeValue =>
      b.subgraph(title, (g) => {
        addNodes(g, nodes, g, suffix);
        for (const { name, type } of wanted) g.outputOfType(name + suffix, anyShape(type));
      });
    b.nodeWithOutputs("If", [condition], wanted.map(({ name }) => name), { then_branch: branch("yes", "_then"), else_branch: branch("no", "_else") }); // prettier-ignore
  } else if (wrapping === "loop" || wrapping === "loop-fed") {
    const trips = wrapping === "loop" ? b.scalar("int64", TRIPS) : b.input(TRIP_COUNT, "int64", []);
    const body = b.subgraph("loop", (g) => {
      g.input("fuzz_i", "int64", []);
      g.input("fuzz_go_on", "bool", []);
      addNodes(g, nodes, g, "_each");
      g.output(g.node("Identity", ["fuzz_go_on"], {}, { output: "fuzz_still" }), "bool", []);
      for (const { name, type } of wanted) g.outputOfType(`${name}_each`, anyShape(type));
    });
    b.nodeWithOutputs("Loop", [trips, b.scalar("bool", true)], wanted.map(({ name }) => name), { body }); // prettier-ignore
  } else if (wrapping === "scan") {
    const steps = b.initializer("float32", [TRIPS, 1], new Array<number>(TRIPS).fill(0));
    const body = b.subgraph("scan", (g) => {
      g.input("fuzz_step", "float32", [1]);
      addNodes(g, nodes, g, "_each");
      for (const { name, type } of wanted) g.outputOfType(`${name}_each`, type);
    });
    b.nodeWithOutputs("Scan", [steps], wanted.map(({ name }) => name), { body, num_scan_inputs: 1 }); // prettier-ignore
  } else if (wrapping === "function") {
    const names = operands.map(({ name }) => name);
    const imports = Object.fromEntries([["", opset], ...[...importing].map((domain) => [domain, DOMAINS[domain]!])]) as Record<string, number>; // prettier-ignore
    b.function("fuzz.local", "Whole", names.map((name) => `${name}_in`), (body) => {
      addNodes(body, nodes.map((node) => ({ ...node, inputs: node.inputs.map((id) => (names.includes(id) ? `${id}_in` : id === "" ? "" : `${id}_f`)), outputs: node.outputs.map((id) => (id === "" ? "" : `${id}_f`)) }))); // prettier-ignore
      return wanted.map(({ name }) => `${name}_f`);
    }, { opsetImports: imports }); // prettier-ignore
    b.nodeWithOutputs("Whole", names, wanted.map(({ name }) => name), {}, { domain: "fuzz.local" }); // prettier-ignore
  } else addNodes(b, nodes, b);
  const loops = wrapping === "loop" || wrapping === "loop-fed" || wrapping === "scan";
  for (const { name, type } of outputs)
    b.outputOfType(name, loops || opensShapes(wrapping) ? anyShape(type) : type);
  return b.toBytes();
}

const opensShapes = (wrapping: Wrapping): boolean => wrapping === "dynamic" || wrapping === "unranked" || wrapping === "if-fed"; // prettier-ignore

function anyShape(type: OnnxTypeSpec): OnnxTypeSpec {
  if (type.kind === "tensor") return { kind: "tensor", dtype: type.dtype };
  if (type.kind === "map") return type;
  return { ...type, element: anyShape(type.element) };
}

/** What to feed. */
export function feedsOf({ operands, wrapping }: FuzzGraph): Record<string, Tensor> {
  const feeds = Object.fromEntries(
    operands.filter(({ constant }) => !constant).map(({ name, dtype, shape, data }) => [name, tensorFrom(dtype, shape, data)]),
  ); // prettier-ignore
  if (wrapping === "if-fed") feeds[CONDITION] = { dtype: "bool", shape: [], data: Uint8Array.of(1) };
  if (wrapping === "loop-fed") feeds[TRIP_COUNT] = { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(TRIPS)) }; // prettier-ignore
  return feeds;
}

/** Whether the nodes can stand in this wrapping at all. */
export function mayWrap(wrapping: Wrapping, graph: FuzzGraph): boolean {
  const tensors = graph.outputs.every(({ type }) => type.kind === "tensor");
  const plain = graph.nodes.every(({ bodies }) => bodies === undefined);
  const sequences = !tensors;
  if (wrapping === "loop" || wrapping === "loop-fed" || wrapping === "scan") return tensors && plain && graph.opset >= 13; // prettier-ignore
  if (wrapping === "if" || wrapping === "if-fed") return plain && !sequences && graph.opset >= 13;
  if (wrapping === "function") return plain && graph.opset >= 15;
  return true;
}

function attributeSource(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (value instanceof Uint8Array) return `Uint8Array.of(${[...value].join(", ")})`;
  if (Array.isArray(value)) return `[${value.map(attributeSource).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([key, part]) => `${key}: ${attributeSource(part)}`)
      .join(", ")} }`;
  return JSON.stringify(value);
}

/** The graph as a literal of TypeScript, to be pasted into `found.ts`. */
export function sourceOf(graph: FuzzGraph, note: string): string {
  const operands = graph.operands.map(
    ({ name, dtype, shape, data, constant }) =>
      `      { name: "${name}", dtype: "${dtype}", shape: [${shape.join(", ")}], data: ${dataSource(data)}, constant: ${constant} },`,
  );
  const nodes = graph.nodes.map((node) => `      ${attributeSource(node)},`);
  const outputs = graph.outputs.map((output) => `      ${attributeSource(output)},`);
  return [
    `  {`,
    `    note: ${JSON.stringify(note)},`,
    `    opset: ${graph.opset},`,
    `    wrapping: "${graph.wrapping}",`,
    `    operands: [`,
    ...operands,
    `    ],`,
    `    nodes: [`,
    ...nodes,
    `    ],`,
    `    outputs: [`,
    ...outputs,
    `    ],`,
    `  },`,
  ].join("\n");
}

export { float };
