/**
 * What the server is asked, and what its answer means for the cache. In: an address, and perhaps what is stored of it.
 * Out: an answer with its body, validators and freshness. Sources: RFC 9110, sections 8.8 (validators), 13.1 (conditions) and
 * 14 (ranges); RFC 9111, section 4.2 (freshness). Invariant: a range is continued only where the server vouches that
 * it is of the same content, or where the content vouches for itself: an artifact's hashes.
 */
import { TilewrightError } from "../errors.ts";
import { type Entry } from "./database.ts";
import { type StoreContext } from "./options.ts";

export interface Answer {
  readonly status: "whole" | "rest" | "unchanged";
  readonly body: ReadableStream<Uint8Array>;
  /** Bytes of the body, if the server tells. */
  readonly total: number | undefined;
  /** Whether the bytes of the body are those that `total` counts. */
  readonly identity: boolean;
  readonly etag: string | undefined;
  readonly modified: string | undefined;
  readonly cacheControl: string;
}

const EMPTY = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ start: (controller) => controller.close() });

/** A validator that stands for the very bytes, which a weak one does not. */
function validatorOf({ etag, modified }: Pick<Entry, "etag" | "modified">): string | undefined {
  return etag !== undefined && !etag.startsWith("W/") ? etag : modified;
}

/** Whether the rest of it may be asked for. */
export function canContinue(entry: Entry): boolean {
  return validatorOf(entry) !== undefined || entry.key.startsWith("artifact/");
}

/** Headers that a page may send anywhere without being asked first stand alone; others only to its own origin. */
function isOwnOrigin(url: string): boolean {
  return (globalThis as { readonly location?: Location }).location?.origin === new URL(url).origin;
}

/**
 * Asks for an address: all of it, what follows `from` bytes, or whether it has changed. The answer goes past the
 * browser's HTTP cache where the caller has said nothing of that: what is stored here need not lie on the disk twice,
 * and a service worker knows by it that whoever asks keeps what comes.
 *
 * @throws whatever fetch throws; TilewrightError `network` for an answer that is an error
 */
export async function ask(
  source: Request | string,
  context: Pick<StoreContext, "signal" | "fetch">,
  stored?: { readonly entry: Entry; readonly from?: number },
): Promise<Answer> {
  const { signal, fetch = globalThis.fetch } = context;
  const request = new Request(source, signal === undefined ? {} : { signal });
  const headers = new Headers(request.headers);
  const own = isOwnOrigin(request.url);
  const { from } = stored ?? {};
  if (stored !== undefined) {
    const { etag, modified } = stored.entry;
    const validator = validatorOf(stored.entry);
    if (from !== undefined) {
      headers.set("Range", `bytes=${from}-`);
      if (own && validator !== undefined) headers.set("If-Range", validator);
    } else if (own && etag !== undefined) headers.set("If-None-Match", etag);
    else if (own && modified !== undefined) headers.set("If-Modified-Since", modified);
  }
  const cache = stored === undefined && request.cache !== "default" ? request.cache : "no-store";
  const response = await fetch(new Request(request, { headers, cache }));
  if (response.status === 304) return answerOf(response, "unchanged");
  if (from !== undefined && (response.status === 416 || !isContinuation(response, from, stored?.entry))) {
    if (response.status === 200) return answerOf(response, "whole");
    await response.body?.cancel();
    return ask(source, context);
  }
  if (!response.ok) {
    await response.body?.cancel();
    const what = `${request.url}: status ${response.status} ${response.statusText}`.trim();
    throw new TilewrightError("network", what);
  }
  return answerOf(response, from === undefined ? "whole" : "rest");
}

function isContinuation(response: Response, from: number, entry: Entry | undefined): boolean {
  if (response.status !== 206) return false;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(
    response.headers.get("content-range") ?? `bytes ${from}-0/*`,
  );
  if (range === null || Number(range[1]) !== from) return false;
  const etag = response.headers.get("etag");
  return etag === null || entry?.etag === undefined || etag === entry.etag;
}

function answerOf(response: Response, status: Answer["status"]): Answer {
  const { headers } = response;
  const length = headers.get("content-length");
  const identity = headers.get("content-encoding") === null;
  return {
    status,
    body: response.body ?? EMPTY(),
    // With a content encoding, the length is that of the encoded bytes.
    total: identity && length !== null ? Number(length) : undefined,
    identity,
    etag: headers.get("etag") ?? undefined,
    modified: headers.get("last-modified") ?? undefined,
    cacheControl: headers.get("cache-control") ?? "",
  };
}

/** Until when the answer may be used without asking again, in milliseconds since 1970. */
export function freshUntil({ cacheControl }: Pick<Answer, "cacheControl">): number {
  const directives = cacheControl
    .toLowerCase()
    .split(",")
    .map((part) => part.trim());
  if (directives.some((one) => one === "no-cache" || one === "no-store")) return 0;
  if (directives.includes("immutable")) return Number.MAX_SAFE_INTEGER;
  const age = /^max-age="?(\d+)"?$/.exec(directives.find((one) => one.startsWith("max-age=")) ?? "");
  return age === null ? 0 : Date.now() + Number(age[1]) * 1000;
}
