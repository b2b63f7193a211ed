/**
 * A GPU without memory, for real: a software driver in a process whose address space has a limit. In: the adapter that Node
 * has here; Linux, for `prlimit`. Out: tests; where either is missing they are skipped, and say so.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { nodeGpu } from "../scripts/nodeGpu.ts";

const found = await nodeGpu();
const missing =
  "missing" in found
    ? found.missing
    : !found.software
      ? "the adapter has memory of its own"
      : !existsSync("/proc/self/status") || !existsSync("/usr/bin/prlimit")
        ? "no prlimit here"
        : undefined;
if (missing !== undefined) console.log(`Skipped: running out of memory on a GPU: ${missing}`);

describe.skipIf(missing !== undefined)("a GPU that has no memory left", () => {
  it("is a typed error while loading and while running, leaves other sessions alone, and passes", async () => {
    const child = fileURLToPath(new URL("gpuMemoryChild.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", child]);
    const answers = JSON.parse(stdout.trim().split("\n").at(-1)!) as Record<string, string>;
    const refused = /^out-of-memory: the GPU has no memory left: .*dispose of sessions/;
    expect(answers).toEqual({
      load: expect.stringMatching(refused) as string,
      "run into a new buffer": expect.stringMatching(refused) as string,
      "run into memory": expect.stringMatching(refused) as string,
      "run with a large input": expect.stringMatching(
        /^out-of-memory: there is no memory for a copy/,
      ) as string,
      "what is there runs on": "ok",
      "load, with memory": "ok",
      "run, with memory": "ok",
    });
  });
});
