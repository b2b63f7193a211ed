/** The measured parts of an artifact are its header and its sections, and weights are no code. */
import { expect, it } from "vitest";
import { writeArtifact, type BoundPlan } from "../runtime/format.ts";
import { measureArtifact } from "./artifactSize.ts";

const plan: BoundPlan = {
  kind: "bound",
  name: "test",
  compiler: "0.0.0",
  inputs: [],
  outputs: [],
  memoryBytes: 65536,
  weights: [{ offset: 0, bytes: 4096, address: 1024 }],
  variants: [{ requires: [], section: "code" }],
  libraries: [],
  math: [],
};

it("counts header and code, not weights", () => {
  const code = Uint8Array.from({ length: 1000 }, (_, index) => index % 7);
  // Multiplicative noise, so that gzip cannot shrink the weights away.
  const weights = Uint8Array.from({ length: 4096 }, (_, index) => Math.imul(index, 2654435761) >>> 24);
  const file = writeArtifact(plan, [
    { name: "code", data: code },
    { name: "weights", data: weights },
  ]);
  const size = measureArtifact(file);
  expect(size.weights.raw).toBe(4096);
  expect(size.artifact.raw).toBe(file.length);
  expect(size.parts.map(([name]) => name)).toEqual(["header", "code"]);
  const [header, codeSize] = size.parts.map(([, part]) => part);
  expect(codeSize!.raw).toBe(1000);
  expect(codeSize!.gzip).toBeLessThan(100);
  expect(size.code.raw).toBe(header!.raw + 1000);
  expect(header!.raw % 64).toBe(0);
  // The only bytes left over are the gap that aligns the weights.
  expect(file.length - size.code.raw - size.weights.raw).toBe((64 - (1000 % 64)) % 64);
});
