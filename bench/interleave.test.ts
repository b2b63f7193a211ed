/** The method of measuring, with a clock that moves only when a subject runs: every duration is exact. */
import { expect, it } from "vitest";
import { interleave, type Clock, type Subject } from "./interleave.ts";

function laboratory(): { clock: Clock; subject: (name: string, ms: number) => Subject; log: string[] } {
  let now = 0;
  const log: string[] = [];
  return {
    clock: { now: () => now, pause: async () => {} },
    log,
    subject: (name, ms) => ({
      name,
      run: async () => {
        log.push(name);
        now += ms;
      },
    }),
  };
}

it("measures what a run takes", async () => {
  const { clock, subject } = laboratory();
  const timed = await interleave([subject("a", 2), subject("b", 10)], { seconds: 1, minimumRuns: 3 }, clock);
  for (const [index, milliseconds] of [2, 10].entries()) {
    const result = timed[index]!;
    if ("error" in result) throw result.error;
    expect(result.timing.medianMs).toBeCloseTo(milliseconds, 9);
    expect(result.timing.minimumMs).toBeCloseTo(milliseconds, 9);
    expect(result.timing.runsPerSample).toBe(1);
    expect(result.timing.samples * milliseconds).toBeGreaterThan(950);
    expect(result.timing.samples * milliseconds).toBeLessThan(1500);
  }
});

it("batches runs that are too short for the clock", async () => {
  const { clock, subject } = laboratory();
  const [timed] = await interleave([subject("a", 0.01)], { seconds: 0.2, minimumRuns: 3 }, clock);
  if (timed === undefined || "error" in timed) throw new Error("no timing");
  expect(timed.timing.medianMs).toBeCloseTo(0.01, 9);
  expect(timed.timing.runsPerSample * 0.01).toBeGreaterThanOrEqual(0.5 - 1e-9);
});

it("gives a slow subject its least number of runs and a fast one no more time than was asked for", async () => {
  const { clock, subject, log } = laboratory();
  await interleave([subject("slow", 5000), subject("fast", 1)], { seconds: 1, minimumRuns: 3 }, clock);
  const count = (name: string): number => log.filter((entry) => entry === name).length;
  expect(count("slow")).toBe(1 + 3); // one to warm up
  expect(count("fast")).toBeGreaterThan(1000);
  expect(count("fast")).toBeLessThan(1500);
});

it("takes turns in an order that rotates", async () => {
  const { clock, subject, log } = laboratory();
  await interleave(
    [subject("a", 100), subject("b", 100), subject("c", 100)],
    { seconds: 0.3, minimumRuns: 3 },
    clock,
  );
  expect(log.slice(-9).join("")).toBe("abcbcacab");
});

it("goes on without a subject that throws", async () => {
  const { clock, subject } = laboratory();
  let runs = 0;
  const failing: Subject = {
    name: "failing",
    run: async () => {
      if (++runs > 3) throw new Error("out of order");
    },
  };
  const [first, second] = await interleave(
    [{ ...failing, run: failing.run }, subject("b", 10)],
    { seconds: 0.1, minimumRuns: 3 },
    { ...clock },
  );
  expect(first).toHaveProperty("error.message", "out of order");
  expect(second).toHaveProperty("timing.medianMs", 10);
});
