/**
 * Fetches a model ahead of its use, in the background where the browser can: then the download goes on when the page is
 * closed or the network comes and goes, and the browser shows how far it is. In: an address. Out: word that the model is
 * in the store. Invariant: whichever way it came, it has been checked and lies in the one store; where there is no
 * background fetch, or it is refused, an ordinary one takes its place, which resumes where it was stopped.
 */
import { type ErrorCode, TilewrightError } from "../errors.ts";
import { type CacheOptions } from "../store/options.ts";
import { reasonOf } from "../warning.ts";
import { backgroundId, listen } from "./messages.ts";
import { type BackgroundFetch, type Registration } from "./scope.ts";

export interface FetchModelOptions extends Pick<CacheOptions, "database" | "mostBytes"> {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((loaded: number, total: number | undefined) => void) | undefined;
  /**
   * What the browser shows of a background fetch; `false` for an ordinary one. `bytes` is the size of the model: one
   * that turns out larger is refused, and without it the browser shows no share.
   */
  readonly background?:
    | false
    | { readonly title?: string; readonly icons?: readonly object[]; readonly bytes?: number }
    | undefined;
}

export interface FetchedModel {
  /** "background": by the browser, for the service worker; "page": by this page; "store": it was there. */
  readonly by: "background" | "page" | "store";
  readonly bytes: number;
  /** Why it was not fetched in the background although that was wanted. */
  readonly reason?: string;
}

/**
 * Puts a model into the store, in the background where the browser and the app's service worker can.
 *
 * @throws TilewrightError `network`, `aborted`, `artifact-corrupt`, `artifact-malformed`, `offline-failed` if it cannot
 * be stored
 * @example
 * await fetchModel("/models/large.tile", { background: { title: "The large model" }, progress: show });
 */
export async function fetchModel(
  source: string | URL,
  options: FetchModelOptions = {},
): Promise<FetchedModel> {
  const { background = {}, signal, ...more } = options;
  const url = new URL(source, location.href).href;
  const { listCache, storeModel } = await import("../cache.ts");
  const here = (await listCache(more).catch(() => [])).find(({ urls, whole }) => whole && urls.includes(url));
  if (here !== undefined) return { by: "store", bytes: here.bytes };
  let reason: string | undefined;
  if (background !== false) {
    const begun = await begin(url, background);
    if (typeof begun !== "string") return { by: "background", bytes: await finished(begun, url, options) };
    reason = begun;
  }
  const { progress, ...where } = more;
  const { bytes, kept, warnings } = await storeModel(url, {
    ...where,
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  });
  if (kept === false)
    throw new TilewrightError("offline-failed", `${url} cannot be stored: ${warnings.map(({ message }) => message).join("; ")}`); // prettier-ignore
  return { by: "page", bytes, ...(reason === undefined ? {} : { reason }) };
}

/** A background fetch of the address, one that goes on already included; or why there is none. */
async function begin(
  url: string,
  { title, icons, bytes }: Exclude<FetchModelOptions["background"], false | undefined>,
): Promise<BackgroundFetch | string> {
  try {
    const { serviceWorker } = navigator as Partial<Navigator>;
    const registration = (await serviceWorker?.getRegistration()) as Registration | undefined;
    if (!registration?.active) return "the page has no service worker";
    if (registration.backgroundFetch === undefined) return "the browser has no background fetch";
    const id = backgroundId(url);
    const running = await registration.backgroundFetch.get(id);
    return (
      running ??
      (await registration.backgroundFetch.fetch(id, [url], {
        ...(title === undefined ? {} : { title }),
        ...(icons === undefined ? {} : { icons }),
        ...(bytes === undefined ? {} : { downloadTotal: bytes }),
      }))
    );
  } catch (error) {
    // A permission that the user has not given, a quota.
    return reasonOf(error);
  }
}

/** Waits for the service worker to have stored it. */
function finished(fetching: BackgroundFetch, url: string, options: FetchModelOptions): Promise<number> {
  const { signal, progress } = options;
  return new Promise((resolve, reject) => {
    const fail = (code: ErrorCode, message: string): void => {
      end();
      reject(new TilewrightError(code, message));
    };
    const stop = listen((message) => {
      if (!("id" in message) || message.id !== fetching.id) return;
      if (message.kind === "not-fetched") return fail(message.code, message.message);
      end();
      resolve(message.bytes);
    });
    const abort = (): void => {
      void fetching.abort();
      fail("aborted", `the fetch of ${url} was stopped by the caller`);
    };
    const show = (): void => progress?.(fetching.downloaded, fetching.downloadTotal || undefined);
    const end = (): void => {
      stop();
      fetching.removeEventListener("progress", show);
      signal?.removeEventListener("abort", abort);
    };
    fetching.addEventListener("progress", show);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted === true) abort();
  });
}
