/** Texts of a module: the first that a device has all features for. */
import { describe, expect, it } from "vitest";
import type { GpuModule } from "../format/gpu.ts";
import { chooseText } from "./variant.ts";

describe("texts of a module", () => {
  const module: GpuModule = {
    offset: 0,
    bytes: 10,
    better: [
      { features: ["subgroups", "shader-f16"], offset: 10, bytes: 20 },
      { features: ["subgroups"], offset: 30, bytes: 40 },
    ],
  };
  const taken = (...features: readonly string[]): number =>
    chooseText(module, { has: (name) => features.includes(name) }).bytes;

  it("are taken by features, the first first", () => {
    expect(taken("shader-f16", "subgroups", "timestamp-query")).toBe(20);
    expect(taken("subgroups")).toBe(40);
    expect(taken("shader-f16")).toBe(10);
    expect(taken()).toBe(10);
    expect(chooseText({ offset: 1, bytes: 2 }, { has: () => true }).bytes).toBe(2);
  });
});
