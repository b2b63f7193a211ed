/**
 * The door to what makes programs for ranges of sizes, which only models whose sizes change from run to run need. In:
 * nothing. Out: `bindRange`. Invariant: as of door.ts.
 */
import { Door } from "./door.ts";
import type * as Ranged from "./ranged.ts";

export const rangeBinder = new Door<Pick<typeof Ranged, "bindRange">>(
  "what binds ranges of sizes",
  () => import("./ranged.ts"),
);
