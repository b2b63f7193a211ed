/**
 * Damaged files: 2,000 mutations of real models and artifacts, each taken as far as it goes. In: a seed (TILEWRIGHT_SEED
 * for another one), and TILEWRIGHT_DATA for real models beside the sample. Invariant tested: a typed error or a right
 * answer, never anything else, never for long, never with much memory.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeProto, parseProto } from "./protoTree.ts";
import { seedFrom } from "./random.ts";
import { subjectsOf } from "./subjects.ts";
import { damage, MEMORY_LIMIT } from "./trial.ts";
import { runTrials } from "./trials.ts";

const SAMPLE = join(import.meta.dirname, "../../playground/sample/digits.onnx");
const CASES = 2000;
const seed = seedFrom(process.env, 20251121);

const data = process.env["TILEWRIGHT_DATA"];
if (data === undefined)
  console.log("mutations.test.ts: no real models but the sample, TILEWRIGHT_DATA is not set");
const subjects = subjectsOf(readFileSync(SAMPLE), data);

describe("damage", () => {
  it("is the same for the same seed, and another for another", () => {
    for (const subject of subjects) {
      const made = (case_: number): Uint8Array => damage(subject, case_, subject.bytes).mutation.bytes;
      const variants = new Set(
        [1, 2, 3, 4, 5, 6, 7, 8].map((case_) => Buffer.from(made(case_)).toString("latin1")),
      );
      expect(variants.size).toBeGreaterThan(4);
      expect(Buffer.compare(made(5), made(5))).toBe(0);
    }
  });

  it("starts from a tree that is written back as it was read", () => {
    for (const { bytes, kind } of subjects) {
      if (kind !== "model") continue;
      const tree = parseProto(bytes);
      expect(tree).toBeDefined();
      expect(Buffer.compare(encodeProto(tree!), bytes)).toBe(0);
    }
  });
});

describe("damaged files", () => {
  it(`give typed errors or right answers (${CASES} mutations, seed ${seed})`, async () => {
    const memory = process.resourceUsage().maxRSS;
    const summary = await runTrials({
      subjects,
      seed,
      from: 0,
      to: CASES,
      cpuMilliseconds: 2000,
      watchdogMilliseconds: 30_000,
    });
    const counts = [...summary.counts]
      .sort((a, b) => b[1] - a[1])
      .map(([result, count]) => `${result} ${count}`);
    console.log(
      `${CASES} mutations, TILEWRIGHT_SEED=${seed}: ${counts.join(", ")}; slowest ${summary.slowest}`,
    );
    expect(summary.failures.join("\n\n")).toBe("");
    expect(summary.counts.size).toBeGreaterThan(8);
    // Some must get through, or nothing behind the reader was tried.
    expect(summary.counts.get("right")).toBeGreaterThan(CASES / 25);
    expect(summary.counts.get("ran")).toBeGreaterThan(CASES / 50);
    expect(summary.largestMemory).toBeLessThanOrEqual(MEMORY_LIMIT);
    // In KiB, and of the whole process: the heap of the thread, code and buffers included.
    expect(process.resourceUsage().maxRSS - memory).toBeLessThan(2 ** 20);
  });
});
