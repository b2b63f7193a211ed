/**
 * `npm test`: everything that says whether the tree is sound, step by step, each with its duration. In: the
 * working tree, and optionally the names of the steps to run (`npm test -- unit browser`). Out: the steps' own
 * output, a table, and one closing line `N passed, N failed` that sums the unit and the browser tests; a step
 * without tests (kernels, types, lint) or one that dies before its tests counts as one failure if it fails.
 * Exit status 1 on any failure. Invariant: a step that fails does not hide those after it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserName, launchOptions } from "./launchBrowser.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface StepResult extends Counts {
  readonly name: string;
  readonly seconds: number;
}

interface Step {
  readonly name: string;
  readonly what: string;
  run(): Counts;
}

const NONE: Counts = { passed: 0, failed: 0, skipped: 0 };
const ONE_FAILURE: Counts = { passed: 0, failed: 1, skipped: 0 };

const reports = mkdtempSync(join(tmpdir(), "tilewright-test-"));

/** Runs an npm script of this package with its output shown; true if it exited with 0. */
function npmRun(script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): boolean {
  const onWindows = process.platform === "win32";
  const { status, error } = spawnSync(
    onWindows ? "npm.cmd" : "npm",
    ["run", "--silent", script, ...(args.length > 0 ? ["--", ...args] : [])],
    { stdio: ["ignore", "inherit", "inherit"], shell: onWindows, env: { ...process.env, ...env } },
  );
  if (error !== undefined) console.error(error.message);
  return status === 0;
}

function check(script: string): () => Counts {
  return () => (npmRun(script) ? NONE : ONE_FAILURE);
}

/** The counts, unless the runner failed though no test did (or wrote no report at all): then one failure. */
function withRunnerFailure(counts: Counts | undefined, succeeded: boolean): Counts {
  if (counts === undefined) return ONE_FAILURE;
  return !succeeded && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function readReport<T>(path: string): T | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T) : undefined;
}

function unitTests(): Counts {
  const path = join(reports, "unit.json");
  const succeeded = npmRun("test:unit", [
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${path}`,
  ]);
  // The counts of jest's JSON report, which vitest's reporter follows.
  const report = readReport<{
    readonly numPassedTests: number;
    readonly numFailedTests: number;
    readonly numPendingTests: number;
    readonly numTodoTests: number;
  }>(path);
  const counts = report && {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  };
  return withRunnerFailure(counts, succeeded);
}

/** Installs the browser where there is none: one that cannot be had at all is a failure. */
function browserTests(browser: BrowserName): Counts {
  console.log(`Browser: ${launchOptions(browser).executablePath}`);
  const path = join(reports, `${browser}.json`);
  const succeeded = npmRun("test:browser", ["--browser", browser], { TILEWRIGHT_TEST_REPORT: path });
  return withRunnerFailure(readReport<Counts>(path), succeeded);
}

/** The same tests in Firefox, if there is one or can be. */
function firefoxTests(): Counts {
  try {
    launchOptions("firefox");
  } catch (error) {
    console.log(`Skipped: ${error instanceof Error ? error.message : String(error)}`);
    return { ...NONE, skipped: 1 };
  }
  return browserTests("firefox");
}

const STEPS: readonly Step[] = [
  { name: "kernels", what: "AssemblyScript kernels", run: check("kernels") },
  { name: "types", what: "type check", run: check("typecheck") },
  { name: "lint", what: "eslint and prettier", run: check("lint") },
  { name: "unit", what: "unit tests in Node", run: unitTests },
  { name: "browser", what: "browser tests in Chromium", run: () => browserTests("chromium") },
  { name: "firefox", what: "browser tests in Firefox", run: firefoxTests },
];

function runStep(step: Step): StepResult {
  console.log(`\n== ${step.name}: ${step.what}`);
  const start = performance.now();
  let counts: Counts;
  try {
    counts = step.run();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    counts = ONE_FAILURE;
  }
  const result = { name: step.name, seconds: (performance.now() - start) / 1000, ...counts };
  console.log(`== ${step.name}: ${outcome(result)} in ${result.seconds.toFixed(1)} s`);
  return result;
}

function outcome({ passed, failed, skipped }: Counts): string {
  if (passed + failed + skipped === 0) return "ok";
  if (passed + skipped === 0 && failed === 1) return "FAILED";
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function main(chosen: readonly string[]): number {
  const unknown = chosen.filter((name) => !STEPS.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(
      `No such step: ${unknown.join(", ")}. Steps: ${STEPS.map((step) => step.name).join(", ")}.`,
    );
    return 2;
  }
  const results = STEPS.filter((step) => chosen.length === 0 || chosen.includes(step.name)).map(runStep);
  rmSync(reports, { recursive: true, force: true });

  console.log("");
  for (const result of results) {
    console.log(`${result.name.padEnd(10)}${result.seconds.toFixed(1).padStart(7)} s  ${outcome(result)}`);
  }
  const sum = (key: keyof Counts): number => results.reduce((total, result) => total + result[key], 0);
  const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
  console.log(`${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  return sum("failed") > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
