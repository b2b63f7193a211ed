/**
 * What the judge of the fuzzer lets pass, and what it does not. In: small graphs whose roundings decide something, and
 * answers to them. Invariant tested: an answer that roundings can give is right; one that is off by as much where no
 * rounding reaches is found.
 */
import { describe, expect, it } from "vitest";
import type { OnnxAttributes } from "../../../compiler/frontend/onnx/write.ts";
import type { DType, Tensor } from "../../../runtime/dtype.ts";
import { compareOutputs, interpreted } from "./check.ts";
import { definitionOf } from "./definitions.ts";
import type { FuzzGraph, GraphNode, Operand } from "./graph.ts";
import { deviationOf } from "./exceptions.ts";
import { valuesOf, type Computer } from "./tolerance.ts";

const operand = (name: string, shape: readonly number[], values: readonly number[], dtype: DType = "float32"): Operand => ({ name, dtype, shape, data: { kind: "values", values }, constant: false }); // prettier-ignore

const node = (op: string, inputs: readonly string[], output: string, attributes: OnnxAttributes = {}, domain?: string): GraphNode => ({ op, inputs, outputs: [output], attributes, ...(domain === undefined ? {} : { domain }) }); // prettier-ignore

function graphOf(operands: readonly Operand[], nodes: readonly GraphNode[]): FuzzGraph {
  const outputs = nodes.slice(-1).map(({ outputs: [name] }) => ({ name: name!, type: { kind: "tensor", dtype: "float32" } as const })); // prettier-ignore
  return { opset: 24, wrapping: "none", operands, nodes, outputs };
}

/** The verdict on the interpreter's answer with one element changed. */
function verdict(graph: FuzzGraph, at: number, change: (value: number) => number, by: Computer): string | undefined {
  const expected = interpreted(graph);
  if (typeof expected === "string") throw new Error(expected);
  const [[name, tensor]] = Object.entries(expected) as [[string, Tensor]];
  const data = (tensor.data as Float32Array).slice();
  data[at] = change(data[at]!);
  return compareOutputs(graph, expected, { [name]: { ...tensor, data } }, by);
} // prettier-ignore

describe("an infinity times what nearly vanishes", () => {
  const times = (op: string, x: number): FuzzGraph =>
    graphOf(
      [operand("x", [2], [x, 1]), operand("y", [2], [Infinity, 1])],
      [node(op, ["x"], "a"), node("Mul", ["a", "y"], "b")],
    );
  const split = (x: number): FuzzGraph =>
    graphOf(
      [operand("x", [1, 1, 4], [-Infinity, 1, x, 1]), operand("bias", [4], [0, 0, 0, 0])],
      [node("BiasSplitGelu", ["x", "bias"], "y", {}, "com.microsoft")],
    );

  it.each([["Sigmoid", -95], ["Softmax", -95], ["Mish", -95], ["Swish", -95], ["Gelu", -5.5]])("is open for %s of %f", (op, x) => {
    expect(verdict(times(op, x), 0, () => NaN, "ours")).toBeUndefined();
  }); // prettier-ignore

  it.each([["Sigmoid", -80], ["Softmax", -80], ["Mish", -80], ["Swish", -80], ["Gelu", -3], ["Tanh", -1e-30], ["Exp", -95]])("is known for %s of %f", (op, x) => {
    expect(verdict(times(op, x), 0, () => NaN, "ours")).toContain("is NaN");
  }); // prettier-ignore

  it("is open within an operator, too", () => {
    expect(verdict(split(-5.5), 0, () => NaN, "ours")).toBeUndefined();
    expect(verdict(split(-5.5), 0, (value) => -value, "ours")).toBeUndefined();
    expect(verdict(split(-2), 0, () => NaN, "ours")).toContain("is NaN");
    expect(verdict(split(2), 0, (value) => -value, "ours")).toContain("is Infinity");
  });

  it("is open for onnxruntime's logistic function already at a rounding of 1", () => {
    expect(verdict(times("Sigmoid", -18), 0, () => NaN, "onnxruntime")).toBeUndefined();
    expect(verdict(times("Sigmoid", -18), 0, () => NaN, "ours")).toContain("is NaN");
    expect(verdict(times("Sigmoid", -9), 0, () => NaN, "onnxruntime")).toContain("is NaN");
  });
});

