/**
 * `npm run size`: what a user downloads, against the budgets of the project. In: the entries of the library and,
 * with `--data DIR` (or `TILEWRIGHT_DATA`), mobilenetv2 from the shared models. Out: a table; with `--json FILE`
 * the same as JSON. Exit status 1 when something is over its budget or cannot be measured. Budgets count gzip and
 * 1 KB is 1000 bytes. Invariant: a row that could not be measured is never shown as within its budget.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { addSizes, measureBundle, type Size } from "./bundleSize.ts";
import { measureModel } from "./modelCodeSize.ts";

/** The model whose code has a budget: its folder in the shared models. */
const MODEL = "mobilenetv2-fp32-deq";

/** Largest gzip size in bytes. `webgpu`: the chunks that a page downloads besides when it runs a model on the GPU. */
const BUDGET = {
  runtime: 30_000,
  core: 40_000,
  offline: 10_000,
  offlineWorker: 30_000,
  webgpu: 20_000,
  compiler: 150_000,
  modelCode: 60_000,
};

interface Row {
  readonly name: string;
  readonly size: Size;
  /** Absent for what is only reported. */
  readonly budget?: number;
}

const root = fileURLToPath(new URL("..", import.meta.url));

async function bundleRows(name: string, entry: string, budget: number): Promise<readonly Row[]> {
  const { atOnce, onDemand, chunks } = await measureBundle(join(root, entry));
  if (chunks.length === 0) return [{ name, size: atOnce, budget }];
  return [
    { name, size: atOnce, budget },
    ...chunks.map(([chunk, size]) => ({
      name: `  on demand: ${chunk}`,
      size,
      // All of WebGPU is one chunk, named after the module that is imported.
      ...(name === "runtime" && chunk.includes("choose") ? { budget: BUDGET.webgpu } : {}),
    })),
    { name: `  on demand, all`, size: onDemand },
    { name: `  ${name}, all`, size: addSizes([atOnce, onDemand]) },
  ];
}

/**
 * What a page has that loads, runs, caches and works off its thread: each module of the library once, as the package
 * is built. A bundler gives the worker's script a copy of the runtime, which is a download more (`assets/`, above).
 */
/** What an app that works offline has besides: in the page, and in its service worker. Workbox's own code included. */
async function offlineRows(): Promise<readonly Row[]> {
  const [page, worker] = await Promise.all(
    ["index", "worker"].map((entry) => measureBundle(join(root, `runtime/offline/${entry}.ts`))),
  );
  return [
    { name: "offline: the page", size: page!.atOnce, budget: BUDGET.offline },
    { name: "offline: the service worker", size: worker!.atOnce, budget: BUDGET.offlineWorker },
  ];
}

async function coreRows(): Promise<readonly Row[]> {
  const { atOnce, chunks } = await measureBundle(join(root, "runtime/index.ts"));
  const parts = ["store", "client", "host"].map((wanted) => {
    const found = chunks.find(([name]) => name === wanted);
    if (found === undefined) throw new Error(`the runtime has no chunk "${wanted}"`);
    return found[1];
  });
  return [
    { name: "core: load, run, worker, cache", size: addSizes([atOnce, ...parts]), budget: BUDGET.core },
  ];
}

/** All variants count together, since the file of a model holds them all. */
function modelRows(data: string | undefined): readonly Row[] {
  if (data === undefined) {
    console.log(`Skipped: the code of ${MODEL} (give --data DIR or TILEWRIGHT_DATA).`);
    return [];
  }
  const model = measureModel(data, MODEL);
  if (model === undefined) {
    console.log(`Skipped: the code of ${MODEL} (${data} has no such model).`);
    return [];
  }
  return [
    { name: `${MODEL}, code`, size: model.code, budget: BUDGET.modelCode },
    ...model.parts.map(([name, size]) => ({ name: `  ${name}`, size })),
    { name: `${MODEL}, weights`, size: model.weights },
  ];
}

function isOver({ size, budget }: Row): boolean {
  return budget !== undefined && size.gzip > budget;
}

function table(rows: readonly Row[]): string {
  const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1).padStart(10);
  const width = Math.max(...rows.map((row) => row.name.length));
  return [
    "KB".padEnd(width) + ["raw", "gzip", "budget"].map((title) => title.padStart(10)).join(""),
    ...rows.map((row) => {
      const verdict =
        row.budget === undefined ? "" : kilobytes(row.budget) + (isOver(row) ? "  OVER" : "  ok");
      return row.name.padEnd(width) + kilobytes(row.size.raw) + kilobytes(row.size.gzip) + verdict;
    }),
  ].join("\n");
}

const { values } = parseArgs({ options: { data: { type: "string" }, json: { type: "string" } } });
const rows: Row[] = [];
const failures: string[] = [];
for (const measure of [
  () => bundleRows("runtime", "runtime/index.ts", BUDGET.runtime),
  () => coreRows(),
  () => offlineRows(),
  () => bundleRows("compiler", "compiler/index.ts", BUDGET.compiler),
  () => modelRows(values.data ?? process.env["TILEWRIGHT_DATA"]),
]) {
  try {
    rows.push(...(await measure()));
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
}
if (rows.length > 0) console.log(table(rows));
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rows, null, 2) + "\n");
failures.push(...rows.filter(isOver).map((row) => `${row.name.trim()} is over its budget`));
for (const failure of failures) console.error(`FAILED: ${failure}`);
if (failures.length > 0) process.exitCode = 1;
