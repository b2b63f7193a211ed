/**
 * A tab that loads a model. In: the query: `url`, `database`, `channel`. Out: on the broadcast channel, when the first
 * bytes are there, and what became of the load.
 */
import { load } from "../../../runtime/index.ts";

const query = new URLSearchParams(location.search);
const channel = new BroadcastChannel(query.get("channel")!);
let told = false;
try {
  const session = await load(query.get("url")!, {
    cache: { database: query.get("database")! },
    progress: ({ loaded }) => {
      if (told || loaded < 1_500_000) return;
      told = true;
      channel.postMessage({ kind: "loading", loaded });
    },
  });
  const { y } = await session.run({ x: [1, 1, 1, 1] });
  channel.postMessage({ kind: "loaded", y: [...(y!.data as Float32Array)], stats: session.stats() });
} catch (error) {
  channel.postMessage({ kind: "failed", reason: String(error) });
}
