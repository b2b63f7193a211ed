/**
 * Programs for a range of sizes. In: models whose sizes change from run to run. Out: answers that are those of programs
 * for each size, whatever ran before, from one program; or from programs of their own where there can be none.
 */
import { describe, expect, it } from "vitest";
import { gpt } from "../bench/generated/gpt.ts";
import { onnxModel, type OnnxModelBuilder } from "../compiler/frontend/onnx/write.ts";
import { openSource } from "../compiler/whole.ts";
import type { DType, NumericData, Tensor } from "../runtime/dtype.ts";
import { load, type LoadOptions, type Session } from "../runtime/index.ts";
import { seededRandom } from "./kernelArena.ts";

type Inputs = Record<string, Tensor>;

/** A late session, and how many programs it had compiled, for one size and for a range. */
interface Counted {
  readonly session: Session;
  readonly compiled: { own: number; ranged: number; refused: number };
}

async function open(bytes: Uint8Array, options: LoadOptions = {}): Promise<Counted> {
  const compiled = { own: 0, ranged: 0, refused: 0 };
  const compiler = {
    openSource(source: Uint8Array) {
      const stage = openSource(source);
      const { bindRange } = stage;
      return {
        ...stage,
        bind: (...args: Parameters<typeof stage.bind>) => {
          compiled.own++;
          return stage.bind(...args);
        },
        bindRange: async (...args: Parameters<NonNullable<typeof bindRange>>) => {
          const made = await bindRange!(...args);
          if (made) compiled.ranged++;
          else compiled.refused++;
          return made;
        },
      };
    },
  };
  return { session: await load(bytes, { compiler: () => compiler, ...options }), compiled };
}

const values = seededRandom(11);
const floats = (...shape: number[]): Tensor => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { dtype: "float32", shape, data: Float32Array.from({ length: count }, () => 2 * values() - 1) };
};
const integers = (dtype: "int64" | "int32", below: number, ...shape: number[]): Tensor => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const drawn = Array.from({ length: count }, () => Math.floor(values() * below));
  const data = dtype === "int64" ? BigInt64Array.from(drawn, BigInt) : Int32Array.from(drawn);
  return { dtype, shape, data };
};

function expectSame(found: Inputs, wanted: Inputs, tolerance: number, where: string): void {
  expect(Object.keys(found), where).toEqual(Object.keys(wanted));
  for (const [name, { dtype, shape, data }] of Object.entries(wanted)) {
    const other = found[name]!;
    expect([other.dtype, other.shape], `${where}, ${name}`).toEqual([dtype, shape]);
    const [a, b] = [other.data as NumericData, data as NumericData];
    expect(a.length, `${where}, ${name}`).toBe(b.length);
    for (let i = 0; i < b.length; i++) {
      if (Object.is(a[i], b[i])) continue;
      const apart = Math.abs(Number(a[i]) - Number(b[i]));
      if (!(apart <= tolerance)) expect.fail(`${where}, ${name}[${i}]: ${a[i]} instead of ${b[i]}`);
    }
  }
}

interface Case {
  readonly name: string;
  readonly build: (b: OnnxModelBuilder) => void;
  readonly inputs: (n: number) => Inputs;
  readonly tolerance?: number;
  /** What the least sizes give lies on no line with what others give. */
  readonly bends?: boolean;
}

const WIDTH = 8;
const weight = (b: OnnxModelBuilder, ...dims: number[]): string =>
  b.initializer("float32", dims, floats(...dims).data as Float32Array);
const rows = (b: OnnxModelBuilder): string => b.input("x", "float32", ["n", WIDTH]);
const give = (b: OnnxModelBuilder, id: string, dtype: DType = "float32"): void => {
  b.output(id, dtype, undefined, "y");
};
const onRows = (n: number): Inputs => ({ x: floats(n, WIDTH) });
/** `[1]` with the size of the first dimension. */
const sizeOf = (b: OnnxModelBuilder, x: string): string =>
  b.node("Slice", [b.node("Shape", [x]), b.int64s([0]), b.int64s([1])]);

