/** The graphs on which `npm run bench:compile` shows how compile time grows; time itself is never tested. */
import { describe, expect, it } from "vitest";
import { compile } from "../compiler/whole.ts";
import { generatedGraph } from "./generatedGraph.ts";

describe("generated graphs", () => {
  it("are the same for the same numbers, and of the size that was asked for", () => {
    expect(generatedGraph(60, 2)).toEqual(generatedGraph(60, 2));
    expect(generatedGraph(60, 2)).not.toEqual(generatedGraph(60, 3));
    expect(Math.abs(compile(generatedGraph(300)).report.opsIn - 300)).toBeLessThan(5);
  });

  it("compile whole, however many nodes there are", () => {
    const { report } = compile(generatedGraph(3000));
    expect(report.kind).toBe("bound");
    expect(report.kernelsOut).toBeGreaterThan(100);
    expect(report.kernelsOut).toBeLessThan(report.opsIn);
  });
});
