/**
 * What the mutations start from. In: the sample model, small models written here, and real models where
 * TILEWRIGHT_DATA names a folder of them. Out: files with what is needed to compile and run them. Invariant: every
 * subject compiles and runs undamaged, which the trial checks first.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { externalTensor, onnxModel, type OnnxModelBuilder } from "../../compiler/frontend/onnx/write.ts";
import { compile } from "../../compiler/whole.ts";
import { pattern } from "./plan.ts";

export interface Subject {
  readonly name: string;
  readonly kind: "model" | "artifact";
  readonly bytes: Uint8Array;
  /** Content of the file "weights.bin" beside a model. */
  readonly external?: Uint8Array;
}

const numbers = (count: number, seed: number): number[] => pattern(count, seed, -1, 1, 0.125);

function model(name: string, build: (b: OnnxModelBuilder) => void): Uint8Array {
  const b = onnxModel(name, { opset: 20 });
  build(b);
  return b.toBytes();
}

const convolutions = model("convolutions", (b) => {
  const x = b.input("x", "float32", [1, 3, 12, 12]);
  const a = b.node("Conv", [x, b.initializer("float32", [4, 3, 3, 3], numbers(108, 1)), b.initializer("float32", [4], numbers(4, 2))], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }); // prettier-ignore
  const c = b.node("Conv", [b.node("Relu", [a]), b.initializer("float32", [4, 1, 3, 3], numbers(36, 3))], { group: 4, strides: [2, 2], dilations: [1, 2], auto_pad: "SAME_UPPER" }); // prettier-ignore
  const p = b.node("AveragePool", [b.node("MaxPool", [c], { kernel_shape: [2, 2], ceil_mode: 1 })], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }); // prettier-ignore
  const r = b.node("Resize", [p, "", b.initializer("float32", [4], [1, 1, 2, 2])], { mode: "linear" });
  b.output(b.node("ConvTranspose", [r, b.initializer("float32", [4, 2, 2, 2], numbers(32, 4))], { strides: [2, 2] }), "float32"); // prettier-ignore
});

const dense = model("dense", (b) => {
  const x = b.input("x", "float32", [4, 10]);
  const h = b.node("Gemm", [x, b.initializer("float32", [16, 10], numbers(160, 1)), b.initializer("float32", [16], numbers(16, 2))], { transB: 1, alpha: 0.5 }); // prettier-ignore
  const n = b.node("LayerNormalization", [
    b.node("Gelu", [h]),
    b.initializer("float32", [16], numbers(16, 3)),
  ]);
  const s = b.node("Slice", [n, b.int64s([1]), b.int64s([9]), b.int64s([1]), b.int64s([2])]);
  const m = b.node("MatMul", [
    b.node("Reshape", [s, b.int64s([2, -1, 4])]),
    b.initializer("float32", [4, 5], numbers(20, 4)),
  ]);
  const [left, right] = b.nodeWithOutputs("Split", [m], 2, { axis: 2, num_outputs: 2 });
  const joined = b.node("Concat", [left, b.node("Pad", [right, b.int64s([0, 0, 1, 0, 0, 0])])], { axis: 0 });
  b.output(b.node("Softmax", [b.node("Transpose", [joined], { perm: [2, 0, 1] })], { axis: 1 }), "float32");
});

const recurrent = model("recurrent", (b) => {
  const x = b.input("x", "float32", [5, 2, 3]);
  const [y, h] = b.nodeWithOutputs("LSTM", [x, b.initializer("float32", [2, 16, 3], numbers(96, 1)), b.initializer("float32", [2, 16, 4], numbers(128, 2)), b.initializer("float32", [2, 32], numbers(64, 3))], 2, { hidden_size: 4, direction: "bidirectional" }); // prettier-ignore
  b.output(y!, "float32");
  const [g] = b.nodeWithOutputs("GRU", [x, b.initializer("float32", [1, 12, 3], numbers(36, 4)), b.initializer("float32", [1, 12, 4], numbers(48, 5))], 1, { hidden_size: 4, linear_before_reset: 1 }); // prettier-ignore
  b.output(b.node("ReduceSum", [g, b.int64s([0])], { keepdims: 0 }), "float32");
  b.output(h!, "float32");
});

