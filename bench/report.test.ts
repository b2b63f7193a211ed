/** The table: what counts in a ratio, and what is said of what does not. */
import { expect, it } from "vitest";
import { meanRatios, milliseconds, modelTable, ratio } from "./report.ts";
import { type ModelResult, type RuntimeResult } from "./session.ts";

function measured(runtime: string, medianMs: number, verified = true): RuntimeResult {
  return {
    runtime,
    status: "measured",
    startMs: 1,
    createMs: 2,
    firstRunMs: 3,
    verification: {
      verified,
      reference: "ort-wasm",
      rtol: 0.001,
      atol: {},
      worstRatio: verified ? 0 : 7,
      worst: verified ? "equal" : "y[3]: 1 for 2, off by 1.00e+0",
      rmsError: 0,
    },
    timing: { medianMs, minimumMs: medianMs, samples: 3, runsPerSample: 1 },
    notes: {},
    downloadBytes: 12_345,
  };
}

function modelOf(name: string, ...results: readonly RuntimeResult[]): ModelResult {
  return { model: name, modelBytes: 1, atolOfRange: 1e-4, inputs: [], results };
}

const failed: RuntimeResult = {
  runtime: "own",
  status: "failed",
  stage: "prepare",
  reason: "Error: unsupported\nat somewhere",
};

const models = [
  modelOf("twice", measured("own", 10), measured("ort-wasm", 20)),
  modelOf("eightfold", measured("own", 1), measured("ort-wasm", 8)),
  modelOf("wrong", measured("own", 1, false), measured("ort-wasm", 1000)),
  modelOf("unsupported", failed, measured("ort-wasm", 1000)),
];

it("relates verified results only", () => {
  expect(models.map((model) => ratio(model, "own", "ort-wasm"))).toEqual([2, 8, undefined, undefined]);
  expect(ratio(modelOf("m", measured("own", 1), measured("ort-wasm", 9, false)), "own", "ort-wasm")).toBe(
    undefined,
  );
  const [mean, ...others] = meanRatios(models, ["own", "ort-wasm"], "ort-wasm");
  expect(others).toEqual([]);
  expect(mean).toMatchObject({ runtime: "own", models: 2, least: 2 });
  expect(mean!.geometricMean).toBeCloseTo(4, 12);
});

it("shows everything and says what is wrong", () => {
  expect(modelTable(models, ["own", "ort-wasm"], "ort-wasm").split("\n")).toEqual([
    "model        runtime   median   min  first  create  KB  verified  ratio",
    "twice        own         10.0  10.0   3.00    3.00  12       yes   2.00",
    "             ort-wasm    20.0  20.0   3.00    3.00  12       yes",
    "eightfold    own         1.00  1.00   3.00    3.00  12       yes   8.00",
    "             ort-wasm    8.00  8.00   3.00    3.00  12       yes",
    "wrong        own         1.00  1.00   3.00    3.00  12        NO      -",
    "             ort-wasm    1000  1000   3.00    3.00  12       yes",
    "unsupported  own       failed                                 no",
    "             ort-wasm    1000  1000   3.00    3.00  12       yes",
    "wrong: own differs from ort-wasm: y[3]: 1 for 2, off by 1.00e+0",
    "unsupported: own failed (prepare): Error: unsupported",
    "own: 4.000 times as fast as ort-wasm (geometric mean of 2 of 4 models; least 2.00)",
  ]);
});

it("prints times with three digits", () => {
  expect([0.01234, 1.2345, 12.345, 123.45, 12345.6, NaN].map(milliseconds)).toEqual([
    "0.012",
    "1.23",
    "12.3",
    "123",
    "12346",
    "-",
  ]);
});
