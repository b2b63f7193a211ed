import { describe, expect, it } from "vitest";
import { CompileError } from "../../diagnostic.ts";
import { elementCount, type Tensor } from "../../ir/dtype.ts";
import type { Attribute, Graph } from "../../ir/graph.ts";
import { bind } from "../../passes/bind.ts";
import { importModel } from "./import.ts";
import { readModel } from "./model.ts";
import { onnxModel, type OnnxAttributes, type OnnxDim, type OnnxModelBuilder } from "./write.ts";

interface Given {
  readonly opset: number;
  readonly op: string;
  /** Inputs: their declared shapes (undefined: not even the rank is declared), or weights. */
  readonly inputs: readonly (Tensor | "")[];
  readonly attributes?: OnnxAttributes;
  readonly outputs?: number;
  /** Whether the file declares the inputs' ranks; adapters must do with and without. */
  readonly ranks?: boolean;
}

function f32(shape: readonly number[], values: readonly number[]): Tensor {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

function i64(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return { dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) };
}

function iota(shape: readonly number[], start = 0): Tensor {
  return f32(
    shape,
    Array.from({ length: elementCount(shape) }, (_, i) => i + start),
  );
}

function modelOf(given: Given): OnnxModelBuilder {
  const b = onnxModel("old", { opset: given.opset });
  const names = given.inputs.map((input, i) => {
    if (input === "") return "";
    const shape: readonly OnnxDim[] = input.shape.map((_, axis) => `d${i}_${axis}`);
    return b.input(`x${i}`, input.dtype, given.ranks === false ? undefined : shape);
  });
  const outputs = b.nodeWithOutputs(given.op, names, given.outputs ?? 1, given.attributes, { name: "node" });
  for (const output of outputs) b.output(output, "float32");
  return b;
}

function importOf(given: Given): Graph {
  return importModel(readModel(modelOf(given).toBytes()));
}

/** Imports and computes: with all inputs known, binding tells all outputs, or folds them where there are none. */
function compute(given: Given): Tensor[] {
  const graph = importOf(given);
  const known = new Map(
    given.inputs.flatMap((input, i) => (input === "" ? [] : [[`x${i}`, input] as const])),
  );
  const bound = bind(graph, new Map(), known);
  return graph.outputs.map(({ id, name }) => bound.known.get(name) ?? bound.constants.get(id)!);
}

function close(found: Tensor | undefined, expected: Tensor): void {
  expect(found?.shape).toEqual(expected.shape);
  const [a, e] = [Array.from(found!.data as Float32Array), Array.from(expected.data as Float32Array)];
  a.forEach((value, i) => expect(value, `element ${i}`).toBeCloseTo(e[i]!, 4));
}

/** Operators and, of constants, values: op(inputs){attributes}. */
function lines(graph: Graph): string[] {
  const text = (attribute: Attribute): string =>
    attribute.kind === "graph" || attribute.kind === "tensor"
      ? attribute.kind
      : JSON.stringify(attribute.value);
  return graph.nodes.map((node) => {
    const inputs = node.inputs.map((id) => {
      const constant = graph.constants.get(id);
      if (!constant) return id.startsWith("node/") ? "*" : id;
      const values = Array.from(constant.data as Iterable<number | bigint>, String).join(" ");
      return constant.shape.length === 0 ? values : `[${values}]`;
    });
    const attributes = [...node.attributes].map(([name, attribute]) => `${name}=${text(attribute)}`);
    return `${node.op}(${inputs.join(", ")})${attributes.length > 0 ? `{${attributes.join(" ")}}` : ""}`;
  });
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CompileError) return error.code;
    throw error;
  }
  return "no error";
}

