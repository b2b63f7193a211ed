/**
 * All groups of rare operators at once, for where nothing is downloaded: the command line, tests and tools. In:
 * nothing. Out: the table of operators is whole when this module has been evaluated. Invariant: the groups are those
 * that `../table.ts` loads one by one (the type of `all` says so).
 */
import { addGroup, type Group } from "../table.ts";
import type { OpDefinition } from "../define.ts";
import { operators as attention } from "./attention.ts";
import { operators as irregular } from "./irregular.ts";
import { operators as microsoft } from "./microsoft.ts";
import { operators as ml } from "./ml.ts";
import { operators as quantized } from "./quantized.ts";
import { operators as recurrent } from "./recurrent.ts";
import { operators as signal } from "./signal.ts";
import { operators as strings } from "./strings.ts";
import { operators as training } from "./training.ts";
import { operators as vision } from "./vision.ts";

const all: Readonly<Record<Group, readonly OpDefinition[]>> = {
  attention,
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
  for (const [group, operators] of Object.entries(all)) addGroup(group as Group, operators);
  return all;
}
