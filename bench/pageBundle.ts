/**
 * Builds the measuring page. In: bench/page/main.ts. Out: a temporary folder with minified ES modules, one chunk per
 * runtime. Invariant: the runtimes themselves are not in it: each is loaded from files of its own, so that the time
 * and the bytes of that are its own.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Content } from "./server.ts";

export const PAGE_PATH = "/index.html";
const SCRIPT_FOLDER = "/page/";
const HTML = `<!doctype html>
<meta charset="utf-8">
<title>Tilewright benchmark</title>
<script type="module" src="${SCRIPT_FOLDER}main.js"></script>
`;

export interface PageBundle {
  /** Everything the page consists of, by path. */
  readonly files: ReadonlyMap<string, Content>;
  dispose(): void;
}

/** @throws Error (esbuild's) when something does not resolve or parse. */
export async function buildPage(): Promise<PageBundle> {
  const folder = mkdtempSync(join(tmpdir(), "tilewright-bench-"));
  const dispose = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    await build({
      bundle: true,
      format: "esm",
      target: "es2023",
      minify: true,
      logLevel: "error",
      entryPoints: [fileURLToPath(new URL("page/main.ts", import.meta.url))],
      outdir: folder,
      splitting: true,
      chunkNames: "[name]-[hash]",
    });
  } catch (error) {
    dispose();
    throw error;
  }
  const scripts = readdirSync(folder).map((name): [string, Content] => [
    SCRIPT_FOLDER + name,
    join(folder, name),
  ]);
  return { files: new Map<string, Content>([[PAGE_PATH, Buffer.from(HTML)], ...scripts]), dispose };
}