describe("what is blended by weights that are rounded", () => {
  // Two channels: a single large element in the first, ones in the second.
  const channels = [...new Array<number>(11).fill(0), -1e9, ...new Array<number>(12).fill(1)];
  const resized = (mode: string, values = channels, part = "left"): FuzzGraph =>
    graphOf(
      [operand("x", [1, 2, 2, 6], values), operand("sizes", [4], [1, 2, 8, 9], "int64"), operand("bias", [9], new Array<number>(9).fill(0))],
      [
        node("Resize", ["x", "", "", "sizes"], "r", { mode, cubic_coeff_a: -0.5, coordinate_transformation_mode: "pytorch_half_pixel" }),
        { op: "Split", inputs: ["r"], outputs: ["left", "right"], attributes: { axis: 1, num_outputs: 2 } },
        node("BiasGelu", [part, "bias"], "y", {}, "com.microsoft"),
      ],
    ); // prettier-ignore

  it("may be off by a rounding of the largest element of its channel, also behind other operators", () => {
    expect(verdict(resized("cubic"), 32, (value) => value + 64, "onnxruntime")).toBeUndefined();
    expect(verdict(resized("linear"), 71, (value) => value + 64, "onnxruntime")).toBeUndefined();
  });

  it("may not in other channels, of smaller elements, or by more", () => {
    expect(verdict(resized("cubic", channels, "right"), 32, (value) => value + 1e-4, "onnxruntime")).toContain("y[32]"); // prettier-ignore
    expect(verdict(resized("cubic", channels.map((x) => x / 1e9)), 32, (value) => value + 1e-4, "onnxruntime")).toContain("y[32]"); // prettier-ignore
    expect(verdict(resized("cubic"), 32, (value) => value + 1e5, "onnxruntime")).toContain("y[32]");
  });
});

describe("the logarithm of one and nearly nothing", () => {
  const softplus = graphOf([operand("x", [2], [-104, 3])], [node("ParametricSoftplus", ["x"], "y", { alpha: 2, beta: 0.5 })]); // prettier-ignore
  const older: FuzzGraph = { ...softplus, opset: 7 };

  it("may be nothing for onnxruntime, but not for us, and not beside other elements that are large", () => {
    expect(verdict(older, 0, () => 0, "onnxruntime")).toBeUndefined();
    expect(verdict(older, 0, () => 1e-4, "onnxruntime")).toContain("y[0] is");
    expect(verdict(older, 0, () => 0, "ours")).toContain("y[0] is 0");
  });
});

describe("the logarithm of a sum of which the largest term is 1", () => {
  const scores = operand("x", [1, 2], [0, -12]);
  const rest = Math.exp(-12);
  const forms: readonly (readonly [string, FuzzGraph])[] = [
    ["LogSoftmax", graphOf([scores], [node("LogSoftmax", ["x"], "y")])],
    ["ReduceLogSumExp", graphOf([scores], [node("ReduceLogSumExp", ["x"], "y")])],
    ["SoftmaxCrossEntropyLoss", graphOf([scores, operand("label", [1], [0], "int64")], [node("SoftmaxCrossEntropyLoss", ["x", "label"], "y")])],
  ]; // prettier-ignore

  it.each(forms)("of %s is right to a rounding of 1, and no further", (_, graph) => {
    for (const by of ["ours", "onnxruntime"] as const) {
      expect(verdict(graph, 0, (value) => value + 2 ** -23, by)).toBeUndefined();
      expect(verdict(graph, 0, (value) => value + 4 * rest, by)).toContain("y");
    }
  });

  it("may be nothing, but other elements stay", () => {
    const far = graphOf([operand("x", [1, 2], [0, -30])], [node("LogSoftmax", ["x"], "y")]);
    expect(verdict(far, 0, (value) => value - 2 ** -23, "ours")).toBeUndefined();
    expect(verdict(far, 1, (value) => value - 1e-3, "ours")).toContain("y[1]");
  });
});

it("a real number that is cut may be the next one where some roundings take it there, and nowhere else", () => {
  // So many roundings below 3, which one of them at a time does not reach.
  const cut = (below: number): FuzzGraph =>
    graphOf(
      [operand("x", [1], [1]), operand("y", [1], [2 - below * 2 ** -22])],
      [node("Add", ["x", "y"], "s"), node("Floor", ["s"], "t")],
    );
  for (const by of ["ours", "onnxruntime"] as const) {
    expect(verdict(cut(8), 0, (value) => value + 1, by)).toBeUndefined();
    expect(verdict(cut(8), 0, (value) => value + 2, by)).toContain("t[0] is 4");
    expect(verdict(cut(200), 0, (value) => value + 1, by)).toContain("t[0] is 3");
  }
});

