/**
 * Serves a folder as a plain web server would. In: a folder, optionally a path before it and headers. Out: its
 * address. Invariant: no file outside of the folder is given, and nothing is rewritten: what is not there is a 404.
 */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { extname, join, resolve, sep } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** The headers that make a page cross-origin isolated. */
export const ISOLATION: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
};

export interface StaticServer {
  /** Ends with a slash. */
  readonly address: string;
  /** Paths of all requests, in order. */
  readonly requests: readonly string[];
  close(): void;
}

const open = new Set<Server>();

/** Starts a server on a free port of this machine. */
export function serveFolder(
  folder: string,
  headers: Readonly<Record<string, string>> = {},
  base = "/",
): Promise<StaticServer> {
  const root = resolve(folder);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    requests.push(pathname);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const wanted = pathname.startsWith(base) ? decodeURIComponent(pathname.slice(base.length)) : "..";
    let path = resolve(root, wanted);
    if (path !== root && !path.startsWith(root + sep)) path = "";
    if (path !== "" && existsSync(path) && statSync(path).isDirectory()) path = join(path, "index.html");
    if (path === "" || !existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
    createReadStream(path).pipe(response);
  });
  open.add(server);
  const close = (): void => {
    server.close();
    server.closeAllConnections();
    open.delete(server);
  };
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      done({ address: `http://127.0.0.1:${port}${base}`, requests, close });
    });
  });
}

/** Closes all that are still open. */
export function closeAll(): void {
  for (const server of open) {
    server.close();
    server.closeAllConnections();
  }
  open.clear();
}
