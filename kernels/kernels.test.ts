/**
 * Library kernels on cases whose answers are known from elsewhere: the operators' specification examples, published
 * test vectors, arithmetic by hand. Each also runs against its reference (`test/kernelArena.ts`). Random agreement
 * is in `agreement.test.ts`.
 */
import { readFileSync } from "node:fs";
import { withSharedMemory } from "../runtime/threads/shared.ts";
import { describe, expect, it } from "vitest";
import {
  absent,
  libraryKernels,
  libraryModuleBytes,
  packTrees,
  type TreeNode,
} from "../compiler/ops/library/index.ts";
import { libraryModules } from "../compiler/ops/library/modules.generated.ts";
import { philox } from "../compiler/ops/library/referenceNumeric.ts";
import { KernelArena, code } from "../test/kernelArena.ts";

describe("the library table", () => {
  it("has one entry per module", () => {
    expect(Object.keys(libraryKernels).sort()).toEqual(Object.keys(libraryModules).sort());
  });

  it.each(Object.keys(libraryKernels))("%s: parameters as in the source", (name) => {
    const kernel = libraryKernels[name]!;
    expect(kernel.parameters.map((parameter) => parameter.name)).toEqual(libraryModules[name]!.params);
    expect(kernel.export).toBe(libraryModules[name]!.export);
    const source = readFileSync(new URL(`./${name}.ts`, import.meta.url), "utf8");
    for (const parameter of kernel.parameters) {
      const pointer = ["input", "output", "scratch", "integers"].includes(parameter.kind);
      const type = pointer ? "usize" : parameter.kind === "real" ? "f64" : "i32";
      expect(source).toMatch(new RegExp(`[(\\s]${parameter.name}: ${type}\\b`));
    }
  });

  it.each(Object.keys(libraryKernels))("%s: links to a shared memory", (name) => {
    const memory = new WebAssembly.Memory({ initial: 3, maximum: 3, shared: true });
    const module = new WebAssembly.Module(withSharedMemory(libraryModuleBytes(name), 3));
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    expect(Object.keys(instance.exports)).toEqual([name]);
  });
});

describe("topk", () => {
  const run = (values: number[], k: number, largest: number) => {
    const arena = new KernelArena();
    const input = arena.put("float32", values);
    const best = arena.output("float32", k);
    const indices = arena.output("int64", k);
    const shape = { outer: 1, axis: values.length, inner: 1, k, largest };
    const used = arena.run("topk", { dtype: code.float32, input, values: best, indices, ...shape });
    return {
      values: arena.readNumbers("float32", best, used),
      indices: arena.readNumbers("int64", indices, used),
    };
  };

  it("takes the lower index first among equals", () => {
    expect(run([1, 3, 3, 2, 3], 4, 1)).toEqual({ values: [3, 3, 3, 2], indices: [1, 2, 4, 3] });
    expect(run([0, -0, 0], 3, 0)).toEqual({ values: [0, -0, 0], indices: [0, 1, 2] });
  });

  it("puts NaN above infinity", () => {
    expect(run([1, NaN, Infinity, NaN], 3, 1).indices).toEqual([1, 3, 2]);
    expect(run([1, NaN, Infinity, NaN], 3, 0).indices).toEqual([0, 2, 1]);
  });

  it("never takes more than there is", () => {
    expect(run([5, 7], 4, 1)).toEqual({ values: [7, 5], indices: [1, 0] });
    expect(run([], 3, 1).values).toEqual([]);
    expect(run([1], 0, 1).values).toEqual([]);
  });
});