it("an element that does not move has no part in what others do", () => {
  const sums = graphOf(
    [operand("x", [2, 2], [1e6, -1e6, 3, 4]), operand("y", [2, 2], [0.1, 0.2, 0, 0])],
    [node("Add", ["x", "y"], "s"), node("ReduceSum", ["s"], "t", { axes: [1] })],
  );
  const older: FuzzGraph = { ...sums, opset: 12 };
  expect(verdict(older, 0, (value) => value + 0.1, "ours")).toBeUndefined();
  expect(verdict(older, 1, (value) => value + 0.1, "ours")).toContain("t[1] is");
});

describe("infinities", () => {
  const product = (x: number, y: number): FuzzGraph =>
    graphOf([operand("x", [2], [x, 1]), operand("y", [2], [y, 1])], [node("Mul", ["x", "y"], "b")]);

  it("are open at the end of the type only", () => {
    expect(verdict(product(3.4028234663852886e38, 1.0000001), 0, () => 3.4028234663852886e38, "ours")).toBeUndefined();
    expect(verdict(product(3e38, 3), 0, () => 3e38, "ours")).toContain("not Infinity");
    expect(verdict(product(Infinity, 3), 0, (value) => -value, "ours")).toContain("not Infinity");
    expect(verdict(product(1e9, 3), 0, () => Infinity, "ours")).toContain("is Infinity");
  }); // prettier-ignore

  it("are open where one product overflows beside another, which is not so where they are given", () => {
    const sum = (x: readonly number[], y: readonly number[]): FuzzGraph =>
      graphOf([operand("x", [1, 2], x), operand("y", [2, 1], y)], [node("MatMul", ["x", "y"], "b")]);
    expect(verdict(sum([1e30, -1e30], [1e30, 1e30]), 0, () => Infinity, "ours")).toBeUndefined();
    expect(verdict(sum([1e30, -1e30], [1e3, 1e3]), 0, () => Infinity, "ours")).toContain("is Infinity");
    expect(verdict(sum([Infinity, -Infinity], [1, 1]), 0, () => Infinity, "ours")).toContain("not NaN");
  });
});

describe("whole numbers", () => {
  const whole = (graph: FuzzGraph, dtype: DType): FuzzGraph => ({ ...graph, outputs: graph.outputs.map(({ name }) => ({ name, type: { kind: "tensor", dtype } })) }); // prettier-ignore
  const blended = (dtype: DType, values: readonly number[]): FuzzGraph =>
    whole(graphOf(
      [operand("x", [1, 1, 2, 2], values, dtype), operand("sizes", [4], [1, 1, 3, 3], "int64"), operand("y", [1], [3], dtype)],
      [node("Resize", ["x", "", "", "sizes"], "a", { mode: "linear" }), node("Sub", ["a", "y"], "b")],
    ), dtype); // prettier-ignore
  const added = (x: number, y: number): FuzzGraph => {
    const parameters = [operand("scale", [], [0.1]), operand("zero", [], [128], "uint8")];
    const operands = [operand("x", [2], [x, 128], "uint8"), operand("y", [2], [y, 128], "uint8")];
    const inputs = ["x", "scale", "zero", "y", "scale", "zero", "twice", "zero"];
    return whole(graphOf([...operands, ...parameters, operand("twice", [], [0.2])], [node("QLinearAdd", inputs, "b", {}, "com.microsoft")]), "uint8"); // prettier-ignore
  };
  const quantized = (x: number): FuzzGraph =>
    whole(graphOf(
      [operand("x", [2], [x, 1]), operand("y", [2], [1.1, 1.1]), operand("scale", [], [1])],
      [node("Mul", ["x", "y"], "p"), node("QuantizeLinear", ["p", "scale"], "b")],
    ), "uint8"); // prettier-ignore

  it("that are cut from a blend may be one less where it is whole, also after a difference, and no more", () => {
    // The middle of 100, 40, 50 and 10 is 50, that of 127, 0, 7 and 0 is 33.5.
    const onStep = blended("int8", [100, 40, 50, 10]);
    expect(verdict(onStep, 4, (value) => value - 1, "ours")).toBeUndefined();
    for (const off of [-2, 2, 3])
      expect(verdict(onStep, 4, (value) => value + off, "ours")).toContain("b[4] is");
    for (const off of [-1, 1, 3])
      expect(verdict(blended("int8", [127, 0, 7, 0]), 4, (value) => value + off, "ours")).toContain(
        "b[4] is",
      );
  });

  it("that are too large for float32 may be off by what its numbers are apart", () => {
    const large = blended("int32", [2e9, 1e9, 1.5e9, 1.2e9]);
    expect(verdict(large, 4, (value) => value + 128, "ours")).toBeUndefined();
    expect(verdict(large, 4, (value) => value + 1e5, "ours")).toContain("b[4] is");
  });

  it("that are rounded may be a step off where the real number is halfway, and no more", () => {
    // (7 + 0) / 2 is halfway, (8 + 0) / 2 is not.
    expect(verdict(added(135, 128), 0, (value) => value - 1, "ours")).toBeUndefined();
    expect(verdict(added(135, 128), 0, (value) => value + 2, "ours")).toContain("b[0] is");
    expect(verdict(added(136, 128), 0, (value) => value + 1, "ours")).toContain("b[0] is");
    expect(verdict(quantized(5), 0, (value) => value - 1, "ours")).toBeUndefined();
    expect(verdict(quantized(5), 0, (value) => value - 2, "ours")).toContain("b[0] is");
    expect(verdict(quantized(4), 0, (value) => value + 1, "ours")).toContain("b[0] is");
  });

  it("that name one of equals may name any of them", () => {
    const place = (values: readonly number[]): FuzzGraph =>
      whole(graphOf([operand("x", [values.length], values)], [node("Exp", ["x"], "e"), node("ArgMax", ["e"], "b")]), "int64"); // prettier-ignore
    const other = (graph: FuzzGraph): string | undefined => {
      const expected = interpreted(graph) as Record<string, Tensor>;
      return compareOutputs(graph, expected, { b: { ...expected["b"]!, data: BigInt64Array.of(99n) } }, "ours"); // prettier-ignore
    };
    expect(other(place(new Array<number>(100).fill(1)))).toBeUndefined();
    expect(other(place([2, ...new Array<number>(99).fill(1)]))).toContain("b[0] is 99");
  });
});

