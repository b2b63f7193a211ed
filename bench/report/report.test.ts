/** The results page: what it says of what was measured, what it leaves out, and that it is safe to open. */
import { describe, expect, it } from "vitest";
import { type BenchResults } from "../results.ts";
import { type ModelResult, type RuntimeResult } from "../session.ts";
import { html } from "./markup.ts";
import { mergeResults } from "./merge.ts";
import { reportPage } from "./page.ts";
import { scalingOf } from "./plots.ts";
import { summaryOf } from "./summary.ts";

function measured(runtime: string, medianMs: number, verified = true): RuntimeResult {
  return {
    runtime,
    status: "measured",
    startMs: 1,
    createMs: 2,
    firstRunMs: 3,
    verification: { verified, reference: "r", rtol: 0, atol: {}, worstRatio: 0, worst: "", rmsError: 0 },
    exactError: 1e-6,
    timing: { medianMs, minimumMs: medianMs, samples: 3, runsPerSample: 1 },
    notes: {},
  };
}

const modelOf = (model: string, ...results: readonly RuntimeResult[]): ModelResult => ({
  model,
  modelBytes: 1,
  atolOfRange: 1e-4,
  inputs: [],
  results,
});

const results: BenchResults = {
  date: "2026-11-21T12:00:00.000Z",
  device: {
    userAgent: "",
    hardwareConcurrency: 2,
    crossOriginIsolated: true,
    relaxedSimd: true,
    clockResolutionMs: 0.005,
    cpu: "a <fast> machine",
    cores: 2,
    memoryBytes: 1,
    system: "linux",
  },
  versions: { browser: "Chrome/1" },
  loadBefore: [],
  loadAfter: [],
  command: ["--models", "x"],
  reference: "ort-wasm",
  tolerance: {},
  ratios: [],
  models: [
    modelOf("big", measured("tilewright", 10), measured("ort-wasm", 40), measured("tilewright@2", 5), measured("ort-wasm@2", 30)),
    modelOf("<small>", measured("tilewright", 1), measured("ort-wasm", 9), measured("tilewright@2", 1), measured("ort-wasm@2", 9)),
    modelOf("wrong", measured("tilewright", 1, false), measured("ort-wasm", 900)),
  ],
  cold: [
    {
      model: "big",
      results: [
        { runtime: "tilewright", status: "measured", starts: 1, codeBytes: 10, startMs: 1, createMs: 2, firstRunMs: 3, totalMs: 6, memory: { peakBytes: 1e6, startBytes: 1 } },
        { runtime: "ort-wasm", status: "measured", starts: 1, codeBytes: 1000, startMs: 10, createMs: 20, firstRunMs: 30, totalMs: 60, memory: { peakBytes: 3e6, startBytes: 1 } },
      ],
    },
  ],
  kernels: [
    {
      kernel: { name: "gemm 1x2x3", group: "gemm", flop: 45e6, bytes: 1 },
      result: { ...modelOf("gemm 1x2x3", measured("tilewright", 1), measured("ort-wasm", 2)), peak: { a: { median: 50, best: 50 } } },
    },
  ],
}; // prettier-ignore

describe("the figures on top", () => {
  const facts = summaryOf(results).map(({ figure, text }) => `${figure} ${text}`);
  it("are means over what was verified", () => {
    expect(facts).toContain("6.00x as fast as ort-wasm, 1 thread: geometric mean of 2 models, least 4.00");
    expect(facts).toContain("7.35x as fast as ort-wasm, 2 threads: geometric mean of 2 models, least 6.00");
    expect(facts.some((fact) => fact.startsWith("10.0x as early"))).toBe(true);
    expect(facts.some((fact) => fact.startsWith("90% of the multiply-add peak"))).toBe(true);
  });

  it("count threads only for models that are long enough", () => {
    expect(results.models.map((model) => scalingOf(model, "tilewright@2"))).toEqual([
      2,
      undefined,
      undefined,
    ]);
    expect(facts).toContain("2.00x 2 threads over one, 1 models above 5 ms, least 2.00");
  });
});