describe("nonMaxSuppression", () => {
  // Three pairs of overlapping boxes and one far away, in corners, as the specification's examples have them.
  const boxes = [
    [0, 0, 1, 1],
    [0, 0.1, 1, 1.1],
    [0, -0.1, 1, 0.9],
    [0, 10, 1, 11],
    [0, 10.1, 1, 11.1],
    [0, 100, 1, 101],
  ].flat();
  const scores = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3];
  const run = (options: {
    limit?: number;
    iou?: number;
    score?: number;
    capacity?: number;
    center?: number[];
  }) => {
    const arena = new KernelArena();
    const capacity = options.capacity ?? 6;
    const output = arena.output("int64", capacity * 3);
    const rows = arena.run("nonMaxSuppression", {
      boxes: arena.put("float32", options.center ?? boxes),
      scores: arena.put("float32", scores),
      output,
      batches: 1,
      classes: 1,
      boxCount: 6,
      maxOutputPerClass: options.limit === undefined ? absent : arena.put("int64", [options.limit]),
      iouThreshold: options.iou === undefined ? absent : arena.put("float32", [options.iou]),
      scoreThreshold: options.score === undefined ? absent : arena.put("float32", [options.score]),
      centerPointBox: options.center ? 1 : 0,
      capacity,
    });
    return arena.readNumbers("int64", output, rows * 3).filter((_, i) => i % 3 === 2);
  };

  it("suppresses by overlap and by score", () => {
    expect(run({ limit: 3, iou: 0.5, score: 0 })).toEqual([3, 0, 5]);
    expect(run({ limit: 3, iou: 0.5, score: 0.4 })).toEqual([3, 0]);
    expect(run({ limit: 2, iou: 0.5 })).toEqual([3, 0]);
  });

  it("takes boxes by center and size", () => {
    const center = [0.5, 0.6, 0.4, 10.5, 10.6, 100.5].flatMap((x) => [x, 0.5, 1, 1]);
    expect(run({ limit: 3, iou: 0.5, score: 0, center })).toEqual([3, 0, 5]);
  });

  it("selects nothing without a limit and never passes the capacity", () => {
    expect(run({ iou: 0.5 })).toEqual([]);
    expect(run({ limit: -4 })).toEqual([]);
    expect(run({ limit: 2 ** 40, iou: 1 })).toHaveLength(6);
    expect(run({ limit: 9, iou: 1, capacity: 2 })).toEqual([3, 0]);
  });
});

describe("nonZero, compress and unique", () => {
  it("lists the coordinates of what is not zero", () => {
    const arena = new KernelArena();
    const input = arena.put("float32", [1, -0, NaN, 0, 1, 1]);
    const output = arena.output("int64", 12);
    const dims = arena.put("int32", [2, 3]);
    expect(arena.run("nonZero", { dtype: code.float32, input, output, rank: 2, dims })).toBe(4);
    expect(arena.readNumbers("int64", output, 8)).toEqual([0, 0, 1, 1, 0, 2, 1, 2]);
  });

  it.each([0, 7])("counts a scalar %d", (value) => {
    const arena = new KernelArena();
    const input = arena.put("int8", [value]);
    const output = arena.output("int64", 0);
    expect(arena.run("nonZero", { dtype: code.int8, input, output, rank: 0, dims: 64 })).toBe(value ? 1 : 0);
  });

  it("keeps the columns whose condition holds", () => {
    const arena = new KernelArena();
    const input = arena.put("int16", [1, 2, 3, 4, 5, 6]);
    const condition = arena.put("bool", [0, 1]);
    const output = arena.output("int16", 6);
    const shape = { outer: 2, axis: 3, inner: 1, conditionLength: 2 };
    expect(arena.run("compress", { elementSize: 2, input, condition, output, ...shape })).toBe(1);
    expect(arena.readNumbers("int16", output, 2)).toEqual([2, 5]);
  });

  it.each([
    {
      sorted: 1,
      values: [1, 2, 3, 4],
      firsts: [1, 3, 4, 0],
      inverse: [3, 0, 0, 1, 2, 1],
      counts: [2, 2, 1, 1],
    },
    {
      sorted: 0,
      values: [4, 1, 2, 3],
      firsts: [0, 1, 3, 4],
      inverse: [0, 1, 1, 2, 3, 2],
      counts: [1, 2, 2, 1],
    },
  ])("finds distinct values, sorted = $sorted", ({ sorted, ...expected }) => {
    const arena = new KernelArena();
    const input = arena.put("int64", [4, 1, 1, 2, 3, 2]);
    const [values, firstIndices, inverse, counts] = [0, 1, 2, 3].map(() => arena.output("int64", 6)) as [
      number,
      number,
      number,
      number,
    ];
    const outputs = { values, firstIndices, inverse, counts };
    const shape = { outer: 1, axis: 6, inner: 1, sorted };
    expect(arena.run("unique", { dtype: code.int64, input, ...outputs, ...shape })).toBe(4);
    expect({
      values: arena.readNumbers("int64", values, 4),
      firsts: arena.readNumbers("int64", firstIndices, 4),
      inverse: arena.readNumbers("int64", inverse, 6),
      counts: arena.readNumbers("int64", counts, 4),
    }).toEqual(expected);
  });

  it("finds distinct columns", () => {
    const arena = new KernelArena();
    // Columns (1, 2), (0, 9), (1, 2).
    const input = arena.put("float64", [1, 0, 1, 2, 9, 2]);
    const values = arena.output("float64", 6);
    const shape = { outer: 2, axis: 3, inner: 1, sorted: 1 };
    expect(arena.run("unique", { dtype: code.float64, input, values, ...shape })).toBe(2);
    expect(arena.readNumbers("float64", values, 4)).toEqual([0, 1, 9, 2]);
  });
});

