/**
 * `npm run size`: what a user downloads, against the budgets of the project. In: the entries of the library. Out: a table; with `--json FILE`
 * the same as JSON. Exit status 1 when something is over its budget. All budgets count gzip, 1 KB = 1000 bytes.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measureBundle, type Size } from "./bundleSize.ts";

const BUDGET = { runtime: 30_000, compiler: 150_000 };

interface Row {
  readonly name: string;
  readonly size: Size;
  /** Largest allowed gzip size in bytes; absent for what is only reported. */
  readonly budget?: number;
}

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

async function measure(): Promise<Row[]> {
  const rows: Row[] = [];
  const addBundle = async (name: string, entry: string, budget: number): Promise<void> => {
    const { atOnce, onDemand } = await measureBundle(join(root, entry));
    rows.push({ name, size: atOnce, budget });
    if (onDemand.raw > 0) rows.push({ name: `  ${name}, on demand`, size: onDemand });
  };
  await addBundle("runtime", "runtime/index.ts", BUDGET.runtime);
  await addBundle("compiler", "compiler/index.ts", BUDGET.compiler);

  return rows;
}

function isOver({ size, budget }: Row): boolean {
  return budget !== undefined && size.gzip > budget;
}

function table(rows: readonly Row[]): string {
  const kilobytes = (bytes: number | undefined): string =>
    bytes === undefined ? "" : (bytes / 1000).toFixed(1);
  const cells = [
    ["KB", "raw", "gzip", "budget", ""],
    ...rows.map((row) => [
      row.name,
      kilobytes(row.size.raw),
      kilobytes(row.size.gzip),
      kilobytes(row.budget),
      row.budget === undefined ? "" : isOver(row) ? "OVER" : "ok",
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 || column === 4 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const { values } = parseArgs({ options: { json: { type: "string" } } });
const rows = await measure();
console.log(table(rows));
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rows, null, 2) + "\n");
const over = rows.filter(isOver);
if (over.length > 0) {
  console.error(`Over budget: ${over.map((row) => row.name.trim()).join(", ")}.`);
  process.exitCode = 1;
}
