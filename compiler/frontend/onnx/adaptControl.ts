/**
 * Old forms of control flow, recurrence and constant generators. In and out: as in `adaptForm.ts`. Invariant:
 * subgraphs are kept as they are; only what is around them changes.
 */
import type { Attribute, Graph, GraphInput, OpNode } from "../../ir/graph.ts";
import { EVERY_VERSION, type FormTable, type OldForm, type OldNode } from "./adaptForm.ts";
import { ONNX_DATA_TYPE } from "../../ir/dataType.ts";
import { dtypeOfCode } from "./elements.ts";

/** `output_sequence` of RNN-1 said whether Y is wanted, which its output name says as well. */
const dropOutputSequence: readonly OldForm[] = [
  { until: 7, adapt: (old) => old.become(old.node.op, old.inputs, old.without("output_sequence")) },
];

export const controlForms: FormTable = {
  GRU: dropOutputSequence,
  LSTM: dropOutputSequence,
  RNN: dropOutputSequence,

  Scan: [{ until: 9, adapt: batchedScan }],

  // Experimental operator of opsets before 10.
  ConstantFill: [{ until: EVERY_VERSION, adapt: constantFill }],
};

/**
 * Scan-8 ran its body for every element of a batch dimension (axis 0) over the sequence (axis 1). That is a scan
 * over the batch whose body is a scan over the sequence, final states becoming scan outputs of the outer one.
 */
function batchedScan(old: OldNode): void {
  const [sequenceLengths = "", ...operands] = old.inputs;
  if (sequenceLengths !== "") {
    old.unsupported(
      "Scan before opset 9 with sequence_lens is not supported",
      "export with opset 9 or newer",
    );
  }
  const body = old.graph("body") ?? old.refuse("attribute body is missing");
  const scanInputs = old.int("num_scan_inputs") ?? old.refuse("attribute num_scan_inputs is missing");
  const states = operands.length - scanInputs;
  const innerAttributes = new Map<string, Attribute>([
    ["body", { kind: "graph", value: body }],
    ["num_scan_inputs", { kind: "int", value: scanInputs }],
  ]);
  const directions = old.ints("directions");
  if (directions) innerAttributes.set("scan_input_directions", { kind: "ints", value: directions });
  const name = `${old.node.name}/batch`;
  const inputs = operands.map((_, i): GraphInput => ({
    id: old.freshId(`${name}/input`),
    type: { dtype: body.inputs[i]?.type.dtype ?? "float32", shape: undefined },
  }));
  const outputs = old.node.outputs.map(() => old.freshId(`${name}/output`));
  const inner: OpNode = {
    name: `${name}/Scan`,
    op: "Scan",
    domain: "",
    inputs: inputs.map((input) => input.id),
    outputs,
    attributes: innerAttributes,
    version: old.version,
  };
  const outerBody: Graph = {
    name,
    inputs,
    outputs: outputs.map((id) => ({ id, name: id })),
    nodes: [inner],
    constants: new Map(),
  };
  if (states < 0)
    old.refuse(`attribute num_scan_inputs is ${scanInputs}, there are ${operands.length} inputs`);
  old.become("Scan", operands, {
    body: { kind: "graph", value: outerBody },
    num_scan_inputs: operands.length,
  });
}

function constantFill(old: OldNode): void {
  const given = old.ints("shape");
  let shape: string;
  if (given !== undefined && old.inputs.length === 0) shape = old.integers(given);
  else if (old.int("input_as_shape")) shape = old.cast(old.input(0), "int64");
  else shape = old.add("Shape", [old.input(0)]);
  const extra = old.ints("extra_shape");
  if (extra) shape = old.add("Concat", [shape, old.integers(extra)], { axis: 0 });
  const value: Attribute = {
    kind: "tensor",
    value: { dtype: "float32", shape: [1], data: new Float32Array([old.float("value") ?? 0]) },
  };
  const filled = old.add("ConstantOfShape", [shape], { value });
  const dtype = dtypeOfCode(old.int("dtype") ?? ONNX_DATA_TYPE.float32, "ConstantFill");
  old.become("Cast", [filled], { to: ONNX_DATA_TYPE[dtype] });
}
