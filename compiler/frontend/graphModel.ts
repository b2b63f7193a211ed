/**
 * The door to the TF.js frontend, which most pages never need: a chunk of its own. In: bytes. Out: whether they are
 * JSON, and the frontend once it has been loaded. Invariant: `MissingFrontend` is thrown before anything was done, so
 * that a caller loads it and begins again.
 */
import type { Port } from "../../runtime/format.ts";
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

/** Thrown where a TF.js model is opened before the frontend was loaded: load it and begin again. */
export class MissingFrontend extends Error {
  override readonly name = "MissingFrontend";
}

let frontend: GraphModelFrontend | undefined;

/** @throws MissingFrontend */
export function graphModelFrontend(): GraphModelFrontend {
  if (!frontend) throw new MissingFrontend("the frontend for TF.js models has not been loaded");
  return frontend;
}

export function addGraphModelFrontend(loaded: GraphModelFrontend): void {
  frontend = loaded;
}

export async function loadGraphModelFrontend(): Promise<void> {
  if (!frontend) addGraphModelFrontend((await import("./tfjs/index.ts")).graphModels);
}

/** Whether bytes are JSON, as a TF.js model is; no other kind of model begins like that. */
export function looksLikeJson(bytes: Uint8Array): boolean {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < 1024 && [0x20, 0x09, 0x0a, 0x0d].includes(bytes[at] ?? 0)) at++;
  return bytes[at] === 0x7b;
}
