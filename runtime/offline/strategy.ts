/**
 * A Workbox strategy for models: stale while revalidate, out of the store that `load(url, { cache })` uses as well. In:
 * requests. Out: responses, from the store at once, or from the network by way of it. Invariants: a model is on the
 * disk once, whoever asked for it; whoever wants the server's own word (`no-store`, `reload`, `no-cache`) gets that;
 * parts (Range) come out of what is stored, or from the server; a newer model is announced when it is stored, never put
 * beneath a page that runs.
 */
import { createPartialResponse } from "workbox-range-requests";
import { Strategy, type StrategyHandler } from "workbox-strategies";
import { TilewrightError } from "../errors.ts";
import { isTile } from "../store/content.ts";
import { type CachedSource, type CacheOptions } from "../store/options.ts";
import { forget, store, storedContent, whenSettled } from "../store/store.ts";
import { passing } from "./passing.ts";

export type ModelStrategyOptions = Pick<CacheOptions, "database" | "mostBytes" | "revalidate">;

/**
 * Answers requests for models, for `registerRoute` of Workbox. `offlineModels` registers one already; this is for
 * routes of your own.
 *
 * @example
 * registerRoute(({ url }) => url.hostname === "models.example", new ModelStrategy({ revalidate: "first" }));
 */
export class ModelStrategy extends Strategy {
  readonly #options: ModelStrategyOptions;

  constructor(options: ModelStrategyOptions = {}) {
    super();
    this.#options = options;
  }

  /** Answers one request; called by Workbox. */
  protected override async _handle(request: Request, handler: StrategyHandler): Promise<Response> {
    const { cache, method, mode, url } = request;
    // Who says "no-store" keeps what comes, as the store of a page does; what is opaque cannot be read here.
    if (method !== "GET" || cache === "no-store" || mode === "no-cors") return handler.fetch(request);
    const range = request.headers.get("range");
    if (range !== null) {
      const content = await storedContent(url, this.#options).catch(() => undefined);
      if (content === undefined) return handler.fetch(request);
      return createPartialResponse(request, responseOf(content, content.size));
    }
    return this.#answer(request, handler);
  }

  async #answer(request: Request, handler: StrategyHandler): Promise<Response> {
    const { cache, url } = request;
    const asks = cache === "no-cache";
    // The loader asks so when what it got does not fit its hashes.
    if (cache === "reload") await forget(url, this.#options).catch(() => {});
    const revalidate = asks ? "first" : cache === "force-cache" ? "never" : this.#options.revalidate;
    let refused: Response | undefined;
    let source: CachedSource;
    try {
      source = await store.open(
        new Request(request, { cache: "default" }),
        { ...this.#options, revalidate },
        {
          signal: request.signal,
          warn: () => {},
          mustAsk: asks,
          async fetch(asked) {
            const response = await handler.fetch(asked);
            if (!response.ok && response.status !== 304) refused = response;
            return response;
          },
        },
      );
    } catch (error) {
      if (refused === undefined) throw error;
      // The page is to see what the server said.
      const { status, statusText } = refused;
      return new Response(null, { status, statusText });
    }
    const whole = await source.stored?.().catch(() => undefined);
    if (whole !== undefined) {
      await source.settle();
      handler.waitUntil(whenSettled()).catch(() => {});
      return responseOf(whole, whole.size);
    }
    if (source.stored !== undefined) {
      // It is listed and cannot be read: away with it.
      if (await source.settle(new TilewrightError("network", "the stored copy cannot be read")))
        return this.#answer(request, handler);
    }
    const { body, done } = passing(source, isTile(url) ? "artifact" : undefined);
    handler.waitUntil(done.then(whenSettled)).catch(() => {});
    return responseOf(body, source.total);
  }
}

function responseOf(body: Blob | ReadableStream<Uint8Array>, bytes: number | undefined): Response {
  const headers = new Headers({ "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes" });
  if (bytes !== undefined) headers.set("Content-Length", String(bytes));
  return new Response(body, { headers });
}
