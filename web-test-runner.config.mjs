/**
 * Browser tests: every `x.test.ts` below `test/browser`, in the browser that `TILEWRIGHT_TEST_BROWSER` names
 * (default: in all; `scripts/browserTests.ts` sets it), one after the other, by the files of `scripts/` that find or install them. The pages are served
 * cross-origin isolated, as shared memory and precise timers need. When `TILEWRIGHT_TEST_REPORT` names a file, the counts
 * are written there for `scripts/test.ts`.
 */
import { writeFileSync } from "node:fs";
import { esbuildPlugin } from "@web/dev-server-esbuild";
import { defaultReporter } from "@web/test-runner";
import { chromeLauncher } from "@web/test-runner-chrome";
import { tsImport } from "tsx/esm/api";

const { BROWSERS, launchOptions } = await tsImport("./scripts/launchBrowser.ts", import.meta.url);
const { firefoxLauncher } = await tsImport("./test/support/firefoxLauncher.ts", import.meta.url);
const { servePlayground } = await tsImport("./scripts/servePlayground.ts", import.meta.url);
const { serveModels } = await tsImport("./test/support/modelServer.ts", import.meta.url);
const { browserCommands } = await tsImport("./test/support/browserCommands.ts", import.meta.url);

/** Counts the tests of a suite and of the suites inside it. */
function count(suite, counts) {
  for (const test of suite?.tests ?? [])
    counts[test.skipped ? "skipped" : test.passed ? "passed" : "failed"]++;
  for (const inner of suite?.suites ?? []) count(inner, counts);
}

/** Writes the counts as JSON; a file that failed outside of any test (a broken import, a crash) counts as one failure. */
function countingReporter(path) {
  return {
    onTestRunFinished({ sessions }) {
      const counts = { passed: 0, failed: 0, skipped: 0 };
      for (const session of sessions) {
        const failedBefore = counts.failed;
        count(session.testResults, counts);
        if (!session.passed && counts.failed === failedBefore) counts.failed++;
      }
      writeFileSync(path, JSON.stringify(counts));
    },
  };
}

/** What a careful site sends: only its own files, no evaluation of text, no workers from blobs. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; base-uri 'none'";

const LAUNCHERS = {
  chromium: () => chromeLauncher({ launchOptions: launchOptions("chromium"), concurrency: 1 }),
  firefox: firefoxLauncher,
};

const chosen = process.env["TILEWRIGHT_TEST_BROWSER"] ?? "all";
const report = process.env["TILEWRIGHT_TEST_REPORT"];

export default {
  files: "test/browser/**/*.test.ts",
  nodeResolve: { exportConditions: ["browser", "development"] },
  plugins: [
    esbuildPlugin({ ts: true, target: "esnext", tsconfig: "tsconfig.browser.json" }),
    browserCommands(),
  ],
  browsers: BROWSERS.filter((name) => chosen === "all" || chosen === name).map((name) => LAUNCHERS[name]()),
  // Two of them would share the cores, and tests of time-outs would tell of that.
  concurrentBrowsers: 1,
  middleware: [
    (context, next) => {
      context.set("Cross-Origin-Opener-Policy", "same-origin");
      context.set("Cross-Origin-Embedder-Policy", "require-corp");
      context.set("Cross-Origin-Resource-Policy", "same-origin");
      // Set for scripts too: a worker has the policy of its own script.
      const strict = context.path.endsWith("/csp.html") || /\.worker\.ts$|\/worker\.ts$/.test(context.path);
      if (strict) context.set("Content-Security-Policy", POLICY);
      return next();
    },
    serveModels(),
    servePlayground(),
  ],
  // For what hangs, not for what is slow: other processes may take the cores away from a page for long.
  testFramework: { config: { ui: "bdd", timeout: 600_000 } },
  testsStartTimeout: 600_000,
  testsFinishTimeout: 1_800_000,
  reporters: [
    defaultReporter({ reportTestResults: true, reportTestProgress: false }),
    ...(report === undefined ? [] : [countingReporter(report)]),
  ],
};
