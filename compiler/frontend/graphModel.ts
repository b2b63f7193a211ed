/**
 * The door to the TF.js frontend, which most pages never need: a chunk of its own. In: bytes. Out: whether they are
 * JSON, and the frontend once it has been loaded. Invariant: as of door.ts.
 */
import type { Port } from "../../runtime/format.ts";
import { Door } from "../door.ts";
import type { Graph } from "../ir/graph.ts";
import type { FileBeside } from "./tfjs/model.ts";

export interface GraphModelFrontend {
  open(
    source: Uint8Array,
    fileBeside: FileBeside,
    clock: { time<T>(stage: string, work: () => T): T },
  ): {
    readonly graph: Graph;
    readonly about: {
      readonly outputs: readonly Port[];
      readonly opset: Readonly<Record<string, number>>;
      readonly ops: Readonly<Record<string, number>>;
    };
  };
}

export const graphModelFrontend = new Door<GraphModelFrontend>(
  "the frontend for TF.js models",
  async () => (await import("./tfjs/index.ts")).graphModels,
);

/** Whether bytes are JSON, as a TF.js model is; no other kind of model begins like that. */
export function looksLikeJson(bytes: Uint8Array): boolean {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < 1024 && [0x20, 0x09, 0x0a, 0x0d].includes(bytes[at] ?? 0)) at++;
  return bytes[at] === 0x7b;
}
