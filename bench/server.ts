/**
 * The benchmark's web server. In: contents under paths. Out: `http://127.0.0.1:PORT`, cross-origin isolated (COOP and
 * COEP), which is what gives a page `SharedArrayBuffer` and a clock of 5 microseconds. Invariant: only what was
 * put in is served, nothing is cached, and a `.wasm` has the type that streaming compilation asks for.
 */
import { createServer, type ServerResponse } from "node:http";
import { createReadStream, statSync } from "node:fs";
import { extname } from "node:path";

/** Bytes at hand, or a file by its absolute path. */
export type Content = Uint8Array | string;

export interface BenchServer {
  /** Without a slash at the end. */
  readonly origin: string;
  /** Serves `content` under `path` (with a slash in front) until it is removed. */
  put(path: string, content: Content): void;
  remove(path: string): void;
  /** Whether browsers may keep what they were sent: for starts that are not the first. */
  cacheable: boolean;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  // A worker that is named as in our sources; what is served is JavaScript.
  ".ts": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** Starts a server on a free port of the local machine. */
export async function startServer(): Promise<BenchServer> {
  const contents = new Map<string, Content>();
  let cacheable = false;
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    const content = contents.get(path);
    if (content === undefined) {
      response.writeHead(404, ISOLATION).end(`nothing is served at ${path}`);
      return;
    }
    const caching = cacheable ? "public, max-age=86400" : "no-store";
    send(response, extname(path), content, caching);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    put: (path, content) => void contents.set(path, content),
    remove: (path) => void contents.delete(path),
    get cacheable() {
      return cacheable;
    },
    set cacheable(value) {
      cacheable = value;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, extension: string, content: Content, caching: string): void {
  const headers = {
    ...ISOLATION,
    "Cache-Control": caching,
    "Content-Type": TYPES[extension] ?? "application/octet-stream",
    "Content-Length": typeof content === "string" ? statSync(content).size : content.byteLength,
  };
  response.writeHead(200, headers);
  if (typeof content === "string") createReadStream(content).pipe(response);
  else response.end(content);
}
