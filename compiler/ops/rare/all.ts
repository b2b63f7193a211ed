/**
 * All groups of rare operators at once, for where nothing is downloaded: the command line, tests and tools. In:
 * nothing. Out: the table of operators is whole when this module has been evaluated. Invariant: the groups are those
 * that `../table.ts` loads one by one (the type of `all` says so).
 */
import { addGroup, type Group, type GroupModule } from "../table.ts";
import * as attention from "./attention.ts";
import * as image from "./image.ts";
import * as irregular from "./irregular.ts";
import * as microsoft from "./microsoft.ts";
import * as ml from "./ml.ts";
import * as quantized from "./quantized.ts";
import * as recurrent from "./recurrent.ts";
import * as signal from "./signal.ts";
import * as strings from "./strings.ts";
import * as training from "./training.ts";
import * as vision from "./vision.ts";

const all: Readonly<Record<Group, GroupModule>> = {
  attention,
  image,
  irregular,
  microsoft,
  ml,
  quantized,
  recurrent,
  signal,
  strings,
  training,
  vision,
};

/** Puts every group into the table; returns what there is in each. */
export function addAllGroups(): typeof all {
  for (const [group, module] of Object.entries(all)) addGroup(group as Group, module);
  return all;
}
