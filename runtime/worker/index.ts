/**
 * The entry `tilewright/worker`: for scripts of workers of one's own. In: a compiler, if shapes are to be bound there.
 * Out: sessions, for whoever connects.
 *
 * @example
 * // shared.ts
 * import { serve } from "tilewright/worker";
 * serve();
 * // page.ts
 * const start = () => new SharedWorker(new URL("./shared.ts", import.meta.url), { type: "module" });
 * const session = await load("/model.tile", { worker: { start } });
 */
export { serve, type ServeOptions } from "./host.ts";
