/**
 * `npm run fuzz`: random models and damaged files for as long as one likes. In: `--seconds N`, `--seed S`,
 * `--only operators|graphs|mutations`, `--op NAME`, `--case N`. Out: failures as they are found, graphs as tests to
 * paste, and a summary; exit status 1 when there were any. Invariant: a seed and a case number reproduce a failure.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { difference, expectedOf, failureReport, settingsOf } from "./agreement.ts";
import { randomGraph } from "./graphs.ts";
import { compareTensors } from "../../compiler/tensors/compare.ts";
import { refusalOf } from "./ops/refusals.ts";
import { OnnxRuntime } from "./ops/ort.ts";
import { runSession, summaryText } from "./ops/session.ts";
import { inputsOf, minimise, modelOf, outputValues, sourceOf, type GraphPlan } from "./plan.ts";
import { caseSeed, seedFrom } from "./random.ts";
import { subjectsOf } from "./subjects.ts";
import { runTrials } from "./trials.ts";

const SAMPLE = join(import.meta.dirname, "../../playground/sample/digits.onnx");
const PARTS = ["operators", "graphs", "mutations"] as const;
type Part = (typeof PARTS)[number];

const HELP = `npm run fuzz -- [--seconds N] [--seed S] [--only ${PARTS.join("|")}] [--op NAME]
                 [--case N] [--no-ort]

Compares everyone who computes models, for 60 seconds unless told otherwise:

  operators   graphs over the whole table of operators, in every form, version and element type, with empty
              dimensions, NaN and the ends of types, inside branches, loops, scans and functions, with open
              dimensions: interpreter, WebAssembly (both variants; all passes, none, all but one; bound ahead and
              when it runs; random schedules; one program for several sizes) and onnxruntime-web. What onnxruntime is
              no witness for is counted by reason. Half of the time.
  graphs      graphs of up to a dozen elementwise, movement, reduction and contraction nodes whose errors are
              derived: every pass on and off, and onnxruntime-web, against the interpreter. A quarter.
  mutations   damaged models and artifacts: a typed error or a right answer, in little time and memory. A quarter.

  --op NAME   only operators whose name contains NAME, as in "Conv" or "com.microsoft:"; only that part
  --case N    the case of this number in one part ("operators" if --only names none) and no other
  --no-ort    without onnxruntime-web
  --seed S    the seed of all of it, printed at the start; TILEWRIGHT_SEED is the same

A failure is made small and printed: a graph to paste into test/fuzz/ops/found.ts, or a test for
test/fuzz/found.test.ts. TILEWRIGHT_DATA names a folder with real models to damage.`;

/** Cases of one thread; a new one starts with fresh memory. */
const BATCH = 250;

/** Which cases run: from a number on, for as long as `goOn` says. */
interface Span {
  readonly from: number;
  readonly goOn: (number: number) => boolean;
}

async function graphs(seed: number, { from, goOn }: Span, ort: OnnxRuntime | undefined) {
  let failures = 0;
  let cases = from;
  const witness = { agree: 0, excused: 0 };
  for (; goOn(cases); cases++) {
    const plan = randomGraph(caseSeed(seed, cases));
    const title = `seed ${seed}, graph ${cases}`;
    const report = (await graphFailure(plan, title)) ?? (ort && (await besideOrt(plan, title, ort, witness)));
    if (report === undefined) continue;
    failures++;
    console.log(`\n${report}`);
  }
  return { cases: cases - from, failures, witness };
}

function hasEmpty({ inputs, steps }: GraphPlan): boolean {
  return [...inputs.map(({ value }) => value), ...steps.flatMap(({ outputs }) => outputs)].some(({ shape }) => shape.includes(0)); // prettier-ignore
}

