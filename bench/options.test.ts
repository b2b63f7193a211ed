/** What the command line of the benchmark takes and refuses. */
import { expect, it } from "vitest";
import { readOptions } from "./options.ts";
import { type BenchRuntime } from "./runtimes/runtime.ts";
import { laneBeside, lanesOf, partsOfLane } from "./lanes.ts";

it("reads lists and filters", () => {
  const options = readOptions([
    "--kernels",
    "--filter",
    "depthwise 5x5,lstm",
    "--threads",
    "1,2",
    "--generated",
    "all",
  ]);
  if (typeof options === "string") throw new Error("no options");
  expect(options.threads).toEqual([1, 2]);
  expect(
    options.kernels.every(({ name, group }) => name.startsWith("depthwise 5x5") || group === "lstm"),
  ).toBe(true);
  expect(options.kernels.length).toBeGreaterThan(3);
  expect(options.generated).toEqual([]);
  expect(options.runtimes).toEqual(["tilewright", "ort-wasm"]);
});

it("reads series of runs", () => {
  const options = readOptions(["--sizes", "--tokens", "9", "--passes", "2", "--filter", "gpt"]);
  if (typeof options === "string") throw new Error("no options");
  expect(options.series.map(({ name }) => name)).toEqual(["gen-gpt-decode, 9 tokens"]);
  expect(options.passes).toBe(2);
});

it.each([
  [[], /nothing to measure/],
  [["--kernels", "--filter", "no such kernel"], /nothing to measure/],
  [["--kernels", "--threads", "1.5"], /no whole number/],
  [["--kernels", "--threads", "0"], /no positive number/],
  [["--kernels", "--runtimes", "ort"], /there is no runtime "ort"/],
  [["--generated", "resnet"], /there is no generated model "resnet"/],
  [["--models", "/nowhere/at/all"], /is no folder/],
  [["--sizes", "--filter", "no such series"], /nothing to measure/],
  [["--sizes", "--tokens", "256"], /room for 255/],
  [["--sizes", "--tokens", "1.5"], /no whole number/],
  [["--sizes", "--passes", "0"], /no positive number/],
  [["--sizes", "--host", "node-webgpu"], /takes a browser/],
  [["--from", "a.json"], /--report DIR/],
  [["--colour"], /colour/],
])("refuses %j", (words, message) => {
  expect(() => readOptions(words)).toThrow(message);
});

it("helps", () => {
  expect(readOptions(["--help"])).toMatch(/Examples\n {2}npm run bench/);
});

it("names lanes by runtime and threads", () => {
  const runtime = {
    description: "",
    version: "",
    files: () => new Map(),
    prepare: () => Promise.reject(new Error()),
  };
  const runtimes = { a: runtime, b: { ...runtime, mostThreads: 1 } };
  const lanes = lanesOf(new Map<string, BenchRuntime>(Object.entries(runtimes)), [1, 4]);
  expect(lanes.map(({ id }) => id)).toEqual(["a", "b", "a@4"]);
  expect(partsOfLane("a@4")).toEqual({ name: "a", threads: 4 });
  expect([laneBeside("a@4", "b"), laneBeside("a", "b")]).toEqual(["b@4", "b"]);
});