/** An operator of `[n, WIDTH]`, with what else it takes. */
const one = (
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

const cases: readonly Case[] = [
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

/** All n of a range of sizes, in an order by chance. */
function shuffled(low: number, high: number): number[] {
  const order = seededRandom(low);
  return Array.from({ length: high - low + 1 }, (_, i) => ({ n: low + i, at: order() }))
    .sort((a, b) => a.at - b.at)
    .map(({ n }) => n);
}

/** Sizes of one range, and one that comes before. */
interface Span {
  readonly before: number;
  readonly sizes: readonly number[];
  readonly most: number;
}
const MIDDLE: Span = { before: 70, sizes: shuffled(33, 64).slice(0, 14), most: 64 };
const SMALL: Span = { before: 70, sizes: [9, 2, 32, 3, 16, 31], most: 32 };

async function answersAlike(
  bytes: Uint8Array,
  { inputs, tolerance = 2e-5 }: Pick<Case, "inputs" | "tolerance">,
  { before, sizes, most }: Span = MIDDLE,
): Promise<Counted["compiled"]> {
  const ranged = await open(bytes);
  const own = await open(bytes, { ranges: false });
  await ranged.session.run(inputs(before));
  for (const [i, n] of sizes.entries()) {
    // What a longer run leaves in memory must not come through.
    if (i > 0) await ranged.session.run(spoiled(inputs(most - (i % 12))));
    const given = inputs(n);
    const found = (await ranged.session.run(given)) as Inputs;
    expectSame(found, (await own.session.run(given)) as Inputs, tolerance, `n = ${n}`);
  }
  ranged.session.dispose();
  own.session.dispose();
  return ranged.compiled;
}

/** The same with no numbers in it. */
function spoiled(inputs: Inputs): Inputs {
  for (const { data } of Object.values(inputs)) if (data instanceof Float32Array) data.fill(NaN);
  return inputs;
}

function bytesOf({ name, build }: Case): Uint8Array {
  const b = onnxModel(name.replaceAll(/\W+/g, "-"), { opset: 18 });
  build(b);
  return b.toBytes();
}

describe("one program for a range of sizes", () => {
  it.each(cases)("answers as programs for each: $name", async (model) => {
    const compiled = await answersAlike(bytesOf(model), model);
    expect(compiled).toEqual({ own: 1, ranged: 1, refused: 0 });
  });

  it.each(cases)("answers for few as for many: $name", async (model) => {
    const compiled = await answersAlike(bytesOf(model), model, SMALL);
    if (model.bends) expect(compiled).toMatchObject({ ranged: 0, refused: 2 });
    else expect(compiled).toEqual({ own: 1, ranged: 1, refused: 0 });
  });

  it.each([1, 2])("of a decoder that is fed what it gave, on %i threads", async (threads) => {
    const size = { layers: 2, width: 32, heads: 4, vocabulary: 64 };
    const { bytes } = gpt({ ...size, tokens: 1, past: 9 });
    const ranged = await open(bytes, { threads });
    const own = await open(bytes, { threads, ranges: false });
    let caches: Inputs = {};
    for (const name of ["key", "value"])
      for (let layer = 0; layer < size.layers; layer++)
        caches[`past_key_values.${layer}.${name}`] = floats(1, size.heads, 1, size.width / size.heads);
    for (let past = 1; past < 40; past++) {
      const given = {
        input_ids: integers("int64", size.vocabulary, 1, 1),
        position_ids: { dtype: "int64", shape: [1, 1], data: BigInt64Array.of(BigInt(past)) },
        ...caches,
      } as Inputs;
      const found = (await ranged.session.run(given)) as Inputs;
      expectSame(found, (await own.session.run(given)) as Inputs, 2e-5, `past ${past}`);
      caches = Object.fromEntries(
        Object.entries(found)
          .filter(([name]) => name.startsWith("present."))
          .map(([name, tensor]) => [name.replace("present", "past_key_values"), tensor]),
      );
    }
    // One token by itself, then 2 to 32 and 33 to 64.
    expect(ranged.compiled).toEqual({ own: 1, ranged: 2, refused: 0 });
    expect(own.compiled.own).toBe(39);
    ranged.session.dispose();
    own.session.dispose();
  });
});

/** Of what is not the same for each size there is no program for several; every size is still answered. */
const apart: readonly Case[] = [
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

describe("where no program serves several sizes", () => {
  it.each(apart)("each has its own: $name", async (model) => {
    const compiled = await answersAlike(bytesOf(model), model);
    expect(compiled.ranged).toBe(0);
    expect(compiled.refused).toBeGreaterThan(0);
    // Asked twice, then no more.
    expect(compiled.refused).toBeLessThanOrEqual(2);
  });
});

describe("sizes", () => {
  it("among which one is a case of its own are not taken for the others", async () => {
    const b = onnxModel("equal", { opset: 18 });
    const x = rows(b);
    const isIt = b.node("Equal", [sizeOf(b, x), b.int64s([45])]);
    const factors = [10, 1].map((factor) => b.initializer("float32", [1], [factor]));
    give(b, b.node("Mul", [x, b.node("Where", [isIt, ...factors])]));
    const compiled = await answersAlike(b.toBytes(), { inputs: onRows });
    expect(compiled.refused).toBeGreaterThan(0);
  });

  const model: Case = one("rows", "Softmax", { axis: 0 });

  it("that come again and again get a program of their own", async () => {
    const { session, compiled } = await open(bytesOf(model));
    for (const n of [20, 24, 24, 24]) await session.run(onRows(n));
    expect(compiled).toEqual({ own: 1, ranged: 1, refused: 0 });
    for (const n of [24, 24, 24, 30]) await session.run(onRows(n));
    expect(compiled).toEqual({ own: 2, ranged: 1, refused: 0 });
    for (const n of [28, 28, 28, 28, 28, 30]) await session.run(onRows(n));
    expect(compiled).toEqual({ own: 3, ranged: 1, refused: 0 });
    session.dispose();
  });

  it("up to the longest that a model takes", async () => {
    const b = onnxModel("places", { opset: 18 });
    const x = rows(b);
    // Thirty places, and not one more.
    const places = b.node("Slice", [weight(b, 30, WIDTH), b.int64s([0]), sizeOf(b, x), b.int64s([0])]);
    give(b, b.node("Add", [x, places]));
    const { session, compiled } = await open(b.toBytes());
    for (const size of [20, 28, 25, 30, 19]) await session.run(onRows(size));
    // Up to 28, since 32 is too long; then up to 30.
    expect(compiled).toEqual({ own: 1, ranged: 2, refused: 0 });
    session.dispose();
  });

  it("leave nothing of a longer run behind", async () => {
    const bytes = bytesOf(model);
    const { session } = await open(bytes);
    const own = await open(bytes, { ranges: false });
    await session.run(onRows(20));
    for (const n of [32, 17, 31, 18]) {
      const wild = { x: floats(n, WIDTH) };
      (wild.x.data as Float32Array).fill(NaN);
      await session.run(wild);
      const given = onRows(n - 1 < 17 ? 17 : n - 1);
      expectSame(
        (await session.run(given)) as Inputs,
        (await own.session.run(given)) as Inputs,
        1e-6,
        `${n}`,
      );
    }
    session.dispose();
    own.session.dispose();
  });

  it("may be given arrays for what comes out", async () => {
    const { session } = await open(bytesOf(model));
    await session.run(onRows(20));
    const y = new Float32Array(30 * WIDTH);
    const given = onRows(25);
    const wanted = (await session.run(given)) as Inputs;
    const found = (await session.run(given, { into: { y } })) as Inputs;
    expect((found["y"]!.data as Float32Array).buffer).toBe(y.buffer);
    expectSame(found, wanted, 0, "into");
    session.dispose();
  });
});
