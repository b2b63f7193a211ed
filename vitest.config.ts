/**
 * Unit tests: every `x.test.ts` beside its source, and what crosses files in `test/`. Browser tests
 * (`test/browser/`) belong to `web-test-runner.config.mjs`. Invariant: nothing here needs a browser or a network.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{compiler,runtime,kernels,playground,bench,scripts,test}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/browser/**"],
    environment: "node",
    pool: "forks",
    // Node 20 has the relaxed SIMD instructions behind a flag that later versions do not know.
    execArgv: process.versions.node.startsWith("20.") ? ["--experimental-wasm-relaxed-simd"] : [],
    maxWorkers: 2,
    // For what hangs, not for what is slow: other processes may take the cores away from a test for long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    passWithNoTests: false,
  },
});
