/** Convolutions by tiles against the direct sum: random shapes, paddings, groups and epilogues; and when they apply. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { load } from "../../runtime/index.ts";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile, type CompileOptions } from "../index.ts";
import { elementCount } from "../ir/dtype.ts";

interface Layer {
  readonly batch: number;
  readonly groups: number;
  /** Per group. */
  readonly channels: readonly [input: number, output: number];
  readonly size: readonly number[];
  /** Taps of the window in each dimension; those beyond the first `size.length` are not used. */
  readonly taps: readonly number[];
  /** At the start and the end of each dimension. */
  readonly pads: readonly number[];
  readonly epilogue: "none" | "bias" | "relu" | "leaky" | "residual" | "clip";
  /** A 1x1 convolution around, so that values between are laid out as the compiler likes. */
  readonly inside: boolean;
  readonly blockTiles?: number;
}

const layers: fc.Arbitrary<Layer> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    groups: fc.constantFrom(1, 1, 1, 2),
    channels: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
    size: fc.array(fc.integer({ min: 3, max: 14 }), { minLength: 1, maxLength: 2 }),
    taps: fc.array(fc.constantFrom(3, 3, 2, 4, 5), { minLength: 2, maxLength: 2 }),
    padding: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
    epilogue: fc.constantFrom<Layer["epilogue"]>("none", "bias", "relu", "leaky", "residual", "clip"),
    inside: fc.boolean(),
    blockTiles: fc.constantFrom(undefined, 1, 2, 3, 5, 8),
  })
  .map(({ padding, blockTiles, ...rest }) => ({
    ...rest,
    pads: padding.slice(0, 2 * rest.size.length),
    ...(blockTiles === undefined ? {} : { blockTiles }),
  }));

function numbers(count: number, seed: number): Float32Array {
  let state = seed * 2654435761 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

function resultSize({ size, pads, taps }: Layer): number[] {
  return size.map((n, d) => n + pads[d]! + pads[d + size.length]! - taps[d]! + 1);
}

function modelOf(layer: Layer): { readonly bytes: Uint8Array; readonly shape: readonly number[] } {
  const { batch, groups, size, taps, pads, epilogue, inside } = layer;
  const [ci, co] = layer.channels;
  const b = onnxModel("layer", { opset: 17 });
  const shape = [batch, ci * groups, ...size];
  const ones = size.map(() => 1);
  let x = b.input("x", "float32", shape);
  const weights = (dims: readonly number[], seed: number): string =>
    b.initializer("float32", dims, numbers(elementCount(dims), seed));
  if (inside) x = b.node("Conv", [x, weights([ci * groups, ci * groups, ...ones], 1)]);
  const inputs = [x, weights([co * groups, ci, ...taps.slice(0, size.length)], 2)];
  if (epilogue === "bias") inputs.push(weights([co * groups], 3));
  let y = b.node("Conv", inputs, { pads, group: groups });
  const result = [batch, co * groups, ...resultSize(layer)];
  if (epilogue === "relu") y = b.node("Relu", [y]);
  if (epilogue === "leaky") y = b.node("LeakyRelu", [y], { alpha: 0.25 });
  if (epilogue === "residual") y = b.node("Add", [y, weights(result, 4)]);
  if (epilogue === "clip") y = b.node("Clip", [y, b.initializer("float32", [], [-1]), b.initializer("float32", [], [2])]); // prettier-ignore
  if (inside) y = b.node("Conv", [y, weights([co * groups, co * groups, ...ones], 5)]);
  b.output(y, "float32", result, "y");
  return { bytes: b.toBytes(), shape };
}

interface Run {
  readonly data: Float32Array;
  readonly traced: readonly string[];
}

async function run(bytes: Uint8Array, shape: readonly number[], options: CompileOptions): Promise<Run> {
  const traced: string[] = [];
  const trace: CompileOptions["trace"] = (stage, text) => {
    if (stage === "winograd") traced.push(text());
  };
  const { artifact } = await compile(bytes, { ...options, trace });
  const session = await load(artifact);
  const { y } = await session.run({ x: numbers(elementCount(shape), 9) });
  const data = Float32Array.from(y!.data as Float32Array);
  session.dispose();
  return { data, traced };
}

/** The largest difference, as a share of the largest magnitude. */
function difference(a: Float32Array, b: Float32Array): number {
  const largest = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0) / largest;
}

