/**
 * What the fuzzer has found, each as the smallest case, so that it stays found. In: models as the fuzzer prints them.
 * Invariant tested: compiled like the interpreter, with the passes that were involved on or off; refused with a
 * stable code where the model is wrong.
 */
import { describe, expect, it } from "vitest";
import { onnxModel, type OnnxModelBuilder } from "../../compiler/frontend/onnx/write.ts";
import { compile, CompileError } from "../../compiler/whole.ts";
import { tensorOf } from "../../compiler/passes/evaluate.ts";
import { expectAgreement } from "./agreement.ts";
import { pattern } from "./plan.ts";

const numbers = (shape: readonly number[], seed = 1) =>
  tensorOf("float32", shape, pattern(shape.reduce((a, b) => a * b, 1), seed, -2, 2, 0.25)); // prettier-ignore

function codeOf(build: (b: OnnxModelBuilder) => void): string {
  const b = onnxModel("case", { opset: 20 });
  build(b);
  try {
    compile(b.toBytes());
  } catch (error) {
    if (error instanceof CompileError) return error.code;
    throw error;
  }
  return "none";
}

describe("results", () => {
  it.each([{}, { fuse: false }, { layout: false }])(
    "of a concatenation whose second part only is written in place, %o",
    async (passes) => {
      const b = onnxModel("case", { opset: 20 });
      b.input("x", "float32", [1, 4, 5, 3]);
      b.input("y", "float32", [1, 4, 5, 2]);
      b.node("AveragePool", ["y"], { kernel_shape: [1, 1] }, { output: "p" });
      b.node("Concat", ["x", "p"], { axis: 3 }, { output: "c" });
      b.node("Trilu", ["c", b.scalar("int64", -1)], { upper: 1 }, { output: "t" });
      b.output("t", "float32", [1, 4, 5, 5]);
      const inputs = { x: numbers([1, 4, 5, 3]), y: numbers([1, 4, 5, 2], 2) };
      await expectAgreement(b.toBytes(), inputs, passes, "simd", 0);
    },
  );

  it.each([{}, { views: false }])(
    "of a concatenation in place in another one, what is left of it being constant, %o",
    async (passes) => {
      const b = onnxModel("case", { opset: 20 });
      const x = b.input("x", "float32", [4, 5]);
      const y = b.input("y", "float32", [4, 5]);
      const weights = (size: number, seed: number): string =>
        b.initializer("float32", [4, size], pattern(4 * size, seed, -2, 2, 0.25));
      const many = b.node("Concat", [y, y, y], { axis: 1 });
      const inner = b.node("Concat", [weights(5, 13), b.node("LogSoftmax", [x]), many], { axis: 1 });
      const outer = b.node("Concat", [weights(5, 14), inner, weights(1, 15)], { axis: 1 });
      b.output(b.node("CumSum", [outer, b.scalar("int64", 1)], { reverse: 1 }), "float32", [4, 31]);
      const shifted = b.node("Add", [inner, b.scalar("float32", 15)]);
      b.output(b.node("LpNormalization", [shifted], { axis: 1, p: 1 }), "float32", [4, 25]);
      const inputs = { [x]: numbers([4, 5], 16), [y]: numbers([4, 5], 17) };
      await expectAgreement(b.toBytes(), inputs, passes, "simd", 1e-4);
    },
  );

  it.each([{}, { fuse: false }])("of a softmax across a concatenation with weights, %o", async (passes) => {
    const b = onnxModel("case", { opset: 20 });
    b.input("x", "float32", [1, 33, 7, 4]);
    b.initializer("float32", [1, 33, 5, 3], pattern(495, 4053976, -2, 2, 0.25), "w");
    b.node("AveragePool", ["x"], { kernel_shape: [1, 2], dilations: [2, 1] }, { output: "p" });
    b.node("Concat", ["p", "w"], { axis: 2 }, { output: "c" });
    b.node("Softmax", ["c"], { axis: 2 }, { output: "s" });
    b.output("s", "float32", [1, 33, 12, 3]);
    await expectAgreement(b.toBytes(), { x: numbers([1, 33, 7, 4]) }, passes, "simd", 1e-5);
  });

  it.each([{}, { fuse: false }])(
    "of a concatenation with a constant and what reads it, %o",
    async (passes) => {
      const b = onnxModel("case", { opset: 20 });
      const x = b.input("x", "float32", [1, 2, 6, 6]);
      const row = b.initializer("float32", [1, 2, 1, 6], pattern(12, 3, -2, 2, 0.25));
      const p = b.node("AveragePool", [x], { kernel_shape: [2, 2], strides: [1, 1], pads: [0, 0, 1, 1] });
      const c = b.node("Concat", [p, row], { axis: 2 });
      b.output(b.node("MaxPool", [c], { kernel_shape: [2, 2] }), "float32", [1, 2, 6, 5], "y");
      await expectAgreement(b.toBytes(), { x: numbers([1, 2, 6, 6]) }, passes, "simd", 1e-6);
    },
  );

  it("of a model with a weight that is of no use in the end", async () => {
    const b = onnxModel("case", { opset: 20 });
    const x = b.input("x", "float32", [2, 2, 19, 1]);
    const [left, right] = b.nodeWithOutputs("Split", [x, b.int64s([1, 1])], 2, { axis: -3 });
    b.output(left!, "float32");
    b.output(right!, "float32");
    await expectAgreement(b.toBytes(), { x: numbers([2, 2, 19, 1]) }, { fuse: false }, "simd", 0);
  });

  it("of tensors without elements", async () => {
    const b = onnxModel("case", { opset: 20 });
    b.input("x", "float32", [3, 0, 2]);
    b.node("Tile", ["x", b.int64s([2, 1, 2])], {}, { output: "t" });
    b.node("Expand", ["t", b.int64s([2, 6, 0, 4])], {}, { output: "e" });
    b.node("ReduceSum", ["e", b.int64s([2])], {}, { output: "s" });
    b.output("s", "float32", [2, 6, 1, 4]);
    b.output("e", "float32", [2, 6, 0, 4]);
    await expectAgreement(b.toBytes(), { x: numbers([3, 0, 2]) }, {}, "simd", 0);
  });
});

