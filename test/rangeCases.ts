/**
 * Models whose sizes change from run to run. In: operators over `[n, 8]`, and networks. Out: each with inputs for any n:
 * `cases`, which a program for a range of sizes can be made for, and `apart`, for which none can.
 */
import { onnxModel, type OnnxModelBuilder } from "../compiler/frontend/onnx/write.ts";
import type { DType, Tensor } from "../runtime/dtype.ts";
import { seededRandom } from "./kernelArena.ts";

export type Inputs = Record<string, Tensor>;

const values = seededRandom(11);
export const floats = (...shape: number[]): Tensor => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { dtype: "float32", shape, data: Float32Array.from({ length: count }, () => 2 * values() - 1) };
};
export const integers = (dtype: "int64" | "int32", below: number, ...shape: number[]): Tensor => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const drawn = Array.from({ length: count }, () => Math.floor(values() * below));
  const data = dtype === "int64" ? BigInt64Array.from(drawn, BigInt) : Int32Array.from(drawn);
  return { dtype, shape, data };
};

export interface Case {
  readonly name: string;
  readonly build: (b: OnnxModelBuilder) => void;
  readonly inputs: (n: number) => Inputs;
  readonly tolerance?: number;
  /** What the least sizes give lies on no line with what others give. */
  readonly bends?: boolean;
}

export const WIDTH = 8;
export const weight = (b: OnnxModelBuilder, ...dims: number[]): string =>
  b.initializer("float32", dims, floats(...dims).data as Float32Array);
export const rows = (b: OnnxModelBuilder): string => b.input("x", "float32", ["n", WIDTH]);
export const give = (b: OnnxModelBuilder, id: string, dtype: DType = "float32"): void => {
  b.output(id, dtype, undefined, "y");
};
export const onRows = (n: number): Inputs => ({ x: floats(n, WIDTH) });
/** `[1]` with the size of the first dimension. */
export const sizeOf = (b: OnnxModelBuilder, x: string): string =>
  b.node("Slice", [b.node("Shape", [x]), b.int64s([0]), b.int64s([1])]);

/** An operator of `[n, WIDTH]`, with what else it takes. */
export const one = (
  name: string,
  op: string,
  attributes: Parameters<OnnxModelBuilder["node"]>[2] = {},
  more: (b: OnnxModelBuilder, x: string) => string[] = () => [],
  dtype: DType = "float32",
): Case => ({
  name,
  build(b) {
    const x = rows(b);
    give(b, b.node(op, [x, ...more(b, x)], attributes), dtype);
  },
  inputs: onRows,
});