describe("attributes that became inputs", () => {
  const x = iota([2, 3, 4]);
  it.each<[string, Given, string]>([
    ["Squeeze-1", { opset: 11, op: "Squeeze", inputs: [x], attributes: { axes: [0] } }, "Squeeze(x0, [0])"],
    ["Squeeze-1 of all", { opset: 11, op: "Squeeze", inputs: [x] }, "Squeeze(x0)"],
    ["Unsqueeze-11", { opset: 11, op: "Unsqueeze", inputs: [x], attributes: { axes: [0, -1] } }, "Unsqueeze(x0, [0 -1])"],
    ["ReduceSum-11", { opset: 12, op: "ReduceSum", inputs: [x], attributes: { axes: [1], keepdims: 0 } }, "ReduceSum(x0, [1]){keepdims=0}"],
    ["ReduceMean-13", { opset: 17, op: "ReduceMean", inputs: [x], attributes: { axes: [-1] } }, "ReduceMean(x0, [-1])"],
    ["ReduceMax of all", { opset: 13, op: "ReduceMax", inputs: [x] }, "ReduceMax(x0)"],
    ["Clip-6", { opset: 10, op: "Clip", inputs: [x], attributes: { min: { kind: "float", value: 0 }, max: { kind: "float", value: 6 } } }, "Clip(x0, 0, 6)"],
    ["Clip-6 above only", { opset: 6, op: "Clip", inputs: [x], attributes: { max: { kind: "float", value: 6 } } }, "Clip(x0, -3.4028234663852886e+38, 6)"],
    ["Clip-1 above only", { opset: 5, op: "Clip", inputs: [x], attributes: { max: { kind: "float", value: 6 } } }, "Clip(x0, , 6)"],
    ["Pad-2", { opset: 10, op: "Pad", inputs: [x], attributes: { pads: [0, 0, 1, 0, 0, 2], mode: "edge" } }, 'Pad(x0, [0 0 1 0 0 2]){mode="edge"}'],
    ["Pad-2 with a value", { opset: 2, op: "Pad", inputs: [x], attributes: { pads: [1, 0, 0, 0, 0, 0], value: { kind: "float", value: 2 } } }, "Pad(x0, [1 0 0 0 0 0], 2)"],
    ["Pad-1", { opset: 1, op: "Pad", inputs: [x], attributes: { paddings: [1, 0, 0, 0, 0, 0] } }, "Pad(x0, [1 0 0 0 0 0])"],
    ["Slice-1", { opset: 9, op: "Slice", inputs: [x], attributes: { starts: [1], ends: [2n ** 63n - 1n], axes: [2] } }, "Slice(x0, [1], [9223372036854775807], [2])"],
    ["Slice-1 from the first axis", { opset: 9, op: "Slice", inputs: [x], attributes: { starts: [0, -2], ends: [1, 9] } }, "Slice(x0, [0 -2], [1 9])"],
    ["TopK-1", { opset: 9, op: "TopK", inputs: [x], attributes: { k: 3, axis: 1 }, outputs: 2 }, "TopK(x0, [3]){axis=1}"],
    ["Split-2", { opset: 12, op: "Split", inputs: [x], attributes: { split: [1, 2], axis: 1 }, outputs: 2 }, "Split(x0, [1 2]){axis=1}"],
    ["Split-13 in equal parts", { opset: 13, op: "Split", inputs: [x], outputs: 2 }, "Split(x0){num_outputs=2}"],
    ["Reshape-1", { opset: 4, op: "Reshape", inputs: [x], attributes: { shape: [6, 4] } }, "Reshape(x0, [6 4])"],
    ["Dropout-7", { opset: 9, op: "Dropout", inputs: [x], attributes: { ratio: 0.5 } }, "Dropout(x0)"],
    ["DFT-17", { opset: 17, op: "DFT", inputs: [x], attributes: { onesided: 1 } }, "DFT(x0, , 1){onesided=1}"],
  ])("%s", (_, given, expected) => {
    expect(lines(importOf(given))[0]).toBe(expected);
  }); // prettier-ignore

  it("leaves the forms in force alone", () => {
    const given: Given = { opset: 18, op: "Clip", inputs: [x, f32([], [0])] };
    expect(lines(importOf(given))).toEqual(["Clip(x0, x1)"]);
  });
});

