/** Starts the worker of a session: a file beside this one, found by bundlers in this very form. */
export function startWorker(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "tilewright session" });
}