/** How onnxruntime's answer differs by more than the derived errors: undefined when it does not, or is none. */
async function besideOrt(plan: GraphPlan, title: string, ort: OnnxRuntime, witness: { agree: number; excused: number }) {
  let counts: typeof witness | undefined = witness;
  const differs = async (candidate: GraphPlan): Promise<string | undefined> => {
    // Reductions of nothing have other shapes there, products with a vector of nothing are left as memory was, and
    // beta is not heeded beside products of nothing.
    if (candidate.steps.some(({ op }) => /^(Reduce|Arg|MatMul|Gemm)/.test(op)) && hasEmpty(candidate)) return undefined; // prettier-ignore
    const answer = await ort.ask(modelOf(candidate), inputsOf(candidate));
    if (answer.kind === "lost" || (answer.kind === "error" && refusalOf(answer.message, candidate.steps) !== undefined)) {
      if (counts) counts.excused++;
      return undefined;
    }
    if (answer.kind === "error") return `onnxruntime refuses: ${answer.message}`;
    const expected = expectedOf(candidate);
    for (const { name, error } of outputValues(candidate)) {
      const { reason } = compareTensors(answer.outputs[name]!, expected[name]!, { relative: 0, absolute: 2 * error });
      if (reason !== undefined) return `${name}: ${reason} (allowed: ${2 * error})`;
    }
    if (counts) counts.agree++;
    return undefined;
  };
  const what = await differs(plan);
  if (what === undefined) return undefined;
  counts = undefined;
  const small = await minimise(plan, async (candidate) => (await differs(candidate)) !== undefined);
  return `${title}, onnxruntime-web: ${what}\n${sourceOf(small, "// beside onnxruntime-web")}`;
} // prettier-ignore

async function graphFailure(plan: GraphPlan, title: string): Promise<string | undefined> {
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

async function mutations(seed: number, { from, goOn }: Span): Promise<{ cases: number; failures: number }> {
  const subjects = subjectsOf(readFileSync(SAMPLE), process.env["TILEWRIGHT_DATA"]);
  let failures = 0;
  let cases = from;
  while (goOn(cases)) {
    const limits = { cpuMilliseconds: 2000, watchdogMilliseconds: 30_000 };
    let to = cases + 1;
    while (to < cases + BATCH && goOn(to)) to++;
    const summary = await runTrials({ subjects, seed, from: cases, to, ...limits });
    failures += summary.failures.length;
    for (const failure of summary.failures) console.log(`\n${failure}`);
    cases = to;
  }
  return { cases: cases - from, failures };
}

async function operators(seed: number, span: Span, only: string | undefined, withOrt: boolean) {
  const start = performance.now();
  const ort = withOrt ? new OnnxRuntime() : undefined;
  const print = (text: string): void => console.log(text);
  const summary = await runSession({ seed, only, ort, print, ...span });
  await ort?.end();
  console.log(summaryText(summary, (performance.now() - start) / 1000));
  return summary.failures;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string" },
      seed: { type: "string" },
      only: { type: "string" },
      op: { type: "string" },
      case: { type: "string" },
      "no-ort": { type: "boolean" },
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
  const single = values.case === undefined ? undefined : Number(values.case);
  const only = values.only ?? (values.op === undefined && single === undefined ? undefined : "operators");
  if (
    !(seconds > 0) ||
    (single !== undefined && !(Number.isInteger(single) && single >= 0)) ||
    (only !== undefined && !PARTS.includes(only as Part))
  ) {
    console.error(HELP);
    return 2;
  }
  console.log(`Seed ${seed}, ${seconds} s.`);
  const start = performance.now();
  const end = start + seconds * 1000;
  const until = (share: number): Span => {
    if (single !== undefined) return { from: single, goOn: (number) => number === single };
    const stop = only === undefined ? start + share * seconds * 1000 : end;
    return { from: 0, goOn: () => performance.now() < stop };
  };
  const wanted = (part: Part): boolean => only === undefined || only === part;
  let failed = 0;
  if (wanted("operators")) failed += await operators(seed, until(0.5), values.op, values["no-ort"] !== true);
  if (wanted("graphs")) {
    const ort = values["no-ort"] === true ? undefined : new OnnxRuntime();
    const { cases, failures, witness } = await graphs(seed, until(0.75), ort);
    await ort?.end();
    console.log(`${cases} graphs with derived errors, ${failures} failed; onnxruntime-web: ${witness.agree} agree, ${witness.excused} times no witness`); // prettier-ignore
    failed += failures;
  }
  if (wanted("mutations")) {
    const { cases, failures } = await mutations(seed, until(1));
    console.log(`${cases} damaged files, ${failures} failed`);
    failed += failures;
  }
  return failed > 0 ? 1 : 0;
}

process.exitCode = await main();
