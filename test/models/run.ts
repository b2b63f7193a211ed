/**
 * `npm run models`: real networks against their stored outputs. In: the folder of models with their data, the light
 * models of the ONNX repository. Out: a table of worst errors per model, host and variant, and the closing line
 * `N passed, N failed`. Invariant: one count per model, host and variant; exit status 1 when one fails.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { commandHelp, oneOf, parseCommand, usage, UsageError, type CommandSpec } from "../../compiler/node/commandLine.ts"; // prettier-ignore
import { gpuKinds, type GpuKind } from "../../compiler/options.ts";
import { bytesText, millisecondsText, numberText, table } from "../../compiler/tensors/table.ts";
import { supports, type Feature } from "../../runtime/index.ts";
import type { BrowserName } from "../../scripts/launchBrowser.ts";
import { findModels, type ModelEntry } from "./catalog.ts";
import { checkModel, noVerdict, type Code, type ModelVerdict, type VariantVerdict } from "./checkModel.ts";
import { checkInBrowser, startBrowserHost } from "./browserHost.ts";
import { readModelData } from "./modelData.ts";

type HostName = "node" | BrowserName;

/** What `--host` may say, and which hosts that is. */
const HOSTS = {
  node: ["node"],
  chromium: ["chromium"],
  firefox: ["firefox"],
  both: ["node", "chromium"],
  all: ["node", "chromium", "firefox"],
} as const satisfies Readonly<Record<string, readonly HostName[]>>;

const spec: CommandSpec = {
  name: "models",
  summary: "compile real networks, run them and compare with their stored outputs",
  usage: "-- --data DIR [options]",
  arity: { least: 0, most: 0 },
  options: [
    { name: "data", value: "DIR", description: "folder of folders with model.onnx and test_data_set_0, or a TF.js model.json; default: models in TILEWRIGHT_DATA" }, // prettier-ignore
    { name: "light", value: "DIR", description: "folder of the light models; default: ../onnx-conformance/light beside the data" }, // prettier-ignore
    {
      name: "host",
      value: "node|chromium|firefox|both|all",
      description: "where to run; default both: Node and Chromium",
    },
    { name: "gpu", value: gpuKinds.join("|"), description: "what schedules are made for, with --device webgpu; default software" }, // prettier-ignore
    { name: "device", value: "wasm|webgpu", description: "what computes; default wasm. webgpu: in the browsers, on software adapters" }, // prettier-ignore
    { name: "variant", value: "relaxed-simd|simd|both", description: "code to run; default both" },
    { name: "filter", value: "REGEX", description: "only models whose name matches" },
    { name: "seconds", value: "N", description: "time limit of one model in a browser; default 300" },
    { name: "json", value: "OUT.json", description: "write all figures there" },
  ],
  examples: [
    "npm run models -- --data ../shared/models",
    "npm run models -- --data ../shared/models --host node --filter mobilenet",
    "npm run models -- --data ../shared/models --device webgpu",
  ],
};

interface Result {
  readonly model: string;
  readonly host: HostName;
  readonly verdict: ModelVerdict;
}

async function main(words: readonly string[]): Promise<number> {
  const args = parseCommand(spec, words);
  if (args.has("help")) {
    console.log(commandHelp("npm run", spec));
    return 0;
  }
  const shared = process.env["TILEWRIGHT_DATA"];
  const data = args.text("data") ?? (shared === undefined ? undefined : join(shared, "models"));
  if (data === undefined) {
    console.log("Skipped: no models; give --data DIR or set TILEWRIGHT_DATA.");
    console.log("0 passed, 0 failed");
    return 0;
  }
  if (!existsSync(data)) usage(`there is no folder ${data}`);
  const light = args.text("light") ?? lightBeside(data);
  if (light === undefined) console.log("The light models are not there and are left out; give --light DIR.");
  else if (!existsSync(light)) usage(`there is no folder ${light}`);
  const filter = new RegExp(args.text("filter") ?? "");
  const entries = findModels(data, light).filter(({ name }) => filter.test(name));
  if (entries.length === 0) usage(`no model in ${data} matches`);
  const host = oneOf("--host", args.text("host") ?? "both", Object.keys(HOSTS) as (keyof typeof HOSTS)[]);
  const variant = oneOf("--variant", args.text("variant") ?? "both", [
    "relaxed-simd",
    "simd",
    "both",
  ] as const);
  const device = oneOf("--device", args.text("device") ?? "wasm", ["wasm", "webgpu"] as const);
  const variants: readonly Feature[] = variant === "both" ? ["relaxed-simd", "simd"] : [variant];

  const results: Result[] = [];
  for (const name of HOSTS[host]) {
    if (name !== "node") {
      const codes = device === "webgpu" ? [device] : variants;
      const seconds = args.integer("seconds", 1) ?? (device === "webgpu" ? 600 : 300);
      results.push(...(await inBrowser(name, entries, codes, seconds, args.choice("gpu", gpuKinds))));
    } else if (device === "wasm") results.push(...(await inNode(entries, variants)));
  }

  const json = args.text("json");
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
  return report(results, entries);
}