const branches = model("branches", (b) => {
  const x = b.input("x", "float32", [2, 3]);
  const flag = b.node("Less", [b.node("ReduceSum", [x], { keepdims: 0 }), b.scalar("float32", 3)]);
  const then = b.subgraph(
    "then",
    (g) => void g.output(g.node("Mul", [x, g.scalar("float32", 2)]), "float32", [2, 3]),
  );
  const otherwise = b.subgraph("else", (g) => void g.output(g.node("Neg", [x]), "float32", [2, 3]));
  b.output(b.node("If", [flag], { then_branch: then, else_branch: otherwise }), "float32");
  b.function("local", "Twice", ["v"], (body, [v]) => [body.node("Add", [v, v])]);
  b.output(b.node("Twice", [x], {}, { domain: "local" }), "float32");
  const body = b.subgraph("body", (g) => {
    g.input("i", "int64", []);
    g.input("more", "bool", []);
    const carried = g.input("carried", "float32", [2, 3]);
    g.output(g.node("Identity", ["more"]), "bool", []);
    g.output(g.node("Add", [carried, g.scalar("float32", 1)]), "float32", [2, 3]);
  });
  b.output(b.node("Loop", [b.scalar("int64", 3), "", x], { body }), "float32");
});

const quantized = model("quantized", (b) => {
  const x = b.input("x", "float32", [1, 2, 6, 6]);
  const scale = b.scalar("float32", 0.125);
  const zero = b.scalar("uint8", 128);
  const q = b.node("QuantizeLinear", [x, scale, zero]);
  const w = b.node("DequantizeLinear", [b.initializer("int8", [3, 2, 3, 3], pattern(54, 1, -127, 127, 1)), b.initializer("float32", [3], [0.01, 0.02, 0.03]), b.initializer("int8", [3], [0, 0, 0])], { axis: 0 }); // prettier-ignore
  const c = b.node("Conv", [b.node("DequantizeLinear", [q, scale, zero]), w]);
  b.output(b.node("QuantizeLinear", [c, scale, zero]), "uint8");
  const d = b.node("DynamicQuantizeLinear", [x]);
  b.output(b.node("Cast", [d], { to: 6 }), "int32");
});

const dynamic = model("dynamic", (b) => {
  const x = b.input("x", "float32", ["batch", "length", 4]);
  const size = b.node("Gather", [b.node("Shape", [x]), b.int64s([0])]);
  const flat = b.node("Reshape", [x, b.node("Concat", [size, b.int64s([-1])], { axis: 0 })]);
  b.output(b.node("Softmax", [flat]), "float32", ["batch", "n"]);
  const found = b.node("NonZero", [b.node("Relu", [x])]);
  b.output(b.node("Transpose", [found]), "int64", ["m", 3]);
  const [top] = b.nodeWithOutputs("TopK", [flat, b.int64s([2])], 2);
  b.output(top!, "float32", ["batch", 2]);
});

const external: Subject = {
  name: "external data",
  kind: "model",
  bytes: model("external", (b) => {
    const x = b.input("x", "float32", [3, 8]);
    const w = b.initializerOf(
      externalTensor("float32", [8, 6], { location: "weights.bin", offset: 64, length: 192 }),
      "w",
    );
    const half = b.initializerOf({ kind: "tensor", dtype: "float32", dims: [6], content: { kind: "external", data: { location: "weights.bin", length: 24 } } }, "b"); // prettier-ignore
    b.output(b.node("Add", [b.node("MatMul", [x, w]), half]), "float32");
  }),
  external: new Uint8Array(Float32Array.from(numbers(64, 7)).buffer),
};

/** Real models that are small enough to be compiled hundreds of times. */
const REAL = ["gesture-lstm", "mnist-cntk", "super-resolution"] as const;

/** All subjects: models, and artifacts of those that can be bound (the dynamic one is late). */
export function subjectsOf(sample: Uint8Array, dataFolder: string | undefined): Subject[] {
  const own = Object.entries({ convolutions, dense, recurrent, branches, quantized, dynamic });
  const models: Subject[] = [
    { name: "digits", kind: "model", bytes: sample },
    ...own.map(([name, bytes]): Subject => ({ name, kind: "model", bytes })),
    external,
  ];
  if (dataFolder !== undefined) {
    for (const name of REAL) {
      const path = [
        join(dataFolder, "models", name, "model.onnx"),
        join(dataFolder, name, "model.onnx"),
      ].find(existsSync);
      if (path !== undefined) models.push({ name, kind: "model", bytes: readFileSync(path) });
    }
  }
  const artifacts = models.map(({ name, bytes, external: data }): Subject => {
    const { artifact } = compile(bytes, data ? { externalData: () => data } : {});
    return { name: `${name}.tile`, kind: "artifact", bytes: artifact };
  });
  return [...models, ...artifacts];
}