describe("scatter", () => {
  it("ScatterElements counts negative indices from the end and leaves out bad ones", () => {
    const arena = new KernelArena();
    const output = arena.output("float32", 5);
    const bad = arena.run("scatterElements", {
      dtype: code.float32,
      data: arena.put("float32", [1, 2, 3, 4, 5]),
      output,
      dims: arena.put("int32", [1, 5]),
      indices: arena.put("int64", [1, -3, 5, -6, 2n ** 40n + 1n]),
      indexDtype: code.int64,
      indexDims: arena.put("int32", [1, 5]),
      updates: arena.put("float32", [1.5, 2.5, 9, 9, 9]),
      rank: 2,
      axis: 1,
      reduction: 1,
    });
    expect(bad).toBe(3);
    expect(arena.readNumbers("float32", output, 5)).toEqual([1, 3.5, 5.5, 4, 5]);
  });

  it("ScatterND stores slices into zeros", () => {
    const arena = new KernelArena();
    const output = arena.output("int32", 6);
    const bad = arena.run("scatterND", {
      dtype: code.int32,
      data: absent,
      output,
      dims: arena.put("int32", [3, 2]),
      rank: 2,
      indices: arena.put("int32", [-1, 3, 0]),
      indexDtype: code.int32,
      tuples: 3,
      tupleLength: 1,
      updates: arena.put("int32", [1, 2, 3, 4, 5, 6]),
      reduction: 0,
    });
    expect(bad).toBe(1);
    expect(arena.readNumbers("int32", output, 6)).toEqual([5, 6, 0, 0, 1, 2]);
  });

  it("scatterFlat places the maxima of MaxUnpool", () => {
    const arena = new KernelArena();
    const output = arena.output("float16", 4);
    const indices = arena.put("int64", [2, 0, 4, -1]);
    const source = arena.put("float16", [1.5, -2, 7, 7]);
    expect(
      arena.run("scatterFlat", { elementSize: 2, output, outputCount: 4, indices, source, count: 4 }),
    ).toBe(2);
    expect(arena.readNumbers("float16", output, 4)).toEqual([-2, 0, 1.5, 0]);
  });
});