function lightBeside(data: string): string | undefined {
  const light = join(data, "..", "onnx-conformance", "light");
  return existsSync(light) ? light : undefined;
}

async function inNode(entries: readonly ModelEntry[], variants: readonly Feature[]): Promise<Result[]> {
  // Before anything is probed or compiled: the engine keeps the answer.
  if (variants.includes("relaxed-simd")) setFlagsFromString("--experimental-wasm-relaxed-simd");
  console.log(`Node ${process.versions.node}${supports("relaxed-simd") ? "" : " without relaxed SIMD"}`);
  const results: Result[] = [];
  for (const entry of entries) {
    results.push(
      await one(entry, "node", variants, async () =>
        checkModel(await readModelData(entry), entry.accuracy, variants),
      ),
    );
  }
  return results;
}

async function inBrowser(
  browser: BrowserName,
  entries: readonly ModelEntry[],
  variants: readonly Code[],
  seconds: number,
  gpu: GpuKind | undefined,
): Promise<Result[]> {
  // prettier-ignore
  const host = await startBrowserHost(browser, seconds);
  const results: Result[] = [];
  try {
    console.log(await host.version());
    for (const entry of entries) {
      const result = await one(entry, browser, variants, async () =>
        checkInBrowser(host, await readModelData(entry), entry.accuracy, variants, gpu),
      );
      results.push(result);
      // A model that took its page down may have taken the browser along.
      if (result.verdict.kind === "none") await host.restart();
    }
  } finally {
    await host.stop();
  }
  return results;
}

/** One model on one host; whatever is thrown is the failure of all its variants. */
async function one(
  entry: ModelEntry,
  host: HostName,
  variants: readonly Code[],
  check: () => Promise<ModelVerdict>,
): Promise<Result> {
  const start = performance.now();
  let verdict: ModelVerdict;
  try {
    verdict = await check();
  } catch (error) {
    verdict = noVerdict(error, variants, performance.now() - start);
  }
  const words = verdict.variants.map(({ variant, passed }) => `${variant} ${passed ? "ok" : "FAILED"}`);
  console.log(`  ${entry.name}: ${words.join(", ")} (${millisecondsText(performance.now() - start)})`);
  return { model: entry.name, host, verdict };
}

/** The output that is nearest to its limit, or beyond it. */
function worstOutput({ outputs }: VariantVerdict): VariantVerdict["outputs"][number] | undefined {
  const badness = ({ passed, worstAbsolute, absolute }: VariantVerdict["outputs"][number]): number =>
    (passed ? 0 : 1e9) + (Number.isNaN(worstAbsolute) ? 1e9 : worstAbsolute / absolute);
  return [...outputs].sort((a, b) => badness(b) - badness(a))[0];
}

function report(results: readonly Result[], entries: readonly ModelEntry[]): number {
  const accuracies = new Map(entries.map(({ name, accuracy }) => [name, accuracy]));
  const rows = results.flatMap(({ model, host, verdict }) =>
    verdict.variants.map((variant) => {
      const worst = worstOutput(variant);
      const { relative } = accuracies.get(model)!;
      return [
        model,
        host,
        variant.variant,
        numberText(worst?.worstAbsolute ?? NaN, 3),
        `${numberText(worst?.absolute ?? NaN, 3)} + ${relative} |y|`,
        millisecondsText(verdict.compileMilliseconds),
        bytesText(verdict.artifactBytes),
        millisecondsText(variant.runMilliseconds),
        variant.dispatchesPerRun === undefined
          ? ""
          : `${variant.dispatchesPerRun}${variant.hostStepsPerRun === 0 ? "" : ` + ${variant.hostStepsPerRun} on the CPU`}`,
        variant.passed ? "ok" : (variant.error ?? worst?.reason ?? "wrong"),
      ];
    }),
  );
  const heading = [
    "model",
    "host",
    "variant",
    "worst error",
    "allowed",
    "compile",
    "artifact",
    "first run",
    "dispatches",
    "",
  ];
  console.log(`\n${table([heading, ...rows], { heading: true })}\n`);
  for (const { name, accuracy } of entries) {
    if (accuracy.reason !== undefined)
      console.log(`${name}: ${accuracy.share} of the range: ${accuracy.reason}`);
  }
  const all = results.flatMap(({ verdict }) => verdict.variants);
  const passed = all.filter((variant) => variant.passed).length;
  console.log(`${passed} passed, ${all.length - passed} failed`);
  return passed === all.length ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`models: ${error.message}\nTry \`npm run models -- --help\`.`);
  process.exitCode = 2;
}
