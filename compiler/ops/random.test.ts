/**
 * Random operators: that a seed fixes the numbers, and that these are distributed as they must be. Seeds are fixed, so
 * a test passes always or never; bounds are quantiles of the test's statistic that one sound generator in a thousand
 * would miss. Where there is to be no seed, every run draws others, and the bound is `UNSEEDED`.
 */
import { describe, expect, it } from "vitest";
import { load } from "../../runtime/index.ts";
import { runOperator, tensor } from "../../test/operator.ts";
import type { AttributeLike } from "./define.ts";
import { float, onnxModel } from "../frontend/onnx/write.ts";
import type { Tensor } from "../ir/dtype.ts";
import { compile, interpret } from "../whole.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
const variance = (list: readonly number[]): number => {
  const centre = mean(list);
  return mean(list.map((x) => (x - centre) ** 2));
};
const correlation = (a: readonly number[], b: readonly number[]): number => {
  const [ma, mb] = [mean(a), mean(b)];
  return mean(a.map((x, i) => (x - ma) * (b[i]! - mb))) / Math.sqrt(variance(a) * variance(b));
};

const N = 20_000;

/** Standard deviations that one sound generator in a thousand million would miss. */
const UNSEEDED = 6.1;

function draw(
  op: string,
  attributes: Readonly<Record<string, AttributeLike>>,
  ...inputs: Tensor[]
): number[] {
  return values(runOperator({ op, inputs, attributes })[0]!);
}
const seeded = (seed: number): Record<string, AttributeLike> => ({ shape: [N], seed: { float: seed } });

/** Kolmogorov and Smirnov's distance between a sample and a distribution, times the root of the count. */
function distance(sample: readonly number[], cumulative: (x: number) => number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  const far = sorted.map((x, i) => Math.max(cumulative(x) - i / N, (i + 1) / N - cumulative(x)));
  return Math.max(...far) * Math.sqrt(sorted.length);
}
/** Its quantile at 0.999. */
const FARTHEST = 1.95;

/** Abramowitz and Stegun 7.1.26; wrong by less than 1.5e-7. */
function normalCumulative(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-z * z); // prettier-ignore
  return x < 0 ? tail / 2 : 1 - tail / 2;
}

function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, i) => sum + (count - expected[i]!) ** 2 / expected[i]!, 0);
}
const countsOf = (list: readonly number[], classes: number): number[] =>
  Array.from({ length: classes }, (_, c) => list.filter((x) => x === c).length);

