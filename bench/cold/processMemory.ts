/**
 * The memory of a browser's renderer processes, watched while a page works. In: the browser's process id. Out: the
 * most that one of them has held. Invariant: anonymous and shared memory count, which is what a page makes; the
 * browser's own program, mapped from its file, does not. Linux only: elsewhere there is nothing to watch.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

const INTERVAL_MS = 3;
const PROC = "/proc";

export interface MemoryWatch {
  /** Ends the watch; the peak in bytes of the process that held most, or undefined where it cannot be told. */
  stop(): number | undefined;
}

export function watchRenderers(browserPid: number | undefined): MemoryWatch {
  if (browserPid === undefined || !existsSync(`${PROC}/self/status`)) return { stop: () => undefined };
  const peaks = new Map<number, number>();
  let renderers = renderersOf(browserPid);
  const look = (): void => {
    for (const pid of renderers) peaks.set(pid, Math.max(peaks.get(pid) ?? 0, residentBytes(pid)));
  };
  let stopped = false;
  const timer = setInterval(look, INTERVAL_MS);
  const renew = setInterval(() => (renderers = renderersOf(browserPid)), 20 * INTERVAL_MS);
  return {
    stop() {
      if (!stopped) look();
      stopped = true;
      clearInterval(timer);
      clearInterval(renew);
      return peaks.size === 0 ? undefined : Math.max(...peaks.values());
    },
  };
}

/** Descendants of the browser that render pages: Chromium starts them through a helper process. */
function renderersOf(browserPid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync(PROC)) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(contents(`${PROC}/${name}/stat`))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const descends = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === browserPid || descends(parent));
  };
  return [...parents.keys()].filter(
    (pid) => descends(pid) && contents(`${PROC}/${pid}/cmdline`).includes("--type=renderer"),
  );
}

function residentBytes(pid: number): number {
  const status = contents(`${PROC}/${pid}/status`);
  return ["RssAnon", "RssShmem"].reduce((sum, field) => {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
    return sum + Number(kibibytes ?? 0) * 1024;
  }, 0);
}

/** "" for a process that has just ended. */
function contents(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
