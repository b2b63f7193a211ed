/**
 * Serves a folder as a plain web server would. In: a folder, optionally a path before it and headers. Out: its
 * address. Invariant: no file outside of the folder is given, and nothing is rewritten: what is not there is a 404;
 * entity tags and ranges are answered as RFC 9110 says, since that is what caches and broken downloads go by.
 */
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { extname, join, resolve, sep } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
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
  readonly port: number;
  /** Paths of all requests, in order, those for a part with what they asked for behind it. */
  readonly requests: readonly string[];
  /** Breaks the connection of the next file that ends so, after so many bytes. */
  breakNext(ending: string, bytes: number): void;
  close(): void;
}

const open = new Set<Server>();

/** Starts a server on a free port of this machine. */
export function serveFolder(
  folder: string,
  headers: Readonly<Record<string, string>> = {},
  base = "/",
  wantedPort = 0,
): Promise<StaticServer> {
  const root = resolve(folder);
  const requests: string[] = [];
  let breaking: { readonly ending: string; readonly bytes: number } | undefined;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const { range, "if-none-match": known, "if-range": condition } = request.headers;
    requests.push(range === undefined ? pathname : `${pathname} ${range}`);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const wanted = pathname.startsWith(base) ? decodeURIComponent(pathname.slice(base.length)) : "..";
    let path = resolve(root, wanted);
    if (path !== root && !path.startsWith(root + sep)) path = "";
    if (path !== "" && existsSync(path) && statSync(path).isDirectory()) path = join(path, "index.html");
    if (path === "" || !existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    const { size, mtimeMs } = statSync(path);
    const etag = `"${size.toString(16)}-${Math.floor(mtimeMs).toString(16)}"`;
    response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
    response.setHeader("ETag", etag);
    if (known === etag) {
      response.writeHead(304).end();
      return;
    }
    const part = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
    const applies = part !== null && Number(part[1]) < size && (condition ?? etag) === etag;
    const start = applies ? Number(part[1]) : 0;
    const end = applies && part[2] !== "" ? Math.min(Number(part[2]), size - 1) : size - 1;
    response.setHeader("Content-Length", end - start + 1);
    if (applies) response.setHeader("Content-Range", `bytes ${start}-${end}/${size}`);
    response.writeHead(applies ? 206 : 200);
    if (breaking !== undefined && path.endsWith(breaking.ending)) {
      const { bytes } = breaking;
      breaking = undefined;
      response.write(readFileSync(path).subarray(start, start + bytes), () =>
        setTimeout(() => response.destroy(), 200),
      );
      return;
    }
    if (size === 0) response.end();
    else createReadStream(path, { start, end }).pipe(response);
  });
  open.add(server);
  const close = (): void => {
    server.close();
    server.closeAllConnections();
    open.delete(server);
  };
  return new Promise((done) => {
    server.listen(wantedPort, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      const breakNext = (ending: string, bytes: number): void => void (breaking = { ending, bytes });
      done({ address: `http://127.0.0.1:${port}${base}`, port, requests, breakNext, close });
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
