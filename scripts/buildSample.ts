/**
 * Builds the playground's sample. In: `playground/sample/digits.onnx`. Out: `build/sample/digits.tile`, and, for
 * the page, the module `virtual:sample` with its address and the bytes that a visitor downloads for it. Invariant:
 * both are made when the server or the build starts, from the compiler and the runtime as they are in the tree, so
 * the page itself loads no compiler and the sizes it shows are never stale.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin } from "vite";
import { measureBundle, sizeOf } from "../bench/bundleSize.ts";
import { compile, type CompileReport } from "../compiler/whole.ts";

/** What the page imports; declared in `playground/virtualSample.d.ts`. */
const MODULE = "virtual:sample";
/** Rollup's convention: a leading NUL keeps other plugins away from an id that is no file. */
const RESOLVED = `\0${MODULE}`;

export interface Sample {
  /** Path of the artifact. */
  readonly path: string;
  readonly report: CompileReport;
  /** Bytes of the artifact as a web server sends it, compressed by gzip. */
  readonly tileGzip: number;
  /** The same of the minified runtime with everything that it exports. */
  readonly runtimeGzip: number;
}

/**
 * Compiles the sample and writes it below `root`, the repository.
 *
 * @throws CompileError if the compiler refuses the model
 */
export async function buildSample(root: string): Promise<Sample> {
  const { artifact, report } = compile(readFileSync(`${root}/playground/sample/digits.onnx`), {
    dims: { batch: 1 },
  });
  const path = `${root}/build/sample/digits.tile`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, artifact);
  const runtime = await measureBundle(`${root}/runtime/index.ts`);
  return { path, report, tileGzip: sizeOf(artifact).gzip, runtimeGzip: runtime.atOnce.gzip };
}

/** Gives the playground its sample, and says in the terminal what was built. */
export function samplePlugin(root: string): Plugin {
  let building: Promise<Sample> | undefined;
  return {
    name: "tilewright:sample",
    async buildStart() {
      building ??= buildSample(root);
      const { report, tileGzip, runtimeGzip } = await building;
      const milliseconds = Object.values(report.milliseconds).reduce((sum, time) => sum + time, 0);
      const made = `${report.opsIn} nodes to ${report.kernelsOut} kernels in ${milliseconds.toFixed(0)} ms`;
      console.log(`sample: ${made}; ${tileGzip} bytes gzip, runtime ${runtimeGzip} bytes gzip`);
    },
    resolveId: { filter: { id: new RegExp(`^${MODULE}$`) }, handler: () => RESOLVED },
    load: {
      filter: { id: new RegExp(`^${RESOLVED}$`) },
      async handler() {
        const { path, tileGzip, runtimeGzip } = await (building ??= buildSample(root));
        return [
          `export { default as tileUrl } from ${JSON.stringify(`${path}?url`)};`,
          `export const tileGzip = ${tileGzip};`,
          `export const runtimeGzip = ${runtimeGzip};`,
        ].join("\n");
      },
    },
  };
}

/** The repository, from the address of a file in one of its folders. */
export function repositoryOf(moduleUrl: string): string {
  return fileURLToPath(new URL("..", moduleUrl)).replace(/[\\/]$/, "");
}
