/**
 * `npm run fuzz`: random models and damaged files for as long as one likes. In: `--seconds N`, `--seed S`,
 * `--only graphs|mutations`. Out: failures as they are found, graphs as tests to paste, and a summary; exit status 1
 * when there were any. Invariant: a seed and a case number reproduce a failure.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { difference, expectedOf, failureReport, settingsOf } from "./agreement.ts";
import { randomGraph } from "./graphs.ts";
import { caseSeed, seedFrom } from "./random.ts";
import { subjectsOf } from "./subjects.ts";
import { runTrials } from "./trials.ts";

const SAMPLE = join(import.meta.dirname, "../../playground/sample/digits.onnx");
const HELP = `npm run fuzz -- [--seconds N] [--seed S] [--only graphs|mutations]

Random models, each compiled with all passes, none, and without each of them, against the interpreter; then damaged
models and artifacts. 60 seconds, half for each, unless told otherwise. TILEWRIGHT_DATA adds real models.`;

/** Cases of one thread; a new one starts with fresh memory. */
const BATCH = 250;

async function graphs(seed: number, until: number): Promise<{ cases: number; failures: number }> {
  let failures = 0;
  let cases = 0;
  for (; performance.now() < until; cases++) {
    const plan = randomGraph(caseSeed(seed, cases));
    const report = await graphFailure(plan, `seed ${seed}, graph ${cases}`);
    if (report === undefined) continue;
    failures++;
    console.log(`\n${report}`);
  }
  return { cases, failures };
}

async function graphFailure(
  plan: ReturnType<typeof randomGraph>,
  title: string,
): Promise<string | undefined> {
  let expected: ReturnType<typeof expectedOf>;
  try {
    expected = expectedOf(plan);
  } catch (error) {
    return `${title}: the interpreter fails: ${error instanceof Error ? error.stack : String(error)}`;
  }
  for (const setting of settingsOf()) {
    if ((await difference(plan, expected, setting)) !== undefined) return failureReport(plan, setting, title);
  }
  return undefined;
}

async function mutations(seed: number, until: number): Promise<{ cases: number; failures: number }> {
  const subjects = subjectsOf(readFileSync(SAMPLE), process.env["TILEWRIGHT_DATA"]);
  let failures = 0;
  let cases = 0;
  for (; performance.now() < until; cases += BATCH) {
    const limits = { cpuMilliseconds: 2000, watchdogMilliseconds: 30_000 };
    const summary = await runTrials({ subjects, seed, from: cases, to: cases + BATCH, ...limits });
    failures += summary.failures.length;
    for (const failure of summary.failures) console.log(`\n${failure}`);
  }
  return { cases, failures };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string" },
      seed: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seconds = Number(values.seconds ?? 60);
  const seed = seedFrom(
    values.seed === undefined ? process.env : { TILEWRIGHT_SEED: values.seed },
    Date.now() >>> 0,
  );
  if (
    !(seconds > 0) ||
    (values.only !== undefined && values.only !== "graphs" && values.only !== "mutations")
  ) {
    console.error(HELP);
    return 2;
  }
  console.log(`Seed ${seed}, ${seconds} s.`);
  const start = performance.now();
  const share = values.only === undefined ? 0.5 : 1;
  let failed = 0;
  if (values.only !== "mutations") {
    const { cases, failures } = await graphs(seed, start + seconds * 1000 * share);
    console.log(`${cases} graphs, ${failures} failed`);
    failed += failures;
  }
  if (values.only !== "graphs") {
    const { cases, failures } = await mutations(seed, start + seconds * 1000);
    console.log(`${cases} damaged files, ${failures} failed`);
    failed += failures;
  }
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