describe("labels of scores", () => {
  /** The two scores are 2.5e8 and `lead` more: numbers of float32 there are 16 apart. */
  const labelled = (lead: number): FuzzGraph => {
    const classifier = node("LinearClassifier", ["x"], "label", {
      coefficients: { kind: "floats", value: [1.25, -1, 0, 1.25, -1, 1] },
      intercepts: { kind: "floats", value: [0, 0] },
      classlabels_strings: ["a", "b"],
    }, "ai.onnx.ml");
    const nodes = [{ ...classifier, outputs: ["label", "scores"] }];
    const graph = graphOf([operand("x", [1, 3], [1e9, 1e9, lead])], nodes);
    return { ...graph, outputs: [{ name: "label", type: { kind: "tensor", dtype: "string" } }] };
  }; // prettier-ignore
  const other = (graph: FuzzGraph): string | undefined => {
    const expected = interpreted(graph) as Record<string, Tensor>;
    const { label } = expected;
    const data = (label!.data as string[]).map((text) => (text === "a" ? "b" : "a"));
    return compareOutputs(graph, expected, { label: { ...label!, data } }, "ours");
  };

  it("are open where roundings decide which is the largest", () => {
    expect(other(labelled(3.75))).toBeUndefined();
    expect(other(labelled(1e6))).toBe("label[0] is a, not b (string)");
  });
});

describe("what a deviation of onnxruntime explains", () => {
  const limitOf = (operator: GraphNode, operands: readonly Operand[]): ((value: number) => number) => {
    const graph = graphOf(operands, [operator]);
    return deviationOf(graph, () => valuesOf(graph))!.within!;
  };

  it("grows with elements and parameters where its cause does, and no further", () => {
    const shrunk = limitOf(node("Shrink", ["x"], "y"), [operand("x", [2], [1e9, 1], "float64")]);
    expect([shrunk(1), shrunk(1e9)].map(Math.log10)).toEqual([expect.closeTo(-6, 0), expect.closeTo(2.4, 0)]);
    const normalised = (scale: number): number => limitOf(node("InstanceNormalization", ["x", "scale", "bias"], "y"), [operand("x", [1, 1, 2], [1, 2]), operand("scale", [1], [scale]), operand("bias", [1], [0])])(1); // prettier-ignore
    expect(normalised(1)).toBeCloseTo(2e-3);
    expect(normalised(1e6)).toBeCloseTo(1e3, 0);
  });
});

