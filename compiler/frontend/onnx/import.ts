/**
 * From an OnnxModel to the Graph IR. In: a model as its file says it. Out: a Graph in the newest ONNX forms, with
 * model-local functions inlined, Constant nodes and initializers as constants, nodes in topological order and value
 * ids unique over all subgraphs. Invariant: everything that keeps the model from being compiled (unknown operators,
 * unresolved names, unsupported input types) is collected and thrown as one CompileError. An initializer that is
 * also a graph input, as every one had to be before IR version 4, is a constant and no input: the compiler folds
 * and packs weights, so they cannot be overridden at run time. Source: ONNX IR specification.
 */
import { CompileError, didYouMean, fail, type Diagnostic } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import type { Attribute, Dim, Graph, GraphInput, GraphOutput, OpNode, ValueId } from "../../ir/graph.ts";
import { adapt } from "./adapt.ts";
import { attributesOf } from "./attributes.ts";
import { constantOf } from "./constant.ts";
import { Facts } from "./facts.ts";
import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxType } from "./model.ts";
import { inTopologicalOrder } from "./order.ts";
import { isGradient, withBody } from "./gradientBody.ts";
import { Names, namesRead, type Scope } from "./scope.ts";
import { contained, elementDType, isTensor, typeText } from "./valueType.ts";

/** Newest operator set of ai.onnx whose forms were read. */
export const NEWEST_OPSET = 28;
/** Newest `ir_version` whose messages `fields.ts` covers. */
const NEWEST_IR_VERSION = 14;
/** Functions may call functions so deep. */
const MAX_CALL_DEPTH = 64;
/**
 * Nodes, inputs, outputs and list elements that inlining may add: functions that each call the next one twice
 * would grow without bound otherwise.
 */
const MAX_INLINED = 1_000_000;
/** Names that inlining makes are cut to this length, for the same reason. */
const MAX_PREFIX = 200;

export interface ImportOptions {
  /** Whether there is a definition for the newest form of an operator; everything is let through when absent. */
  readonly supports?: (domain: string, op: string, version: number) => boolean;
  /** Names of a domain's operators, to choose a suggestion from when one is not supported. */
  readonly operatorNames?: (domain: string) => Iterable<string>;
}

/**
 * Imports a model.
 *
 * @example const graph = importModel(readModel(bytes), { supports: (domain, op) => table.has(domain, op) });
 * @throws CompileError with all diagnostics: `opset-unsupported`, `op-unsupported`, `dtype-unsupported`,
 * `graph-invalid`, `attribute-invalid`, `model-too-large`
 */
export function importModel(model: OnnxModel, options: ImportOptions = {}): Graph {
  return new Importer(model, options).run();
}

/** Where a body stands: which versions its operators have, and what its attribute references mean. */
interface Frame {
  readonly opsets: ReadonlyMap<string, number>;
  readonly attributes: ReadonlyMap<string, BoundAttribute>;
  /** Prefix of value and node names: the path of calls that led here. */
  readonly prefix: string;
  /** Functions being inlined, outermost first. */
  readonly calls: readonly OnnxFunction[];
}

/** An attribute given to a function, with the surroundings in which its subgraphs find their names. */
interface BoundAttribute {
  readonly attribute: OnnxAttribute;
  readonly frame: Frame;
  readonly scope: Scope;
}

/** A graph being written. */
interface Body {
  readonly nodes: OpNode[];
  readonly constants: Map<ValueId, Tensor>;
}

/** Of ai.onnx.ml, the operators whose input is a map. */
const MAP_OPERATORS: ReadonlySet<string> = new Set(["CastMap", "DictVectorizer"]);

class Importer {
  private readonly model: OnnxModel;
  private readonly options: ImportOptions;
  private readonly functions = new Map<string, OnnxFunction>();
  private readonly diagnostics: Diagnostic[] = [];
  private readonly names = new Names(this.diagnostics);
  private readonly facts = new Facts();
  /** Names that anything reads, in the whole model. */
  private readonly read: ReadonlySet<string>;
  private inlined = 0;
  /** Inputs that are maps: the ids of their keys and values. */
  private readonly maps = new Map<ValueId, readonly [keys: ValueId, values: ValueId]>();

