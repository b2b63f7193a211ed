/**
 * From a GraphModel to the Graph IR. In: nodes by name, functions and weights. Out: a Graph of ai.onnx operators, with
 * control flow as If and Loop. Invariant: only what the outputs need is converted; every value is computed in the
 * outermost graph in which all that it depends on is there (see region.ts); all operators that are not supported are
 * reported together. Inputs keep the type that the model declares; inside it has the types of TF.js, which knows
 * float32, int32, bool, strings and complex64 only.
 */
import { CompileError, didYouMean, fail, type Diagnostic } from "../../diagnostic.ts";
import { elementCount, type Tensor } from "../../ir/dtype.ts";
import { ONNX_DATA_TYPE, typeNumber } from "../../ir/dataType.ts";
import { decodeSmallFloat } from "../../ir/numeric.ts";
import type { Dim, Graph, GraphInput, GraphOutput, ValueId } from "../../ir/graph.ts";
import { NEWEST_OPSET } from "../onnx/import.ts";
import { attributesOf, type Attributes } from "./call.ts";
import { computedType, portType, shapeOf, withoutIndex, type GraphModel, type TfNode, type TfPort } from "./model.ts"; // prettier-ignore
import { conversions, structural } from "./ops/table.ts";
import { Region, type Body, type Scope } from "./region.ts";
import type { TfWeight } from "./weights.ts";

/** Weights of fewer elements are dequantized now, since something may have to know them. */
const SMALL_WEIGHT = 4096;

/**
 * Imports a GraphModel.
 *
 * @throws CompileError with all diagnostics: `op-unsupported`, `graph-invalid`, `value-needed`, `dtype-unsupported`,
 * `attribute-invalid`
 */
export function importGraphModel(model: GraphModel): Graph {
  return new Importer(model).run();
}

/** The graph being written, with what all its parts share: names, constants, weights. */
export class Importer {
  readonly model: GraphModel;
  readonly constants = new Map<ValueId, Tensor>();
  /** Shapes of weights, also of those that are dequantized while the program loads. */
  readonly shapes = new Map<ValueId, readonly number[]>();
  /** Values that hold complex numbers as pairs. */
  readonly complex = new Set<ValueId>();
  private readonly taken = new Set<ValueId>();
  private readonly shared = new Map<string, ValueId>();

  constructor(model: GraphModel) {
    this.model = model;
  }

  run(): Graph {
    const { model } = this;
    this.checkOperators();
    const region = new Region(this, model.nodes, "", 0);
    const inputs: GraphInput[] = [];
    const body: Body = { nodes: [] };
    const scope = region.root(body);
    for (const port of portsIn(model)) {
      const { node } = region.places.refOf(port.ref);
      const placeholder = model.nodes.get(node);
      if (!placeholder) fail("graph-invalid", `the input ${port.name} names no node of the graph`, { node });
      inputs.push(this.input(port, placeholder, scope));
    }
    // Placeholders that the signature leaves out are inputs all the same, if anything needs them.
    const outputs: GraphOutput[] = portsOut(model).map((port) => ({
      id: region.value(region.places.refOf(port.ref), scope),
      name: port.name,
    }));
    const named = outputs.map(({ id, name }) => this.ownOutput(id, name, body, inputs));
    const complex = named.find(({ id }) => this.complex.has(id));
    if (complex)
      fail("dtype-unsupported", `the output ${complex.name} holds complex numbers, which have no type here`);
    return { name: model.name, inputs, outputs: named, nodes: body.nodes, constants: this.constants };
  }

  /** An input under the name of the signature; narrow integers are widened at once, as TF.js computes in int32. */
  private input(port: TfPort, placeholder: TfNode, scope: Scope): GraphInput {
    const declared = placeholder.attributes.get("dtype");
    const said = declared?.kind === "type" ? declared.value : (port.dtype ?? "DT_FLOAT");
    const dtype = portType(said);
    if (!dtype)
      return fail("dtype-unsupported", `the input has element type ${said}`, { node: placeholder.name });
    const attribute = placeholder.attributes.get("shape");
    const dims = attribute?.kind === "shape" ? shapeOf(attribute.value, placeholder.name) : port.shape;
    const shape = dims?.map((dim, d): Dim => (dim < 0 ? `${port.name}.${d}` : dim));
    this.taken.add(port.name);
    const computed = computedType(said);
    const id = computed === dtype ? port.name : this.fresh(port.name);
    if (computed !== dtype) this.write(scope.body, "Cast", [port.name], { to: ONNX_DATA_TYPE[computed ?? dtype] }, [id], ""); // prettier-ignore
    scope.values.set(`${placeholder.name}:0`, id);
    return { id: port.name, type: { dtype, shape } };
  }

  /** An output that is an input or a constant, or that two outputs share, gets a value of its own. */
  private ownOutput(id: ValueId, name: string, body: Body, inputs: readonly GraphInput[]): GraphOutput {
    const passed = this.constants.has(id) || inputs.some((input) => input.id === id);
    if (!passed) return { id, name };
    const own = this.fresh(name);
    this.write(body, "Identity", [id], {}, [own], "");
    return { id: own, name };
  }

