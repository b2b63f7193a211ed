/** The runtime in a page and in a worker: the same checks in both. */
import { expect } from "./expect.ts";
import { type CheckResult, runtimeChecks } from "./runtimeChecks.ts";

describe("runtime in the page", () => {
  for (const [name, check] of Object.entries(runtimeChecks)) it(name, check);
});

describe("runtime in a worker", () => {
  let results: readonly CheckResult[] = [];

  before(async () => {
    const worker = new Worker(new URL("./runtime.worker.ts", import.meta.url), { type: "module" });
    results = await new Promise<CheckResult[]>((resolve, reject) => {
      worker.addEventListener("message", ({ data }) => resolve(data as CheckResult[]));
      worker.addEventListener("error", ({ message }) => reject(new Error(message)));
    });
    worker.terminate();
  });

  for (const name of Object.keys(runtimeChecks)) {
    it(name, () => {
      const result = results.find((candidate) => candidate.name === name);
      expect(result !== undefined, "the check did not run");
      expect(result.error === undefined, result.error ?? "");
    });
  }
});
