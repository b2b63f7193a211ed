/**
 * Windows and products joined by tiles of pixels: random depthwise convolutions, the 1x1 convolutions that read them, and
 * a kernel of both must store the same; and so must that kernel as each kind of GPU runs it, in the interpreter of nests.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { elementCount, type NumericData } from "../ir/dtype.ts";
import * as x from "../ir/expr.ts";
import { runKernel } from "../ir/interp.ts";
import { runNest } from "../ir/interpNest.ts";
import { coordinate, type Assign, type Axis, type Buffer, type Kernel } from "../ir/kernel.ts";
import type { KernelCall, ProgramValue } from "../ir/program.ts";
import { verifyKernel, verifyNest } from "../ir/verify.ts";
import { apply } from "../lower/apply.ts";
import { lowerPads } from "../lower/pad.ts";
import { gpuDevice } from "../tune/gpuDevice.ts";
import { gpuSchedules } from "../tune/gpuHeuristic.ts";
import { orderAxes } from "../tune/heuristic.ts";
import { joinPixels } from "./pixelTiles.ts";

const buffer = (name: string, role: Buffer["role"], shape: readonly number[]): Buffer => ({ name, role, dtype: "float32", shape }); // prettier-ignore
const limits = { least: 2, most: 16, sequence: 0 };

interface Sizes {
  readonly channels: number;
  readonly results: number;
  readonly height: number;
  readonly width: number;
  readonly stride: number;
}

/** v = relu(window over x), then y = sum over channels of v * w + x at the middle. */
function callsOf({ channels, results, height, width, stride }: Sizes): KernelCall[] {
  const [n, c, i, j]: Axis[] = [["n", 1], ["c", channels], ["i", height], ["j", width]].map(([name, extent]) => ({ name, extent }) as Axis); // prettier-ignore
  const [ky, kx]: Axis[] = [{ name: "ky", extent: 3 }, { name: "kx", extent: 3 }]; // prettier-ignore
  const [o, k]: Axis[] = [{ name: "o", extent: results }, { name: "k", extent: channels }]; // prettier-ignore
  const at = (a: Axis, tap: Axis): x.Expr => x.sub(x.add(x.mul(coordinate(a), x.int(stride)), coordinate(tap)), x.int(1)); // prettier-ignore
  const read = x.load(0, "float32", [x.int(0), coordinate(c!), at(i!, ky!), at(j!, kx!)], 0);
  const taps = x.load(1, "float32", [coordinate(c!), coordinate(ky!), coordinate(kx!)]);
  const first: Assign = {
    kind: "assign",
    axes: [n!, c!, i!, j!],
    reduce: { op: "sum", axes: [ky!, kx!], body: x.mul(read, taps) },
    value: x.max(x.acc("f32"), x.f32(0)),
    out: 2,
    index: [n!, c!, i!, j!].map(coordinate),
  };
  const between = x.load(0, "float32", [x.int(0), ...[k!, i!, j!].map(coordinate)]);
  const second: Assign = {
    kind: "assign",
    axes: [n!, o!, i!, j!],
    reduce: { op: "sum", axes: [k!], body: x.mul(between, x.load(1, "float32", [coordinate(o!), coordinate(k!)])) }, // prettier-ignore
    value: x.add(x.acc("f32"), x.load(2, "float32", [coordinate(o!)])),
    out: 3,
    index: [n!, o!, i!, j!].map(coordinate),
  };
  const image = [1, channels, (height - 1) * stride + 1, (width - 1) * stride + 1];
  const middle = [1, channels, height, width];
  return [
    { kind: "kernel", nodes: ["window"], inputs: ["x", "taps"], outputs: ["v"], kernel: { name: "window", body: [first], buffers: [buffer("x", "in", image), buffer("taps", "in", [channels, 3, 3]), buffer("v", "out", middle)] } },
    { kind: "kernel", nodes: ["product"], inputs: ["v", "w", "bias"], outputs: ["y"], kernel: { name: "product", body: [second], buffers: [buffer("v", "in", middle), buffer("w", "in", [results, channels]), buffer("bias", "in", [results]), buffer("y", "out", [1, results, height, width])] } },
  ]; // prettier-ignore
}

function valuesOf(calls: readonly KernelCall[]): Map<string, ProgramValue> {
  const values = new Map<string, ProgramValue>();
  for (const { kernel, inputs, outputs } of calls)
    [...inputs, ...outputs].forEach((id, i) => values.set(id, { dtype: "float32", shape: kernel.buffers[i]!.shape })); // prettier-ignore
  return values;
}

/** Runs calls over values by name; small integers, so that sums are exact in any order. */
function results(calls: readonly KernelCall[], run: (kernel: Kernel, data: (NumericData | undefined)[]) => void): NumericData {
  const data = new Map<string, NumericData>();
  const all = (call: KernelCall): (NumericData | undefined)[] => {
    const ids = [...call.inputs, ...call.outputs];
    return call.kernel.buffers.map(({ shape }, i) => {
      const id = ids[i];
      if (id === undefined) return undefined;
      const made = data.get(id) ?? Float32Array.from({ length: elementCount(shape) }, (_, at) => call.inputs.includes(id) ? ((at * 7 + id.length) % 5) - 2 : 0); // prettier-ignore
      data.set(id, made);
      return made;
    });
  };
  for (const call of calls) run(call.kernel, all(call));
  return data.get("y")!;
} // prettier-ignore

const sizes: fc.Arbitrary<Sizes> = fc.record({
  channels: fc.integer({ min: 1, max: 12 }),
  results: fc.integer({ min: 1, max: 12 }),
  height: fc.integer({ min: 1, max: 8 }),
  width: fc.integer({ min: 2, max: 12 }),
  stride: fc.integer({ min: 1, max: 2 }),
});

it("one kernel stores what the two did, in any schedule of a GPU", () => {
  let joined = 0;
  const property = fc.property(
    sizes,
    fc.constantFrom("discrete" as const, "mobile" as const),
    (given, kind) => {
      const calls = callsOf(given);
      const made = joinPixels(calls, valuesOf(calls), new Set(["y"]), limits) as KernelCall[];
      if (made.length === 1) joined++;
      for (const { kernel } of made) verifyKernel(kernel);
      const right = results(calls, runKernel);
      expect(results(made, runKernel)).toEqual(right);
      const device = { ...gpuDevice(kind), rowGroup: 4, sequence: 0 };
      const nests = results(made, (kernel, data) => {
        const ordered = orderAxes(lowerPads(kernel));
        const nest = apply(ordered, gpuSchedules(device)(ordered, { constants: new Set() }));
        verifyNest(nest);
        runNest(nest, data);
      });
      expect(nests).toEqual(right);
    },
  );
  fc.assert(property, { numRuns: 60 });
  expect(joined).toBeGreaterThan(20);
});

it("what others read, or what is kept, stays", () => {
  const calls = callsOf({ channels: 4, results: 4, height: 4, width: 4, stride: 1 });
  const values = valuesOf(calls);
  expect(joinPixels(calls, values, new Set(["y"]), limits)).toHaveLength(1);
  expect(joinPixels(calls, values, new Set(["v", "y"]), limits)).toEqual(calls);
  const reader: KernelCall = { ...calls[1]!, outputs: ["z"] };
  expect(joinPixels([...calls, reader], values, new Set(["y", "z"]), limits)).toHaveLength(3);
  expect(joinPixels(calls, values, new Set(["y"]), { ...limits, sequence: 1e9 })).toEqual(calls);
  expect(joinPixels(calls, values, new Set(["y"]), { ...limits, least: 20, most: 1 })).toEqual(calls);
});