describe("renamed operators and defaults that changed", () => {
  const image = iota([1, 1, 2, 2]);
  const resize = 'mode="nearest" coordinate_transformation_mode="asymmetric" nearest_mode="floor"';
  it.each<[string, Given, string]>([
    ["Upsample-1", { opset: 6, op: "Upsample", inputs: [image], attributes: { height_scale: { kind: "float", value: 2 }, width_scale: { kind: "float", value: 3 } } }, `Resize(x0, , [1 1 2 3]){${resize}}`],
    ["Upsample-7", { opset: 7, op: "Upsample", inputs: [image], attributes: { scales: [1, 1, 2, 2], mode: "linear" } }, `Resize(x0, , [1 1 2 2]){${resize.replace("nearest", "linear")}}`],
    ["Upsample-9", { opset: 9, op: "Upsample", inputs: [image, f32([4], [1, 1, 2, 2])] }, `Resize(x0, , x1){${resize}}`],
    ["Resize-10", { opset: 10, op: "Resize", inputs: [image, f32([4], [1, 1, 2, 2])] }, `Resize(x0, , x1){${resize.replace("floor", "simple")}}`],
    ["Scatter", { opset: 10, op: "Scatter", inputs: [image, i64([0]), f32([1], [0])], attributes: { axis: 1 } }, "ScatterElements(x0, x1, x2){axis=1}"],
    ["GridSample-16", { opset: 16, op: "GridSample", inputs: [image, image], attributes: { mode: "bicubic" } }, 'GridSample(x0, x1){mode="cubic"}'],
    ["RoiAlign-10", { opset: 10, op: "RoiAlign", inputs: [image, image, image] }, 'RoiAlign(x0, x1, x2){coordinate_transformation_mode="output_half_pixel"}'],
    ["Cast-1", { opset: 5, op: "Cast", inputs: [image], attributes: { to: "DOUBLE" } }, "Cast(x0){to=11}"],
    ["Concat-1", { opset: 3, op: "Concat", inputs: [image, image] }, "Concat(x0, x1){axis=1}"],
    ["LpPool-1", { opset: 1, op: "LpPool", inputs: [image], attributes: { p: { kind: "float", value: 3 } } }, "LpPool(x0){p=3}"],
    ["Selu-1", { opset: 1, op: "Selu", inputs: [image] }, "Selu(x0){alpha=1.6732 gamma=1.0507}"],
    ["Gemm-6", { opset: 6, op: "Gemm", inputs: [image, image, image], attributes: { broadcast: 1, transB: 1 } }, "Gemm(x0, x1, x2){transB=1}"],
    ["consumed_inputs", { opset: 5, op: "Relu", inputs: [image], attributes: { consumed_inputs: [0] } }, "Relu(x0)"],
    ["RNN-1", { opset: 3, op: "LSTM", inputs: [image, image, image], attributes: { output_sequence: 1, hidden_size: 2 } }, "LSTM(x0, x1, x2){hidden_size=2}"],
  ])("%s", (_, given, expected) => {
    expect(lines(importOf(given))[0]).toBe(expected);
  }); // prettier-ignore

  it("drops the empty tensors that Resize-11 needed", () => {
    const b = onnxModel("resize", { opset: 11 });
    const none = b.initializer("float32", [0], []);
    const sizes = b.int64s([1, 1, 4, 4]);
    b.output(b.node("Resize", [b.input("x0", "float32"), none, none, sizes]), "float32");
    expect(lines(importModel(readModel(b.toBytes())))).toEqual(["Resize(x0, , , [1 1 4 4])"]);
  });
});

