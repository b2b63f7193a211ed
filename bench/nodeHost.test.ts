/** Kernels on WebGPU in Node, where this machine has an adapter for it: results are right, and compared with peaks. */
import { afterAll, describe, expect, it, vi } from "vitest";
import { nodeGpu } from "../scripts/nodeGpu.ts";
import { runInNode } from "./nodeHost.ts";
import { readOptions } from "./options.ts";

const found = await nodeGpu();
const name = "missing" in found ? `not run here: ${found.missing}` : "measures and verifies a kernel";

describe("the benchmark without a browser", () => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  afterAll(() => log.mockRestore());

  it.skipIf("missing" in found)(name, async () => {
    const words = ["--host", "node-webgpu", "--kernels", "--filter", "gemm 1x768x768", "--seconds", "0.1"];
    const options = readOptions(words);
    if (typeof options === "string") throw new Error("no options");
    expect(await runInNode(options)).toBe(0);
    expect(lines.join("\n")).toMatch(/peak: \d+ GFLOP\/s, reads: [\d.]+ GB\/s/);
    expect(lines.join("\n")).toMatch(/gemm 1x768x768 +1 .* % .* yes/);
  });
});
