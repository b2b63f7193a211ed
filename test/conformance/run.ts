/**
 * `npm run conformance`: the ONNX backend tests against this compiler. In: a tree of case folders, a device. Out: a
 * JSON report, a summary by reason and operator, and the closing line `N passed, N failed, N skipped`. Invariant:
 * exit status 1 when fewer cases pass than `--min`, 2 when the words make no sense; nothing is downloaded.
 */
import { existsSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import {
  commandHelp,
  parseCommand,
  UsageError,
  usage,
  type CommandSpec,
} from "../../compiler/node/commandLine.ts";
import { devices, variants } from "../../compiler/node/device.ts";
import { millisecondsText } from "../../compiler/tensors/table.ts";
import { findCases } from "./cases.ts";
import { runCases } from "./pool.ts";
import type { Outcome } from "./runCase.ts";
import { failureTable, reasonTable, reportOf } from "./summary.ts";

const spec: CommandSpec = {
  name: "conformance",
  summary: "run a tree of ONNX backend tests and compare",
  usage: "-- --data DIR [options]",
  arity: { least: 0, most: 0 },
  options: [
    { name: "data", value: "DIR", description: "tree of folders with model.onnx and test_data_set_N; default: onnx-conformance in TILEWRIGHT_DATA" }, // prettier-ignore
    { name: "device", value: "wasm|interp", description: "what computes; default wasm" },
    {
      name: "variant",
      value: "relaxed-simd|simd",
      description: "code to run instead of the best that Node has",
    },
    { name: "filter", value: "REGEX", description: "only cases whose name matches" },
    { name: "json", value: "OUT.json", description: "write the report there" },
    { name: "min", value: "N", description: "exit with 1 when fewer cases pass" },
    { name: "threads", value: "N", description: "threads to run cases in; default 1" },
    { name: "seconds", value: "N", description: "time limit of one case; default 20" },
    { name: "groups", value: "N", description: "groups of failures to show; default 40" },
    { name: "verbose", description: "a line for each case" },
  ],
  examples: [
    "npm run conformance -- --data onnx/backend/test/data/node --device interp",
    "npm run conformance -- --filter '^test_conv' --verbose",
  ],
};

async function main(words: readonly string[]): Promise<number> {
  const args = parseCommand(spec, words);
  if (args.has("help")) {
    console.log(commandHelp("npm run", spec));
    return 0;
  }
  const root = args.text("data") ?? dataFolder();
  if (root === undefined) {
    console.log("Skipped: no conformance data; give --data DIR or set TILEWRIGHT_DATA.");
    console.log("0 passed, 0 failed, 0 skipped");
    return (args.integer("min") ?? 0) > 0 ? 1 : 0;
  }
  if (!existsSync(root)) usage(`there is no folder ${root}`);
  const device = args.choice("device", devices) ?? "wasm";
  const variant = args.choice("variant", variants);
  // Node 20 has relaxed SIMD behind this flag; it is the engine's for good once modules are compiled.
  if (variant === "relaxed-simd") setFlagsFromString("--experimental-wasm-relaxed-simd");
  const filter = new RegExp(args.text("filter") ?? "");
  const cases = findCases(root).filter(({ name }) => filter.test(name));
  if (cases.length === 0) usage(`no case below ${root} matches`);

  const verbose = args.has("verbose");
  const start = performance.now();
  const progress = (done: number, outcome: Outcome): void => {
    if (verbose) console.log(lineOf(outcome));
    else if (done % 200 === 0) console.log(`${done} of ${cases.length} cases, ${millisecondsText(performance.now() - start)}`); // prettier-ignore
  };
  const outcomes = await runCases(cases, {
    device,
    ...(variant === undefined ? {} : { variant }),
    threads: args.integer("threads", 1) ?? 1,
    seconds: args.integer("seconds", 1) ?? 20,
    progress,
  });
  const report = reportOf(device, outcomes);
  const json = args.text("json");
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  summarise(outcomes, args.integer("groups") ?? 40);
  console.log(`\n${cases.length} cases on ${device} in ${millisecondsText(performance.now() - start)}`);
  console.log(
    `${report.passed.length} passed, ${report.failed.length} failed, ${report.skipped.length} skipped`,
  );
  const least = args.integer("min") ?? 0;
  if (report.passed.length >= least) return 0;
  console.error(`At least ${least} cases must pass.`);
  return 1;
}

function dataFolder(): string | undefined {
  const shared = process.env["TILEWRIGHT_DATA"];
  return shared === undefined ? undefined : `${shared}/onnx-conformance`;
}

function lineOf({ status, name, reason, milliseconds }: Outcome): string {
  return `${status.padEnd(8)} ${name} (${millisecondsText(milliseconds)})${reason === undefined ? "" : `: ${reason}`}`;
}

function summarise(outcomes: readonly Outcome[], groups: number): void {
  const slowest = [...outcomes].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, 3);
  console.log(`\nSlowest: ${slowest.map(({ name, milliseconds }) => `${name} ${millisecondsText(milliseconds)}`).join(", ")}`); // prettier-ignore
  if (!outcomes.some(({ status }) => status === "failed")) return;
  console.log(`\n${failureTable(outcomes, groups)}`);
  console.log(`\n${reasonTable(outcomes)}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`conformance: ${error.message}\nTry \`npm run conformance -- --help\`.`);
  process.exitCode = 2;
}
