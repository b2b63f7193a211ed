import { describe, expect, it } from "vitest";
import { bytesText, millisecondsText, numberText, shapeText, table } from "./table.ts";

describe("table", () => {
  it("aligns numbers right and words left, with a rule under the heading", () => {
    const rows = [
      ["kernel", "bytes", "nodes"],
      ["conv", "1,024", "a"],
      ["relu", "12", "b c"],
    ];
    expect(table(rows, { heading: true })).toBe(
      ["kernel  bytes  nodes", "------  -----  -----", "conv    1,024  a", "relu       12  b c"].join("\n"),
    );
    expect(table([["ops", "3"]], { indent: 2 })).toBe("  ops  3");
    expect(table([])).toBe("");
  });
});

describe("quantities", () => {
  it("are short and have units", () => {
    expect([0, 999, 1000, 1_250_000, 2e9].map(bytesText)).toEqual([
      "0 B",
      "999 B",
      "1.0 KB",
      "1.3 MB",
      "2.0 GB",
    ]);
    expect([0.1234, 5, 83.26, 512.3, 12_345].map(millisecondsText)).toEqual(["0.123 ms", "5 ms", "83.3 ms", "512.3 ms", "12.3 s"]); // prettier-ignore
    expect([3, 2n ** 60n, 0.1 + 0.2, 1e-9, NaN].map((value) => numberText(value))).toEqual(["3", "1152921504606846976", "0.3", "1e-9", "NaN"]); // prettier-ignore
    expect(shapeText([1, "batch", ""])).toBe("[1, batch, ?]");
  });
});