describe("broadcasting from an axis (before opset 7)", () => {
  const a = iota([2, 3, 2]);
  const add = (attributes: OnnxAttributes, second: Tensor, op = "Add", ranks = true): Tensor | undefined =>
    compute({ opset: 6, op, inputs: [a, second], attributes, ranks })[0];

  it.each([true, false])("aligns the second input at the axis (ranks declared: %s)", (ranks) => {
    const second = f32([3], [10, 20, 30]);
    const expected = f32([2, 3, 2], [10, 11, 22, 23, 34, 35, 16, 17, 28, 29, 40, 41]);
    close(add({ broadcast: 1, axis: 1 }, second, "Add", ranks), expected);
    close(add({ broadcast: 1, axis: -2 }, second, "Add", ranks), expected);
  });

  it("matches the trailing dimensions without an axis", () => {
    close(add({ broadcast: 1 }, f32([2], [1, 0])), f32([2, 3, 2], [1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11]));
  });

  it("refuses an axis without room", () => {
    const given: Given = { opset: 6, op: "Add", inputs: [a, a], attributes: { broadcast: 1, axis: 1 } };
    expect(codeOf(() => importOf(given))).toBe("attribute-invalid");
  });

  it.each([true, false])("gives PRelu a slope per channel (ranks declared: %s)", (ranks) => {
    const x = f32([1, 2, 2], [-1, 2, -3, -4]);
    const slopes = (values: number[]): Tensor | undefined =>
      compute({ opset: 6, op: "PRelu", inputs: [x, f32([values.length], values)], ranks })[0];
    close(slopes([10, 100]), f32([1, 2, 2], [-10, 2, -300, -400]));
    close(slopes([10]), f32([1, 2, 2], [-10, 2, -30, -40]));
  });
});

describe("Softmax and its like before opset 13", () => {
  const x = iota([2, 2, 2]);
  const [p, q] = [
    [0, 1, 2, 3],
    [0, 1],
  ].map((row) => {
    const total = row.reduce((sum, value) => sum + Math.exp(value), 0);
    return row.map((value) => Math.exp(value) / total);
  }) as [number[], number[]];

  it.each([true, false])("normalises over all dimensions from the axis on (ranks declared: %s)", (ranks) => {
    close(compute({ opset: 11, op: "Softmax", inputs: [x], ranks })[0], f32([2, 2, 2], [...p, ...p]));
    const last: Given = { opset: 11, op: "Softmax", inputs: [x], attributes: { axis: 2 }, ranks };
    close(compute(last)[0], f32([2, 2, 2], [...q, ...q, ...q, ...q]));
  });

  it("is the operator itself when the axis is the last one", () => {
    const given: Given = { opset: 11, op: "LogSoftmax", inputs: [x], attributes: { axis: 2 } };
    expect(lines(importOf(given))).toEqual(["LogSoftmax(x0){axis=-1}"]);
    expect(lines(importOf({ ...given, attributes: { axis: -1 }, ranks: false }))).toEqual([
      "LogSoftmax(x0){axis=-1}",
    ]);
    expect(lines(importOf({ ...given, opset: 13, attributes: { axis: 1 } }))).toEqual([
      "LogSoftmax(x0){axis=1}",
    ]);
  });
});