describe("the page", () => {
  const page = reportPage(results);
  it("needs nothing from elsewhere and runs nothing", () => {
    expect(page).not.toMatch(/<script|https?:|@import|url\(/);
  });

  it("escapes names", () => {
    expect(page).not.toContain("<small>");
    expect(page).not.toContain("<fast>");
    expect(html`${"a<b>&\"'"}`.markup).toBe("a&#60;b&#62;&#38;&#34;&#39;");
  });

  it("has a section for each thing measured, and none for others", () => {
    for (const title of ["Speed, one thread", "Speed, 2 threads", "More threads", "Kernels, one thread", "First answer", "Errors"]) {
      expect(page).toContain(`<h2>${title}`);
    } // prettier-ignore
    const less = reportPage({ ...results, cold: [], kernels: [] });
    expect(less).not.toMatch(/<h2>(Kernels|First answer)/);
  });

  it("draws numbers only", () => {
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe("runtimes on the GPU", () => {
  const gpu = (runtime: string, medianMs: number, dispatches: number, verified = true): RuntimeResult =>
    Object.assign(measured(runtime, medianMs, verified), { notes: { dispatches: String(dispatches) } });
  const onGpu = {
    ...results,
    models: [
      modelOf("big", measured("ort-wasm", 40), gpu("tilewright-webgpu", 10, 3), gpu("ort-webgpu", 80, 12)),
      modelOf("other", gpu("tilewright-webgpu", 10, 4), gpu("ort-webgpu", 20, 4), gpu("tfjs-webgpu", 40, 8)),
      modelOf("wrong", gpu("tilewright-webgpu", 10, 1), gpu("ort-webgpu", 9000, 900, false)),
    ],
    cold: [{ model: "big", results: [{ ...results.cold[0]!.results[0]!, runtime: "tilewright-webgpu" }] }],
    kernels: [],
  };
  const merged = mergeResults([results, { ...onGpu, reference: "ort-webgpu" }]);

  it("have means and a plot of their own, of what is verified", () => {
    const facts = summaryOf(onGpu).map(({ figure, text }) => `${figure} ${text}`);
    expect(facts).toContain("4.0x as fast, beside ort-webgpu: 2 models, least 2.00");
    expect(facts).toContain("2.0x fewer dispatches, beside ort-webgpu: 2 models, least 1.00");
    const page = reportPage(onGpu);
    expect(page).toContain("<h2>Speed on WebGPU");
    expect(page).toContain("tfjs-webgpu 0.50 times as fast as ort-webgpu");
    expect(page).not.toContain("<h2>Speed, one thread");
    expect(reportPage(results)).not.toContain("<h2>Speed on WebGPU");
  });

  it("stand beside the others where both were measured", () => {
    const page = reportPage(merged);
    for (const title of ["Speed, one thread", "Speed on WebGPU"]) expect(page).toContain(`<h2>${title}`);
    expect(merged.models.filter(({ model }) => model === "big")).toHaveLength(2);
    expect(merged.cold.map(({ model }) => model)).toEqual(["big", "big"]);
    expect(merged.reference).toBe("ort-wasm");
    expect(mergeResults([{ ...onGpu, reference: "ort-webgpu" }]).reference).toBe("ort-webgpu");
    expect(summaryOf(merged)).toEqual(expect.arrayContaining([...summaryOf(results), ...summaryOf(onGpu)]));
  });
});

it("names in a legend what is drawn, and nothing else", () => {
  const [own] = results.cold[0]!.results;
  const cold = [{ model: "big", results: [{ ...own!, runtime: "tilewright-webgpu" }] }];
  const sections = reportPage({ ...results, cold }).split("<section>");
  const first = sections.find((text) => text.includes("<h2>First answer"))!;
  expect(first).toContain('class="s-tilewright-webgpu"></i>');
  expect(first).not.toContain('class="s-ort-wasm"></i>');
  expect(sections.find((text) => text.includes("<h2>Errors"))).toContain('class="s-ort-wasm"></i>');
});

it("takes the later measurement of a model, whole", () => {
  const again = {
    ...results,
    models: [modelOf("big", measured("tilewright", 20), measured("ort-wasm", 40))],
  };
  const merged = mergeResults([results, again]);
  expect(merged.models.map(({ model }) => model)).toEqual(["big", "<small>", "wrong"]);
  expect(merged.models[0]!.results).toHaveLength(2);
  expect(merged.ratios.find(({ runtime }) => runtime === "tilewright")!.least).toBe(2);
  expect(
    reportPage(mergeResults([merged, { ...again, command: ["--kernels"] }])).match(/Made by/g),
  ).toHaveLength(3);
  expect(() => mergeResults([])).toThrow(RangeError);
});
