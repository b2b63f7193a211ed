/** The tables of operators say what the table of operators says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { coverageTexts, ROOT } from "./coverage.ts";

describe("tables of operators", () => {
  it("are up to date: otherwise, npm run coverage", async () => {
    for (const { path, text } of await coverageTexts())
      expect(readFileSync(join(ROOT, path), "utf8"), path).toBe(text);
  });

  it("list operators of every kind", async () => {
    const table = (await coverageTexts())[0]!.text;
    // Defined, rewritten from an old form only, dissolved while binding, and of other domains.
    for (const op of ["Conv", "Upsample", "Loop", "TreeEnsemble", "MatMulNBits"])
      expect(table).toMatch(new RegExp(`^\\| ${op} +\\|`, "m"));
    expect(table).not.toMatch(/AttentionScores/);
  });
});