  constructor(model: OnnxModel, options: ImportOptions) {
    this.model = model;
    this.options = options;
    this.read = namesRead(model);
    for (const fn of model.functions) this.functions.set(functionKey(fn.domain, fn.name, fn.overload), fn);
  }

  run(): Graph {
    const { model } = this;
    if (model.irVersion > NEWEST_IR_VERSION) {
      fail(
        "opset-unsupported",
        `the model has IR version ${model.irVersion}, newest known is ${NEWEST_IR_VERSION}`,
      );
    }
    // IR versions before 3 could not say an opset; they meant the first.
    const opsets = model.opsetImports.size > 0 ? model.opsetImports : new Map([["", 1]]);
    this.checkOpset(opsets);
    for (const fn of model.functions) this.checkOpset(fn.opsetImports);
    const frame: Frame = { opsets, attributes: new Map(), prefix: "", calls: [] };
    const graph = this.importGraph(model.graph, frame, undefined);
    if (this.diagnostics.length > 0) throw new CompileError(this.diagnostics);
    return graph;
  }

  private checkOpset(opsets: ReadonlyMap<string, number>): void {
    const version = opsets.get("") ?? 1;
    if (version < 1 || version > NEWEST_OPSET) {
      fail(
        "opset-unsupported",
        `the model uses opset ${version} of ai.onnx; 1 to ${NEWEST_OPSET} are known`,
        {
          hint: `convert it to opset ${NEWEST_OPSET} or older`,
        },
      );
    }
  }

  private importGraph(graph: OnnxGraph, frame: Frame, outer: Scope | undefined): Graph {
    const scope: Scope = { ids: new Map(), outer };
    const body: Body = { nodes: [], constants: new Map() };
    // In a subgraph inputs are always passed, so there an initializer of the same name is a default that loses.
    const isMain = outer === undefined;
    const weights = new Set(isMain ? graph.initializers.map((initializer) => initializer.name) : []);
    const inputs: GraphInput[] = [];
    // Inputs come first, so that those of the main graph keep the names that users give.
    for (const input of graph.inputs) {
      if (weights.has(input.name)) continue;
      if (isMain && input.type.kind === "map") {
        inputs.push(...this.mapInput(input.name, this.define(scope, input.name, frame), input.type));
        continue;
      }
      const id = this.define(scope, input.name, frame);
      const { element, container } = contained(input.type);
      const type = this.inputType(input.name, id, element, isMain);
      if (isTensor(input.type)) this.facts.declare(id, input.type.dtype, type.shape?.length);
      inputs.push({ id, type, ...(isMain && container ? { container } : {}) });
    }
    const passed = new Set(isMain ? [] : graph.inputs.map((input) => input.name));
    for (const { name, tensor } of graph.initializers) {
      if (passed.has(name)) continue;
      this.addConstant(body, this.define(scope, name, frame), tensor);
    }
    const declared = new Map(graph.values.map((value) => [value.name, value.type]));
    for (const output of graph.outputs)
      if (!declared.has(output.name)) declared.set(output.name, output.type);
    this.importNodes(graph.nodes, frame, scope, body, { declared });
    const outputs = graph.outputs.map(({ name }): GraphOutput => ({
      id: this.names.resolve(scope, name, { node: name, op: "graph output" }),
      name,
    }));
    return { name: graph.name, inputs, outputs, nodes: body.nodes, constants: body.constants };
  }

  /** An input that is a map: its keys and its values are two inputs, of one dimension that has one name. */
  private mapInput(name: string, id: ValueId, type: Extract<OnnxType, { kind: "map" }>): GraphInput[] {
    const shape = [`${name}.size`];
    const value =
      isTensor(type.value) && (type.value.shape ?? []).length === 0 ? type.value.dtype : undefined;
    if (type.key === undefined || value === undefined) {
      this.diagnostics.push({ code: "dtype-unsupported", message: `graph input "${name}" is of type ${typeText(type)}; only maps to single elements are supported`, node: name }); // prettier-ignore
      return [];
    }
    const parts = [`${name}.keys`, `${name}.values`] as const;
    this.maps.set(id, parts);
    return [
      { id: parts[0], type: { dtype: type.key, shape } },
      { id: parts[1], type: { dtype: value, shape } },
    ];
  }

