/**
 * Programs for a range of sizes. In: models whose sizes change from run to run. Out: answers that are those of programs
 * for each size, whatever ran before, from one program; or from programs of their own where there can be none.
 */
import { describe, expect, it } from "vitest";
import { gpt } from "../bench/generated/gpt.ts";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { openSource } from "../compiler/whole.ts";
import type { NumericData } from "../runtime/dtype.ts";
import { load, type LoadOptions, type Session } from "../runtime/index.ts";
import { seededRandom } from "./kernelArena.ts";
import { apart, bytesOf, cases, floats, give, integers, one, onRows, rows, sizeOf, weight, WIDTH, type Case, type Inputs } from "./rangeCases.ts"; // prettier-ignore

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