describe("refusals", () => {
  it("of element types that an operator is not defined for", () => {
    const operators = ["Softmax", "Sigmoid", "Acos", "Softplus", "BitwiseNot"];
    for (const op of operators) {
      const dtype = op === "BitwiseNot" ? "float32" : "int64";
      const code = codeOf((b) => b.output(b.node(op, [b.input("x", dtype, [2, 3])]), dtype));
      expect(code, op).toBe("dtype-unsupported");
    }
    const mixed = codeOf((b) => {
      const x = b.input("x", "float32", [1, 1, 4, 4]);
      b.output(b.node("Conv", [x, b.initializer("int32", [1, 1, 2, 2], [1, 2, 3, 4])]), "float32");
    });
    expect(mixed).toBe("dtype-unsupported");
  });

  it("of more outputs than an operator has, and fewer inputs", () => {
    const outputs = codeOf((b) => {
      const [, second] = b.nodeWithOutputs("ReduceProd", [b.input("x", "float32", [2, 3])], 2);
      b.output(second!, "float32");
    });
    expect(outputs).toBe("graph-invalid");
    const inputs = codeOf((b) => {
      const x = b.input("x", "float32", [2, 3, 4]);
      b.output(b.node("InstanceNormalization", [x, b.initializer("float32", [3], [1, 1, 1])]), "float32");
    });
    expect(inputs).toBe("graph-invalid");
  });

  it("of windows that reach beyond what 32 bits address", () => {
    const code = codeOf((b) => {
      const x = b.input("x", "float32", [1, 1, 8, 8]);
      const w = b.initializer("float32", [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
      b.output(b.node("Conv", [x, w], { dilations: [1, 2147483647], auto_pad: "SAME_UPPER" }), "float32");
    });
    expect(code).toBe("limit-exceeded");
  });

  it.each([
    ["HannWindow", []],
    ["Reshape", ["x"]],
    ["Expand", ["x"]],
    ["ReduceSum", ["x"]],
    ["Tile", ["x"]],
    ["Pad", ["x"]],
    ["TopK", ["x"]],
    ["ConstantOfShape", []],
  ])("sizes for %s that are no integers", (op, operands) => {
    for (const dtype of ["float32", "float16", "bool"] as const) {
      const code = codeOf((b) => {
        b.input("x", "float32", [1, 2]);
        b.output(b.node(op, [...operands, b.initializer(dtype, [1], [1])]), "float32");
      });
      expect(code, dtype).toBe("dtype-unsupported");
    }
  });

  it("an infinity test of integers", () => {
    const code = codeOf((b) => {
      const y = b.node("IsInf", [b.input("x", "int64", [3])]);
      b.output(y, "bool", [3]);
    });
    expect(code).toBe("dtype-unsupported");
  });

  it.each(["int32", "int64"] as const)("a leak of a hundredth of %s", (dtype) => {
    const code = codeOf((b) => {
      b.output(b.node("LeakyRelu", [b.input("x", dtype, [3])]), dtype, [3]);
    });
    expect(code).toBe("dtype-unsupported");
  });

  it("a cache whose positions are of another rank", () => {
    const code = codeOf((b) => {
      const cache = b.input("cache", "float32", [2, 1, 4, 3]);
      const update = b.input("update", "float32", [2, 1, 1, 3]);
      const y = b.node("TensorScatter", [cache, update, b.input("at", "int64", [2, 1, 1])]);
      b.output(y, "float32", [2, 1, 4, 3]);
    });
    expect(code).toBe("shape-mismatch");
  });

  it("a loop that goes on while its own result says so", () => {
    const code = codeOf((b) => {
      const x = b.input("x", "float32", [3]);
      const body = b.subgraph("body", (g) => {
        g.input("i", "int64", []);
        g.input("more", "bool", []);
        const next = g.node("Neg", [g.input("carried", "float32", [3])]);
        g.output("y", "bool", []);
        g.output(next, "float32", [3]);
      });
      b.output(b.node("Loop", [b.scalar("int64", 3), "", x], { body }, { output: "y" }), "float32", [3]);
    });
    expect(code).toBe("graph-invalid");
  });

  it.each([
    ["none at all", "", "graph-invalid"],
    ["of another shape", "int64 [1, 1, 3, 2]", "shape-mismatch"],
    ["that are real numbers", "float32 [1, 1, 2, 2]", "dtype-unsupported"],
  ])("places to store maxima at: %s", (_, given, expected) => {
    const code = codeOf((b) => {
      const [dtype, shape] = given.split(/ (?=\[)/) as ["int64", string];
      const places = given === "" ? "" : b.input("places", dtype, JSON.parse(shape) as number[]);
      b.output(b.node("MaxUnpool", [b.input("x", "float32", [1, 1, 2, 2]), places], { kernel_shape: [2, 2], strides: [2, 2] }), "float32");
    });
    expect(code).toBe(expected);
  }); // prettier-ignore

  it.each([
    ["com.microsoft:NhwcConv", ["", "w"]],
    ["com.microsoft:BiasGelu", []],
    ["com.microsoft:QuickGelu", ["text"]],
    ["com.microsoft:BiasSplitGelu", ["scalar"]],
    ["Pad", ["x", "pads", "x"]],
    ["QLinearMatMul", ["bytes", "scalar", "byte", "bytes", "scalar", "byte", "scalar", "scalar"]],
    ["com.microsoft:GroupNorm", ["", "x", "x"]],
    ["RandomUniformLike", ["text"]],
    ["HannWindow", ["nothing"]],
    ["STFT", ["x", "nothing"]],
  ] as const)("operands of %s that are missing or of another form: %o", (name, operands) => {
    const [op, domain] = name.split(":").reverse() as [string, string | undefined];
    const attributes = op === "GroupNorm" ? { groups: 1, activation: 0 } : op === "RandomUniformLike" ? { dtype: 1 } : {};
    const code = codeOf((b) => {
      b.input("x", "float32", [1, 2, 3, 4]);
      b.input("w", "float32", [2, 2, 1, 1]);
      b.input("scalar", "float32", []);
      b.input("bytes", "uint8", [2, 2]);
      b.input("byte", "uint8", []);
      b.initializer("bool", [1], [1], "flags");
      b.initializer("int64", [0], [], "nothing");
      b.initializer("int64", [8], [0, 0, 0, 0, 1, 1, 1, 1], "pads");
      b.initializer("string", [2], ["a", "b"] as unknown as number[], "text");
      if (domain) b.importOpset(domain, 1);
      b.output(b.node(op, operands, attributes, domain ? { domain } : {}), "float32");
    });
    expect(["graph-invalid", "dtype-unsupported", "shape-mismatch"]).toContain(code);
  }); // prettier-ignore

  it.each(["Compress", "Unique"])("%s along an axis of a scalar", (op) => {
    const code = codeOf((b) => {
      const operands = [b.input("x", "float32", []), ...(op === "Compress" ? [b.input("flags", "bool", [1])] : [])];
      b.output(b.node(op, operands, { axis: 0 }), "float32");
    });
    expect(code).toBe("attribute-invalid");
  }); // prettier-ignore

  it("parts that are four billion", () => {
    const code = codeOf((b) => {
      const [y] = b.nodeWithOutputs("Split", [b.input("x", "float32", [4])], 1, { num_outputs: 2 ** 32 });
      b.output(y!, "float32");
    });
    expect(code).toBe("attribute-invalid");
  });

  it("nothing of a node whose results have no name", () => {
    const code = codeOf((b) => {
      const x = b.input("x", "int8", [4]);
      b.nodeWithOutputs("DequantizeLinear", [x, b.scalar("float32", 0.5)], 0);
      b.output(b.node("Neg", [x]), "int8", [4]);
    });
    expect(code).toBe("none");
  });
});
