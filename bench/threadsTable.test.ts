/** The table of what threads gain. */
import { expect, it } from "vitest";
import { type ModelResult } from "./session.ts";
import { threadsTable } from "./threadsTable.ts";

const measured = (runtime: string, medianMs: number): ModelResult["results"][number] => ({
  runtime,
  status: "measured",
  startMs: 1,
  createMs: 1,
  firstRunMs: 1,
  verification: { verified: true, reference: "r", rtol: 0, atol: {}, worstRatio: 0, worst: "", rmsError: 0 },
  timing: { medianMs, minimumMs: medianMs, samples: 3, runsPerSample: 1 },
  notes: {},
});

const model = (results: ModelResult["results"]): ModelResult => ({
  model: "net",
  modelBytes: 1,
  atolOfRange: 0,
  inputs: [],
  results,
  roundTripNs: [90.4, 512],
});

it("compares each runtime with itself, where it ran on one thread and on several", () => {
  const failed = { runtime: "b@2", status: "failed", stage: "s", reason: "r" } as const;
  const text = threadsTable([model([measured("a", 10), measured("a@2", 5), measured("b", 4), failed])]);
  const [, row, ...rest] = text.split("\n").filter((line) => /^(model|net)/.test(line));
  expect(rest).toEqual([]);
  expect(row!.trim().split(/ {2,}/)).toEqual(["net", "a@2", "10.0", "5.00", "2.00", "90, 512"]);
  expect(threadsTable([model([measured("a", 10)])])).toBe("");
});
