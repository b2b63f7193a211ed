/**
 * Gives the playground as it is built to the browser tests. In: the requests of the test server. Out: the files of a
 * production build, below one path, with the headers of the preview server. Invariant: the build is made once, in
 * memory, when the first file is asked for, so test runs that do not need it do not wait for it.
 */
import { extname } from "node:path";
import { build, type Rolldown } from "vite";
import playground from "../playground/vite.config.ts";

/** Where the tests find the page. */
const PLAYGROUND_PATH = "/built-playground/";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** What this needs of the test server's (Koa's) context. */
interface Context {
  readonly path: string;
  status: number;
  type: string;
  body: unknown;
  set(name: string, value: string): void;
}

/** A middleware for the test server. */
export function servePlayground(): (context: Context, next: () => Promise<unknown>) => Promise<void> {
  let files: Promise<ReadonlyMap<string, string | Uint8Array>> | undefined;
  return async (context, next) => {
    if (!context.path.startsWith(PLAYGROUND_PATH)) return void (await next());
    const name = context.path.slice(PLAYGROUND_PATH.length) || "index.html";
    const content = (await (files ??= builtFiles())).get(name);
    for (const [header, value] of Object.entries(playground.preview?.headers ?? {})) {
      context.set(header, String(value));
    }
    context.status = content === undefined ? 404 : 200;
    context.type = TYPES[extname(name)] ?? "application/octet-stream";
    context.body = typeof content === "object" ? Buffer.from(content) : (content ?? "");
  };
}

/** Every file of the build by its name. */
async function builtFiles(): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const result = await build({
    ...playground,
    configFile: false,
    logLevel: "error",
    build: { ...playground.build, write: false, reportCompressedSize: false },
  });
  const output = (Array.isArray(result) ? result : [result]).flatMap((part) =>
    "output" in part ? part.output : [],
  );
  const contentOf = (file: Rolldown.OutputChunk | Rolldown.OutputAsset): string | Uint8Array =>
    file.type === "chunk" ? file.code : file.source;
  return new Map(output.map((file) => [file.fileName, contentOf(file)]));
}
