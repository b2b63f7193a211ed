/**
 * Library kernels against their references on random data with ties, NaN, infinities, overflow and indices out of
 * range, in every dtype and with dimensions from 0 up. A failure prints fast-check's seed and the shrunk case; run
 * it again with TILEWRIGHT_SEED.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  absent,
  libraryDtypes,
  packTrees,
  type LibraryDType,
  type TreeNode,
} from "../compiler/ops/library/index.ts";
import { widthOf } from "../compiler/ops/library/memory.ts";
import { KernelArena, awkwardValues, code, seededRandom } from "../test/kernelArena.ts";

const parameters = { seed: Number(process.env["TILEWRIGHT_SEED"] ?? 20_240_607), numRuns: 150 };

const dtypes = Object.keys(libraryDtypes) as LibraryDType[];
const dtype = fc.constantFrom(...dtypes);
const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const extent = (max: number) => fc.integer({ min: 0, max });
const flag = fc.constantFrom(0, 1);
const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);

/** Indices mostly inside -extent .. extent - 1. */
function awkwardIndices(
  count: number,
  bound: number,
  random: () => number,
  wide: boolean,
): (number | bigint)[] {
  return Array.from({ length: count }, () => {
    if (wide && random() < 0.05) return BigInt(Math.floor((random() - 0.5) * 2 ** 50));
    return Math.floor((random() * 2.2 - 1.1) * bound);
  });
}

