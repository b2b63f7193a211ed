/**
 * Passes keep the result: random models, compiled with all passes, with none and without each of them, against the
 * interpreter. In: a seed (TILEWRIGHT_SEED for another one). Out: nothing, or the smallest failing model found, as a
 * test to paste; more of the same runs with `npm run fuzz`.
 */
import { describe, expect, it } from "vitest";
import { difference, expectAgreement, expectedOf, failureReport, nameOf, settingsOf } from "./agreement.ts";
import { randomGraph } from "./graphs.ts";
import { inputsOf, minimise, modelOf, outputValues } from "./plan.ts";
import { caseSeed, seedFrom } from "./random.ts";

const GRAPHS = 150;
const BATCHES = 5;
const seed = seedFrom(process.env, 20251121);

describe("random models", () => {
  it("are the same for the same seed and hold many operators", () => {
    expect(randomGraph(7)).toEqual(randomGraph(7));
    const operators = new Set<string>();
    for (let i = 0; i < GRAPHS; i++)
      for (const { op } of randomGraph(caseSeed(seed, i)).steps) operators.add(op);
    expect(operators.size).toBeGreaterThan(60);
  });

  it.each(Array.from({ length: BATCHES }, (_, batch) => batch))(
    `keep their results, seed ${seed}, batch %d`,
    async (batch) => {
      const failures: string[] = [];
      for (let i = batch; i < GRAPHS; i += BATCHES) {
        const plan = randomGraph(caseSeed(seed, i));
        const expected = expectedOf(plan);
        for (const setting of settingsOf()) {
          if ((await difference(plan, expected, setting)) === undefined) continue;
          failures.push(await failureReport(plan, setting, `TILEWRIGHT_SEED=${seed}, graph ${i}`));
          break;
        }
      }
      expect(failures.join("\n\n")).toBe("");
    },
  );

  it("are found different where they are", async () => {
    const setting = settingsOf()[0]!;
    for (let i = 0; i < 10; i++) {
      const plan = randomGraph(caseSeed(seed, i));
      const expected = { ...expectedOf(plan) };
      const { name, shape } = outputValues(plan)[0]!;
      if (shape.includes(0)) continue;
      const data = Array.from(expected[name]!.data as Iterable<number | bigint>, (value) =>
        typeof value === "bigint" ? value + 1n : value + 1,
      );
      const shifted = { ...expected[name]!, data: data as unknown as Float32Array };
      expect(await difference(plan, { ...expected, [name]: shifted }, setting), nameOf(setting)).toContain(
        "differ",
      );
    }
  });

  it("are made small: the node that fails stays, and what it does not need goes", async () => {
    const has = (op: string) => (plan: { steps: readonly { op: string }[] }) =>
      Promise.resolve(plan.steps.some((step) => step.op === op));
    let tried = 0;
    for (let i = 0; i < 40 && tried < 5; i++) {
      const plan = randomGraph(caseSeed(seed, i));
      if (plan.steps.length < 4) continue;
      tried++;
      const { op } = plan.steps[plan.steps.length >> 1]!;
      const small = await minimise(plan, has(op));
      expect(small.steps.map((step) => step.op)).toEqual([op]);
      await expectAgreement(modelOf(small), inputsOf(small), {}, "simd", 1e-2);
    }
    expect(tried).toBe(5);
  });
});