describe.each([
  ["f2", 3e-6],
  ["f4", 2e-5],
] as const)("tiles %s", (tiles, tolerance) => {
  it("give what the direct sum gives", async () => {
    let used = 0;
    await fc.assert(
      fc.asyncProperty(layers, async (layer) => {
        fc.pre(resultSize(layer).every((n) => n > 0));
        const { bytes, shape } = modelOf(layer);
        const direct = await run(bytes, shape, { passes: { winograd: false } });
        const { blockTiles } = layer;
        const winograd = { tiles, leastGain: 0, ...(blockTiles === undefined ? {} : { blockTiles }) };
        const filtered = await run(bytes, shape, { winograd });
        expect(direct.traced).toEqual([]);
        used += filtered.traced.length;
        expect(filtered.data).toHaveLength(direct.data.length);
        expect(difference(filtered.data, direct.data)).toBeLessThan(tolerance);
      }),
      { numRuns: 40, seed: 11 },
    );
    expect(used).toBeGreaterThan(10);
  });

  it("agree in blocks, with smaller last tiles and blocks, and several images", async () => {
    for (const [batch, size, channels] of [
      [1, [37, 42], 40],
      [3, [14, 22], 64],
      [1, [6, 258], 48],
      // Channels in chunks, and panels of weights that two regions share.
      [1, [8, 128], 128],
    ] as const) {
      const layer: Layer = {
        ...{ batch, size, taps: [3, 3], groups: 1, channels: [channels, channels] },
        ...{ pads: [1, 1, 1, 1], epilogue: "relu", inside: true },
      };
      const { bytes, shape } = modelOf(layer);
      const direct = await run(bytes, shape, { passes: { winograd: false } });
      const filtered = await run(bytes, shape, { winograd: { tiles } });
      expect(filtered.traced).toHaveLength(1);
      expect(difference(filtered.data, direct.data)).toBeLessThan(tolerance);
    }
  });
});

describe("the error against float64", () => {
  /** Root mean square of the error, relative to that of the result. */
  const errorOf = (data: Float32Array, exact: Float64Array): number => {
    const sum = (f: (x: number, i: number) => number): number => exact.reduce((total, x, i) => total + f(x, i) ** 2, 0); // prettier-ignore
    return Math.sqrt(sum((x, i) => data[i]! - x) / sum((x) => x));
  };

  it.each([
    [[32, 32], 14, 3],
    [[256, 32], 7, 3],
    [[32, 32], 14, 5],
  ] as const)("of %j channels, %i x %i", async (channels, size, taps) => {
    const pad = taps >> 1;
    const layer: Layer = {
      ...{ batch: 1, groups: 1, channels, size: [size, size], taps: [taps, taps] },
      ...{ pads: [pad, pad, pad, pad], epilogue: "none", inside: false },
    };
    const { bytes, shape } = modelOf(layer);
    const [ci, co] = channels;
    const x = numbers(elementCount(shape), 9);
    const w = numbers(co * ci * taps * taps, 2);
    const exact = new Float64Array(co * size * size);
    for (let o = 0; o < co; o++)
      for (let c = 0; c < ci; c++)
        for (let k = 0; k < taps * taps; k++) {
          const [dy, dx] = [Math.floor(k / taps) - pad, (k % taps) - pad];
          const factor = w[(o * ci + c) * taps * taps + k]!;
          for (let y = Math.max(0, -dy); y < Math.min(size, size - dy); y++)
            for (let at = Math.max(0, -dx); at < Math.min(size, size - dx); at++)
              exact[(o * size + y) * size + at]! += factor * x[(c * size + y + dy) * size + at + dx]!;
        }
    const direct = errorOf((await run(bytes, shape, { passes: { winograd: false } })).data, exact);
    expect(direct).toBeLessThan(1e-6);
    for (const [tiles, most] of [
      ["f2", 1],
      ["f4", taps === 3 ? 3 : 5],
    ] as const) {
      const { data, traced } = await run(bytes, shape, { winograd: { tiles, leastGain: 0 } });
      if (tiles === "f4" || taps === 3) expect(traced).toHaveLength(1);
      expect(errorOf(data, exact)).toBeLessThanOrEqual(most * direct);
    }
  });
});