export const cases: readonly Case[] = [
  one("a product of rows", "MatMul", {}, (b) => [weight(b, WIDTH, 12)]),
  {
    name: "products whose sums are as long as n",
    build(b) {
      const x = b.input("x", "float32", [3, "n", WIDTH]);
      const z = b.input("z", "float32", [3, "n", 5]);
      give(b, b.node("MatMul", [b.node("Transpose", [x], { perm: [0, 2, 1] }), z]));
    },
    inputs: (n) => ({ x: floats(3, n, WIDTH), z: floats(3, n, 5) }),
  },
  {
    name: "products whose sums are as long as n, of what is also given out",
    build(b) {
      const x = b.node("Relu", [b.input("x", "float32", ["n", 3, WIDTH])]);
      const turned = b.node("Transpose", [x], { perm: [1, 2, 0] });
      const other = b.node("Transpose", [b.node("Exp", [x])], { perm: [1, 0, 2] });
      give(b, b.node("MatMul", [turned, other]));
      for (const [id, name] of [[turned, "turned"], [other, "other"]]) b.output(id!, "float32", undefined, name); // prettier-ignore
    },
    inputs: (n) => ({ x: floats(n, 3, WIDTH) }),
  },
  {
    name: "Einsum over it",
    build: (b) =>
      give(b, b.node("Einsum", [rows(b), b.input("z", "float32", ["n", 3])], { equation: "ni,nj->ij" })),
    inputs: (n) => ({ x: floats(n, WIDTH), z: floats(n, 3) }),
  },
  {
    name: "a product of constants that n cuts",
    build(b) {
      const x = rows(b);
      const all = weight(b, 5, 80);
      const part = b.node("Slice", [all, b.int64s([0]), sizeOf(b, x), b.int64s([1])]);
      give(b, b.node("MatMul", [part, x]));
    },
    inputs: onRows,
  },
  one("Softmax along it", "Softmax", { axis: 0 }),
  one("LogSoftmax across it", "LogSoftmax", { axis: 1 }),
  ...["ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceL2", "ReduceLogSumExp", "ReduceProd"].map(
    (op) => one(`${op} along it`, op, { keepdims: 0 }, (b) => [b.int64s([0])]),
  ),
  one("ReduceMean of everything", "ReduceMean", { keepdims: 0 }),
  one("ArgMax along it", "ArgMax", { axis: 0, keepdims: 0 }, undefined, "int64"),
  one("LayerNormalization along it", "LayerNormalization", { axis: 0 }, (b, x) => [
    b.node("Mul", [x, b.scalar("float32", 0.5)]),
  ]),
  one("the last row", "Gather", { axis: 0 }, (b) => [b.scalar("int64", -1)]),
  {
    ...one("the last three, backwards", "Slice", {}, (b) => [
      b.int64s([-1]),
      b.int64s([-4]),
      b.int64s([0]),
      b.int64s([-1]),
    ]),
    bends: true,
  },
  one("all of it backwards", "Slice", {}, (b) => [b.int64s([-1]), b.int64s([-1000]), b.int64s([0]), b.int64s([-1])]), // prettier-ignore
  {
    ...one("all but the ends", "Slice", {}, (b) => [b.int64s([2]), b.int64s([-3]), b.int64s([0])]),
    bends: true,
  },
  ...["constant", "edge", "reflect"].map((mode) => ({
    ...one(`Pad, ${mode}`, "Pad", { mode }, (b) => [b.int64s([2, 1, 3, 0])]),
    bends: mode === "reflect",
  })),
  one("a padded pool", "Pad", {}, (b) => [b.int64s([1, 0, 1, 0])]),
  {
    name: "Concat with it in the middle",
    build(b) {
      const x = rows(b);
      const parts = [weight(b, 2, WIDTH), x, weight(b, 3, WIDTH), b.node("Neg", [x])];
      give(b, b.node("Concat", parts, { axis: 0 }));
    },
    inputs: onRows,
  },
  {
    name: "a cache that grows, and what is read of it",
    build(b) {
      const token = b.input("token", "float32", [1, WIDTH]);
      const past = b.input("past", "float32", ["n", WIDTH]);
      const keys = b.node("Concat", [past, b.node("MatMul", [token, weight(b, WIDTH, WIDTH)])], { axis: 0 });
      const scores = b.node("Softmax", [b.node("MatMul", [token, b.node("Transpose", [keys])])]);
      give(b, b.node("MatMul", [scores, keys]));
      b.output(keys, "float32", undefined, "present");
    },
    inputs: (n) => ({ token: floats(1, WIDTH), past: floats(n, WIDTH) }),
  },
  {
    name: "convolutions and pools along it, with padding",
    build(b) {
      const x = b.input("x", "float32", [1, 3, "n"]);
      const first = b.node("Conv", [x, weight(b, 4, 3, 5), weight(b, 4)], { pads: [2, 2] });
      const second = b.node("Conv", [b.node("Relu", [first]), weight(b, 4, 1, 3)], {
        pads: [2, 2],
        dilations: [2],
        group: 4,
      });
      const pooled = b.node("MaxPool", [second], { kernel_shape: [3], pads: [1, 1], strides: [1] });
      give(b, b.node("AveragePool", [pooled], { kernel_shape: [2], strides: [1] }));
      b.output(b.node("GlobalAveragePool", [pooled]), "float32", undefined, "mean");
    },
    inputs: (n) => ({ x: floats(1, 3, n) }),
  },
  {
    name: "an image whose sides both grow",
    build(b) {
      const x = b.input("x", "float32", [1, 3, "h", "w"]);
      const y = b.node("Conv", [x, weight(b, 8, 3, 3, 3)], { pads: [1, 1, 1, 1] });
      const z = b.node("Conv", [b.node("Relu", [y]), weight(b, 4, 8, 1, 1)]);
      give(b, b.node("Resize", [z, "", b.initializer("float32", [4], [1, 1, 2, 2])], { mode: "nearest" }));
    },
    inputs: (n) => ({ x: floats(1, 3, n, n + 4) }),
  },
  {
    name: "attention with a mask made of the size, heads taken apart and put together",
    build(b) {
      const x = b.input("x", "float32", [1, "n", WIDTH]);
      const shape = b.int64s([0, 0, 2, WIDTH / 2]);
      const heads = (perm: number[]): string =>
        b.node("Transpose", [b.node("Reshape", [b.node("MatMul", [x, weight(b, WIDTH, WIDTH)]), shape])], { perm }); // prettier-ignore
      const scores = b.node("MatMul", [heads([0, 2, 1, 3]), heads([0, 2, 3, 1])]);
      const n = b.node("Slice", [b.node("Shape", [x]), b.int64s([1]), b.int64s([2])]);
      const line = b.node("Range", [b.scalar("int64", 0), b.node("Squeeze", [n]), b.scalar("int64", 1)]);
      const column = b.node("Unsqueeze", [line, b.int64s([1])]);
      const seen = b.node("LessOrEqual", [b.node("Unsqueeze", [line, b.int64s([0])]), column]);
      const masked = b.node("Where", [seen, scores, b.scalar("float32", -1e4)]);
      const mixed = b.node("MatMul", [b.node("Softmax", [masked]), heads([0, 2, 1, 3])]);
      const joined = b.node("Reshape", [b.node("Transpose", [mixed], { perm: [0, 2, 1, 3] }), b.int64s([0, 0, WIDTH])]); // prettier-ignore
      const all = b.node("LayerNormalization", [b.node("Add", [joined, x]), weight(b, WIDTH)]);
      give(b, b.node("ReduceMean", [all, b.int64s([1])], { keepdims: 0 }));
    },
    inputs: (n) => ({ x: floats(1, n, WIDTH) }),
  },
  {
    name: "heads that are as long as some of the sizes",
    build(b) {
      const x = b.input("x", "float32", [1, "n", 64]);
      const apart = b.node("Transpose", [b.node("Reshape", [x, b.int64s([0, -1, 2, 32])])], {
        perm: [0, 2, 1, 3],
      });
      const scores = b.node("Softmax", [
        b.node("MatMul", [apart, b.node("Transpose", [apart], { perm: [0, 1, 3, 2] })]),
      ]);
      const mixed = b.node("Transpose", [b.node("MatMul", [scores, apart])], { perm: [0, 2, 1, 3] });
      give(b, b.node("Reshape", [mixed, b.int64s([1, -1, 64])]));
    },
    inputs: (n) => ({ x: floats(1, n, 64) }),
  },
  {
    name: "words, their places and a mean over those that count",
    build(b) {
      const words = b.input("words", "int64", [1, "n"]);
      const mask = b.node("Cast", [b.input("mask", "int64", [1, "n"])], { to: 1 });
      const n = b.node("Gather", [b.node("Shape", [words]), b.scalar("int64", 1)]);
      const places = b.node("Slice", [
        weight(b, 128, WIDTH),
        b.int64s([0]),
        b.node("Unsqueeze", [n, b.int64s([0])]),
      ]);
      const x = b.node("Add", [b.node("Gather", [weight(b, 50, WIDTH), words]), places]);
      const kept = b.node("Mul", [x, b.node("Unsqueeze", [mask, b.int64s([2])])]);
      const total = b.node("ReduceSum", [kept, b.int64s([1])], { keepdims: 0 });
      give(b, b.node("Div", [total, b.node("Add", [b.node("ReduceSum", [mask, b.int64s([1])]), b.scalar("float32", 1)])])); // prettier-ignore
    },
    inputs: (n) => ({ words: integers("int64", 50, 1, n), mask: integers("int64", 2, 1, n) }),
  },
  one("a running sum", "CumSum", {}, (b) => [b.scalar("int64", 0)]),
  ...(["forward", "reverse", "bidirectional"] as const).map((direction): Case => ({
    name: `a recurrent network of n steps, ${direction}, and its last states`,
    build(b) {
      const x = b.input("x", "float32", ["n", 2, 3]);
      const directions = direction === "bidirectional" ? 2 : 1;
      const weights = [weight(b, directions, 16, 3), weight(b, directions, 16, 4)];
      const names = ["y", "hidden", "cell"];
      const made = b.nodeWithOutputs("LSTM", [x, ...weights], 3, { direction, hidden_size: 4 });
      made.forEach((name, i) => b.output(name, "float32", undefined, names[i]!));
    },
    inputs: (n) => ({ x: floats(n, 2, 3) }),
  })),
  {
    name: "a recurrent network whose sequences end early",
    build(b) {
      const x = b.input("x", "float32", ["n", 2, 3]);
      const lengths = b.input("lengths", "int32", [2]);
      const weights = [weight(b, 1, 12, 3), weight(b, 1, 12, 4)];
      const made = b.nodeWithOutputs("GRU", [x, ...weights, "", lengths], 2, { hidden_size: 4 });
      made.forEach((name, i) => b.output(name, "float32", undefined, ["y", "last"][i]!));
    },
    inputs: (n) => ({
      x: floats(n, 2, 3),
      lengths: { dtype: "int32", shape: [2], data: Int32Array.of(n - 3, n) },
    }),
  },
  {
    name: "a part of a table, computed ahead for some sizes and not for others",
    build(b) {
      const x = b.input("x", "float32", ["n", 768]);
      const part = b.node("Slice", [weight(b, 80, 768), b.int64s([0]), sizeOf(b, x), b.int64s([0])]);
      give(b, b.node("Add", [x, part]));
    },
    inputs: (n) => ({ x: floats(n, 768) }),
  },
  {
    name: "several sizes on one line: twice n and three more",
    build(b) {
      const x = b.input("x", "float32", ["n", 3]);
      const z = b.input("z", "float32", ["m", 3]);
      give(b, b.node("Concat", [z, x, b.node("Neg", [z])], { axis: 0 }));
    },
    inputs: (n) => ({ x: floats(n, 3), z: floats(2 * n + 3, 3) }),
  },
  {
    name: "whole numbers, and a scale that is a size",
    build(b) {
      const x = b.input("x", "int32", ["n"]);
      const n = b.node("Cast", [sizeOf(b, x)], { to: 6 });
      give(b, b.node("Add", [b.node("Mul", [x, n]), b.node("ReduceSum", [x])]), "int32");
    },
    inputs: (n) => ({ x: integers("int32", 1000, n) }),
  },
];

/** Of what is not the same for each size there is no program for several; every size is still answered. */
export const apart: readonly Case[] = [
  one("a running sum from the end begins where n says", "CumSum", { reverse: 1 }, (b) => [
    b.scalar("int64", 0),
  ]),
  {
    name: "half of an odd number is no whole one",
    build(b) {
      const x = rows(b);
      const half = b.node("Div", [sizeOf(b, x), b.int64s([2])]);
      give(b, b.node("Slice", [x, b.int64s([0]), half, b.int64s([0])]));
    },
    inputs: onRows,
  },
  one("as many as run is found out by running", "NonZero", {}, undefined, "int64"),
  one("rows over and over: which one is a remainder", "Tile", {}, (b) => [b.int64s([2, 1])]),
  one("a library's routine", "TopK", { axis: 0 }, (b) => [b.int64s([3])]),
];

export function bytesOf({ name, build }: Case): Uint8Array {
  const b = onnxModel(name.replaceAll(/\W+/g, "-"), { opset: 18 });
  build(b);
  return b.toBytes();
}
