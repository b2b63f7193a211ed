/**
 * Graphs as text and back. In: a graph. Out: inputs, constants, nodes and outputs, one a line:
 * `y = Clip(x, _, max) @13 { axis = 1, alpha = 0.5 }`. Constants are printed in full when small, else as type and
 * content hash; `full` prints all. Invariant: parsing a fully printed graph gives an equal one; a hash is parsed
 * with the help of a callback that knows the tensor.
 */
import { hex, sha256 } from "../../../runtime/sha256.ts";
import { allocate, dtypes, elementCount, type DType, type Tensor } from "../dtype.ts";
import type {
  Attribute,
  Dim,
  Graph,
  GraphInput,
  GraphOutput,
  OpNode,
  SymbolicType,
  ValueId,
} from "../graph.ts";
import { braces } from "./kernel.ts";
import { nameText } from "./name.ts";
import { float32Text, floatText, numberText, parseAll, type Reader } from "./token.ts";

/** Most elements of a constant that is printed in full without being asked to. */
const SMALL = 16;

export interface GraphTextOptions {
  /** Print all elements of all constants, so that the text stands for itself. */
  readonly full?: boolean;
}

// ---------------------------------------------------------------------------------------------------------------
// Printing

export function printGraph(graph: Graph, options: GraphTextOptions = {}): string {
  const lines = [
    ...graph.inputs.map(({ id, type }) => `input ${nameText(id)}: ${symbolicTypeText(type)}`),
    ...[...graph.constants].map(([id, tensor]) => `const ${nameText(id)} = ${tensorText(tensor, options)}`),
    ...graph.nodes.map((node) => nodeText(node, options)),
    ...graph.outputs.map(
      ({ id, name }) => `output ${nameText(id)}${name === id ? "" : ` as ${nameText(name)}`}`,
    ),
  ];
  return `graph ${nameText(graph.name)} ${braces(lines)}`;
}

/** `float32[batch, 3]`; `float32?` where even the rank is unknown. */
export function symbolicTypeText({ dtype, shape }: SymbolicType): string {
  if (!shape) return `${dtype}?`;
  return `${dtype}[${shape.map((dim) => (typeof dim === "number" ? numberText(dim) : nameText(dim))).join(", ")}]`;
}

function tensorText(tensor: Tensor, { full }: GraphTextOptions): string {
  const { dtype, shape, data } = tensor;
  const type = symbolicTypeText({ dtype, shape });
  if (!full && data.length > SMALL) return `${type} #${JSON.stringify(hashOf(tensor))}`;
  const elements = Array.from<number | bigint | string, string>(data, (element) => {
    if (typeof element === "string") return JSON.stringify(element);
    if (typeof element === "bigint") return String(element);
    return dtype === "float32" ? float32Text(element) : numberText(element);
  });
  return `${type} {${elements.join(", ")}}`;
}

/** The first 16 hexadecimal digits of the SHA-256 of a tensor's elements (of strings, as JSON). */
export function hashOf({ data }: Tensor): string {
  const bytes = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new TextEncoder().encode(JSON.stringify(data));
  return hex(sha256(bytes).subarray(0, 8));
}

const valueText = (id: ValueId): string => (id === "" ? "_" : nameText(id));

function nodeText(node: OpNode, options: GraphTextOptions): string {
  const { name, op, domain, inputs, outputs, attributes, version } = node;
  const operator = `${domain === "" ? "" : `${nameText(domain)}::`}${nameText(op)}`;
  const call = `${outputs.map(valueText).join(", ")} = ${operator}(${inputs.map(valueText).join(", ")}) @${version}`;
  const given = [...attributes].map(
    ([key, attribute]) => `${nameText(key)} = ${attributeText(attribute, options)}`,
  );
  const inner = given.some((text) => text.includes("\n")) ? braces(given.map((text, i) => (i + 1 < given.length ? `${text},` : text))) : `{ ${given.join(", ")} }`; // prettier-ignore
  return `${call}${given.length ? ` ${inner}` : ""}${name === outputs[0] ? "" : ` name ${nameText(name)}`}`;
}