describe("definitions of compound operators", () => {
  const values = [-6, -2.5, -0.5, 0, 0.25, 1, 3, 88];
  const forms: readonly (readonly [string, GraphNode])[] = [
    ["Gelu", node("Gelu", ["x"], "y")],
    ["Gelu by a tangent", node("Gelu", ["x"], "y", { approximate: "tanh" })],
    ["Swish", node("Swish", ["x"], "y", { alpha: { kind: "float", value: 0.5 } })],
    ["BiasGelu", node("BiasGelu", ["x", "bias"], "y", {}, "com.microsoft")],
    ["FastGelu", node("FastGelu", ["x", "bias"], "y", {}, "com.microsoft")],
    ["QuickGelu", node("QuickGelu", ["x"], "y", {}, "com.microsoft")],
    ["BiasSplitGelu", node("BiasSplitGelu", ["x", "bias"], "y", {}, "com.microsoft")],
  ];

  it.each(forms)("%s is what the operator gives", (_, whole) => {
    const operands = [
      operand("x", [1, 1, 8], values),
      operand(
        "bias",
        [8],
        values.map((x) => x / 4),
      ),
    ];
    const parts = definitionOf(whole, operands[0]!)!;
    const [expected, actual] = [[whole], parts].map((nodes) => {
      const given = interpreted({ ...graphOf(operands, nodes), opset: nodes === parts ? 13 : 24 });
      if (typeof given === "string") throw new Error(given);
      return [...(given["y"]!.data as Float32Array)];
    });
    actual!.forEach((value, i) => expect(value).toBeCloseTo(expected![i]!, 5));
  });

  it.each(["mean", "sum", "none"])("SoftmaxCrossEntropyLoss (%s) is what the operator gives, with its logarithms", (reduction) => {
    const whole: GraphNode = { op: "SoftmaxCrossEntropyLoss", inputs: ["x", "labels", "weights"], outputs: ["y", "logarithms"], attributes: { reduction, ignore_index: 0 } };
    const operands = [operand("x", [3, 4], [...values, -1, 12, -12, 2]), operand("labels", [3], [3, 0, 1], "int64"), operand("weights", [4], [1, 2, 0.5, 4])];
    const parts = definitionOf(whole, operands[0]!)!;
    const results = ["y", "logarithms"].map((name) => ({ name, type: { kind: "tensor", dtype: "float32" } as const }));
    const [expected, actual] = [[whole], parts].map((nodes) => interpreted({ ...graphOf(operands, nodes), opset: 13, outputs: results }));
    expect(actual).toEqual(expected);
  }); // prettier-ignore

  const bytes = [1, 250, 128, 3, 4, 90, 200, 7, 30, 6, 77, 2, 66, 129, 127, 31, 18, 44];
  const parameters = ["scale", "zero"];
  const results = ["other", "zero"];
  const pool: OnnxAttributes = { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1, pads: [1, 0, 0, 1] };
  const integers: readonly (readonly [string, GraphNode])[] = [
    ["Resize", node("Resize", ["x", "", "", "sizes"], "y", { mode: "linear" })],
    ["QLinearAdd", node("QLinearAdd", ["x", ...parameters, "x", ...parameters, ...results], "y", {}, "com.microsoft")],
    ...[0, 1].flatMap((last) => [0, 1].map((padded): readonly [string, GraphNode] => [
      `QLinearAveragePool (${last}, ${padded})`,
      node("QLinearAveragePool", ["x", ...parameters, ...results], "y", { ...pool, count_include_pad: padded, channels_last: last }, "com.microsoft"),
    ])),
    ...[0, 1].map((last): readonly [string, GraphNode] => [
      `QLinearGlobalAveragePool (${last})`,
      node("QLinearGlobalAveragePool", ["x", ...parameters, ...results], "y", { channels_last: last }, "com.microsoft"),
    ]),
  ]; // prettier-ignore

  it.each(integers)("%s of whole numbers is what the operator gives", (_, whole) => {
    const x = operand("x", [1, 2, 3, 3], bytes, "uint8");
    const operands = [x, operand("sizes", [4], [1, 2, 4, 5], "int64"), operand("scale", [], [0.37]), operand("other", [], [0.29]), operand("zero", [], [20], "uint8")]; // prettier-ignore
    const [expected, actual] = [[whole], definitionOf(whole, x)!].map((nodes) => {
      const given = interpreted({ ...graphOf(operands, nodes), opset: nodes.length > 1 ? 13 : 24 });
      if (typeof given === "string") throw new Error(given);
      return given["y"]!;
    });
    expect(actual).toEqual(expected);
  });

  it("is nothing where an operator or this form of it stands for itself", () => {
    expect(definitionOf(node("Erf", ["x"], "y"), { dtype: "float32", shape: [1] })).toBeUndefined();
    expect(definitionOf(node("FusedGemm", ["x", "w"], "y", { activation: "Relu" }, "com.microsoft"), { dtype: "float32", shape: [1] })).toBeUndefined(); // prettier-ignore
  });
});
