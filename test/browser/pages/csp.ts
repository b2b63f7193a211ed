/**
 * What a page under a strict content security policy does with the library: everything. In: a message with a database
 * name. Out: what came of it, and what the policy has refused.
 */
import { clearCache, whenSettled } from "../../../runtime/cache.ts";
import { load } from "../../../runtime/index.ts";

const refused: string[] = [];
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  refused.push(`${violatedDirective} ${blockedURI}`),
);

async function check(database: string): Promise<Record<string, unknown>> {
  const url = new URL("../../artifacts/scaling.tile", import.meta.url);
  const inputs = { x: [1, 10, 100, 1000] };
  const here = await load(url, { cache: { database } });
  const inPage = (await here.run(inputs))["y"]!.data.join();
  await whenSettled();
  const there = await load(url, { worker: true, cache: { database } });
  const inWorker = (await there.run(inputs))["y"]!.data.join();
  const stats = there.stats();
  there.dispose();
  // What the policy must refuse, so that it is known to be in force.
  let evaluates: boolean;
  try {
    setTimeout.call(globalThis, "globalThis.evaluated = true" as never);
    await new Promise((resolve) => setTimeout(resolve, 50));
    evaluates = "evaluated" in globalThis;
  } catch {
    evaluates = false;
  }
  await clearCache({ database });
  return { inPage, inWorker, place: stats.place, cache: stats.cache, evaluates, refused };
}

addEventListener("message", ({ data, source }: MessageEvent<{ readonly database: string }>) => {
  check(data.database)
    .catch((error: unknown) => ({ failed: String(error), refused }))
    .then((result) => (source as Window).postMessage(result, location.origin));
});
parent.postMessage("ready", location.origin);
