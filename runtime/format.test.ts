import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Json, scalingArtifact, scalingPlan, scalingSections, withHeader } from "../test/programs.ts";
import { TilewrightError } from "./errors.ts";
import {
  type BoundPlan,
  FORMAT_VERSION,
  type LatePlan,
  LEAF_BYTES,
  type Plan,
  PREFIX_BYTES,
  readArtifact,
  readHeader,
  type ReadOptions,
  readPrefix,
  sectionHash,
  writeArtifact,
} from "./format.ts";
import { VERSION } from "./format/version.ts";
import { sha256, sha256Hex } from "./sha256.ts";

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof TilewrightError) return error.code;
    throw error;
  }
  return "none";
}

const late: LatePlan = {
  kind: "late",
  name: "m",
  compiler: "1",
  inputs: [{ name: "x", dtype: "float32", shape: ["batch", 3] }],
  outputs: [{ name: "y", dtype: "string", shape: ["?"] }],
};

describe("writeArtifact and readArtifact", () => {
  it("are inverse, with the weights last and everything aligned", () => {
    const file = scalingArtifact();
    const { plan, sections } = readArtifact(file);
    expect(plan).toEqual(scalingPlan);
    expect([...sections.keys()]).toEqual(["relaxed", "plain", "library", "weights"]);
    for (const { name, data } of scalingSections([2, 3, 4, 5])) {
      const parts = data instanceof Uint8Array ? [data] : data;
      expect([...sections.get(name)!]).toEqual(parts.flatMap((part) => [...part]));
      expect((sections.get(name)!.byteOffset - file.byteOffset) % 64).toBe(0);
    }
    expect(writeArtifact(plan, scalingSections([2, 3, 4, 5]))).toEqual(file);
  });

  it("carry the version of the package", () => {
    const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(VERSION).toBe(manifest.version);
  });

  it("still read and write the file that was committed when the format version was given out", () => {
    // If this fails, files that people have can no longer be read: raise FORMAT_VERSION, then write the file anew.
    const committed = readFileSync(new URL("../test/artifacts/scaling.tile", import.meta.url));
    expect(readArtifact(committed).plan).toEqual(scalingPlan);
    expect(Buffer.compare(scalingArtifact(), committed)).toBe(0);
  });

  it("read from the middle of a buffer", () => {
    const file = scalingArtifact();
    const larger = new Uint8Array(file.length + 13);
    larger.set(file, 5);
    expect(readArtifact(larger.subarray(5, 5 + file.length)).plan).toEqual(scalingPlan);
  });

  it("keep a late plan and large sections of several leaves", () => {
    const source = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31) & 255);
    const file = writeArtifact(late, [{ name: "source", data: source }]);
    const read = readArtifact(file);
    expect(read.plan).toEqual(late);
    expect(Buffer.compare(read.sections.get("source")!, source)).toBe(0);
    file[file.length - 1]! ^= 1;
    expect(codeOf(() => readArtifact(file))).toBe("artifact-corrupt");
    expect(codeOf(() => readArtifact(file, { verify: false }))).toBe("none");
  });

  it("have one hash for a section of any size, by its leaves", () => {
    const bytes = LEAF_BYTES + 5;
    const source = Uint8Array.from({ length: bytes }, (_, index) => (index * 31) & 255);
    const leaves = [source.subarray(0, LEAF_BYTES), source.subarray(LEAF_BYTES)].map((leaf) => sha256(leaf));
    const file = writeArtifact(late, [{ name: "source", data: source }]);
    const { headerBytes } = readPrefix(file);
    const [entry] = readHeader(file.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes)).sections;
    expect(entry).toEqual({ name: "source", offset: 0, bytes, sha256: sha256Hex(Buffer.concat(leaves)) });
    expect(sectionHash(new Uint8Array(0))).toBe(sha256Hex(new Uint8Array(0)));
  });

  it("refuse an unsealed file unless hashes are not asked for", () => {
    const file = scalingArtifact({}, [1, 1, 1, 1], { unsealed: true });
    expect(codeOf(() => readArtifact(file))).toBe("artifact-malformed");
    expect(readArtifact(file, { verify: false }).plan).toEqual(scalingPlan);
  });

  it("keep where a run is refused, and why", () => {
    const refusals = [{ address: 508, message: "a branch that does not fit" }];
    expect((readArtifact(scalingArtifact({ refusals })).plan as BoundPlan).refusals).toEqual(refusals);
  });

  it("leave out variants that need what this runtime does not know", () => {
    const variants = [{ requires: ["threads"], section: "plain" }, ...scalingPlan.variants];
    const file = scalingArtifact({ variants: variants as unknown as BoundPlan["variants"] });
    expect((readArtifact(file).plan as BoundPlan).variants).toEqual(scalingPlan.variants);
  });
});

