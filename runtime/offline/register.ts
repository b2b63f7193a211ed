/**
 * Registers an app's service worker and follows it, through `workbox-window`. In: its address. Out: an `Offline`, which
 * tells how its installation goes and what is new. Invariants: who listens late hears what has happened; an
 * installation that failed is told with the code of what went wrong in the service worker; the page takes what is new
 * when it wants to.
 */
import { messageSW, Workbox } from "workbox-window";
import { TilewrightError } from "../errors.ts";
import { type Model } from "../model.ts";
import { Meter, type Progress } from "../progress.ts";
import { onAnyUpdate } from "../store/updates.ts";
import { reasonOf } from "../warning.ts";
import { ASK_FOR_MODELS, listen, type Told } from "./messages.ts";

export interface OfflineOptions {
  /** Of what pages the service worker takes care. Default: those beside its script and below. */
  readonly scope?: string | undefined;
  /** "module" if the script has imports when it runs. Default: "classic", which every browser has. */
  readonly type?: "classic" | "module" | undefined;
  /** Models that go over to what is new when an update of their address is taken. */
  readonly models?: readonly Pick<Model, "source" | "replace">[] | undefined;
  /** Asks the browser to keep the site's storage when disks are full. Default: false. */
  readonly persist?: boolean | undefined;
}

/** "installing": files and models arrive; "ready": the app works without a network; "failed": it does not. */
export type OfflineState = "installing" | "ready" | "failed";

/** A new version of the app is there and waits. */
export interface AppUpdate {
  readonly kind: "app";
  /** Addresses of the models that come with it; they are stored already. */
  readonly models: readonly string[];
  /**
   * Goes over to it: the page reloads, and so does every other that is open.
   *
   * @param options `reload: false` leaves that to the page
   */
  take(options?: { readonly reload?: boolean }): Promise<void>;
}

/** A newer model than the one that was loaded from an address is stored. */
export interface NewModel {
  readonly kind: "model";
  readonly url: string;
  readonly bytes: number;
  /** Goes over to it, in the models of {@link OfflineOptions.models} that come from there. */
  take(): Promise<void>;
}

export type OfflineUpdate = AppUpdate | NewModel;

export interface OfflineEvents {
  /** How far the models are on their way to the store; of the form that `<tilewright-progress>` shows. */
  readonly progress: Progress;
  readonly ready: void;
  readonly update: OfflineUpdate;
  readonly failed: TilewrightError;
}

/** What the page knows of its service worker. */
export interface Offline {
  readonly state: OfflineState;
  readonly registration: ServiceWorkerRegistration;
  /**
   * Listens; what has happened already is told at once.
   *
   * @returns ends it
   */
  on<K extends keyof OfflineEvents>(event: K, heard: (detail: OfflineEvents[K]) => void): () => void;
  /** Looks now whether there is a new version of the app; browsers do so when a page is opened, and once a day. */
  check(): Promise<void>;
  /** Ends all listening; the service worker stays. */
  close(): void;
}

type Listeners = { readonly [K in keyof OfflineEvents]: Set<(detail: OfflineEvents[K]) => void> };
type Happened = { -readonly [K in keyof OfflineEvents]?: { readonly detail: OfflineEvents[K] } };

/**
 * Registers the service worker of the app.
 *
 * @param script its address, `/sw.js` say
 * @throws TilewrightError `offline-unavailable` where there are no service workers (a page without https, a private
 * window of some browsers), `offline-failed` if the script cannot be had or fails when it is evaluated
 * @example
 * const offline = await registerOffline("/sw.js", { models: [classify] });
 * offline.on("progress", bar.show);
 * offline.on("update", (update) => update.kind === "model" && update.take());
 */
