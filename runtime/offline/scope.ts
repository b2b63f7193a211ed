/**
 * What is used of a service worker's globals and of background fetches: types only. TypeScript's library of workers
 * cannot be had beside that of pages, and knows no background fetch (WICG, Background Fetch, draft).
 */
export interface WaitingEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface AskedEvent extends WaitingEvent {
  readonly data: unknown;
  readonly ports: readonly MessagePort[];
}

export interface BackgroundFetchRecord {
  readonly request: Request;
  readonly responseReady: Promise<Response>;
}

export interface BackgroundFetch extends EventTarget {
  readonly id: string;
  readonly downloaded: number;
  readonly downloadTotal: number;
  readonly result: "" | "success" | "failure";
  readonly failureReason: string;
  matchAll(): Promise<readonly BackgroundFetchRecord[]>;
  abort(): Promise<boolean>;
}

export interface BackgroundFetches {
  fetch(
    id: string,
    requests: readonly string[],
    options: { readonly title?: string; readonly icons?: readonly object[]; readonly downloadTotal?: number },
  ): Promise<BackgroundFetch>;
  get(id: string): Promise<BackgroundFetch | undefined>;
}

/** A registration; browsers without background fetches lack the property. */
export type Registration = ServiceWorkerRegistration & { readonly backgroundFetch?: BackgroundFetches };

interface BackgroundEvent extends WaitingEvent {
  readonly registration: BackgroundFetch;
}

interface Events {
  install: WaitingEvent;
  activate: WaitingEvent;
  message: AskedEvent;
  backgroundfetchsuccess: BackgroundEvent;
  backgroundfetchfail: BackgroundEvent;
  backgroundfetchabort: BackgroundEvent;
}

export interface ServiceWorkerScope {
  readonly registration: Registration;
  readonly location: Location;
  skipWaiting(): Promise<void>;
  addEventListener<K extends keyof Events>(kind: K, listener: (event: Events[K]) => void): void;
}

/** The service worker that this runs in. */
export const scope = globalThis as unknown as ServiceWorkerScope;