describe("treeEnsemble", () => {
  // Tree 0: x0 <= 1 ? leaf (target 0: 10) : x1 > 2 ? leaf (target 0: 20, target 1: 5) : leaf (target 1: 7).
  // Tree 1: one leaf (target 1: -3). Nodes 6 and 7 go round in a circle.
  const leaf = (whenTrue: number, whenFalse: number) =>
    ({ mode: "leaf", feature: 0, threshold: 0, whenTrue, whenFalse }) as const;
  const nodes: TreeNode[] = [
    { mode: "<=", feature: 0, threshold: 1, whenTrue: 1, whenFalse: 2, missingTracksTrue: true },
    leaf(0, 1),
    { mode: ">", feature: 1, threshold: 2, whenTrue: 3, whenFalse: 4 },
    leaf(1, 3),
    leaf(3, 4),
    leaf(4, 5),
    { mode: "<", feature: 0, threshold: 0, whenTrue: 0, whenFalse: 7 },
    { mode: "<", feature: 0, threshold: 0, whenTrue: 6, whenFalse: 1 },
  ];
  const refuse = (problem: string): never => {
    throw new Error(problem);
  };
  const run = (aggregate: number, rows: number[][], base?: number[]) => {
    const arena = new KernelArena();
    const output = arena.output("float32", rows.length * 2);
    const packed = packTrees(nodes, [0, 5], { floats: true, fours: rows.length >= 4 }, refuse);
    arena.run("treeEnsemble", {
      inputDtype: code.float32,
      input: arena.put("float32", rows.flat()),
      rows: rows.length,
      features: 2,
      outputDtype: code.float32,
      output,
      targets: 2,
      slots: arena.put("int32", packed.slots),
      slotCount: packed.slots.length,
      splits: absent,
      splitStarts: absent,
      trees: arena.put("int32", packed.trees),
      treeCount: 2,
      nodes: arena.putBytes(packed.nodes),
      leafStarts: arena.put("int32", packed.leafStarts),
      leafTargets: arena.put(
        "int32",
        packed.entries.map((entry) => [0, 0, 1, 1, 1][entry]!),
      ),
      leafWeights: arena.put(
        "float64",
        packed.entries.map((entry) => [10, 20, 5, 7, -3][entry]!),
      ),
      aggregate,
      baseValues: base ? arena.put("float64", base) : absent,
    });
    return arena.readNumbers("float32", output, rows.length * 2);
  };

  it("adds the leaves that are reached, of few rows and of many", () => {
    const rows = [
      [1, 0],
      [2, 3],
      [2, 2],
      [NaN, 0],
      [2, NaN],
    ];
    expect(run(1, rows)).toEqual([10, -3, 20, 2, 0, 4, 10, -3, 0, 4]);
    expect(run(1, rows.slice(0, 3))).toEqual([10, -3, 20, 2, 0, 4]);
  });

  it("averages, takes the least and the most, and adds base values", () => {
    expect(run(0, [[2, 3]], [100, 200])).toEqual([110, 201]);
    expect(run(2, [[2, 3]], [100, 200])).toEqual([120, 197]);
    expect(run(3, [[1, 3]])).toEqual([10, -3]);
  });

  it("is not given trees that go in circles or out of bounds", () => {
    const pack = (root: number) => packTrees(nodes, [root], { floats: true, fours: false }, refuse);
    expect(() => pack(7)).toThrow("own descendants");
    expect(() => pack(77)).toThrow("no node 77");
  });
});

describe("det", () => {
  it.each([
    { n: 0, matrix: [], expected: 1 },
    { n: 1, matrix: [-3], expected: -3 },
    { n: 2, matrix: [0, 1, 1, 0], expected: -1 },
    { n: 2, matrix: [1, 2, 2, 4], expected: 0 },
    { n: 3, matrix: [2, 0, 1, 1, 3, 2, 1, 1, 4], expected: 18 },
    { n: 2, matrix: [0, 1, NaN, 1], expected: NaN },
  ])("of $matrix", ({ n, matrix, expected }) => {
    const arena = new KernelArena();
    const output = arena.output("float32", 1);
    arena.run("det", { dtype: code.float32, input: arena.put("float32", matrix), output, batches: 1, n });
    const [value] = arena.readNumbers("float32", output, 1);
    if (Number.isNaN(expected)) expect(value).toBeNaN();
    else expect(value).toBeCloseTo(expected, 5);
  });
});