describe("readArtifact", () => {
  it.each<[string, string, (file: Uint8Array) => Uint8Array, ReadOptions?]>([
    ["nothing", "artifact-malformed", () => new Uint8Array(0)],
    ["another magic", "artifact-malformed", (file) => file.fill(0x54, 0, 4)],
    ["only the magic", "artifact-malformed", (file) => file.subarray(0, 4)],
    ["half a prefix", "artifact-malformed", (file) => file.subarray(0, 30)],
    ["a later version", "artifact-version", (file) => file.fill(FORMAT_VERSION + 1, 4, 5)],
    ["an absurd header length", "artifact-malformed", (file) => file.fill(0xff, 8, 12)],
    ["a header past the end", "artifact-malformed", (file) => file.fill(0xff, 9, 10)],
    ["a reserved field in use", "artifact-malformed", (file) => file.fill(1, 12, 13)],
    ["another header hash", "artifact-corrupt", (file) => file.fill(0, 16, 48)],
    ["a changed header", "artifact-corrupt", (file) => file.fill(0x20, 60, 62)],
    ["one byte less", "artifact-malformed", (file) => file.subarray(0, -1)],
    ["one byte more", "artifact-malformed", (file) => Uint8Array.of(...file, 0)],
    ["a changed weight", "artifact-corrupt", (file) => file.fill(0xff, -1)],
    ["too little memory", "out-of-memory", (file) => file, { memoryLimit: 511 }],
  ])("says of %s: %s", (_, code, change, options) => {
    expect(codeOf(() => readArtifact(change(scalingArtifact()), options))).toBe(code);
  });

  it("says so when there is data between sections", () => {
    const file = scalingArtifact();
    const ends = [...readArtifact(file).sections.values()].map((bytes) => bytes.byteOffset + bytes.length);
    const end = ends.find((offset) => offset % 64 !== 0)!;
    expect(end).toBeLessThan(file.length);
    file[end] = 1;
    expect(codeOf(() => readArtifact(file))).toBe("artifact-malformed");
  });

  const slot = { name: "x", dtype: "float32", shape: [4], address: 0 };
  it.each<[string, Json]>([
    ["no such kind", { kind: "other" }],
    ["no name", { name: 3 }],
    ["no inputs", { inputs: undefined }],
    ["inputs that are no list", { inputs: {} }],
    ["an input that is null", { inputs: [null] }],
    ["an unknown dtype", { inputs: [{ ...slot, dtype: "float31" }] }],
    ["strings in memory", { inputs: [{ ...slot, dtype: "string" }] }],
    ["an unaligned address", { inputs: [{ ...slot, address: 2 }] }],
    ["a negative address", { inputs: [{ ...slot, address: -4 }] }],
    ["a fractional address", { inputs: [{ ...slot, address: 0.5 }] }],
    ["an address past the end", { inputs: [{ ...slot, address: 500 }] }],
    ["a shape past the end", { inputs: [{ ...slot, shape: [129] }] }],
    ["a shape past all numbers", { inputs: [{ ...slot, shape: Array(63).fill(2 ** 40) }] }],
    ["infinity times nothing", { inputs: [{ ...slot, shape: [...Array<number>(63).fill(2 ** 40), 0] }] }],
    ["too many dimensions", { inputs: [{ ...slot, shape: Array(65).fill(1) }] }],
    ["a negative dimension", { inputs: [{ ...slot, shape: [-1] }] }],
    ["an open dimension", { inputs: [{ ...slot, shape: ["n"] }] }],
    ["two inputs of one name", { inputs: [slot, slot] }],
    ["two outputs of one name", { outputs: [slot, slot] }],
    ["a dynamic dimension that is none", { outputs: [{ ...slot, dynamicDim: 1, sizeAddress: 0 }] }],
    ["a dynamic dimension without size", { outputs: [{ ...slot, dynamicDim: 0 }] }],
    ["a size past the end", { outputs: [{ ...slot, dynamicDim: 0, sizeAddress: 512 }] }],
    ["an unaligned size", { outputs: [{ ...slot, dynamicDim: 0, sizeAddress: 2 }] }],
    ["a refusal past the end", { refusals: [{ address: 512, message: "no" }] }],
    ["a refusal without a reason", { refusals: [{ address: 0 }] }],
    ["memory above 4 GiB", { memoryBytes: 2 ** 32 + 1 }],
    ["memory that is no number", { memoryBytes: "512" }],
    ["weights past their section", { weights: [{ offset: 8, bytes: 9, address: 0 }] }],
    ["weights past the memory", { weights: [{ offset: 0, bytes: 16, address: 500 }] }],
    [
      "overlapping weights",
      {
        weights: [
          { offset: 0, bytes: 8, address: 0 },
          { offset: 8, bytes: 8, address: 7 },
        ],
      },
    ],
    ["no variants", { variants: [] }],
    ["a variant without section", { variants: [{ requires: [], section: "nowhere" }] }],
    ["a variant in the weights", { variants: [{ requires: [], section: "weights" }] }],
    ["a library without section", { libraries: [{ name: "a", export: "a", section: "nowhere" }] }],
    ["mathematics that do not exist", { math: ["constructor"] }],
    ["a constant of Math", { math: ["PI"] }],
    ["a report that is a list", { report: [] }],
  ])("refuses a plan with %s", (_, change) => {
    const file = withHeader(scalingArtifact(), ({ plan }) => Object.assign(plan, change));
    expect(codeOf(() => readArtifact(file))).toBe("artifact-malformed");
    const changed = { ...scalingPlan, ...change } as unknown as Plan;
    expect(codeOf(() => writeArtifact(changed, scalingSections([1, 1, 1, 1])))).toBe("artifact-malformed");
  });

  it.each<[string, (sections: Json[]) => void]>([
    ["is moved", ([, second]) => (second!["offset"] = 128)],
    ["overlaps", ([, second]) => (second!["offset"] = 0)],
    ["is too long", (sections) => (sections.at(-1)!["bytes"] = 17)],
    ["is absurdly long", (sections) => (sections.at(-1)!["bytes"] = 2 ** 53)],
    ["lacks a hash", (sections) => (sections.at(-1)!["sha256"] = "")],
    ["has a hash too many", ([first]) => (first!["sha256"] = ["0".repeat(64), "0".repeat(64)])],
    ["has no hex hash", ([first]) => (first!["sha256"] = "x".repeat(64))],
    ["has the name of another", ([first]) => (first!["name"] = "weights")],
    ["is null", (sections) => (sections[0] = null as unknown as Json)],
  ])("refuses a table whose section %s", (_, change) => {
    const file = withHeader(scalingArtifact(), ({ sections }) => change(sections));
    expect(codeOf(() => readArtifact(file))).toBe("artifact-malformed");
  });

  it("keeps what an input is a container of, and refuses kinds it does not know", () => {
    const input = {
      name: "s",
      dtype: "float32",
      shape: ["s.shape"],
      container: "optional sequence",
    } as const;
    const source = { name: "source", data: Uint8Array.of(1) };
    const plan = { ...late, inputs: [input] };
    expect(readArtifact(writeArtifact(plan, [source])).plan).toEqual(plan);
    const odd = { ...late, inputs: [{ ...input, container: "bag" as "sequence" }] };
    expect(codeOf(() => writeArtifact(odd, [source]))).toBe("artifact-malformed");
  });

  it("refuses a late artifact without source", () => {
    expect(codeOf(() => writeArtifact(late, []))).toBe("artifact-malformed");
  });

  it("refuses a header that is not UTF-8 or not JSON", () => {
    for (const header of [[0xff, 0xfe], [0x7b], [...new TextEncoder().encode("[".repeat(100_000))]]) {
      const file = new Uint8Array(PREFIX_BYTES + header.length);
      file.set(scalingArtifact().subarray(0, PREFIX_BYTES));
      new DataView(file.buffer).setUint32(8, header.length, true);
      file.set(sha256(Uint8Array.from(header)), 16);
      file.set(header, PREFIX_BYTES);
      expect(codeOf(() => readArtifact(file))).toBe("artifact-malformed");
    }
  });
});
