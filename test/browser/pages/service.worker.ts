/**
 * A service worker that runs a model: nothing can be imported later there, and there are no workers in it. In: a
 * message with the name of a database. Out: what came of it.
 */
import { store, whenSettled } from "../../../runtime/cache.ts";
import { load } from "../../../runtime/index.ts";

const scope = globalThis as unknown as {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: string, listener: (event: ExtendableEvent) => void): void;
};
type ExtendableEvent = Event & {
  waitUntil(work: Promise<unknown>): void;
  readonly data?: { readonly database: string };
  readonly ports?: readonly MessagePort[];
};

scope.addEventListener("install", (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("message", (event) => {
  const { database } = event.data!;
  const work = (async () => {
    const url = new URL("../../artifacts/scaling.tile", import.meta.url);
    const first = await load(url, { worker: true, cache: { database, store } });
    const { y } = await first.run({ x: [1, 1, 1, 1] });
    await whenSettled();
    const second = await load(url, { cache: { database, store } });
    const third = await load(url, { cache: { database } });
    return {
      y: [...(y!.data as Float32Array)],
      place: first.stats().place,
      warnings: first.stats().warnings.map(({ code }) => code),
      outcomes: [first, second].map((session) => session.stats().cache?.outcome),
      without: third.stats().warnings.map(({ code }) => code),
    };
  })();
  event.waitUntil(
    work
      .catch((error: unknown) => ({ failed: String(error) }))
      .then((result) => event.ports![0]!.postMessage(result)),
  );
});