export async function registerOffline(script: string | URL, options: OfflineOptions = {}): Promise<Offline> {
  const { scope, type = "classic", models = [], persist = false } = options;
  if ((navigator as Partial<Navigator>).serviceWorker === undefined)
    throw new TilewrightError("offline-unavailable", "there are no service workers here: pages need https");
  const workbox = new Workbox(String(script), { type, ...(scope === undefined ? {} : { scope }) });
  const news = new News();
  // Before the registration, since it may be quick.
  const early: Told[] = [];
  let hear = (told: Told): void => void early.push(told);
  const stopListening = listen((message) => "scope" in message && hear(message));
  const waiting = new Set<ServiceWorker>();
  workbox.addEventListener("waiting", ({ sw }) => {
    if (sw === undefined || waiting.has(sw)) return;
    waiting.add(sw);
    void modelsOf(sw).then((urls) => news.tell("update", appUpdate(workbox, sw, urls)));
  });
  let registration: ServiceWorkerRegistration | undefined;
  try {
    registration = await workbox.register({ immediate: true });
    if (registration === undefined) throw new Error("there is no registration");
  } catch (error) {
    stopListening();
    throw new TilewrightError("offline-failed", `${script} cannot be registered: ${reasonOf(error)}`, error);
  }
  const known = registration;
  hear = (told) => told.scope === known.scope && hearOf(told, news);
  early.forEach(hear);
  const stopUpdates = onAnyUpdate(({ url, bytes }) => {
    const take = async (): Promise<void> => {
      const own = models.filter(({ source }) => addressOf(source) === url);
      await Promise.all(own.map((model) => model.replace(model.source)));
    };
    news.tell("update", { kind: "model", url, bytes, take });
  });
  follow(known, news);
  if (persist) void navigator.storage?.persist?.();
  return {
    get state() {
      return news.state;
    },
    registration: known,
    on: (event, heard) => news.on(event, heard),
    check: () => workbox.update(),
    close() {
      stopListening();
      stopUpdates();
      news.close();
    },
  };
}

/** Who listens to what, and what has happened. */
class News {
  readonly #listeners: Listeners = {
    progress: new Set(),
    ready: new Set(),
    update: new Set(),
    failed: new Set(),
  };
  readonly #happened: Happened = {};

  get state(): OfflineState {
    if (this.#happened.ready !== undefined) return "ready";
    return this.#happened.failed === undefined ? "installing" : "failed";
  }

  on<K extends keyof OfflineEvents>(event: K, heard: (detail: OfflineEvents[K]) => void): () => void {
    const listeners = this.#listeners[event];
    listeners.add(heard);
    const happened = this.#happened[event] as { readonly detail: OfflineEvents[K] } | undefined;
    if (happened !== undefined) queueMicrotask(() => listeners.has(heard) && heard(happened.detail));
    return () => void listeners.delete(heard);
  }

  tell<K extends keyof OfflineEvents>(event: K, detail: OfflineEvents[K]): void {
    Object.assign(this.#happened, { [event]: { detail } });
    for (const heard of [...this.#listeners[event]]) heard(detail);
  }

  close(): void {
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
  }
}

function hearOf(told: Told, news: News): void {
  if (told.kind === "failed") news.tell("failed", new TilewrightError(told.code, told.message));
  else if (told.kind === "progress") news.tell("progress", progressOf(told));
}

/** As the load of one model of a size that is known: so many bytes of the one that is arriving, of all of them. */
function progressOf({ models, modelsDone, loaded, total }: Told & { readonly kind: "progress" }): Progress {
  let progress: Progress | undefined;
  const meter = new Meter((report) => (progress = report), total);
  meter.expect({ verify: 0, compile: 0, upload: 0, run: 0 });
  meter.arrived(loaded);
  const part = total === undefined || total === 0 ? 0 : loaded / total;
  return { ...progress!, fraction: (modelsDone + part) / models };
}

/** Tells when the service worker is there, or that it will not be. */
function follow({ active, installing, waiting }: ServiceWorkerRegistration, news: News): void {
  if (active !== null) return news.tell("ready", undefined);
  const worker = installing ?? waiting;
  const look = (): void => {
    if (worker?.state === "activated") news.tell("ready", undefined);
    else if (worker?.state === "redundant" && news.state !== "failed") {
      // What it said itself, if it could say anything, says more.
      setTimeout(() => {
        if (news.state === "failed") return;
        news.tell(
          "failed",
          new TilewrightError("offline-failed", "the service worker could not be installed"),
        );
      }, 500);
    }
  };
  worker?.addEventListener("statechange", look);
  look();
}

async function modelsOf(worker: ServiceWorker): Promise<readonly string[]> {
  const answer = messageSW(worker, { type: ASK_FOR_MODELS }) as Promise<readonly string[]>;
  // One that was made otherwise does not answer.
  const silence = new Promise<readonly string[]>((resolve) => setTimeout(resolve, 2_000, []));
  return Promise.race([answer, silence]);
}

function appUpdate(workbox: Workbox, worker: ServiceWorker, models: readonly string[]): AppUpdate {
  return {
    kind: "app",
    models,
    async take({ reload = true } = {}) {
      const active = new Promise<void>((resolve) => {
        const look = (): void => void (worker.state === "activated" && resolve());
        worker.addEventListener("statechange", look);
        look();
      });
      workbox.messageSkipWaiting();
      await active;
      if (reload) location.reload();
    },
  };
}

/** The address of a model's source, if it has one. */
function addressOf(source: Model["source"]): string | undefined {
  if (source instanceof Request) return source.url;
  return typeof source === "string" || source instanceof URL
    ? new URL(source, location.href).href
    : undefined;
}
