/**
 * A runtime on WebGPU in the measuring page. In: its page half. Out: the same, with dispatches per run and long tasks while
 * loading among its notes. Invariant: what is timed is the runtime's own run; counting adds one increment to a dispatch.
 */
import { countDispatches, dispatchesOf, longTasksIn, type Stretch, watchLongTasks } from "./gpuCounts.ts";
import { type PageRuntime } from "./runtime.ts";

export function onWebgpu(runtime: PageRuntime): PageRuntime {
  countDispatches();
  watchLongTasks();
  return {
    async create(options) {
      const from = performance.now();
      const session = await runtime.create(options);
      const loading: Stretch = { from, to: performance.now() };
      let firstRun: Stretch | undefined;
      let perRun = 0;
      return {
        prepare: (inputs) => session.prepare(inputs),
        async run() {
          const start = performance.now();
          const { result, count } = await dispatchesOf(() => session.run());
          // Runtimes that make their pipelines when they run do so in the first run.
          firstRun ??= { from: start, to: performance.now() };
          perRun = count;
          return result;
        },
        read: (result, expected) => session.read(result, expected),
        dispose: () => session.dispose(),
        get notes() {
          return {
            ...session.notes,
            dispatches: String(perRun),
            longTasksLoading: longTasksIn(loading),
            longTasksFirstRun: firstRun === undefined ? "not run" : longTasksIn(firstRun),
          };
        },
      };
    },
  };
}
