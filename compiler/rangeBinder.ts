/**
 * The door to what makes programs for ranges of sizes, which only models whose sizes change from run to run need: a chunk
 * of its own. In: nothing. Out: `bindRange`, once it has been loaded. Invariant: as of gpuBackend.ts.
 */
import type { bindRange } from "./ranged.ts";

/** Thrown where it is asked for before it was loaded: load it and begin again. */
export class MissingRangeBinder extends Error {
  override readonly name = "MissingRangeBinder";
}

let binder: typeof bindRange | undefined;

/** @throws MissingRangeBinder */
export function rangeBinder(): typeof bindRange {
  if (!binder) throw new MissingRangeBinder("what binds ranges of sizes has not been loaded");
  return binder;
}

export function addRangeBinder(loaded: typeof bindRange): void {
  binder = loaded;
}

export async function loadRangeBinder(): Promise<void> {
  if (!binder) addRangeBinder((await import("./ranged.ts")).bindRange);
}
