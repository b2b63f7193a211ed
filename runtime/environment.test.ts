/** What a process of Node is told of itself; pages and workers are asked in test/browser/environment.test.ts. */
import { expect, it } from "vitest";
import { environment } from "./environment.ts";
import { supports } from "./features.ts";

it("tells of Node", async () => {
  const found = await environment();
  expect(found).toMatchObject({
    realm: "node",
    crossOriginIsolated: true,
    simd: true,
    relaxedSimd: supports("relaxed-simd"),
    webgpu: { available: false },
    storage: { available: false },
  });
  expect(found.threads.available).toBe(true);
  expect(found.threads.cores).toBeGreaterThan(0);
  expect(found.advice.some((line) => /relaxed/.test(line))).toBe(!found.relaxedSimd);
});