describe("which convolutions are computed by tiles", () => {
  const layer: Layer = {
    ...{ batch: 1, groups: 1, channels: [64, 64], size: [28, 28], taps: [3, 3] },
    ...{ pads: [1, 1, 1, 1], epilogue: "relu", inside: false },
  };
  const count = async (changed: Partial<Layer>, options: CompileOptions = {}): Promise<number> => {
    const { bytes, shape } = modelOf({ ...layer, ...changed });
    return (await run(bytes, shape, options)).traced.length;
  };

  it("are those with many channels", async () => {
    expect(await count({})).toBe(1);
    expect(await count({ channels: [3, 64] })).toBe(0);
    expect(await count({ groups: 64, channels: [1, 1] })).toBe(0);
  });

  it("take small tiles where an image is small: larger ones would keep four times the weights for little", async () => {
    const tile = async (channels: number, size: number): Promise<string> => {
      const { bytes, shape } = modelOf({ ...layer, channels: [channels, channels], size: [size, size] });
      return (await run(bytes, shape, {})).traced.join();
    };
    expect(await tile(64, 28)).toContain("tiles of 4x4");
    expect(await tile(128, 14)).toContain("tiles of 4x4");
    expect(await tile(256, 7)).toContain("tiles of 2x2");
  });

  it("have weights that are transformed and laid out in one go, when a model is loaded", async () => {
    const { bytes } = modelOf(layer);
    let text = "";
    await compile(bytes, {
      trace: (stage, detail, node) => stage === "schedule" && !node && (text = detail()),
    });
    expect(text).toMatch(/^1 calls at load/);
  });

  it("are none with a weight beside which the others vanish", async () => {
    const weights = numbers(32 * 32 * 9, 3);
    const made = async (): Promise<boolean> => {
      const b = onnxModel("uneven", { opset: 22 });
      const w = b.initializer("float32", [32, 32, 3, 3], weights);
      b.output(b.node("Conv", [b.input("x", "float32", [1, 32, 28, 28]), w]), "float32", undefined, "y");
      let tiles = false;
      await compile(b.toBytes(), { trace: (pass) => void (tiles ||= pass === "winograd") });
      return tiles;
    };
    expect(await made()).toBe(true);
    weights[1234] = 1e30;
    expect(await made()).toBe(false);
    weights[1234] = NaN;
    expect(await made()).toBe(false);
  });

  it("are none when the pass is off", async () => {
    expect(await count({}, { passes: { winograd: false } })).toBe(0);
  });

  it("are none with steps or holes", async () => {
    for (const attributes of [
      { strides: [2, 2], pads: [1, 1, 1, 1] },
      { dilations: [2, 2], pads: [2, 2, 2, 2] },
    ]) {
      const b = onnxModel("layer", { opset: 17 });
      const x = b.input("x", "float32", [1, 64, 28, 28]);
      const w = b.initializer("float32", [64, 64, 3, 3], numbers(64 * 64 * 9, 1));
      const n = "strides" in attributes ? 14 : 28;
      b.output(b.node("Conv", [x, w], attributes), "float32", [1, 64, n, n], "y");
      expect((await run(b.toBytes(), [1, 64, 28, 28], {})).traced).toEqual([]);
    }
  });

  it("are none whose weights are an input", async () => {
    const b = onnxModel("layer", { opset: 17 });
    const x = b.input("x", "float32", [1, 32, 8, 8]);
    const w = b.node("Reshape", [b.node("Slice", [b.node("Reshape", [x, b.int64s([-1])]), b.int64s([0]), b.int64s([288])]), b.int64s([1, 32, 3, 3])]); // prettier-ignore
    b.output(b.node("Conv", [x, w]), "float32", [1, 1, 6, 6], "y");
    const options = { winograd: { leastGain: 0 } };
    expect((await run(b.toBytes(), [1, 32, 8, 8], options)).traced).toEqual([]);
  });
});
