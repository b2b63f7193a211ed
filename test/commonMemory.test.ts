/**
 * Programs of one model in one memory. In: models whose shapes are open, and sizes in an order by chance. Out: answers
 * that are, bit for bit, those of a program of its own for each size, whatever ran before; memory that holds weights once.
 */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { onnxModel, type OnnxModelBuilder } from "../compiler/frontend/onnx/write.ts";
import { openSource } from "../compiler/whole.ts";
import { load, type LoadOptions, type Session } from "../runtime/index.ts";
import { seededRandom } from "./kernelArena.ts";

const random = seededRandom(7);
const floats = (count: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, () => random() - 0.5);

interface Case {
  readonly name: string;
  readonly build: (b: OnnxModelBuilder) => void;
  /** The value of dimension `n`. */
  readonly sizes: readonly number[];
  /** Shapes of the inputs for a size. */
  readonly shapes: (n: number) => Readonly<Record<string, readonly number[]>>;
}

const weight = (b: OnnxModelBuilder, dims: readonly number[]): string =>
  b.initializer("float32", dims, floats(dims.reduce((product, dim) => product * dim, 1)));

const cases: readonly Case[] = [
  {
    name: "matrices that are packed at load for some sizes, and read as they are for one",
    build(b) {
      const x = b.input("x", "float32", ["n", 64]);
      const hidden = b.node("Relu", [b.node("Gemm", [x, weight(b, [64, 200]), weight(b, [200])])]);
      b.output(b.node("MatMul", [hidden, weight(b, [200, 40])]), "float32", undefined, "y");
    },
    sizes: [5, 1, 17, 64],
    shapes: (n) => ({ x: [n, 64] }),
  },
  {
    name: "filters that are transformed at load",
    build(b) {
      const x = b.input("x", "float32", [1, 3, "n", "n"]);
      const first = b.node("Relu", [b.node("Conv", [x, weight(b, [16, 3, 3, 3])], { pads: [1, 1, 1, 1] })]);
      const second = b.node("Conv", [first, weight(b, [32, 16, 3, 3])], { pads: [1, 1, 1, 1] });
      b.output(b.node("GlobalAveragePool", [second]), "float32", undefined, "y");
    },
    sizes: [24, 40, 9, 56],
    shapes: (n) => ({ x: [1, 3, n, n] }),
  },
  {
    name: "weights that much is computed of at load",
    build(b) {
      let w = weight(b, [400, 400]);
      for (let i = 0; i < 8; i++) w = b.node("Mul", [b.node("Tanh", [w]), b.node("Erf", [w])]);
      b.output(b.node("MatMul", [b.input("x", "float32", ["n", 400]), w]), "float32", undefined, "y");
    },
    sizes: [2, 9, 40],
    shapes: (n) => ({ x: [n, 400] }),
  },
  {
    name: "constants that are parts of what a run writes, outputs, and seen in other shapes",
    build(b) {
      const x = b.input("x", "float32", ["n", 8]);
      const rows = weight(b, [3, 8]);
      b.output(b.node("Concat", [rows, b.node("Mul", [x, x])], { axis: 0 }), "float32", undefined, "joined");
      b.output(b.node("Add", [x, b.node("Reshape", [weight(b, [8, 1]), b.int64s([1, 8])])]), "float32", undefined, "sum"); // prettier-ignore
      b.output(b.node("Identity", [weight(b, [4, 4])]), "float32", undefined, "known");
    },
    sizes: [2, 1, 7, 30],
    shapes: (n) => ({ x: [n, 8] }),
  },
  {
    name: "a cache of keys that grows with each token",
    build(b) {
      const token = b.input("token", "float32", [1, 1, 1, 16]);
      const past = b.input("past", "float32", [1, 1, "n", 16]);
      const key = b.node("MatMul", [token, weight(b, [16, 16])]);
      const keys = b.node("Concat", [past, key], { axis: 2 });
      const scores = b.node("MatMul", [token, b.node("Transpose", [keys], { perm: [0, 1, 3, 2] })]);
      b.output(b.node("Softmax", [scores], { axis: -1 }), "float32", undefined, "shares");
      b.output(keys, "float32", undefined, "present");
    },
    sizes: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    shapes: (n) => ({ token: [1, 1, 1, 16], past: [1, 1, n, 16] }),
  },
  {
    name: "a chain of programs, cut where a shape depends on data",
    build(b) {
      const x = b.input("x", "float32", ["n", 8]);
      const hidden = b.node("MatMul", [x, weight(b, [8, 24])]);
      const places = b.node("Transpose", [b.node("NonZero", [b.node("Relu", [hidden])])]);
      const found = b.node("GatherND", [hidden, places]);
      b.output(b.node("MatMul", [b.node("Unsqueeze", [found, b.int64s([1])]), weight(b, [1, 24])]), "float32", undefined, "y"); // prettier-ignore
    },
    sizes: [3, 1, 6],
    shapes: (n) => ({ x: [n, 8] }),
  },
];

function bytesOf({ name, build }: Case): Uint8Array {
  const b = onnxModel(name.replaceAll(/\W+/g, "-"), { opset: 18 });
  build(b);
  return b.toBytes();
}

type Tensors = Awaited<ReturnType<Session["run"]>>;

type Inputs = Readonly<
  Record<string, { dtype: "float32"; shape: readonly number[]; data: Float32Array<ArrayBuffer> }>
>;

