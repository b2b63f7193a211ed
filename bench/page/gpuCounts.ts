/**
 * What a runtime asks of WebGPU, counted at the platform's own interface. In: a run, or the making of a session. Out: how
 * many dispatches it recorded, and how many tasks of the page took longer than 50 ms meanwhile. Invariant: the same for all
 * runtimes, since nobody's own count is believed.
 */

let dispatches = 0;

/** Counts from now on, in this page; may be called again. */
export function countDispatches(): void {
  const encoder = (globalThis as { GPUComputePassEncoder?: { prototype: GPUComputePassEncoder } })
    .GPUComputePassEncoder;
  if (encoder === undefined || "counted" in encoder.prototype) return;
  const { dispatchWorkgroups, dispatchWorkgroupsIndirect } = encoder.prototype;
  Object.assign(encoder.prototype, {
    counted: true,
    dispatchWorkgroups(this: GPUComputePassEncoder, ...groups: Parameters<typeof dispatchWorkgroups>) {
      dispatches++;
      return dispatchWorkgroups.apply(this, groups);
    },
    dispatchWorkgroupsIndirect(
      this: GPUComputePassEncoder,
      ...given: Parameters<typeof dispatchWorkgroupsIndirect>
    ) {
      dispatches++;
      return dispatchWorkgroupsIndirect.apply(this, given);
    },
  });
}

/** The result of a run and the dispatches that were recorded meanwhile. */
export async function dispatchesOf<T>(
  run: () => Promise<T>,
): Promise<{ readonly result: T; readonly count: number }> {
  const before = dispatches;
  const result = await run();
  return { result, count: dispatches - before };
}

/** A stretch of time, as `performance.now` tells it. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

const longTasks: PerformanceEntry[] = [];
let observer: PerformanceObserver | undefined;

/** Watches for long tasks from now on. Nobody waits for them: a task is told of some time after it has ended. */
export function watchLongTasks(): void {
  observer ??= new PerformanceObserver((list) => longTasks.push(...list.getEntries()));
  observer.observe({ type: "longtask" });
}

/** The long tasks that began in a stretch of time, in words. */
export function longTasksIn({ from, to }: Stretch): string {
  longTasks.push(...(observer?.takeRecords() ?? []));
  const durations = longTasks
    .filter(({ startTime, duration }) => startTime + duration > from && startTime < to)
    .map(({ duration }) => duration);
  return durations.length === 0 ? "none" : `${durations.length}, the longest ${Math.max(...durations)} ms`;
}
