/**
 * The entry `tilewright/offline/worker`: models in an app's own service worker, beside what Workbox does for its other
 * files. In: the list of files that the build left in the service worker. Out: that list without the models, which are
 * kept, and answered, by what is registered here. Invariants: models are stored where `load(url, { cache })` stores
 * them, once; a service worker is installed only when all models that it promises are there and fit their hashes; what
 * an older version needed leaves when nobody uses that version any more.
 *
 * @example
 * // sw.ts
 * import { precacheAndRoute } from "workbox-precaching";
 * import { offlineModels } from "tilewright/offline/worker";
 * precacheAndRoute(offlineModels(self.__WB_MANIFEST));
 */
import { registerRoute } from "workbox-routing";
import { storeModel } from "../cache.ts";
import { TilewrightError } from "../errors.ts";
import { isTile } from "../store/content.ts";
import { database } from "../store/database.ts";
import { dropEntries, entriesAt } from "../store/library.ts";
import { type Pinned, readPins, writePins } from "../store/pins.ts";
import { reasonOf } from "../warning.ts";
import { storeFetchedModels } from "./background.ts";
import { splitManifest, type ManifestFile } from "./manifest.ts";
import { ASK_FOR_MODELS, tell } from "./messages.ts";
import { scope } from "./scope.ts";
import { ModelStrategy, type ModelStrategyOptions } from "./strategy.ts";

export { type ManifestFile, ModelStrategy, type ModelStrategyOptions };

export interface OfflineModelsOptions extends ModelStrategyOptions {
  /** Which models of the list are there from the start; others are kept when they are first used. Default: all. */
  readonly precache?: boolean | ((url: URL) => boolean) | undefined;
  /**
   * Whether the service worker is ready only when the models are there. Without, it begins to work at once and tells
   * pages by "ready" when all have come; a model that does not come is no reason for the app not to work offline.
   * Default: true.
   */
  readonly wait?: boolean | undefined;
  /** Addresses besides those of the list and those that end in ".tile" which are models: on other hosts, say. */
  readonly route?: ((url: URL) => boolean) | undefined;
}

/** How often pages are told how far a download is. */
const TELL_EVERY_MS = 100;

/**
 * Keeps the models of an app for the time without a network, and answers requests for them: from the store at once,
 * asking the server afterwards (see {@link ModelStrategy}). To be called while the script of the service worker is
 * evaluated, before `precacheAndRoute` of Workbox, which takes what is given back.
 *
 * @param manifest files as the build wrote them: `self.__WB_MANIFEST`
 * @returns the files that are no models
 * @example
 * precacheAndRoute(offlineModels(self.__WB_MANIFEST, { precache: ({ pathname }) => !pathname.includes("large") }));
 */
export function offlineModels<F extends ManifestFile | string>(
  manifest: readonly F[],
  options: OfflineModelsOptions = {},
): F[] {
  const { precache = true, wait = true, route = () => false, ...cache } = options;
  const { models, files } = splitManifest(manifest, scope.location.href);
  const chosen = Object.fromEntries(
    Object.entries(models).filter(([url]) =>
      typeof precache === "function" ? precache(new URL(url)) : precache,
    ),
  );
  registerRoute(
    ({ url, sameOrigin }) => url.href in models || (sameOrigin && isTile(url.pathname)) || route(url),
    new ModelStrategy(cache),
  );
  scope.addEventListener("install", (event) => {
    const stored = storeAll(chosen, cache);
    event.waitUntil(wait ? stored : stored.catch(() => {}));
  });
  scope.addEventListener("activate", (event) => event.waitUntil(takeOver(chosen, cache).catch(() => {})));
  scope.addEventListener("message", (event) => {
    const kind = (event.data as { readonly type?: unknown } | null)?.type;
    // The one message that pages of all Workbox apps send.
    if (kind === "SKIP_WAITING") event.waitUntil(scope.skipWaiting());
    else if (kind === ASK_FOR_MODELS)
      event.waitUntil(
        newModels(chosen, cache).then(
          (urls) => event.ports[0]?.postMessage(urls),
          () => event.ports[0]?.postMessage([]),
        ),
      );
  });
  storeFetchedModels(cache);
  return files;
}

/** What this version needs and the one before did not have. */
async function newModels(
  chosen: Pinned,
  { database: name }: ModelStrategyOptions,
): Promise<readonly string[]> {
  const { active } = await readPins(await database(name), scope.registration.scope);
  return Object.keys(chosen).filter((url) => active[url] !== chosen[url]);
}

/** Stores what is not stored yet, one after the other: the page needs the network as well. */
async function storeAll(chosen: Pinned, options: ModelStrategyOptions): Promise<void> {
  const owner = scope.registration.scope;
  const models = Object.keys(chosen).length;
  try {
    const db = await database(options.database);
    const { active } = await readPins(db, owner);
    // Before the first byte, so that no model leaves to make room for the next one.
    await writePins(db, owner, { active, next: chosen });
    let modelsDone = 0;
    for (const [url, revision] of Object.entries(chosen)) {
      await storeOne(url, revision, active, options, tellerOf({ scope: owner, url, models, modelsDone }));
      modelsDone++;
    }
    tell({ kind: "stored", scope: owner });
  } catch (error) {
    const code = error instanceof TilewrightError ? error.code : "offline-failed";
    tell({ kind: "failed", scope: owner, code, message: reasonOf(error) });
    throw error;
  }
}

async function storeOne(
  url: string,
  revision: string | null,
  active: Pinned,
  options: ModelStrategyOptions,
  progress: (loaded: number, total: number | undefined) => void,
): Promise<void> {
  const mustAsk = revision !== null && active[url] !== revision;
  const { kept, warnings } = await storeModel(url, {
    ...options,
    revalidate: "never",
    mustAsk,
    progress,
  });
  if (kept !== false) return;
  const why = warnings.map(({ message }) => message).join("; ");
  throw new TilewrightError("offline-failed", `${url} cannot be stored: ${why || "no reason was given"}`);
}

function tellerOf(about: {
  readonly scope: string;
  readonly url: string;
  readonly models: number;
  readonly modelsDone: number;
}): (loaded: number, total: number | undefined) => void {
  let told = -Infinity;
  return (loaded, total) => {
    const now = performance.now();
    if (now - told < TELL_EVERY_MS && loaded !== total) return;
    told = now;
    tell({ kind: "progress", ...about, loaded, total });
  };
}

/** This version is the one in use now: what only the last one needed leaves. */
async function takeOver(chosen: Pinned, { database: name }: ModelStrategyOptions): Promise<void> {
  const db = await database(name);
  const owner = scope.registration.scope;
  const { active } = await readPins(db, owner);
  await writePins(db, owner, { active: chosen });
  for (const url of Object.keys(active)) {
    if (url in chosen) continue;
    const entries = await entriesAt(db, url);
    await dropEntries(
      db,
      entries.filter(({ urls }) => urls.every((one) => one === url)),
    );
  }
}
