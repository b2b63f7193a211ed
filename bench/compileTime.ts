/**
 * `npm run bench:compile`: how long each stage of a compilation takes, for models and for generated graphs of
 * growing size. In: a folder of models and numbers of nodes. Out: one table of milliseconds per stage, and for the
 * generated graphs the time per node. Invariant: everything runs on one thread; each figure is the median of
 * `--runs` compilations in one process, after one that warms the engine up.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../compiler/whole.ts";
import { commandHelp, parseCommand, UsageError, type CommandSpec } from "../compiler/node/commandLine.ts";
import { readTestFolder } from "../compiler/node/testFolder.ts";
import { externalDataIn } from "../compiler/node/modelFile.ts";
import type { CompileOptions } from "../compiler/options.ts";
import { table } from "../compiler/tensors/table.ts";
import type { Tensor } from "../runtime/index.ts";
import { generatedGraph } from "./generatedGraph.ts";

/** The stages in the order in which a model passes through them. */
const columns = ["read", "import", "bind", "lower", "fuse", "simplify", "rows", "layout", "schedule", "memory", "emit", "pack"]; // prettier-ignore

const spec: CommandSpec = {
  name: "bench:compile",
  summary: "time the stages of compiling models and generated graphs",
  usage: "-- [options]",
  arity: { least: 0, most: 0 },
  options: [
    {
      name: "data",
      value: "DIR",
      description: "folder of model folders; default: models in TILEWRIGHT_DATA",
    },
    { name: "filter", value: "REGEX", description: "only models whose name matches" },
    { name: "nodes", value: "N,N,...", description: "sizes of generated graphs; default 2500,5000,10000" },
    { name: "runs", value: "N", description: "compilations of which the median counts; default 3" },
  ],
  examples: ["npm run bench:compile -- --nodes 2500,5000,10000 --runs 1"],
};

interface Subject {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly options: CompileOptions;
}

function subjects(
  root: string | undefined,
  filter: RegExp,
  sizes: readonly number[],
): { models: Subject[]; generated: Subject[] } {
  const names = root === undefined ? [] : readdirSync(root).sort();
  const models = names.flatMap((name): Subject[] => {
    const path = join(root!, name);
    if (!filter.test(name) || !existsSync(join(path, "model.onnx"))) return [];
    const { model, sets } = readTestFolder(path);
    const inputShapes: Record<string, readonly number[]> = {};
    for (const { name: input, value } of sets[0]?.inputs ?? [])
      if (value && !Array.isArray(value)) inputShapes[input] = (value as Tensor).shape;
    return [{ name, bytes: model, options: { inputShapes, externalData: externalDataIn(path) } }];
  });
  const generated = sizes.map((size) => ({
    name: `${size} nodes`,
    bytes: generatedGraph(size),
    options: {},
  }));
  return { models, generated };
}

/**
 * Medians over all runs, stage by stage, and of their sum. The last column is processor time, which tells more where
 * others share the machine; it counts the collection of garbage on other threads too.
 */
function timed({ name, bytes, options }: Subject, runs: number): string[] {
  const results = Array.from({ length: runs }, () => {
    const before = process.cpuUsage();
    const { milliseconds } = compile(bytes, options).report;
    const { user, system } = process.cpuUsage(before);
    return { milliseconds, processor: (user + system) / 1000 };
  });
  const of = (stage: string): number => median(results.map(({ milliseconds }) => milliseconds[stage] ?? 0));
  const sum = median(
    results.map((run) => Object.values(run.milliseconds).reduce((total, ms) => total + ms, 0)),
  );
  const processor = median(results.map((run) => run.processor));
  return [name, ...[...columns.map(of), sum, processor].map((ms) => ms.toFixed(0))];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function main(words: readonly string[]): number {
  const args = parseCommand(spec, words);
  if (args.has("help")) {
    console.log(commandHelp("npm run", spec));
    return 0;
  }
  const given = args.text("data") ?? (process.env["TILEWRIGHT_DATA"] && join(process.env["TILEWRIGHT_DATA"], "models")); // prettier-ignore
  if (!given) console.log("Skipped: no models; give --data DIR or set TILEWRIGHT_DATA.");
  const sizes = (args.text("nodes") ?? "2500,5000,10000").split(",").map(Number).filter(Boolean);
  const runs = args.integer("runs", 1) ?? 3;
  const { models, generated } = subjects(given || undefined, new RegExp(args.text("filter") ?? ""), sizes);
  const heading = ["milliseconds", ...columns, "sum", "processor"];
  for (const group of [models, generated]) {
    if (group.length === 0) continue;
    compile(group[0]!.bytes, group[0]!.options);
    const rows = group.map((subject) => timed(subject, runs));
    console.log(`${table([heading, ...rows], { heading: true })}\n`);
  }
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
