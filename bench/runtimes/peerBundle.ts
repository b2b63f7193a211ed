/**
 * One npm package as one file for the page. In: the name of a file in bench/peers. Out: the minified bundle, made
 * once. Invariant: the bundle holds the package and nothing of ours but the list of what is used, so that its size is
 * what an application would download for it; loaded from two URLs it is two independent instances.
 */
import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const bundles = new Map<string, Promise<Uint8Array>>();

/** @throws Error (esbuild's) when the package is not installed */
export function peerBundle(name: string): Promise<Uint8Array> {
  const known = bundles.get(name) ?? bundled(name);
  bundles.set(name, known);
  return known;
}

async function bundled(name: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../peers/${name}.ts`, import.meta.url))],
    bundle: true,
    format: "esm",
    target: "es2023",
    // Names stay: TensorFlow.js gives its workers the text of a function, which names others.
    minifyWhitespace: true,
    minifySyntax: true,
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]!.contents;
}

/** The folder of an installed package. */
export function packageFolder(name: string): string {
  return fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
}

/** The version of an installed package. */
export function packageVersion(name: string): string {
  return (JSON.parse(readFileSync(join(packageFolder(name), "package.json"), "utf8")) as { version: string })
    .version;
}
