import { describe, expect, it } from "vitest";
import { type Json } from "../../test/programs.ts";
import { TilewrightError } from "../errors.ts";
import { type BoundPlan, readArtifact, type SectionContent, writeArtifact } from "../format.ts";
import { gpuBytes, readGpuPlan, wideElement } from "./gpu.ts";

const checked = { gpuPlan: readGpuPlan };

const wgsl = new TextEncoder().encode("@compute @workgroup_size(1) fn double() {}");

const range = { buffer: 0, address: 256, bytes: 16 };
const dispatch = { kind: "dispatch", pipeline: 0, bindings: [range], groups: [1, 1, 1], call: 0 };
const read = {
  gpu: { buffer: 0, address: 0, bytes: 16 },
  address: 0,
  form: "packed",
  dtype: "float32",
  elements: 4,
};
const host = { kind: "host", segment: "segment.0", reads: [read], writes: [] };

/** A variant that uses everything, to be changed. */
const variant: Json = {
  requires: { features: ["shader-f16"], limits: { maxBufferSize: 1024 } },
  buffers: [{ bytes: 1024 }, { bytes: 256 }],
  weights: [{ offset: 0, bytes: 6, buffer: 1, address: 0 }],
  modules: [{ offset: 0, bytes: wgsl.length }],
  pipelines: [{ module: 0, entry: "double", bindings: ["write"], name: "double", schedule: "split x" }],
  init: [{ kind: "copy", from: { ...range, buffer: 1, address: 0 }, to: range }],
  run: [dispatch, host],
  inputs: [{ name: "x", buffer: 0, address: 256, bytes: 16, form: "packed" }],
  outputs: [
    {
      name: "y",
      buffer: 0,
      address: 0,
      bytes: 12,
      form: "wide",
      size: { buffer: -1, address: 4, bytes: 4 },
    },
  ],
  host: {
    section: "code",
    requires: ["simd"],
    memoryBytes: 64,
    weights: [{ offset: 2, bytes: 6, address: 8 }],
  },
};

function planWith(change: Json): BoundPlan {
  return {
    kind: "bound",
    name: "on the GPU",
    compiler: "by hand",
    inputs: [{ name: "x", dtype: "float32", shape: [4], address: 0 }],
    outputs: [{ name: "y", dtype: "bool", shape: [3], address: 0, dynamicDim: 0, sizeAddress: 0 }],
    memoryBytes: 0,
    weights: [],
    variants: [],
    libraries: [],
    math: [],
    gpu: { variants: [{ ...variant, ...change }] } as unknown as NonNullable<BoundPlan["gpu"]>,
  };
}

const sections: SectionContent[] = [
  { name: "code", data: Uint8Array.of(1) },
  { name: "wgsl", data: wgsl },
  { name: "weights", data: new Uint8Array(8) },
];