  private checkOperators(): void {
    const diagnostics: Diagnostic[] = [];
    const known = [...conversions.keys(), ...structural];
    const check = (nodes: ReadonlyMap<string, TfNode>): void => {
      for (const node of nodes.values()) {
        if (conversions.has(node.op) || structural.has(node.op)) continue;
        const guess = didYouMean(node.op, known);
        diagnostics.push({
          code: "op-unsupported",
          message: "there is no conversion for this TF.js operator",
          node: node.name,
          op: node.op,
          hint: guess ? `did you mean ${guess}?` : "docs/tfjs.md lists those that there are",
        });
      }
    };
    check(this.model.nodes);
    for (const { nodes } of this.model.functions.values()) check(nodes);
    if (diagnostics.length > 0) throw new CompileError(diagnostics);
  }

  fresh(hint: string): ValueId {
    let id = hint;
    for (let k = 1; this.taken.has(id); k++) id = `${hint}.${k}`;
    this.taken.add(id);
    return id;
  }

  write(
    body: Body,
    op: string,
    inputs: readonly ValueId[],
    attributes: Attributes,
    outputs: readonly ValueId[],
    domain: string,
  ): void {
    body.nodes.push({
      name: outputs[0] ?? op,
      op,
      domain,
      inputs,
      outputs,
      attributes: attributesOf(attributes),
      version: domain === "" ? NEWEST_OPSET : 1,
    });
  }

  /** A constant; small equal ones are one value. */
  constant(tensor: Tensor, hint = "constant"): ValueId {
    const small = elementCount(tensor.shape) <= 16;
    const key = small ? JSON.stringify([tensor.dtype, tensor.shape, Array.from(tensor.data as ArrayLike<unknown>, String)]) : ""; // prettier-ignore
    const known = small ? this.shared.get(key) : undefined;
    if (known !== undefined) return known;
    const id = this.fresh(hint);
    this.constants.set(id, tensor);
    if (small) this.shared.set(key, id);
    return id;
  }

  weight(node: TfNode, weight: TfWeight, body: Body): ValueId {
    const id = this.meantBy(node, weight, body);
    this.shapes.set(id, weight.tensor.shape);
    return id;
  }

  /** A weight as what is meant: large quantized ones stay as they are and are dequantized by nodes. */
  private meantBy(node: TfNode, weight: TfWeight, body: Body): ValueId {
    const { tensor, dtype, quantization } = weight;
    if (dtype === "complex64") {
      const id = this.constant(tensor, node.name);
      this.complex.add(id);
      return id;
    }
    if (tensor.dtype === dtype && !quantization) return this.constant(tensor, node.name);
    if (elementCount(tensor.shape) <= SMALL_WEIGHT) {
      const { scale, minimum } = quantization ?? { scale: 1, minimum: 0 };
      const stored = tensor.data as Uint8Array | Uint16Array;
      const meant = Array.from(stored, (value) =>
        quantization ? value * scale + minimum : decodeSmallFloat("float16", value),
      );
      const data = dtype === "int32" ? Int32Array.from(meant, Math.round) : Float32Array.from(meant);
      return this.constant({ dtype, shape: tensor.shape, data }, node.name);
    }
    const stored = this.constant(tensor, `${node.name}/stored`);
    const made = (op: string, inputs: readonly ValueId[], attributes: Attributes = {}): ValueId => {
      const id = this.fresh(node.name);
      this.write(body, op, inputs, attributes, [id], "");
      return id;
    };
    const to = typeNumber(dtype);
    if (!quantization) return made("Cast", [stored], { to });
    // In double precision, as TF.js does it, so that every weight is rounded once.
    const double = (value: number): ValueId => this.constant({ dtype: "float64", shape: [], data: Float64Array.of(value) }); // prettier-ignore
    const scaled = made("Mul", [
      made("Cast", [stored], { to: typeNumber("float64") }),
      double(quantization.scale),
    ]);
    const meant = made("Add", [scaled, double(quantization.minimum)]);
    return made("Cast", [dtype === "int32" ? made("Round", [meant]) : meant], { to });
  }
}

/** Inputs as the signature has them; else all placeholders. */
function portsIn(model: GraphModel): readonly TfPort[] {
  const placeholders = [...model.nodes.values()].filter(({ op }) => op === "Placeholder");
  if (!model.inputs)
    return placeholders.map(({ name }) => ({ name, ref: name, dtype: undefined, shape: undefined }));
  const told = new Set(model.inputs.map(({ ref }) => withoutIndex(ref)));
  const others = placeholders.filter(({ name }) => !told.has(name));
  return [
    ...model.inputs,
    ...others.map(({ name }) => ({ name, ref: name, dtype: undefined, shape: undefined })),
  ];
}

/** Outputs as the signature has them; else what nothing reads. */
function portsOut(model: GraphModel): readonly TfPort[] {
  if (model.outputs && model.outputs.length > 0) return model.outputs;
  const read = new Set([...model.nodes.values()].flatMap(({ inputs }) => inputs.map((input) => input.replace(/^\^/, "").split(":")[0]!))); // prettier-ignore
  const last = [...model.nodes.values()].filter(
    ({ name, op }) => !read.has(name) && op !== "NoOp" && op !== "Const",
  );
  if (last.length === 0) fail("graph-invalid", "the graph has no outputs");
  return last.map(({ name }) => ({ name, ref: name, dtype: undefined, shape: undefined }));
}
