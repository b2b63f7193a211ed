/**
 * The library build: `dist/runtime/index.js`, `dist/runtime/profile.js`, `dist/compiler/index.js` the command
 * line `dist/node/cli.js` and the plugin `dist/node/vitePlugin.js`. In: the entries. Out: ES modules that share what they have in common as
 * `dist/shared/*.js` (the artifact format, for one). Invariant: the runtime's entry reaches no compiler code, which
 * `bench/size.ts` measures and `test/layering.test.ts` proves. Types come from `tsc -p tsconfig.build.json`; npm dependencies stay imports.
 */
import { chmodSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";
import manifest from "./package.json" with { type: "json" };

const COMMAND_LINE = "node/cli";

/**
 * Makes the built command line executable: npm does so on install, but not in a checkout. Its first line comes
 * from `banner` below, whether or not the source has one.
 */
function executable(name: string): Plugin {
  return {
    name: "tilewright:executable",
    transform: {
      filter: { id: /\/cli\.ts$/, code: /^#!/ },
      handler: (code) => ({ code: code.replace(/^#!.*/, ""), map: null }),
    },
    writeBundle({ dir = "dist" }) {
      chmodSync(join(dir, `${name}.js`), 0o755);
    },
  };
}

const THREAD_WORKER = "runtime/threads/worker";

/**
 * Keeps the worker of a thread pool a file beside the others, named in the one form that the bundlers of pages know:
 * `new URL("...", import.meta.url)`. Vite, left alone, would make it an asset of this build.
 */
function threadWorker(): Plugin {
  const source = 'new URL("./worker.ts", import.meta.url)';
  const mark = "__TILEWRIGHT_THREAD_WORKER__";
  return {
    name: "tilewright:thread-worker",
    enforce: "pre",
    transform: {
      filter: { id: /\/threads\/start\.ts$/ },
      handler: (code) => {
        if (!code.includes(source)) throw new Error(`threads/start.ts does not say ${source}`);
        return { code: code.replace(source, mark), map: null };
      },
    },
    renderChunk(code, { fileName }) {
      if (!code.includes(mark)) return null;
      const path = posix.relative(posix.dirname(fileName), `${THREAD_WORKER}.js`);
      const url = JSON.stringify(path.startsWith(".") ? path : `./${path}`);
      return { code: code.replace(mark, `new URL(${url}, import.meta.url)`), map: null };
    },
  };
}

export default defineConfig({
  build: {
    target: "es2023",
    outDir: "dist",
    emptyOutDir: true,
    copyPublicDir: false,
    minify: false,
    sourcemap: true,
    lib: {
      formats: ["es"],
      entry: {
        "runtime/index": resolve("runtime/index.ts"),
        "runtime/profile": resolve("runtime/profile.ts"),
        [THREAD_WORKER]: resolve("runtime/threads/worker.ts"),
        "compiler/index": resolve("compiler/index.ts"),
        [COMMAND_LINE]: resolve("compiler/node/cli.ts"),
        "node/vitePlugin": resolve("compiler/node/vitePlugin.ts"),
      },
    },
    rolldownOptions: {
      external: [/^node:/, ...Object.keys(manifest.dependencies)],
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "shared/[name]-[hash].js",
        banner: (chunk) => (chunk.name === COMMAND_LINE ? "#!/usr/bin/env node" : ""),
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  plugins: [executable(COMMAND_LINE), threadWorker()],
});
