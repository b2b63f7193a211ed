/**
 * What a visitor waits for. In: one runtime and one model, in a page and a browser process that have seen neither. Out:
 * the times to the first answer; when asked, the memory that the page says it holds. Invariant: inputs are there before
 * the clock starts, and whoever can make use of them is given them with the model; everything else, the runtime's code
 * first, is loaded while it runs.
 */
import { type ColdJob, type ColdTimes } from "../protocol.ts";
import { bareWork } from "./bare.ts";
import { PhaseWatch } from "./phases.ts";
import { startRuntime } from "./runtimes.ts";
import { fetchTensors } from "./storedTensors.ts";

/** How long an engine may take to say how much memory a page holds; it waits for a collection of garbage. */
const MEMORY_PATIENCE_MS = 5_000;

export async function cold({ entry, tensors, moreRuns, phases = false }: ColdJob): Promise<ColdTimes> {
  const { inputs } = await fetchTensors(tensors);
  const start = startRuntime[entry.name];
  if (start === undefined) throw new Error(`the page knows no runtime ${entry.name}`);
  const watch = phases ? new PhaseWatch() : undefined;
  watch?.begin();
  const begin = performance.now();
  const runtime = await start(entry.threads);
  const started = performance.now();
  watch?.part("script", begin);
  const session = await runtime.create(entry.create, inputs);
  const created = performance.now();
  watch?.part("create", started);
  session.prepare(inputs);
  await session.run();
  const end = performance.now();
  watch?.part("first run", created);
  const seen = watch && [...watch.read(), ...(entry.name.startsWith("tilewright") ? await bareWork() : [])];
  for (let i = 0; i < moreRuns; i++) await session.run();
  return {
    startMs: started - begin,
    createMs: created - started,
    firstRunMs: end - created,
    totalMs: end - begin,
    ...(seen === undefined ? {} : { phases: seen }),
  };
}

/**
 * What `measureUserAgentSpecificMemory` says: JavaScript and WebAssembly of the page and its workers. To tell it the
 * engine takes some memory itself, so it is asked when the peak is known.
 */
export async function memoryOfPage(): Promise<number | undefined> {
  const { measureUserAgentSpecificMemory: measure } = performance as {
    measureUserAgentSpecificMemory?: () => Promise<{ readonly bytes: number }>;
  };
  if (measure === undefined || !crossOriginIsolated) return undefined;
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, MEMORY_PATIENCE_MS, undefined));
  const told = measure.call(performance).then(({ bytes }) => bytes);
  return Promise.race([told, late]).catch(() => undefined);
}