function attributeText(attribute: Attribute, options: GraphTextOptions): string {
  switch (attribute.kind) {
    case "int":
      return numberText(attribute.value);
    case "float":
      return floatText(attribute.value);
    case "string":
      return JSON.stringify(attribute.value);
    case "ints":
      return `ints [${attribute.value.map(numberText).join(", ")}]`;
    case "floats":
      return `floats [${attribute.value.map(numberText).join(", ")}]`;
    case "strings":
      return `strings [${attribute.value.map((text) => JSON.stringify(text)).join(", ")}]`;
    case "tensor":
      return `tensor ${tensorText(attribute.value, options)}`;
    case "graph":
      return printGraph(attribute.value, options);
    default:
      return attribute satisfies never;
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Parsing

/** Gives the tensor whose elements have a printed hash; see {@link hashOf}. */
export type FindTensor = (hash: string, dtype: DType, shape: readonly number[]) => Tensor | undefined;

/** Parses what {@link printGraph} printed. Throws CompileError where the text is malformed or a hash is unknown. */
export function parseGraph(text: string, find: FindTensor = () => undefined): Graph {
  return parseAll(text, (reader) => readGraph(reader, find));
}

function readGraph(reader: Reader, find: FindTensor): Graph {
  const inputs: GraphInput[] = [];
  const outputs: GraphOutput[] = [];
  const nodes: OpNode[] = [];
  const constants = new Map<ValueId, Tensor>();
  reader.expect("graph");
  const name = reader.name();
  reader.expect("{");
  while (!reader.accept("}")) {
    if (startsLine(reader, "input")) {
      const id = reader.name();
      reader.expect(":");
      inputs.push({ id, type: readSymbolicType(reader) });
    } else if (startsLine(reader, "const")) {
      const id = reader.name();
      reader.expect("=");
      constants.set(id, readTensor(reader, find));
    } else if (startsLine(reader, "output")) {
      const id = reader.name();
      outputs.push({ id, name: reader.accept("as") ? reader.name() : id });
    } else nodes.push(readNode(reader, find));
  }
  return { name, inputs, outputs, nodes, constants };
}

/** A line begins with a word and a name; after a value called `input` comes `=` or a comma. */
function startsLine(reader: Reader, word: string): boolean {
  if (reader.sees("=", 1) || reader.sees(",", 1)) return false;
  return reader.accept(word);
}

function readSymbolicType(reader: Reader): SymbolicType {
  const dtype = reader.choice(dtypes);
  if (reader.accept("?")) return { dtype, shape: undefined };
  const shape = reader.list<Dim>("[", "]", () => {
    const { kind } = reader.peek();
    return kind === "number" || reader.sees("-") ? reader.integer() : reader.name();
  });
  return { dtype, shape };
}

function readTensor(reader: Reader, find: FindTensor): Tensor {
  const { dtype, shape: dims } = readSymbolicType(reader);
  const shape = dims?.filter((dim) => typeof dim === "number");
  if (!shape || shape.length !== dims?.length)
    return reader.fail("a tensor has a shape of numbers, before here");
  if (reader.accept("#")) {
    const hash = reader.name();
    return (
      find(hash, dtype, shape) ??
      reader.fail(`the elements of #${hash} are not at hand; print the graph in full`)
    );
  }
  const count = elementCount(shape);
  const elements = reader.list("{", "}", () => readElement(reader, dtype));
  if (elements.length !== count)
    reader.fail(`${elements.length} elements for shape [${shape.join(", ")}] before here`);
  if (dtype === "string") return { dtype, shape, data: elements as string[] };
  const data = allocate(dtype, count);
  elements.forEach((element, i) => (data[i] = element as number | bigint));
  return { dtype, shape, data };
}

function readElement(reader: Reader, dtype: DType): number | bigint | string {
  if (dtype === "string") return readString(reader);
  if (dtype !== "int64" && dtype !== "uint64") return reader.number();
  const negative = reader.accept("-");
  const { kind, text } = reader.take();
  if (kind !== "number" || !/^\d+$/.test(text)) reader.fail("expected an integer before here");
  return negative ? -BigInt(text) : BigInt(text);
}

function readString(reader: Reader): string {
  const { kind, text } = reader.take();
  return kind === "string" ? text : reader.fail("expected a string before here");
}

function readValue(reader: Reader): ValueId {
  return reader.accept("_") ? "" : reader.name();
}

function readNode(reader: Reader, find: FindTensor): OpNode {
  const outputs: ValueId[] = [];
  if (!reader.sees("=")) {
    do outputs.push(readValue(reader));
    while (reader.accept(","));
  }
  reader.expect("=");
  const first = reader.name();
  const qualified = reader.accept("::");
  const op = qualified ? reader.name() : first;
  const inputs = reader.list("(", ")", () => readValue(reader));
  reader.expect("@");
  const version = reader.integer();
  const attributes = new Map<string, Attribute>();
  if (reader.sees("{")) {
    for (const [key, attribute] of reader.list("{", "}", () => readAttribute(reader, find)))
      attributes.set(key, attribute);
  }
  const named = reader.sees("name") && !reader.sees("=", 1) && !reader.sees(",", 1);
  const name = named && reader.accept("name") ? reader.name() : (outputs[0] ?? "");
  return { name, op, domain: qualified ? first : "", inputs, outputs, attributes, version };
}

function readAttribute(reader: Reader, find: FindTensor): readonly [string, Attribute] {
  const key = reader.name();
  reader.expect("=");
  return [key, readAttributeValue(reader, find)];
}

function readAttributeValue(reader: Reader, find: FindTensor): Attribute {
  if (reader.peek().kind === "string") return { kind: "string", value: readString(reader) };
  if (reader.accept("ints")) return { kind: "ints", value: reader.list("[", "]", () => reader.integer()) };
  if (reader.accept("floats")) return { kind: "floats", value: reader.list("[", "]", () => reader.number()) };
  if (reader.accept("strings"))
    return { kind: "strings", value: reader.list("[", "]", () => readString(reader)) };
  if (reader.accept("tensor")) return { kind: "tensor", value: readTensor(reader, find) };
  if (reader.sees("graph")) return { kind: "graph", value: readGraph(reader, find) };
  // Floats are always written with a point, an exponent or a name; integers never are.
  const written = reader.peek(reader.sees("-") ? 1 : 0);
  const isInteger = written.kind === "number" && /^\d+$/.test(written.text);
  return { kind: isInteger ? "int" : "float", value: reader.number() };
}
