/**
 * Measures what a page downloads for one entry of the library. In: an entry file. Out: the sizes in bytes of the
 * minified chunks, split into those that load with the entry (it and what it imports statically) and those that
 * load on demand (dynamic imports, workers, assets). Invariant: the bundle is what an application's production
 * build by Vite would contain if it used every export of the entry, npm dependencies included.
 */
import { constants, gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";

export interface Size {
  readonly raw: number;
  readonly gzip: number;
}

export interface BundleSize {
  readonly atOnce: Size;
  readonly onDemand: Size;
  /** The parts of `onDemand`, by name, the largest first. */
  readonly chunks: readonly (readonly [name: string, size: Size])[];
}

/** The size of some bytes as they are and as a web server sends them (gzip, level 9). */
export function sizeOf(bytes: Uint8Array | string): Size {
  const raw = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.byteLength;
  return { raw, gzip: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }).byteLength };
}

/** The sum; each part is compressed on its own, as it is a download on its own. */
export function addSizes(sizes: readonly Size[]): Size {
  return sizes.reduce((sum, size) => ({ raw: sum.raw + size.raw, gzip: sum.gzip + size.gzip }), {
    raw: 0,
    gzip: 0,
  });
}

type BuiltFile = Rolldown.OutputChunk | Rolldown.OutputAsset;

/**
 * Bundles `entry` (an absolute path) in memory for browsers, as an application's production build would.
 *
 * @param output Rolldown's options for it
 * @throws Error (Rolldown's) when the entry or something it imports does not resolve.
 */
export async function bundle(
  entry: string,
  output: Rolldown.OutputOptions = {},
): Promise<readonly BuiltFile[]> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    // Chunks and workers are found beside the file that asks for them.
    base: "./",
    build: {
      write: false,
      target: "es2023",
      minify: true,
      assetsInlineLimit: 0,
      modulePreload: false,
      reportCompressedSize: false,
      rolldownOptions: {
        input: { entry },
        // What groups modules of its own (`output`) may put the entry among them.
        preserveEntrySignatures: output.codeSplitting === undefined ? "strict" : "allow-extension",
        external: /^node:/,
        output,
      },
    },
    worker: { format: "es" },
  });
  return (Array.isArray(result) ? result : [result]).flatMap((part) => ("output" in part ? part.output : []));
}

/** What a file of a bundle consists of. */
export function contentOf(file: BuiltFile): Uint8Array | string {
  return file.type === "chunk" ? file.code : file.source;
}

/** The modules that load with the entry of a bundle. */
export function modulesAtOnce(output: readonly BuiltFile[]): ReadonlySet<string> {
  const atOnce = withStaticImports(output);
  return new Set(
    output.flatMap((file) =>
      file.type === "chunk" && atOnce.has(file.fileName) ? Object.keys(file.modules) : [],
    ),
  );
}

/** Bundles `entry` and measures it. */
export async function measureBundle(entry: string): Promise<BundleSize> {
  const output = await bundle(entry);
  const atOnce = withStaticImports(output);
  const sizeOfFile = (file: BuiltFile): Size => sizeOf(contentOf(file));
  const chunks = output
    .filter((file) => !atOnce.has(file.fileName))
    .map((file) => [file.type === "chunk" ? file.name : file.fileName, sizeOfFile(file)] as const)
    .sort(([, a], [, b]) => b.gzip - a.gzip);
  return {
    atOnce: addSizes(output.filter((file) => atOnce.has(file.fileName)).map(sizeOfFile)),
    onDemand: addSizes(chunks.map(([, size]) => size)),
    chunks,
  };
}

/** The names of the entry chunk and of all chunks that it reaches by static imports. */
function withStaticImports(output: readonly BuiltFile[]): Set<string> {
  const chunks = output.filter((file) => file.type === "chunk");
  const reached = new Set(chunks.filter((chunk) => chunk.isEntry).map((chunk) => chunk.fileName));
  // A set visits what is added to it during the visit.
  for (const name of reached) {
    for (const imported of chunks.find((chunk) => chunk.fileName === name)?.imports ?? []) {
      if (chunks.some((chunk) => chunk.fileName === imported)) reached.add(imported);
    }
  }
  return reached;
}
