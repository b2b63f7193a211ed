/**
 * Our library as an application's build would serve it. In: nothing. Out: files by path: the runtime as one minified
 * module, the worker of its threads beside it, and the compiler with its chunks for models that are bound when they
 * run. Invariant: nothing of the measuring page is in them, and nothing of them is in the measuring page.
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { COMPILER_SCRIPT, OWN_FOLDER, RUNTIME_SCRIPT } from "../page/tilewright.ts";

/** As runtime/threads/start.ts names it, beside the file that starts it. */
const WORKER = "worker.ts";

const COMMON = {
  bundle: true,
  format: "esm",
  target: "es2023",
  minify: true,
  write: false,
  logLevel: "error",
} as const;

let files: Promise<ReadonlyMap<string, Uint8Array>> | undefined;

/** @throws Error (esbuild's) when something does not resolve or parse */
export function ownBundle(): Promise<ReadonlyMap<string, Uint8Array>> {
  files ??= bundled();
  return files;
}

async function bundled(): Promise<ReadonlyMap<string, Uint8Array>> {
  const source = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const single = async (entry: string): Promise<Uint8Array> =>
    (await build({ ...COMMON, entryPoints: [source(entry)] })).outputFiles[0]!.contents;
  const outdir = source("compiler");
  const compiler = await build({
    ...COMMON,
    entryPoints: [source("compiler/index.ts")],
    splitting: true,
    // Nothing is written there; names in the result are relative to it.
    outdir,
  });
  const folder = OWN_FOLDER + COMPILER_SCRIPT.slice(0, COMPILER_SCRIPT.lastIndexOf("/"));
  return new Map([
    [OWN_FOLDER + RUNTIME_SCRIPT, await single("runtime/index.ts")],
    [OWN_FOLDER + WORKER, await single("runtime/threads/worker.ts")],
    ...compiler.outputFiles.map(
      ({ path, contents }) => [folder + path.slice(outdir.length).replaceAll("\\", "/"), contents] as const,
    ),
  ]);
}
