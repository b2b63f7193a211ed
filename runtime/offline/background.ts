/**
 * Models that the browser has fetched in the background, in the service worker. In: events of background fetches that a
 * page has begun (`fetchModel`). Out: stored models, and word to the pages. Invariant: what was fetched is checked and
 * stored like any other download; the page that asked may be gone.
 */
import { storeModel } from "../cache.ts";
import { type ErrorCode, TilewrightError } from "../errors.ts";
import { type CacheOptions } from "../store/options.ts";
import { reasonOf } from "../warning.ts";
import { addressOfBackground, tell } from "./messages.ts";
import { type BackgroundFetch, scope } from "./scope.ts";

/** Listens to background fetches of models; `offlineModels` calls it. */
export function storeFetchedModels(options: Pick<CacheOptions, "database" | "mostBytes">): void {
  scope.addEventListener("backgroundfetchsuccess", (event) =>
    event.waitUntil(take(event.registration, options)),
  );
  for (const kind of ["backgroundfetchfail", "backgroundfetchabort"] as const) {
    scope.addEventListener(kind, ({ registration: { id, failureReason } }) => {
      if (addressOfBackground(id) === undefined) return;
      const aborted = kind === "backgroundfetchabort";
      const why = aborted ? "it was stopped" : failureReason || "no reason was given";
      notFetched(id, aborted ? "aborted" : "network", `the background fetch failed: ${why}`);
    });
  }
}

function notFetched(id: string, code: ErrorCode, message: string): void {
  tell({ kind: "not-fetched", id, code, message });
}

async function take(
  fetched: BackgroundFetch,
  options: Pick<CacheOptions, "database" | "mostBytes">,
): Promise<void> {
  const { id } = fetched;
  const url = addressOfBackground(id);
  if (url === undefined) return;
  try {
    const { bytes, kept, warnings } = await storeModel(url, {
      ...options,
      mustAsk: true,
      // Anew each time, as a server would: a body can be read once.
      async fetch() {
        const [record] = await fetched.matchAll();
        if (record === undefined) throw new TilewrightError("network", `nothing came of ${url}`);
        return record.responseReady;
      },
    });
    if (kept === false)
      throw new TilewrightError("offline-failed", warnings.map(({ message }) => message).join("; "));
    tell({ kind: "fetched", id, bytes });
  } catch (error) {
    notFetched(id, error instanceof TilewrightError ? error.code : "offline-failed", reasonOf(error));
  }
}