  /** A node's inputs, every map in place of itself as its keys and values. */
  private mapsApart(inputs: readonly ValueId[], { op, domain }: OnnxNode, node: string): ValueId[] {
    if (this.maps.size === 0) return [...inputs];
    return inputs.flatMap((id) => {
      const parts = this.maps.get(id);
      if (parts && !(domain === "ai.onnx.ml" && MAP_OPERATORS.has(op)))
        this.diagnostics.push({ code: "dtype-unsupported", message: `${op} takes the map "${id}"; only ${[...MAP_OPERATORS].join(" and ")} take maps`, node, op }); // prettier-ignore
      return parts ?? [id];
    });
  }

  private inputType(name: string, id: ValueId, type: OnnxType, isMain: boolean): GraphInput["type"] {
    if (isTensor(type) && type.dtype !== undefined) {
      const named = (dim: Dim, axis: number): Dim => (dim === "" ? `${id}_dim${axis}` : dim);
      return { dtype: type.dtype, shape: type.shape?.map(named) };
    }
    // Inside a subgraph the type follows from what is passed in, whatever is declared or left out.
    if (!isMain) return { dtype: elementDType(type) ?? "float32", shape: undefined };
    const what = type.kind === "tensor" ? "a tensor of no known element type" : `of type ${typeText(type)}`;
    this.diagnostics.push({
      code: "dtype-unsupported",
      message: `graph input "${name}" is ${what}; only tensors, and sequences and optionals of them, are supported`,
      node: name,
    });
    return { dtype: "float32", shape: undefined };
  }

  private importNodes(
    nodes: readonly OnnxNode[],
    frame: Frame,
    scope: Scope,
    body: Body,
    known: {
      readonly declared?: ReadonlyMap<string, OnnxType>;
      /** Ids that outputs must get, by name: those that the caller of a function has chosen. */
      readonly chosen?: ReadonlyMap<string, ValueId>;
    },
  ): void {
    for (const node of inTopologicalOrder(nodes)) {
      if (frame.calls.length > 0) this.spendInlining(node);
      const name = frame.prefix + (node.name || node.outputs.find(Boolean) || node.op);
      const where = { node: name, op: node.op };
      const named = node.inputs.map((input) => (input === "" ? "" : this.names.resolve(scope, input, where)));
      const inputs = this.mapsApart(named, node, name);
      while (inputs.at(-1) === "") inputs.pop();
      const outputs = node.outputs.map((output, position) => {
        // Exporters name optional outputs that nobody reads, which would cost time or even mean training.
        if (output === "" || (position > 0 && !this.read.has(output))) return "";
        const id = this.define(scope, output, frame, known.chosen?.get(output));
        const type = known.declared?.get(output);
        if (type && isTensor(type)) this.facts.declare(id, type.dtype, type.shape?.length);
        return id;
      });
      const fn = this.functions.get(functionKey(node.domain, node.op, node.overload));
      if (fn) this.inlineCall(fn, node, name, inputs, outputs, frame, scope, body);
      else this.importNode(node, name, inputs, outputs, frame, scope, body);
    }
    if (nodes.some(isGradient)) this.giveBodies(scope, body);
  }

  /** What a Gradient names may be made by any node of its graph, so it gets its body when all are there. */
  private giveBodies(scope: Scope, body: Body): void {
    body.nodes.forEach((node, i) => {
      if (!isGradient(node) || node.attributes.has("body")) return;
      const where = { node: node.name, op: node.op };
      const resolve = (value: string): ValueId => this.names.resolve(scope, value, where);
      try {
        body.nodes[i] = withBody(node, body, resolve, (base) => this.names.fresh(base));
      } catch (error) {
        if (!(error instanceof CompileError)) throw error;
        this.diagnostics.push(...error.diagnostics);
      }
    });
  }