describe("agrees with the reference", () => {
  it("topk", () => {
    const shape = fc.record({
      outer: extent(3),
      axis: extent(40),
      inner: extent(3),
      k: extent(45),
      largest: flag,
    });
    fc.assert(
      fc.property(dtype, shape, seed, (type, sizes, caseSeed) => {
        const arena = new KernelArena();
        const { outer, axis, inner, k } = sizes;
        const count = outer * axis * inner;
        const input = arena.put(type, awkwardValues(type, count, seededRandom(caseSeed)));
        const values = arena.output(type, outer * k * inner);
        const indices = arena.output("int64", outer * k * inner);
        arena.run("topk", { dtype: code[type], input, values, indices, ...sizes });
      }),
      parameters,
    );
  });

  it("nonMaxSuppression", () => {
    const shape = fc.record({
      batches: extent(2),
      classes: extent(3),
      boxCount: extent(24),
      centerPointBox: flag,
    });
    const inputs = fc.record({
      limit: fc.option(fc.integer({ min: -1, max: 30 })),
      iou: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      score: fc.option(fc.double({ min: -1, max: 1, noNaN: true })),
    });
    fc.assert(
      fc.property(shape, inputs, seed, extent(60), (sizes, { limit, iou, score }, caseSeed, capacity) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const { batches, classes, boxCount } = sizes;
        // A coarse grid makes equal boxes, equal scores and overlaps at the threshold likely.
        const grid = (steps: number) => Math.round((random() - 0.2) * steps) / 4;
        const odd = (value: number) => (random() < 0.02 ? (random() < 0.5 ? NaN : Infinity) : value);
        const boxes = arena.put("float32", Array.from({ length: batches * boxCount * 4 }, () => odd(grid(12)))); // prettier-ignore
        const scores = arena.put("float32", Array.from({ length: batches * classes * boxCount }, () => odd(grid(5)))); // prettier-ignore
        arena.run("nonMaxSuppression", {
          boxes,
          scores,
          output: arena.output("int64", capacity * 3),
          maxOutputPerClass: limit === null ? absent : arena.put("int64", [limit]),
          iouThreshold: iou === null ? absent : arena.put("float32", [iou]),
          scoreThreshold: score === null ? absent : arena.put("float32", [score]),
          capacity,
          ...sizes,
        });
      }),
      parameters,
    );
  });

  it("nonZero", () => {
    fc.assert(
      fc.property(dtype, fc.array(extent(5), { maxLength: 4 }), seed, (type, dims, caseSeed) => {
        const arena = new KernelArena();
        const count = product(dims);
        arena.run("nonZero", {
          dtype: code[type],
          input: arena.put(type, awkwardValues(type, count, seededRandom(caseSeed))),
          output: arena.output("int64", count * dims.length),
          rank: dims.length,
          dims: arena.put("int32", dims),
        });
      }),
      parameters,
    );
  });

  it("unique", () => {
    const shape = fc.record({ outer: extent(3), axis: extent(30), inner: extent(2), sorted: flag });
    const wanted = fc.tuple(fc.boolean(), fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(dtype, shape, wanted, seed, (type, sizes, [firsts, inverse, counts], caseSeed) => {
        const arena = new KernelArena();
        const count = sizes.outer * sizes.axis * sizes.inner;
        arena.run("unique", {
          dtype: code[type],
          input: arena.put(type, awkwardValues(type, count, seededRandom(caseSeed))),
          values: arena.output(type, count),
          firstIndices: firsts ? arena.output("int64", sizes.axis) : absent,
          inverse: inverse ? arena.output("int64", sizes.axis) : absent,
          counts: counts ? arena.output("int64", sizes.axis) : absent,
          ...sizes,
        });
      }),
      parameters,
    );
  });

  it("compress", () => {
    const shape = fc.record({
      outer: extent(3),
      axis: extent(12),
      inner: extent(3),
      conditionLength: extent(14),
    });
    fc.assert(
      fc.property(dtype, shape, seed, (type, sizes, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const count = sizes.outer * sizes.axis * sizes.inner;
        arena.run("compress", {
          elementSize: widthOf(type),
          input: arena.put(type, awkwardValues(type, count, random)),
          condition: arena.put("uint8", Array.from({ length: sizes.conditionLength }, () => (random() < 0.5 ? 0 : 255))), // prettier-ignore
          output: arena.output(type, count),
          ...sizes,
        });
      }),
      parameters,
    );
  });

  it("scatterElements", () => {
    const dimensions = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), extent(6)), {
      minLength: 1,
      maxLength: 4,
    });
    const options = fc.record({
      axis: extent(3),
      reduction: extent(4),
      indexDtype: fc.constantFrom("int32", "int64"),
      inPlace: fc.boolean(),
    });
    fc.assert(
      fc.property(dtype, dimensions, options, seed, (type, pairs, chosen, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const rank = pairs.length;
        const axis = chosen.axis % rank;
        const dims = pairs.map(([length]) => length);
        // Outside the axis the indices are no longer than the data.
        const indexDims = pairs.map(([length, other], d) => (d === axis ? other : Math.min(length, other)));
        const count = product(indexDims);
        const indexDtype = chosen.indexDtype as "int32" | "int64";
        const output = arena.output(type, product(dims));
        const data = arena.put(type, awkwardValues(type, product(dims), random));
        arena.run("scatterElements", {
          dtype: code[type],
          data: chosen.inPlace ? output : data,
          output,
          dims: arena.put("int32", dims),
          indices: arena.put(indexDtype, awkwardIndices(count, dims[axis]!, random, indexDtype === "int64")),
          indexDtype: code[indexDtype],
          indexDims: arena.put("int32", indexDims),
          updates: arena.put(type, awkwardValues(type, count, random)),
          rank,
          axis,
          reduction: chosen.reduction,
        });
      }),
      { ...parameters, numRuns: 400 },
    );
  });

  it("scatterND", () => {
    const options = fc.record({
      tupleLength: extent(4),
      tuples: extent(6),
      reduction: extent(4),
      zeros: fc.boolean(),
    });
    const dimensions = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(dtype, dimensions, options, seed, (type, dims, chosen, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const tupleLength = Math.min(chosen.tupleLength, dims.length);
        const { tuples, reduction } = chosen;
        const bound = Math.max(...dims);
        const slice = product(dims.slice(tupleLength));
        arena.run("scatterND", {
          dtype: code[type],
          data: chosen.zeros ? absent : arena.put(type, awkwardValues(type, product(dims), random)),
          output: arena.output(type, product(dims)),
          dims: arena.put("int32", dims),
          rank: dims.length,
          indices: arena.put("int64", awkwardIndices(tuples * tupleLength, bound, random, true)),
          indexDtype: code.int64,
          tuples,
          tupleLength,
          updates: arena.put(type, awkwardValues(type, tuples * slice, random)),
          reduction,
        });
      }),
      { ...parameters, numRuns: 400 },
    );
  });

  it("scatterFlat", () => {
    fc.assert(
      fc.property(dtype, extent(20), extent(20), seed, (type, outputCount, count, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        arena.run("scatterFlat", {
          elementSize: widthOf(type),
          data: arena.put(type, awkwardValues(type, outputCount, random)),
          output: arena.output(type, outputCount),
          outputCount,
          indices: arena.put("int64", awkwardIndices(count, outputCount, random, true)),
          source: arena.put(type, awkwardValues(type, count, random)),
          count,
        });
      }),
      parameters,
    );
  });

  it("treeEnsemble, and as its nodes say", () => {
    const shape = fc.record({
      rows: extent(21),
      features: fc.integer({ min: 1, max: 3 }),
      targets: fc.integer({ min: 1, max: 3 }),
      treeCount: extent(9),
      height: extent(7),
      aggregate: extent(3),
    });
    const types = fc.tuple(fc.constantFrom("float32", "float64", "float16", "int8", "int32", "int64"), fc.constantFrom("float32", "float64")); // prettier-ignore
    fc.assert(
      fc.property(shape, types, flag, seed, (sizes, [given, outputType], single, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const inputType = given as LibraryDType;
        const { rows, features, targets, treeCount, height, aggregate } = sizes;
        const values = awkwardValues(inputType, rows * features, random);
        // Entries of leaves follow each other; whole weights, so that no order of additions matters.
        const targetsOf: number[] = [];
        const weights: number[] = [];
        const nodes: TreeNode[] = [];
        const grow = (left: number): number => {
          const at = nodes.length;
          if (left === 0 || random() < 0.15) {
            const begin = weights.length;
            const entries = single ? 1 : Math.floor(random() * 3);
            for (let i = 0; i < entries; i++) {
              targetsOf.push(Math.floor(random() * targets));
              weights.push(Math.floor(random() * 19) - 9);
            }
            nodes.push({
              mode: "leaf",
              feature: 0,
              threshold: 0,
              whenTrue: begin,
              whenFalse: weights.length,
            });
            return at;
          }
          const mode = (["<=", "<", ">=", ">", "==", "!="] as const)[Math.floor(random() * 6)]!;
          const threshold = Number(awkwardValues(random() < 0.7 ? inputType : "float64", 1, random)[0]);
          const node = { mode, threshold, feature: Math.floor(random() * features) };
          nodes.push({ ...node, whenTrue: 0, whenFalse: 0 });
          const missingTracksTrue = random() < 0.5;
          const whenTrue = grow(left - 1);
          const whenFalse = random() < 0.05 ? whenTrue : grow(left - 1);
          nodes[at] = { ...node, whenTrue, whenFalse, missingTracksTrue };
          return at;
        };
        const roots = Array.from({ length: treeCount }, () => grow(height));
        const packed = packTrees(
          nodes,
          roots,
          { floats: inputType === "float32", fours: rows >= 4 },
          (problem) => {
            throw new Error(problem);
          },
        );
        const count = rows * targets;
        const output = arena.output(outputType as LibraryDType, count);
        const bases =
          random() < 0.5 ? Array.from({ length: targets }, () => Math.floor(random() * 9)) : undefined;
        const isSingle = packed.leafStarts.every((start, leaf) => start === leaf);
        const input = arena.put(inputType, values);
        arena.run("treeEnsemble", {
          inputDtype: code[inputType],
          input,
          rows,
          features,
          outputDtype: code[outputType as LibraryDType],
          output,
          targets,
          slots: arena.put("int32", packed.slots),
          slotCount: packed.slots.length,
          splits: arena.put("float64", packed.splits),
          splitStarts: arena.put("int32", packed.splitStarts),
          trees: arena.put("int32", packed.trees),
          treeCount,
          nodes: arena.putBytes(packed.nodes),
          leafStarts: isSingle ? absent : arena.put("int32", packed.leafStarts),
          leafTargets: arena.put(
            "int32",
            packed.entries.map((entry) => targetsOf[entry]!),
          ),
          leafWeights: arena.put(
            "float64",
            packed.entries.map((entry) => weights[entry]!),
          ),
          aggregate,
          baseValues: bases ? arena.put("float64", bases) : absent,
        });

        const seen = arena.readNumbers(inputType, input, rows * features);
        const expected = Array.from({ length: count }, (_, i) => {
          const row = Math.floor(i / targets);
          const given = roots.flatMap((root): number[] => {
            let node = nodes[root]!;
            while (node.mode !== "leaf") {
              const x = seen[row * features + node.feature]!;
              const taken = { "<=": x <= node.threshold, "<": x < node.threshold, ">=": x >= node.threshold, ">": x > node.threshold, "==": x === node.threshold, "!=": x !== node.threshold }[node.mode]; // prettier-ignore
              const missing = node.missingTracksTrue === true && Number.isNaN(x);
              node = nodes[taken || missing ? node.whenTrue : node.whenFalse]!;
            }
            const { whenTrue: first, whenFalse: end } = node;
            return weights.slice(first, end).filter((_, k) => targetsOf[first + k] === i % targets);
          });
          const sum = given.reduce((a, b) => a + b, 0);
          const extreme = given.length ? (aggregate === 2 ? Math.min(...given) : Math.max(...given)) : 0;
          const score = aggregate > 1 ? extreme : aggregate === 1 ? sum : sum / treeCount;
          const total = score + (bases?.[i % targets] ?? 0);
          return outputType === "float32" ? Math.fround(total) : total;
        });
        const got = arena.readNumbers(outputType as LibraryDType, output, count);
        expect(got.map((x) => x + 0)).toEqual(expected.map((x) => x + 0));
      }),
      { ...parameters, numRuns: 600 },
    );
  });

  it("det", () => {
    const types = fc.constantFrom("float32", "float64", "float16", "bfloat16");
    fc.assert(
      fc.property(types, extent(3), extent(7), seed, (name, batches, n, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const type = name as LibraryDType;
        const elements = Array.from({ length: batches * n * n }, () =>
          random() < 0.01 ? NaN : random() < 0.3 ? Math.floor(random() * 3) : random() * 2 - 1,
        );
        const output = arena.output(type, batches);
        arena.run("det", { dtype: code[type], input: arena.put(type, elements), output, batches, n });
      }),
      parameters,
    );
  });

  it("random, bit for bit", () => {
    const types = fc.constantFrom("float32", "float64");
    const range = fc.tuple(
      fc.double({ min: -9, max: 9, noNaN: true }),
      fc.double({ min: -9, max: 9, noNaN: true }),
    );
    const seeds = fc.tuple(fc.integer(), fc.integer());
    fc.assert(
      fc.property(flag, types, extent(70), seeds, range, (distribution, name, count, [low, high], [a, b]) => {
        const arena = new KernelArena();
        const type = name as "float32" | "float64";
        const output = arena.output(type, count);
        const rest = { seedLow: low, seedHigh: high, a, b };
        arena.run("random", { distribution, dtype: code[type], output, count, ...rest });
      }),
      parameters,
    );
  });

  it("ngramCount", () => {
    const shape = fc.record({
      rows: extent(3),
      length: extent(12),
      poolLength: extent(8),
      gramCount: extent(8),
      maxSkip: extent(14),
      columns: extent(5),
    });
    fc.assert(
      fc.property(shape, fc.constantFrom("int32", "int64"), seed, (sizes, tokenType, caseSeed) => {
        const arena = new KernelArena();
        const random = seededRandom(caseSeed);
        const many = (count: number, bound: number) =>
          Array.from({ length: count }, () => Math.floor(random() * (bound + 2)) - 1);
        const tokenDtype = tokenType as "int32" | "int64";
        arena.run("ngramCount", {
          tokenDtype: code[tokenDtype],
          tokens: arena.put(tokenDtype, many(sizes.rows * sizes.length, 1)),
          pool: arena.put("int64", many(sizes.poolLength, 1)),
          gramOffsets: arena.put("int32", many(sizes.gramCount, sizes.poolLength)),
          gramLengths: arena.put("int32", many(sizes.gramCount, 3)),
          gramColumns: arena.put("int32", many(sizes.gramCount, sizes.columns)),
          output: arena.output("float32", sizes.rows * sizes.columns),
          ...sizes,
        });
      }),
      { ...parameters, numRuns: 300 },
    );
  });
});