describe("random", () => {
  const run = (
    distribution: number,
    dtype: "float32" | "float64",
    count: number,
    seed: number,
    a: number,
    b: number,
  ) => {
    const arena = new KernelArena();
    const output = arena.output(dtype, count);
    const range = { seedLow: seed, seedHigh: 0, a, b };
    arena.run("random", { distribution, dtype: code[dtype], output, count, ...range });
    return arena.readNumbers(dtype, output, count);
  };

  it("is Philox 4x32-10", () => {
    // The known answer for counter 0 and key 0 that the Random123 library is tested with.
    expect(philox(0, 0, 0)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const expected = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c].map((word) => (word >>> 8) / 2 ** 24);
    expect(run(0, "float32", 3, 0, 0, 1)).toEqual(expected);
  });

  it.each(["float32", "float64"] as const)("has the moments of its distribution in %s", (dtype) => {
    const moments = (values: number[]) => {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      return [mean, values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length] as const;
    };
    const uniform = run(0, dtype, 4000, 17, -1, 3);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...uniform)).toBeLessThanOrEqual(3);
    // Standard errors are 0.018 and 0.019; four of each are allowed.
    expect(Math.abs(moments(uniform)[0] - 1)).toBeLessThan(0.08);
    expect(Math.abs(moments(uniform)[1] - 16 / 12)).toBeLessThan(0.08);
    // Standard errors are 0.032 and 0.09.
    const normal = run(1, dtype, 4000, 18, 5, 2);
    expect(Math.abs(moments(normal)[0] - 5)).toBeLessThan(0.13);
    expect(Math.abs(moments(normal)[1] - 4)).toBeLessThan(0.36);
  });

  it("has accurate logarithms, sines and cosines", () => {
    const values = run(1, "float64", 400, 99, 0, 1);
    for (let pair = 0; pair < 200; pair++) {
      const words = philox(Math.floor(pair / 2), 99, 0);
      const [u, v] = pair % 2 === 0 ? [words[0]!, words[1]!] : [words[2]!, words[3]!];
      const radius = Math.sqrt(-2 * Math.log((u + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * v) / 2 ** 32;
      expect(values[2 * pair]).toBeCloseTo(radius * Math.cos(angle), 13);
      expect(values[2 * pair + 1]).toBeCloseTo(radius * Math.sin(angle), 13);
    }
  });
});

describe("ngramCount", () => {
  // The pool and the row of the specification's TfIdfVectorizer examples: unigrams 2 3 5 4, bigrams 56 78 67.
  const pool = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7];
  const run = (grams: [offset: number, length: number, column: number][], maxSkip: number) => {
    const arena = new KernelArena();
    const output = arena.output("float32", 7);
    const found = arena.run("ngramCount", {
      tokenDtype: code.int32,
      tokens: arena.put("int32", [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8]),
      rows: 1,
      length: 12,
      pool: arena.put("int64", pool),
      poolLength: pool.length,
      gramOffsets: arena.put("int32", grams.map(([offset]) => offset)), // prettier-ignore
      gramLengths: arena.put("int32", grams.map(([, length]) => length)), // prettier-ignore
      gramColumns: arena.put("int32", grams.map(([, , column]) => column)), // prettier-ignore
      gramCount: grams.length,
      maxSkip,
      output,
      columns: 7,
    });
    return { found, counts: arena.readNumbers("float32", output, 7) };
  };
  const unigrams = [0, 1, 2, 3].map((i): [number, number, number] => [i, 1, i]);
  const bigrams = [0, 1, 2].map((i): [number, number, number] => [4 + 2 * i, 2, 4 + i]);

  it("counts with and without skips", () => {
    expect(run(bigrams, 0)).toEqual({ found: 3, counts: [0, 0, 0, 0, 1, 1, 1] });
    expect(run([...unigrams, ...bigrams], 5).counts).toEqual([0, 3, 1, 0, 1, 3, 1]);
  });

  it("ignores n-grams outside the pool or the output", () => {
    const outside: [number, number, number][] = [[9, 2, 0], [-1, 1, 0], [0, 1, 7], [0, 0, 1], [0, 99, 1]]; // prettier-ignore
    expect(run(outside, 2 ** 31 - 1).found).toBe(0);
  });
});