describe("random numbers", () => {
  it("are uniform, in float32 and float64", () => {
    for (const dtype of ["float32", "float64"]) {
      const list = draw("RandomUniform", { ...seeded(7), low: { float: 2 }, high: { float: 4 }, dtype });
      expect([Math.min(...list) >= 2, Math.max(...list) < 4]).toEqual([true, true]);
      expect(distance(list, (x) => (x - 2) / 2)).toBeLessThan(FARTHEST);
      expect(Math.abs(mean(list) - 3)).toBeLessThan((3.3 * Math.sqrt(1 / 3)) / Math.sqrt(N));
      expect(variance(list)).toBeCloseTo(1 / 3, 2);
    }
  });

  it("are normal, also in half precision", () => {
    for (const dtype of ["float32", "float64"]) {
      const list = draw("RandomNormal", { ...seeded(3), mean: { float: 5 }, scale: { float: 2 }, dtype });
      expect(distance(list, (x) => normalCumulative((x - 5) / 2))).toBeLessThan(FARTHEST);
      expect(Math.abs(mean(list) - 5)).toBeLessThan((3.3 * 2) / Math.sqrt(N));
      expect(Math.abs(variance(list) - 4)).toBeLessThan((3.3 * 4 * Math.SQRT2) / Math.sqrt(N));
    }
    const like = tensor("float32", [N], new Array<number>(N).fill(0));
    const half = runOperator({
      op: "RandomNormalLike",
      inputs: [like],
      attributes: { dtype: "float16", seed: { float: 2 } },
    })[0]!;
    expect(half.dtype).toBe("float16");
    expect(distance(draw("Cast", { to: "float32" }, half), normalCumulative)).toBeLessThan(FARTHEST);
  });

  it("are independent between elements, seeds and nodes", () => {
    const list = draw("RandomUniform", seeded(11));
    const bound = 3.3 / Math.sqrt(N);
    for (const lag of [1, 2, 3, 4, 7, 64]) expect(Math.abs(correlation(list.slice(lag), list.slice(0, -lag)))).toBeLessThan(bound * 1.01); // prettier-ignore
    expect(Math.abs(correlation(list, draw("RandomUniform", seeded(12))))).toBeLessThan(bound);
    const normal = draw("RandomNormal", seeded(11));
    for (const lag of [1, 2]) expect(Math.abs(correlation(normal.slice(lag), normal.slice(0, -lag)))).toBeLessThan(bound * 1.01); // prettier-ignore
    // Pairs in a grid of 10 by 10: 99 degrees of freedom.
    const cells = Array.from({ length: N / 2 }, (_, i) => 10 * Math.floor(10 * list[2 * i]!) + Math.floor(10 * list[2 * i + 1]!)); // prettier-ignore
    expect(chiSquare(countsOf(cells, 100), new Array<number>(100).fill(N / 200))).toBeLessThan(148.2);
  });

  it("follow from the seed, or else from the node", () => {
    expect(draw("RandomUniform", seeded(7))).toEqual(draw("RandomUniform", seeded(7)));
    expect(draw("RandomUniform", seeded(8))).not.toEqual(draw("RandomUniform", seeded(7)));
    const b = onnxModel("nodes", { opset: 22 });
    for (const name of ["one", "two"]) b.output(b.node("RandomUniform", [], { shape: [N] }, { name }), "float32", [N], name); // prettier-ignore
    const { one, two } = interpret(b.toBytes(), {});
    expect(Math.abs(correlation(values(one!), values(two!)))).toBeLessThan(UNSEEDED / Math.sqrt(N));
  });

  it("are drawn anew in every iteration of a loop, the same on all devices", async () => {
    const b = onnxModel("loop", { opset: 22 });
    const x = b.input("x", "float32", [500]);
    const body = b.subgraph("body", (g) => {
      g.input("i", "int64", []);
      const cond = g.input("cond", "bool", []);
      const state = g.input("state", "float32");
      const noise = g.node("RandomNormal", [], { shape: [500], seed: float(4) });
      g.output(g.node("Identity", [cond]), "bool");
      g.output(g.node("Add", [state, noise]), "float32");
      g.output(noise, "float32");
    });
    const [sum, all] = b.nodeWithOutputs("Loop", [b.scalar("int64", 12), "", x], 2, { body });
    b.output(sum!, "float32", undefined, "sum");
    b.output(all!, "float32", undefined, "all");
    const zeros: Tensor = { dtype: "float32", shape: [500], data: new Float32Array(500) };
    const made = interpret(b.toBytes(), { x: zeros });
    const list = values(made["all"]!);
    const rows = Array.from({ length: 12 }, (_, i) => list.slice(500 * i, 500 * i + 500));
    rows.slice(1).forEach((row, i) => expect(Math.abs(correlation(row, rows[i]!))).toBeLessThan(3.3 / Math.sqrt(500))); // prettier-ignore
    expect(Math.abs(variance(values(made["sum"]!)) / 12 - 1)).toBeLessThan(
      (3.3 * Math.SQRT2) / Math.sqrt(500),
    );
    const session = await load(compile(b.toBytes()).artifact);
    expect([...(await session.run({ x: zeros.data as Float32Array }))["all"]!.data].map(Number)).toEqual(
      list,
    );
    session.dispose();
  });

  it("without a seed are others in each run, and in one run the same wherever a node is bound", async () => {
    const b = onnxModel("noise", { opset: 22 });
    b.importOpset("ai.onnx.preview.training", 1);
    const x = b.input("x", "float32", [400]);
    const noise = b.node("RandomNormalLike", [x]);
    const y = b.node("Mul", [x, noise]);
    b.output(noise, "float32", [400], "noise");
    b.output(y, "float32", [400], "y");
    // The derivative of x * noise is the noise itself.
    b.output(
      b.node("Gradient", [x], { xs: [x], y }, { domain: "ai.onnx.preview.training" }),
      "float32",
      [400],
      "slope",
    );
    const data = new Float32Array(400).fill(2);
    const session = await load(compile(b.toBytes()).artifact);
    const runs = [await session.run({ x: data }), await session.run({ x: data })];
    session.dispose();
    const interpreted = [0, 1].map(() =>
      interpret(b.toBytes(), { x: { dtype: "float32", shape: [400], data } }),
    );
    for (const [first, second] of [runs, interpreted]) {
      const [a, c] = [values(first!["noise"] as Tensor), values(second!["noise"] as Tensor)];
      expect(Math.abs(correlation(a, c))).toBeLessThan(UNSEEDED / Math.sqrt(400));
      expect(values(first!["slope"] as Tensor)).toEqual(a);
      expect(values(first!["y"] as Tensor)).toEqual(a.map((v) => Math.fround(2 * v)));
    }
  });
});