function inputsOf({ shapes }: Case, n: number): Inputs {
  const values = seededRandom(n);
  return Object.fromEntries(
    Object.entries(shapes(n)).map(([name, shape]) => {
      const count = shape.reduce((product, dim) => product * dim, 1);
      return [name, { dtype: "float32", shape, data: Float32Array.from({ length: count }, () => values() - 0.5) }]; // prettier-ignore
    }),
  );
}

const late = (bytes: Uint8Array, options: LoadOptions = {}): Promise<Session> =>
  load(bytes, { compiler: () => ({ openSource }), ranges: false, ...options });

/** Bits and shapes of outputs, as a text. */
function told(outputs: Tensors): string {
  const hash = (data: unknown): string =>
    createHash("sha256")
      .update(data as Float32Array)
      .digest("hex");
  return JSON.stringify(Object.entries(outputs).map(([name, { shape, data }]) => [name, shape, hash(data)]));
}

/** What a session with nothing before it answers. */
async function alone(bytes: Uint8Array, inputs: Inputs, options: LoadOptions = {}): Promise<string> {
  const session = await late(bytes, options);
  const outputs = await session.run(inputs);
  session.dispose();
  return told(outputs);
}

/** Each size some times, in an order by chance. */
function orderOf(sizes: readonly number[]): readonly number[] {
  const order = seededRandom(sizes.length);
  return [...sizes, ...sizes, ...sizes]
    .map((size) => ({ size, at: order() }))
    .sort((a, b) => a.at - b.at)
    .map(({ size }) => size);
}

/** A model with much to hold and little to compute, whose memory is 8 KB and more for each row. */
function wide(): Uint8Array {
  const b = onnxModel("wide", { opset: 18 });
  const sums = b.node("Add", [b.input("x", "float32", ["n", 1024]), weight(b, [1024])]);
  b.output(b.node("Softmax", [sums], { axis: 0 }), "float32", undefined, "y");
  return b.toBytes();
}

const rows = (n: number): Inputs => ({ x: { dtype: "float32", shape: [n, 1024], data: floats(n * 1024) } });

describe("programs of one model", () => {
  for (const threads of [1, 2]) {
    it.each(cases)(`answer as if each were alone, on ${threads} threads: $name`, async (model) => {
      const bytes = bytesOf(model);
      const session = await late(bytes, { threads, keptPrograms: 3 });
      for (const n of orderOf(model.sizes)) {
        const inputs = inputsOf(model, n);
        const outputs = told(await session.run(inputs));
        expect(outputs, `size ${n}`).toBe(await alone(bytes, inputs, { threads }));
      }
      session.dispose();
    });
  }

  it.each([
    {
      name: "a matrix, read as it is or packed",
      weightBytes: 512 * 2048 * 4,
      build(b: OnnxModelBuilder): string {
        const x = b.input("x", "float32", ["n", 512]);
        return b.node("MatMul", [x, weight(b, [512, 2048])]);
      },
      shape: (n: number) => [n, 512],
      sizes: [4, 6, 65, 66, 67],
      settled: 2,
    },
    {
      name: "filters, transformed",
      weightBytes: 256 * 256 * 9 * 4,
      build(b: OnnxModelBuilder): string {
        const x = b.input("x", "float32", [1, 256, "n", "n"]);
        return b.node("Conv", [x, weight(b, [256, 256, 3, 3])], { pads: [1, 1, 1, 1] });
      },
      shape: (n: number) => [1, 256, n, n],
      sizes: [12, 13, 14, 15],
      settled: 0,
    },
  ])("hold weights once: $name", async ({ weightBytes, build, shape, sizes, settled }) => {
    const b = onnxModel("large", { opset: 18 });
    b.output(build(b), "float32", undefined, "y");
    const session = await late(b.toBytes());
    const held: number[] = [];
    for (const n of sizes) {
      const dims = shape(n);
      const count = dims.reduce((product, dim) => product * dim, 1);
      await session.run({ x: { dtype: "float32", shape: dims, data: new Float32Array(count) } });
      held.push(session.memoryBytes);
    }
    expect(held[0]).toBeGreaterThan(weightBytes);
    const grown = held.at(-1)! - held[settled]!;
    expect(grown / (sizes.length - 1 - settled)).toBeLessThan(weightBytes);
    session.dispose();
    expect(session.memoryBytes).toBe(0);
  });

  it("start over when most of the memory is nobody's", async () => {
    const bytes = wide();
    const session = await late(bytes, { keptPrograms: 1 });
    const held: number[] = [];
    for (let n = 2000; n < 2008; n++) {
      const inputs = rows(n);
      expect(told(await session.run(inputs))).toBe(await alone(bytes, inputs));
      held.push(session.memoryBytes);
    }
    expect(Math.max(...held)).toBeLessThan(160 << 20);
    expect(held.some((bytes, i) => i > 0 && bytes < held[i - 1]!)).toBe(true);
    session.dispose();
  });

  it("go one by one where the limit lets two not be", async () => {
    const bytes = wide();
    const memoryLimit = 6 << 20;
    const session = await late(bytes, { memoryLimit });
    for (const n of [400, 500, 400, 300]) {
      const inputs = rows(n);
      expect(told(await session.run(inputs))).toBe(await alone(bytes, inputs));
      expect(session.memoryBytes).toBeLessThanOrEqual(memoryLimit);
    }
    await expect(session.run(rows(2000))).rejects.toMatchObject({ code: "out-of-memory" });
    const inputs = rows(7);
    expect(told(await session.run(inputs))).toBe(await alone(bytes, inputs));
    session.dispose();
  });
});
