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
import { gpuKinds } from "../../compiler/options.ts";
import { millisecondsText } from "../../compiler/tensors/table.ts";
import { randomNumbers } from "../programs.ts";
import { findCases, type Case } from "./cases.ts";
import { besidesGpu, runGpuCases } from "./gpuHost.ts";
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
    { name: "device", value: "wasm|webgpu|interp", description: "what computes; default wasm. webgpu: in a headless Chromium, on its software adapter" }, // prettier-ignore
    { name: "gpu", value: gpuKinds.join("|"), description: "what schedules are made for, with --device webgpu; default software" }, // prettier-ignore
    {
      name: "variant",
      value: "relaxed-simd|simd",
      description: "code to run instead of the best that Node has",
    },
    { name: "filter", value: "REGEX", description: "only cases whose name matches" },
    { name: "sample", value: "N", description: "only N cases, drawn at random" },
    { name: "seed", value: "N", description: "seed of the sample; default 1" },
    { name: "json", value: "OUT.json", description: "write the report there" },
    { name: "min", value: "N", description: "exit with 1 when fewer cases pass" },
    { name: "threads", value: "N", description: "threads to run cases in; default 1" },
    { name: "seconds", value: "N", description: "time limit of one case; default 60" },
    { name: "groups", value: "N", description: "groups of failures to show; default 40" },
    { name: "verbose", description: "a line for each case" },
  ],
  examples: [
    "npm run conformance -- --data onnx/backend/test/data/node --device interp",
    "npm run conformance -- --filter '^test_conv' --verbose",
    "npm run conformance -- --device webgpu --sample 300",
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
  const device = args.choice("device", [...devices, "webgpu"] as const) ?? "wasm";
  const variant = args.choice("variant", variants);
  // Node 20 has relaxed SIMD behind this flag; it is the engine's for good once modules are compiled.
  if (variant === "relaxed-simd") setFlagsFromString("--experimental-wasm-relaxed-simd");
  const filter = new RegExp(args.text("filter") ?? "");
  const [sample, seed] = [args.integer("sample", 1), args.integer("seed") ?? 1];
  const all = findCases(root).filter(({ name }) => filter.test(name));
  const cases = sample === undefined ? all : drawSample(all, sample, seed);
  if (cases.length === 0) usage(`no case below ${root} matches`);

  const verbose = args.has("verbose");
  const start = performance.now();
  const progress = (done: number, outcome: Outcome): void => {
    if (verbose) console.log(lineOf(outcome));
    else if (done % 200 === 0) console.log(`${done} of ${cases.length} cases, ${millisecondsText(performance.now() - start)}`); // prettier-ignore
  };
  const seconds = args.integer("seconds", 1) ?? 60;
  const outcomes =
    device === "webgpu"
      ? await runGpuCases(cases, { seconds, progress, gpu: args.choice("gpu", gpuKinds) })
      : await runCases(cases, {
          device,
          ...(variant === undefined ? {} : { variant }),
          threads: args.integer("threads", 1) ?? 1,
          seconds,
          progress,
        });
  const where = device === "webgpu" ? besidesGpu(outcomes) : undefined;
  const report = { ...reportOf(device, outcomes), ...(where === undefined ? {} : { where }) };
  const json = args.text("json");
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  summarise(outcomes, args.integer("groups") ?? 40);
  if (where !== undefined) console.log(`\n${whereText(where)}`);
  if (sample !== undefined) console.log(`\nA sample of ${all.length} cases, seed ${seed}.`);
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

/** So many of the cases, drawn without putting back, in their order. */
function drawSample(cases: readonly Case[], count: number, seed: number): Case[] {
  const random = randomNumbers(seed);
  const keys = new Map(cases.map((one) => [one, random()]));
  const drawn = new Set([...cases].sort((a, b) => keys.get(a)! - keys.get(b)!).slice(0, count));
  return cases.filter((one) => drawn.has(one));
}

/** How many of the cases that passed ran where, with the names of those that did not run on the GPU alone. */
function whereText(where: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(where)
    .map(
      ([kind, names], index) =>
        `${names.length} ${kind}${index === 0 || names.length === 0 ? "" : `: ${names.join(" ")}`}`,
    )
    .join("\n");
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