  private spendInlining(node: OnnxNode): void {
    this.inlined += 1 + node.inputs.length + node.outputs.length;
    for (const attribute of node.attributes.values()) {
      if (attribute.kind !== "reference" && Array.isArray(attribute.value))
        this.inlined += attribute.value.length;
    }
    if (this.inlined > MAX_INLINED) {
      fail("model-too-large", "the model grows past all bounds when its functions are inlined");
    }
  }

  private importNode(
    node: OnnxNode,
    name: string,
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
    frame: Frame,
    scope: Scope,
    body: Body,
  ): void {
    const where = { node: name, op: node.op };
    const [output] = outputs;
    if (node.op === "Constant" && node.domain === "" && output) {
      const resolved = new Map<string, OnnxAttribute>();
      for (const [key, attribute] of node.attributes) {
        const bound = boundTo(attribute, frame, scope);
        if (bound) resolved.set(key, bound.attribute);
      }
      this.addConstant(body, output, constantOf(resolved, where));
      return;
    }
    this.checkAttributes(node, name);
    const attributes = new Map<string, Attribute>();
    for (const [key, attribute] of node.attributes) {
      // Opsets before 6 named the inputs that might be overwritten; nothing reads it.
      if (key === "consumed_inputs") continue;
      const bound = boundTo(attribute, frame, scope);
      if (bound) attributes.set(key, this.attribute(key, bound, where));
    }
    const { op, domain } = node;
    const version = frame.opsets.get(domain) ?? this.model.opsetImports.get(domain) ?? 1;
    const imported: OpNode = { name, op, domain, inputs, outputs, attributes, version };
    let newest: readonly OpNode[];
    try {
      newest = adapt(imported, {
        facts: this.facts,
        fresh: (base) => this.names.fresh(base),
        addConstant: (id, tensor) => this.addConstant(body, id, tensor),
      });
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      this.diagnostics.push(...error.diagnostics);
      return;
    }
    const unknown = newest.find(
      (made) => this.options.supports?.(made.domain, made.op, made.version) === false,
    );
    if (unknown) this.reportUnsupported(imported, unknown);
    for (const made of newest) this.facts.observe(made);
    body.nodes.push(...newest);
  }

  /** An attribute that the operator does not have would change nothing, silently; two underscores say that it should. */
  private checkAttributes({ op, domain, attributes }: OnnxNode, node: string): void {
    const names = attributesOf(domain, op);
    if (!names) return;
    for (const key of attributes.keys()) {
      if (names.has(key) || key === "consumed_inputs" || key.startsWith("__")) continue;
      const near = didYouMean(key, names);
      const hint = near === undefined ? "remove it, or export again with a tool that follows the specification" : `did you mean ${near}?`; // prettier-ignore
      this.diagnostics.push({
        code: "attribute-invalid",
        message: `there is no attribute ${key}`,
        node,
        op,
        hint,
      });
    }
  }

