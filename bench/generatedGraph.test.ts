/** The time of compiling grows with the number of nodes, not with its square. */
import { describe, expect, it } from "vitest";
import { compile } from "../compiler/index.ts";
import { generatedGraph } from "./generatedGraph.ts";

/** Processor time of one compilation in milliseconds: others may share the machine. */
function processorTime(bytes: Uint8Array): number {
  const before = process.cpuUsage();
  compile(bytes);
  return process.cpuUsage(before).user / 1000;
}

describe("generated graphs", () => {
  it("are the same for the same numbers, and of the size that was asked for", () => {
    expect(generatedGraph(60, 2)).toEqual(generatedGraph(60, 2));
    expect(generatedGraph(60, 2)).not.toEqual(generatedGraph(60, 3));
    expect(Math.abs(compile(generatedGraph(300)).report.opsIn - 300)).toBeLessThan(5);
  });

  it("compile in a time that grows with their size", { timeout: 60_000 }, () => {
    const [small, large] = [generatedGraph(1000), generatedGraph(6000)];
    processorTime(small);
    // Six times the nodes; the square would be 36 times the time.
    const base = Math.min(processorTime(small), processorTime(small));
    expect(processorTime(large) / base).toBeLessThan(15);
  });
});
