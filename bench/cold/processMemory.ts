/**
 * The memory of a browser's processes: of those that render, watched while a page works, or of all at a moment. In: the
 * browser's process id. Out: the most that one of them has held, and what it held when the work began; or a sum. Invariant: anonymous and shared memory count, which is what a page makes; the
 * browser's own program, mapped from its file, does not. Linux only: elsewhere there is nothing to watch.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

const INTERVAL_MS = 3;
const PROC = "/proc";

export interface MemoryWatch {
  /** Says that the page is ready and its work begins: what processes hold now is what they began with. */
  begin(): void;
  /** Ends the watch; the process that grew most since then, or undefined where it cannot be told. */
  stop(): WatchedMemory | undefined;
}

export interface WatchedMemory {
  readonly peakBytes: number;
  readonly startBytes: number;
}

export function watchRenderers(browserPid: number | undefined): MemoryWatch {
  if (browserPid === undefined || !existsSync(`${PROC}/self/status`))
    return { begin: () => {}, stop: () => undefined };
  const starts = new Map<number, number>();
  const peaks = new Map<number, number>();
  let renderers: readonly number[] = [];
  const look = (): void => {
    for (const pid of renderers) {
      const bytes = residentBytes(pid);
      peaks.set(pid, Math.max(peaks.get(pid) ?? 0, bytes));
      if (!starts.has(pid)) starts.set(pid, bytes);
    }
  };
  const renew = (): void => void (renderers = renderersOf(browserPid));
  const timers: NodeJS.Timeout[] = [];
  return {
    begin() {
      renew();
      look();
      timers.push(setInterval(look, INTERVAL_MS), setInterval(renew, 20 * INTERVAL_MS));
    },
    stop() {
      if (timers.length > 0) look();
      for (const timer of timers.splice(0)) clearInterval(timer);
      // Browsers keep processes in reserve: the page's is the one that grew.
      const watched = [...peaks].map(([pid, peakBytes]) => ({ peakBytes, startBytes: starts.get(pid)! }));
      return watched.sort((a, b) => b.peakBytes - b.startBytes - (a.peakBytes - a.startBytes))[0];
    },
  };
}

/** What all processes of a browser hold; undefined where it cannot be told. Memory that two share counts twice. */
export function browserBytes(browserPid: number | undefined): number | undefined {
  if (browserPid === undefined || !existsSync(`${PROC}/self/status`)) return undefined;
  return [browserPid, ...descendantsOf(browserPid)].reduce((sum, pid) => sum + residentBytes(pid), 0);
}

/** Descendants that render pages: as Chromium calls them, and as Firefox does. */
function renderersOf(browserPid: number): number[] {
  return descendantsOf(browserPid).filter((pid) => {
    const command = contents(`${PROC}/${pid}/cmdline`);
    return command.includes("--type=renderer") || /-contentproc\0.*\0tab\0?$/s.test(command);
  });
}

/** All processes below another: browsers start some of theirs through a helper process. */
function descendantsOf(ancestor: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync(PROC)) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(contents(`${PROC}/${name}/stat`))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const descends = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === ancestor || descends(parent));
  };
  return [...parents.keys()].filter(descends);
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