describe("a plan for WebGPU", () => {
  it("is read as it was written, though it is the only program", () => {
    const plan = planWith({});
    expect(readArtifact(writeArtifact(plan, sections, checked), checked).plan).toEqual(plan);
  });

  it("keeps other texts of a module", () => {
    const better = [{ features: ["subgroups"], offset: 0, bytes: wgsl.length }];
    const plan = planWith({ modules: [{ offset: 0, bytes: wgsl.length, better }] });
    expect(readArtifact(writeArtifact(plan, sections, checked), checked).plan).toEqual(plan);
  });

  it.each<[string, Json]>([
    ["a limit that is no number", { requires: { features: [], limits: { maxBufferSize: "1" } } }],
    ["a buffer of an odd size", { buffers: [{ bytes: 1023 }] }],
    ["weights past their section", { weights: [{ offset: 4, bytes: 5, buffer: 1, address: 0 }] }],
    ["weights at an odd offset", { weights: [{ offset: 2, bytes: 4, buffer: 1, address: 0 }] }],
    ["weights past their buffer", { weights: [{ offset: 0, bytes: 8, buffer: 1, address: 252 }] }],
    ["weights at an odd address", { weights: [{ offset: 0, bytes: 4, buffer: 1, address: 2 }] }],
    ["text past its section", { modules: [{ offset: 1, bytes: wgsl.length }] }],
    ["another text past its section", { modules: [{ offset: 0, bytes: 1, better: [{ features: [], offset: 0, bytes: wgsl.length + 1 }] }] }], // prettier-ignore
    ["another text for nothing", { modules: [{ offset: 0, bytes: 1, better: [{ offset: 0, bytes: 1 }] }] }],
    ["a pipeline without module", { pipelines: [{ module: 1, entry: "double", bindings: [], name: "" }] }],
    [
      "a binding of no kind",
      { pipelines: [{ module: 0, entry: "double", bindings: ["uniform"], name: "" }] },
    ],
    ["a step of no kind", { run: [{ kind: "wait" }] }],
    ["a pipeline that is not there", { run: [{ ...dispatch, pipeline: 1 }] }],
    ["a binding too many", { run: [{ ...dispatch, bindings: [range, range] }] }],
    ["an unaligned binding", { run: [{ ...dispatch, bindings: [{ ...range, address: 4 }] }] }],
    ["an empty binding", { run: [{ ...dispatch, bindings: [{ ...range, bytes: 0 }] }] }],
    ["a binding past its buffer", { run: [{ ...dispatch, bindings: [{ ...range, bytes: 772 }] }] }],
    ["a binding of no buffer", { run: [{ ...dispatch, bindings: [{ ...range, buffer: 2 }] }] }],
    ["four numbers of groups", { run: [{ ...dispatch, groups: [1, 1, 1, 1] }] }],
    ["half a group", { run: [{ ...dispatch, groups: [0.5, 1, 1] }] }],
    ["a copy onto itself", { run: [{ kind: "copy", from: range, to: { ...range, address: 260 } }] }],
    ["a copy into less", { run: [{ kind: "copy", from: range, to: { ...range, address: 0, bytes: 4 } }] }],
    ["a host step without host", { host: undefined }],
    ["a host in the weights", { host: { section: "weights", requires: [], memoryBytes: 64, weights: [] } }],
    ["a host that is nowhere", { host: { section: "nowhere", requires: [], memoryBytes: 64, weights: [] } }],
    [
      "host weights past memory",
      {
        host: {
          section: "code",
          requires: [],
          memoryBytes: 64,
          weights: [{ offset: 0, bytes: 8, address: 60 }],
        },
      },
    ],
    ["a read past linear memory", { run: [{ ...host, reads: [{ ...read, address: 52 }] }] }],
    ["a read into an odd address", { run: [{ ...host, reads: [{ ...read, address: 2 }] }] }],
    ["a read of another length", { run: [{ ...host, reads: [{ ...read, elements: 3 }] }] }],
    ["wide floats", { run: [{ ...host, reads: [{ ...read, form: "wide" }] }] }],
    ["an input too few", { inputs: [] }],
    ["an input of another name", { inputs: [{ ...(variant["inputs"] as Json[])[0], name: "z" }] }],
    ["an input of another length", { inputs: [{ ...(variant["inputs"] as Json[])[0], bytes: 12 }] }],
    ["an input past its buffer", { inputs: [{ ...(variant["inputs"] as Json[])[0], address: 1012 }] }],
    ["an output without size", { outputs: [{ ...(variant["outputs"] as Json[])[0], size: undefined }] }],
    ["no wide form in linear memory", { outputs: [{ ...(variant["outputs"] as Json[])[0], buffer: -1 }] }],
  ])("is refused with %s", (_, change) => {
    let code = "none";
    try {
      writeArtifact(planWith(change), sections, checked);
    } catch (error) {
      if (!(error instanceof TilewrightError)) throw error;
      ({ code } = error);
    }
    expect(code).toBe("artifact-malformed");
  });

  it("has no variants only by mistake", () => {
    const plan = { ...planWith({}), gpu: { variants: [] } };
    expect(() => writeArtifact(plan, sections, checked)).toThrow("at least one variant");
  });
});

describe("forms on the GPU", () => {
  it("widen what is narrow", () => {
    expect(["float32", "int64", "float64", "uint32"].map((type) => wideElement(type as "int64"))).toEqual(
      Array(4).fill(undefined),
    );
    expect(["bool", "int8", "float16", "uint16", "uint4"].map((type) => wideElement(type as "bool"))).toEqual(
      ["u32", "i32", "f32", "u32", "u32"],
    );
    expect(gpuBytes("bool", 5, "packed")).toBe(8);
    expect(gpuBytes("bool", 5, "wide")).toBe(20);
    expect(gpuBytes("int64", 5, "packed")).toBe(40);
  });
});
