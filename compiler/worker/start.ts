/** Starts the worker of the compiler: a file beside this one, found by bundlers in this very form. */
export function startCompiler(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "tilewright compiler" });
}
