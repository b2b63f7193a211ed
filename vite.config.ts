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

/** The scripts of workers, by the folder of the `start.ts` that names them. */
const WORKERS = ["runtime/threads", "runtime/worker", "compiler/worker"];

/**
 * Keeps the script of a worker a file beside the others, named in the one form that the bundlers of pages know:
 * `new URL("...", import.meta.url)`. Vite, left alone, would make it an asset of this build.
 */
function workerFiles(): Plugin {
  const source = 'new URL("./worker.ts", import.meta.url)';
  const mark = /__TILEWRIGHT_WORKER_(\d+)__/g;
  return {
    name: "tilewright:worker-files",
    enforce: "pre",
    transform: {
      filter: { id: /\/start\.ts$/ },
      handler: (code, id) => {
        const folder = WORKERS.find((folder) => id.endsWith(`/${folder}/start.ts`));
        if (folder === undefined) return null;
        if (!code.includes(source)) throw new Error(`${folder}/start.ts does not say ${source}`);
        return { code: code.replace(source, `__TILEWRIGHT_WORKER_${WORKERS.indexOf(folder)}__`), map: null };
      },
    },
    renderChunk(code, { fileName }) {
      if (code.match(mark) === null) return null;
      const named = code.replace(mark, (_, index: string) => {
        const path = posix.relative(posix.dirname(fileName), `${WORKERS[Number(index)]}/worker.js`);
        return `new URL(${JSON.stringify(path.startsWith(".") ? path : `./${path}`)}, import.meta.url)`;
      });
      return { code: named, map: null };
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
        "runtime/cache": resolve("runtime/cache.ts"),
        "runtime/offline/index": resolve("runtime/offline/index.ts"),
        "runtime/offline/worker": resolve("runtime/offline/worker.ts"),
        "runtime/progress": resolve("runtime/progressElement.ts"),
        "runtime/worker/index": resolve("runtime/worker/index.ts"),
        "compiler/worker/index": resolve("compiler/worker/index.ts"),
        ...Object.fromEntries(WORKERS.map((folder) => [`${folder}/worker`, resolve(folder, "worker.ts")])),
        "compiler/index": resolve("compiler/index.ts"),
        [COMMAND_LINE]: resolve("compiler/node/cli.ts"),
        "node/vitePlugin": resolve("compiler/node/vitePlugin.ts"),
      },
    },
    rolldownOptions: {
      external: [
        /^node:/,
        /^workbox-/,
        ...[manifest.dependencies, manifest.peerDependencies].flatMap(Object.keys),
      ],
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "shared/[name]-[hash].js",
        banner: (chunk) => (chunk.name === COMMAND_LINE ? "#!/usr/bin/env node" : ""),
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  plugins: [executable(COMMAND_LINE), workerFiles()],
});
