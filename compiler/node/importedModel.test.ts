/** What the query of an import means, and what is refused. */
import { describe, expect, it } from "vitest";
import { asksForModel, mergedOptions, ownQuery, readModelQuery } from "./importedModel.ts";

describe("readModelQuery", () => {
  it.each([
    ["", {}],
    ["tile", {}],
    ["dims.batch=1&dims.height=224", { dims: { batch: 1, height: 224 } }],
    ["inputShapes.image=1x3x224x224", { inputShapes: { image: [1, 3, 224, 224] } }],
    ["inputShapes.steps=scalar", { inputShapes: { steps: [] } }],
    ["passes.winograd=false&passes.fuse", { passes: { winograd: false, fuse: true } }],
    [
      "variants=relaxed-simd,simd&memoryLimit=65536",
      { variants: ["relaxed-simd", "simd"], memoryLimit: 65536 },
    ],
    ["target=auto", { target: "auto" }],
    ["profile&maxIterations=3&maxUnrolledNodes=4", { profile: true, maxIterations: 3, maxUnrolledNodes: 4 }],
    ["dims.batch=1&import&t=1700000000000&v=abc", { dims: { batch: 1 } }],
  ])("reads %s", (query, options) => {
    expect(readModelQuery(query)).toEqual({ as: "model", options });
  });

  it("gives the address where that is wanted", () => {
    expect(readModelQuery("tile&url&dims.n=2")).toEqual({ as: "url", options: { dims: { n: 2 } } });
  });

  it.each([
    ["dimms.batch=1", "did you mean dims.batch=1?"],
    ["quantise", "there are dims.batch=1"],
    ["dims.batch=one", "a whole number"],
    ["dims=1", "names nothing"],
    ["inputShapes.image=1xx3", "a shape such as"],
    ["passes.winogrd=false", "did you mean winograd?"],
    ["passes.fuse=no", "true or false"],
    ["variants=simd512", "relaxed-simd or simd"],
    ["target=gpu", "wasm, webgpu, auto"],
  ])("refuses %s", (query, message) => {
    expect(() => readModelQuery(query)).toThrow(expect.objectContaining({ code: "option-invalid" }));
    expect(() => readModelQuery(query)).toThrow(message);
  });
});

describe("asksForModel", () => {
  it.each([
    ["./m.onnx", true],
    ["/src/m.tile?t=1", true],
    ["./m.onnx?dims.batch=1", true],
    ["./m.bin?tile", true],
    ["./m.onnx?tile&url", true],
    ["./m.onnx?url", false],
    ["./m.tile?url&no-inline", false],
    ["./m.onnx.js", false],
    ["\0virtual.onnx", false],
    ["./page?tiles=3", false],
  ])("%s: %s", (id, expected) => {
    expect(asksForModel(id)).toBe(expected);
  });
});

it("leaves what bundlers add out of a query", () => {
  expect(ownQuery("import&dims.batch=1&t=17")).toBe("dims.batch=1");
});

it("merges options name by name", () => {
  const file = { dims: { batch: 1, height: 8 }, profile: true };
  const query = { dims: { height: 16 }, passes: { fuse: false } };
  const both = { dims: { batch: 1, height: 16 }, profile: true, passes: { fuse: false } };
  expect(mergedOptions(file, query)).toEqual(both);
});
