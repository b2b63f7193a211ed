/**
 * Models for the browser tests, by a server that can be slow, cut connections and change its mind. In: requests below
 * one path, whose queries say what is to be served. Out: artifacts made here of a seed, with validators and ranges as
 * RFC 9110 has them, and a log of what was asked. Invariant: an `id` names a resource of one test; what was told
 * about one does not touch another.
 *
 * `/models/ID?bytes=N` gives the scaling program with N bytes of weights more, `device=webgpu` the one for WebGPU.
 * `cut=N` destroys the connection of the first answer after N bytes, `pace=N` sends at most N bytes per millisecond,
 * `etag=no` leaves validators out, `control=TEXT` is the Cache-Control, `kind=page&policy=TEXT` is a page under a
 * content security policy.
 * `/models/ID/log` gives the requests so far as JSON; `/models/ID/version?to=N` changes the content.
 */
import { type IncomingMessage, type ServerResponse } from "node:http";
import { writeArtifact } from "../../runtime/format.ts";
import { scaling as gpuScaling } from "../gpuPrograms.ts";
import { randomNumbers, scalingPlan, scalingSections } from "../programs.ts";

const MODELS_PATH = "/models/";

/** One request, as the log tells it. */
export interface Asked {
  readonly method: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly status: number;
  /** Bytes that were sent of the body. */
  sent: number;
}

interface Resource {
  version: number;
  readonly asked: Asked[];
}

/** What this needs of the test server's (Koa's) context. */
interface Context {
  readonly path: string;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  respond?: boolean;
  status: number;
  type: string;
  body: unknown;
}

/** A middleware for the test server. */
export function serveModels(): (context: Context, next: () => Promise<unknown>) => Promise<void> {
  const resources = new Map<string, Resource>();
  return async (context, next) => {
    if (!context.path.startsWith(MODELS_PATH)) return void (await next());
    const [id = "", what] = context.path.slice(MODELS_PATH.length).split("/");
    const resource = resources.get(id) ?? { version: 1, asked: [] };
    resources.set(id, resource);
    if (what === "log") {
      context.type = "application/json";
      context.body = JSON.stringify(resource.asked);
    } else if (what === "version") {
      resource.version = Number(context.query["to"]);
      context.body = String(resource.version);
    } else {
      context.respond = false;
      await sendModel(context, resource);
    }
  };
}

const made = new Map<string, Uint8Array>();

/** The scaling program, which multiplies by 2 to 5 in version 1, and `bytes` seeded bytes of weights that it leaves. */
function modelOf(version: number, bytes: number): Uint8Array {
  const key = `${version} ${bytes}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const random = randomNumbers(version);
  const padding = Uint8Array.from({ length: bytes }, () => random() * 256);
  const factors = [2, 3, 4, 5].map((factor) => factor * version);
  const sections = scalingSections(factors).map((section) =>
    section.name === "weights"
      ? { name: "weights", data: [...(section.data as readonly Uint8Array[]), padding] }
      : section,
  );
  const model = writeArtifact(scalingPlan, sections);
  made.set(key, model);
  return model;
}

async function sendModel({ req, res, query }: Context, { version, asked }: Resource): Promise<void> {
  const text = (name: string): string | undefined => query[name] as string | undefined;
  const number = (name: string): number => Number(text(name) ?? 0);
  const content = text("device") === "webgpu" ? gpuScaling() : modelOf(version, number("bytes"));
  const { headers } = req;
  const etag = text("etag") === "no" ? undefined : `"v${version}-${content.length}"`;
  const range = /^bytes=(\d+)-$/.exec(headers.range ?? "");
  const ifRange = headers["if-range"] as string | undefined;
  const from = range !== null && (ifRange === undefined || ifRange === etag) ? Number(range[1]) : undefined;
  const unchanged = etag !== undefined && headers["if-none-match"] === etag;
  const status = unchanged ? 304 : from === undefined ? 200 : from < content.length ? 206 : 416;
  const entry: Asked = {
    method: req.method ?? "",
    range: headers.range,
    ifRange,
    ifNoneMatch: headers["if-none-match"],
    status,
    sent: 0,
  };
  const first = asked.length === 0;
  asked.push(entry);
  if (etag !== undefined) res.setHeader("ETag", etag);
  res.setHeader("Cache-Control", text("control") ?? "no-store");
  res.setHeader("Content-Type", "application/octet-stream");
  const body = status === 304 || status === 416 ? new Uint8Array(0) : content.subarray(from ?? 0);
  if (status === 206) {
    res.setHeader("Content-Range", `bytes ${from}-${content.length - 1}/${content.length}`);
  }
  if (status !== 304) res.setHeader("Content-Length", body.length);
  res.writeHead(status);
  if (req.method === "HEAD") return void res.end();
  const cut = first && text("cut") !== undefined ? number("cut") : Infinity;
  const pace = text("pace") === undefined ? Infinity : number("pace");
  const step = 65_536;
  for (let at = 0; at < body.length; at += step) {
    if (res.destroyed) return;
    const piece = body.subarray(at, Math.min(at + step, body.length, cut));
    const drained = res.write(piece);
    entry.sent += piece.length;
    if (entry.sent >= cut) {
      // What was written is to arrive first.
      await new Promise((resolve) => setTimeout(resolve, 300));
      res.destroy();
      return;
    }
    if (pace < Infinity) await new Promise((resolve) => setTimeout(resolve, piece.length / pace));
    else if (!drained) await drainOf(res);
  }
  res.end();
}

/** Waits until more can be written, or nothing can any more. */
function drainOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.on("drain", go).on("close", go);
  });
}