describe("normalisations", () => {
  const x = iota([2, 2, 1, 2]);
  const [scale, bias, mean, variance] = [
    f32([2], [2, 1]),
    f32([2], [0, 1]),
    f32([2], [1, 2]),
    f32([2], [4, 1]),
  ];
  const tiny = { epsilon: { kind: "float", value: 0 } } as const;

  it("takes the running statistics, whatever unread outputs are named", () => {
    const given: Given = { opset: 9, op: "BatchNormalization", inputs: [x, scale, bias, mean, variance] };
    const expected = f32([2, 2, 1, 2], [-1, 0, 1, 2, 3, 4, 5, 6]);
    close(compute({ ...given, attributes: tiny })[0], expected);
    expect(lines(importOf({ ...given, opset: 6, attributes: { is_test: 1, spatial: 1 } }))).toEqual([
      "BatchNormalization(x0, x1, x2, x3, x4)",
    ]);
    const training = lines(importOf({ ...given, outputs: 3 }));
    expect(training[0]).toBe("BatchNormalization(x0, x1, x2, x3, x4){training_mode=1}");
    expect(codeOf(() => importOf({ ...given, outputs: 5 }))).toBe("op-unsupported");
  });

  it("normalises each element for itself with spatial=0", () => {
    const each = (values: number[]): Tensor => f32([2, 1, 2], values);
    const inputs = [x, each([1, 1, 1, 2]), each([0, 0, 5, 0]), each([0, 1, 2, 3]), each([1, 1, 4, 1])];
    const given: Given = { opset: 7, op: "BatchNormalization", inputs, attributes: { ...tiny, spatial: 0 } };
    close(compute(given)[0], f32([2, 2, 1, 2], [0, 0, 5, 0, 4, 4, 7, 8]));
  });

  it("spreads the scale and bias of a group over its channels", () => {
    const [groupScale, groupBias] = [f32([2], [1, 10]), f32([2], [0, 5])];
    const channels = iota([1, 4, 2]);
    const old = { op: "GroupNormalization", attributes: { num_groups: 2 } };
    const found = compute({ ...old, opset: 18, inputs: [channels, groupScale, groupBias] });
    const spread = [f32([4], [1, 1, 10, 10]), f32([4], [0, 0, 5, 5])];
    const expected = compute({ ...old, opset: 21, inputs: [channels, ...spread] });
    expect(found).toEqual(expected);
  });

  it("subtracts the mean only when MeanVarianceNormalization-1 says so", () => {
    const given: Given = { opset: 1, op: "MeanVarianceNormalization", inputs: [x] };
    expect(lines(importOf(given))).toEqual(["MeanVarianceNormalization(x0){axes=[0,2,3]}"]);
    const meanOnly = { ...given, attributes: { across_channels: 1, normalize_variance: 0 } };
    close(compute(meanOnly)[0], iota([2, 2, 1, 2], -3.5));
  });
});

describe("dtypes of constants", () => {
  it("follow the input, by Cast or, when nothing is known of it, by CastLike", () => {
    const half: Tensor = { dtype: "float16", shape: [1], data: new Uint16Array(1) };
    const bounds = { max: { kind: "float", value: 6 } } as const;
    expect(
      lines(importOf({ opset: 10, op: "Clip", inputs: [half], attributes: bounds })).slice(0, 2),
    ).toEqual(["Cast(6){to=10}", "Clip(x0, , *)"]);
    const b = onnxModel("unknown", { opset: 10 });
    const odd = b.node("Odd", [b.input("x0", "float32")], {}, { domain: "local" });
    b.node("Clip", [odd], bounds, { name: "node" });
    expect(lines(importModel(readModel(b.toBytes()))).slice(1)).toEqual([
      `CastLike(-3.4028234663852886e+38, ${odd})`,
      `CastLike(6, ${odd})`,
      `Clip(${odd}, *, *)`,
    ]);
  });

  it("give the mask of an old Dropout the type of its input", () => {
    const given: Given = { opset: 7, op: "Dropout", inputs: [iota([2], 1)], outputs: 2 };
    expect(compute(given)).toEqual([iota([2], 1), f32([2], [1, 1])]);
  });
});