describe("samples", () => {
  it("Bernoulli draws by probability, each element by its own", () => {
    const p = tensor("float32", [4, N / 4], Array.from({ length: N }, (_, i) => [0, 0.2, 0.9, 1][Math.floor((4 * i) / N)]!)); // prettier-ignore
    const drawn = draw("Bernoulli", { seed: { float: 5 } }, p);
    const rows = [0, 1, 2, 3].map((r) => mean(drawn.slice((r * N) / 4, ((r + 1) * N) / 4)));
    expect([rows[0], rows[3]]).toEqual([0, 1]);
    expect(Math.abs(rows[1]! - 0.2)).toBeLessThan(3.3 * Math.sqrt(0.16 / (N / 4)));
    expect(Math.abs(rows[2]! - 0.9)).toBeLessThan(3.3 * Math.sqrt(0.09 / (N / 4)));
    const bits = draw("Bernoulli", { dtype: "bool", seed: { float: 1 } }, tensor("float64", [3], [0, 1, 1]));
    expect(bits).toEqual([0, 1, 1]);
  });

  it("Multinomial draws classes by unnormalised logarithms", () => {
    const weights = [[1, 2, 3, 4], [5, 0, 1, 0]]; // prettier-ignore
    const logits = tensor("float32", [2, 4], weights.flat().map((w) => (w === 0 ? -1000 : Math.log(w) + 3))); // prettier-ignore
    const drawn = draw("Multinomial", { sample_size: N, seed: { float: 9 }, dtype: "int64" }, logits);
    const first = countsOf(drawn.slice(0, N), 4);
    expect(chiSquare(first, weights[0]!.map((w) => (N * w) / 10))).toBeLessThan(16.3); // prettier-ignore
    const second = countsOf(drawn.slice(N), 4);
    expect([second[1], second[3]]).toEqual([0, 0]);
    expect(Math.abs(second[0]! / N - 5 / 6)).toBeLessThan(3.3 * Math.sqrt(5 / 36 / N));
    expect(Math.abs(correlation(drawn.slice(0, N), drawn.slice(N)))).toBeLessThan(3.3 / Math.sqrt(N));
  });

  it("Dropout in training keeps and scales, and tells what it kept", () => {
    const x = tensor(
      "float32",
      [N],
      Array.from({ length: N }, (_, i) => 1 + (i % 7)),
    );
    const inputs = [x, tensor("float32", [], [0.25]), tensor("bool", [], [1])];
    const use = { op: "Dropout", inputs, attributes: { seed: 3 }, outputs: 2 };
    const [y, mask] = runOperator(use).map(values) as [number[], number[]];
    expect(y.every((v, i) => Math.abs(v - (mask[i]! * (1 + (i % 7))) / 0.75) < 1e-5)).toBe(true);
    expect(Math.abs(mean(mask) - 0.75)).toBeLessThan(3.3 * Math.sqrt(0.1875 / N));
    const inference = runOperator({ ...use, inputs: inputs.slice(0, 2) });
    expect([values(inference[0]!), mean(values(inference[1]!))]).toEqual([values(x), 1]);
    const none = runOperator({ ...use, inputs: [x, tensor("float32", [], [0]), tensor("bool", [], [1])] });
    expect(values(none[0]!)).toEqual(values(x));
  });
});
