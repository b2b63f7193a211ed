/**
 * The service worker of an app. In: its source, and the bundle of the app as it is about to be written. Out: one script
 * for every browser, in which `self.__WB_MANIFEST` is the list of the app's files, in the form of Workbox's
 * `injectManifest`. Invariants: the list follows from the bundle and the public folder alone, so a build of the same
 * sources is the same script, byte for byte, and one of others is another script, which is how browsers know of a new
 * version; what is not hashed in its name has a hash beside it.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, extname, join, relative, resolve, sep } from "node:path";
import type { PluginOption, ResolvedConfig, Rolldown } from "vite";

export interface ServiceWorker {
  /** Its source, from the project's root. */
  readonly source: string;
  /** What it is called beside the page. Default: the name of the source, ending in ".js". */
  readonly fileName?: string;
}

/** A file of the app, from the service worker's own address. */
export interface ListedFile {
  readonly url: string;
  /** Null where the name changes with the content. */
  readonly revision: string | null;
}

export interface EmittedFile {
  readonly fileName: string;
  readonly source: string | Uint8Array;
}

type Bundle = Readonly<Record<string, Rolldown.OutputAsset | Rolldown.OutputChunk>>;

/** Files that no page asks for by itself. */
const LEFT_OUT = /\.map$|(?:^|\/)(?:\.|_headers$|_redirects$|robots\.txt$)/;

/** All files of an app, in the order of their names. */
export function filesOf(bundle: Bundle, config: ResolvedConfig): readonly ListedFile[] {
  const { base, publicDir, build } = config;
  const prefix = /^[a-z]+:\/\/|^\/\//i.test(base) ? base : "";
  const hashed = new RegExp(`^${escaped(build.assetsDir)}/.*-[\\w-]{8}\\.\\w+$`);
  const listed = new Map<string, string | null>();
  for (const [name, file] of Object.entries(bundle)) {
    if (LEFT_OUT.test(name)) continue;
    const content = file.type === "chunk" ? file.code : file.source;
    listed.set(prefix + name, hashed.test(name) ? null : revisionOf(content));
  }
  if (build.copyPublicDir && publicDir !== "" && existsSync(publicDir)) {
    for (const entry of readdirSync(publicDir, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const name = relative(publicDir, path).split(sep).join("/");
      if (entry.isFile() && !LEFT_OUT.test(name)) listed.set(prefix + name, revisionOf(readFileSync(path)));
    }
  }
  return [...listed].map(([url, revision]) => ({ url, revision })).sort((a, b) => (a.url < b.url ? -1 : 1));
}

/** Builds the service worker with the list of files in it; also the files that it needs and the app has not. */
export async function workerCode(
  worker: string | ServiceWorker,
  bundle: Bundle,
  config: ResolvedConfig,
  plugins: PluginOption[],
): Promise<readonly EmittedFile[]> {
  const { source, fileName = `${basename(source, extname(source))}.js` }: ServiceWorker =
    typeof worker === "string" ? { source: worker } : worker;
  const { build } = await import("vite");
  const { root, base, mode, define, resolve: resolving } = config;
  const files = filesOf(bundle, config).filter(({ url }) => url !== fileName);
  const { target, minify, sourcemap, assetsDir } = config.build;
  const built = await build({
    configFile: false,
    root,
    base,
    mode,
    logLevel: "warn",
    publicDir: false,
    plugins,
    resolve: { alias: resolving.alias },
    define: { ...define, "self.__WB_MANIFEST": JSON.stringify(files) },
    build: {
      write: false,
      copyPublicDir: false,
      modulePreload: false,
      reportCompressedSize: false,
      target,
      minify,
      sourcemap,
      assetsDir,
      rolldownOptions: {
        input: resolve(root, source),
        // One script: nothing may be imported once a service worker runs, and not every browser has modules there.
        output: { format: "iife", entryFileNames: fileName, codeSplitting: false },
      },
    },
  });
  const output = (Array.isArray(built) ? built : [built]).flatMap((part) =>
    "output" in part ? part.output : [],
  );
  return output.map((file) => ({
    fileName: file.fileName,
    source: file.type === "chunk" ? file.code : file.source,
  }));
}

function revisionOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