describe("operators of the first opsets", () => {
  it("Tile-1 repeats along one axis", () => {
    const given = { opset: 5, op: "Tile", inputs: [iota([2, 2]), i64([2]), i64([1])] };
    const expected = f32([2, 4], [0, 1, 0, 1, 2, 3, 2, 3]);
    close(compute(given)[0], expected);
    close(compute({ ...given, ranks: false })[0], expected);
  });

  it("Crop cuts a border or keeps a window", () => {
    const x = iota([1, 1, 4, 4]);
    const border = [1, 2, 1, 0];
    const cut = compute({ opset: 5, op: "Crop", inputs: [x], attributes: { border } });
    close(cut[0], f32([1, 1, 2, 2], [9, 10, 13, 14]));
    const kept = compute({ opset: 5, op: "Crop", inputs: [x], attributes: { border, scale: { kind: "ints", value: [1, 2] } } }); // prettier-ignore
    close(kept[0], f32([1, 1, 1, 2], [9, 10]));
  });

  it("Affine, Scale, ScaledTanh, ParametricSoftplus and ImageScaler are products and sums", () => {
    const x = iota([1, 2, 1, 1], 1);
    const one = (op: string, attributes: OnnxAttributes): Tensor | undefined =>
      compute({ opset: 5, op, inputs: [x], attributes })[0];
    close(one("Affine", { alpha: 2, beta: 1 }), f32([1, 2, 1, 1], [3, 5]));
    close(one("Scale", { scale: 3 }), f32([1, 2, 1, 1], [3, 6]));
    close(
      one("ScaledTanh", { alpha: 2, beta: 0.5 }),
      f32([1, 2, 1, 1], [2 * Math.tanh(0.5), 2 * Math.tanh(1)]),
    );
    const softplus = (v: number): number => Math.log1p(Math.exp(v));
    close(
      one("ParametricSoftplus", { alpha: 2, beta: 0.5 }),
      f32([1, 2, 1, 1], [2 * softplus(0.5), 2 * softplus(1)]),
    );
    close(one("ImageScaler", { scale: 2, bias: [10, 20] }), f32([1, 2, 1, 1], [12, 24]));
  });

  it("ConstantFill takes its shape from an attribute, an input, or an input's values", () => {
    const attributes = { value: { kind: "float", value: 7 } } as const;
    const fill = (more: OnnxAttributes, inputs: readonly Tensor[]): Tensor | undefined =>
      compute({ opset: 5, op: "ConstantFill", inputs, attributes: { ...attributes, ...more } })[0];
    expect(fill({ shape: [1, 2] }, [])).toEqual(f32([1, 2], [7, 7]));
    expect(fill({}, [iota([2, 1])])).toEqual(f32([2, 1], [7, 7]));
    expect(fill({ input_as_shape: 1, extra_shape: [2], dtype: 7 }, [i64([1])])).toEqual(i64([7, 7], [1, 2]));
  });
});

describe("Scan-8", () => {
  it("becomes a scan over the batch of scans over the sequence", () => {
    const b = onnxModel("scan", { opset: 8 });
    const [state, xs] = [b.input("state", "float32", [2, 1]), b.input("xs", "float32", [2, 3, 1])];
    const body = b.subgraph("body", (g) => {
      const sum = g.node("Add", [g.input("s", "float32", [1]), g.input("x", "float32", [1])]);
      g.output(sum, "float32", [1], "s_next");
      g.output(sum, "float32", [1], "y");
    });
    const outputs = b.nodeWithOutputs("Scan", ["", state, xs], 2, { body, num_scan_inputs: 1 });
    for (const output of outputs) b.output(output, "float32");
    const graph = importModel(readModel(b.toBytes()));
    const [outer] = graph.nodes;
    expect(outer).toMatchObject({ op: "Scan", inputs: ["state", "xs"] });
    expect(outer?.attributes.get("num_scan_inputs")?.value).toBe(2);
    const outerBody = outer?.attributes.get("body");
    if (outerBody?.kind !== "graph") throw new Error("no body");
    const [inner] = outerBody.value.nodes;
    expect(inner?.inputs).toEqual(outerBody.value.inputs.map((input) => input.id));
    expect(inner?.outputs).toEqual(outerBody.value.outputs.map((output) => output.id));
    expect(inner?.attributes.get("num_scan_inputs")?.value).toBe(1);
  });
});