  private reportUnsupported(node: OpNode, unknown: OpNode): void {
    const full = (op: string, domain: string): string => `${domain === "" ? "ai.onnx" : domain}.${op}`;
    const through = unknown.op === node.op ? "" : ` (needed as ${full(unknown.op, unknown.domain)})`;
    const suggestion = this.names.suggestion(node.op, this.options.operatorNames?.(node.domain) ?? []);
    const foreign = node.domain !== "" && !node.domain.startsWith("ai.onnx");
    let hint: string | undefined;
    if (suggestion !== undefined) hint = `did you mean ${suggestion}?`;
    else if (foreign)
      hint = "define the operator as a model-local function, or export without custom operators";
    this.diagnostics.push({
      code: "op-unsupported",
      message: `${full(node.op, node.domain)}, version ${node.version}, is not supported${through}`,
      node: node.name,
      op: node.op,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** Attribute of the IR; graphs are imported where they were written. */
  private attribute(key: string, bound: BoundAttribute, where: Pick<Diagnostic, "node" | "op">): Attribute {
    const { attribute } = bound;
    switch (attribute.kind) {
      case "int":
        // Past 2^53 a double is inexact; the only such attributes are open ends, INT64_MAX and its like.
        return { kind: "int", value: Number(attribute.value) };
      case "ints":
        return { kind: "ints", value: attribute.value.map(Number) };
      case "float":
      case "string":
      case "tensor":
      case "floats":
      case "strings":
        return attribute;
      case "graph":
        return { kind: "graph", value: this.importGraph(attribute.value, bound.frame, bound.scope) };
      case "type":
        // The Graph IR has no types as values; the operators of ONNX that take one (Optional) read it as text.
        return { kind: "string", value: typeText(attribute.value) };
      default:
        return fail(
          "attribute-invalid",
          `attribute ${key} is of kind ${attribute.kind}, which no operator takes`,
          where,
        );
    }
  }

  private inlineCall(
    fn: OnnxFunction,
    node: OnnxNode,
    name: string,
    inputs: readonly ValueId[],
    outputs: readonly ValueId[],
    frame: Frame,
    scope: Scope,
    body: Body,
  ): void {
    const where = { node: name, op: node.op };
    if (frame.calls.includes(fn)) fail("graph-invalid", `function ${fn.name} calls itself`, where);
    if (frame.calls.length >= MAX_CALL_DEPTH) {
      fail("model-too-large", `functions are nested deeper than ${MAX_CALL_DEPTH}`, where);
    }
    if (inputs.length > fn.inputs.length || outputs.length > fn.outputs.length) {
      fail("graph-invalid", `function ${fn.name} is called with too many inputs or outputs`, where);
    }
    const attributes = new Map<string, BoundAttribute>();
    const ownFrame: Frame = {
      opsets: fn.opsetImports,
      attributes,
      prefix: `${name.slice(0, MAX_PREFIX)}/`,
      calls: [...frame.calls, fn],
    };
    const inner: Scope = { ids: new Map(), outer: undefined };
    for (const [key, attribute] of fn.attributeDefaults) {
      attributes.set(key, { attribute, frame: ownFrame, scope: inner });
    }
    for (const [key, attribute] of node.attributes) {
      const bound = boundTo(attribute, frame, scope);
      if (bound) attributes.set(key, bound);
    }
    fn.inputs.forEach((formal, position) => inner.ids.set(formal, inputs[position] ?? ""));
    const chosen = new Map<string, ValueId>();
    fn.outputs.forEach((formal, position) => {
      const id = outputs[position];
      if (id && !inner.ids.has(formal)) chosen.set(formal, id);
    });
    this.importNodes(fn.nodes, ownFrame, inner, body, { chosen });
    // An output that is an input of the function, or the same as another output, has no node of its own to name.
    fn.outputs.forEach((formal, position) => {
      const wanted = outputs[position];
      if (!wanted) return;
      const made = this.names.resolve(inner, formal, where);
      if (made === wanted) return;
      const version = frame.opsets.get("") ?? NEWEST_OPSET;
      const identity: OpNode = {
        name: `${name}/Identity`,
        op: "Identity",
        domain: "",
        inputs: [made],
        outputs: [wanted],
        attributes: new Map(),
        version,
      };
      this.facts.observe(identity);
      body.nodes.push(identity);
    });
  }

  /** Makes a name of the graph at hand known; its id is that name below the calls that led here. */
  private define(scope: Scope, name: string, frame: Frame, chosen?: ValueId): ValueId {
    return this.names.define(scope, name, chosen ?? this.names.fresh(frame.prefix + name));
  }

  private addConstant(body: Body, id: ValueId, tensor: Tensor): void {
    body.constants.set(id, tensor);
    this.facts.declareConstant(id, tensor);
  }
}

function functionKey(domain: string, name: string, overload: string): string {
  return `${domain}:${name}:${overload}`;
}

/** Follows a reference to the caller's attribute; undefined when the caller gave none. */
function boundTo(attribute: OnnxAttribute, frame: Frame, scope: Scope): BoundAttribute | undefined {
  if (attribute.kind !== "reference") return { attribute, frame, scope };
  return frame.attributes.get(attribute.attribute);
}
