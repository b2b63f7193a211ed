/** Kernel cases: they compile and agree with onnxruntime-web, count what they do, and are judged by the right peak. */
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/whole.ts";
import { load } from "../../runtime/index.ts";
import { type Tensors, verify } from "../agreement.ts";
import { runOnnxruntime } from "../onnxruntime.ts";
import { type ModelResult, type RuntimeResult } from "../session.ts";
import { kernelCases } from "./cases.ts";
import { kernelRates, type KernelResult, kernelTable } from "./table.ts";

/** Cases whose interpretation of the shapes a mistake would show in, small enough for a test. */
const CHECKED = [
  "gemm 1x768x768",
  "gemm 12 times 128x32x128",
  "conv 1x1 160/960 @7 x4",
  "conv 3x3/2 3-32 @224",
  "depthwise 3x3 960 @7 x6",
  "depthwise 3x3/2 192-192 @28",
  "depthwise 3x3 384 @32 by 2 x4",
  "conv 16x16/16 3-192 @224",
  "conv 1x1/1 32-1 @256",
  "softmax 12x128x128",
  "layer norm 128x384",
  "lstm 1 steps, 257-128",
];

it("have names of their own", () => {
  expect(new Set(kernelCases.map(({ name }) => name)).size).toBe(kernelCases.length);
  expect(kernelCases.map(({ name }) => name)).toEqual(expect.arrayContaining(CHECKED));
});

describe.each(CHECKED)("%s", (name) => {
  const kernel = kernelCases.find((candidate) => candidate.name === name)!;
  const model = kernel.model();

  it("agrees with onnxruntime-web", async () => {
    const inputs = Object.fromEntries(model.inputs.map(({ name: input, tensor }) => [input, tensor]));
    const { artifact, report } = compile(model.bytes);
    expect(report.kind).toBe("bound");
    const session = await load(artifact, { threads: 1 });
    const actual = (await session.run(inputs)) as Tensors;
    session.dispose();
    const { verified, worst } = verify(actual, await runOnnxruntime(model.bytes, inputs), "onnxruntime-web");
    expect(verified, worst).toBe(true);
  });
});

it.each([
  ["gemm 384x768x768", 2 * 384 * 768 * 768, 4 * (384 * 768 + 768 * 768 + 384 * 768)],
  // Four steps between 160 and 960 channels of 49 pixels.
  ["conv 1x1 160/960 @7 x4", 4 * 2 * 49 * 160 * 960, 4 * 4 * (49 * (160 + 960) + 160 * 960)],
  ["depthwise 3x3 960 @7 x6", 6 * 2 * 49 * 960 * 9, 4 * 6 * (2 * 49 * 960 + 960 * 9)],
  ["conv 7x7/2 3-64 @224", 2 * 112 * 112 * 64 * 3 * 49, 4 * (224 * 224 * 3 + 112 * 112 * 64 + 3 * 64 * 49)],
])("%s counts its operations and bytes", (name, flop, bytes) => {
  expect(kernelCases.find((kernel) => kernel.name === name)).toMatchObject({ flop, bytes });
});

function measured(runtime: string, medianMs: number, minimumMs: number): RuntimeResult {
  return {
    runtime,
    status: "measured",
    startMs: 1,
    createMs: 2,
    firstRunMs: 3,
    verification: {
      verified: true,
      reference: "r",
      rtol: 0,
      atol: {},
      worstRatio: 0,
      worst: "",
      rmsError: 0,
    },
    timing: { medianMs, minimumMs, samples: 3, runsPerSample: 1 },
    notes: {},
  };
}

const model: ModelResult = {
  model: "k",
  modelBytes: 1,
  atolOfRange: 1e-4,
  inputs: [],
  results: [measured("own", 2, 1), measured("ort-wasm", 4, 4), measured("own@2", 1, 1)],
  peak: { simd: { median: 25, best: 30 }, "relaxed-simd": { median: 50, best: 60 } },
  bandwidth: { median: 10, best: 12 },
};
const entry: KernelResult = { kernel: { name: "k", group: "gemm", flop: 80e6, bytes: 4e6 }, result: model };

it("relates medians to medians, the best to the best, and threads to as many cores", () => {
  expect(kernelRates(entry, "own")).toEqual({
    medianMs: 2,
    gflops: 40,
    ofPeak: 0.8,
    bestOfPeak: 80 / 60,
    gbs: 2,
    ofBandwidth: 0.2,
  });
  expect(kernelRates(entry, "own@2")!.ofPeak).toBe(0.8);
  expect(kernelRates(entry, "other")).toBe(undefined);
  expect(kernelRates({ ...entry, kernel: { ...entry.kernel, flop: 0 } }, "own")!.ofPeak).toBe(undefined);
});

it("prints each lane and the mean of each group", () => {
  const text = kernelTable([entry], "ort-wasm");
  expect(text).toContain("multiply-add peak of one core: 50.0 to 50.0 GFLOP/s");
  expect(text).toContain("gemm: own 2.00 times as fast as ort-wasm, least 2.00, 80% of the peak");
  expect(text).not.toMatch(/NaN|Infinity/);
});
