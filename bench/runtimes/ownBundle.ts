/**
 * Our library as an application's build would serve it. In: nothing. Out: files by path: the runtime, what it asks for
 * later in chunks (the cache, WebGPU, workers), and the compiler with its chunks for models that are bound when they
 * run. Invariant: nothing of the measuring page is in them, and nothing of them is in the measuring page; what an
 * application's build puts into its own chunk, all that is imported statically, is one file here.
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundle, contentOf, modulesAtOnce } from "../bundleSize.ts";
import { COMPILER_SCRIPT, OWN_FOLDER, RUNTIME_PARTS, RUNTIME_SCRIPT } from "../page/tilewright.ts";

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
    ...(await runtimeFiles(source("bench/page/ownEntry.ts"))),
    ...compiler.outputFiles.map(
      ({ path, contents }) => [folder + path.slice(outdir.length).replaceAll("\\", "/"), contents] as const,
    ),
  ]);
}

async function runtimeFiles(entry: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const atOnce = modulesAtOnce(await bundle(entry));
  const files = await bundle(entry, {
    entryFileNames: RUNTIME_SCRIPT,
    chunkFileNames: "[name].js",
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: "entry", test: (id) => atOnce.has(id) }],
    },
  });
  const runtime = files.find(({ fileName }) => fileName === RUNTIME_SCRIPT);
  const imports = runtime?.type === "chunk" ? runtime.imports.join() : "nothing";
  if (imports !== RUNTIME_PARTS.join()) throw new Error(`the runtime's chunk imports ${imports}`);
  return new Map(files.map((file) => [OWN_FOLDER + file.fileName, Buffer.from(contentOf(file))] as const));
}
