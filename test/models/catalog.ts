/**
 * What the models suite runs, and how exact each model must be. In: the folder of real models and that of the light
 * ones. Out: one entry per model, with where its files are and its tolerance. Invariant: an element of an output
 * passes when |actual - expected| <= share * max|expected| + relative * |expected|; the share is 1e-4 unless the
 * model is named below with the reason.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isGraphModelFolder } from "../tfjs/folder.ts";

export interface Accuracy {
  /** Relative tolerance. */
  readonly relative: number;
  /** Absolute tolerance, as a share of the largest expected magnitude. */
  readonly share: number;
  /** The largest element must also be at the same place. */
  readonly sameLargest?: boolean;
  /** Why it differs from the rule; absent where it does not. */
  readonly reason?: string;
}

const rule: Accuracy = { relative: 1e-3, share: 1e-4 };

const exceptions: Readonly<Record<string, Accuracy>> = {
  "mobilenetv2-int8-a": {
    relative: 1e-3,
    share: 0.017,
    sameLargest: true,
    reason:
      "three steps of its quantized logits: the stored ones come from integer sums, the model's definition " +
      "(dequantize, convolve, quantize) sums floats, and a tie that rounds the other way early on moves later " +
      "layers; onnxruntime-web 1.30 itself, with its fusion of these nodes off, differs by as much",
  },
};

export interface ModelEntry {
  readonly name: string;
  readonly accuracy: Accuracy;
  /** A TF.js model (`tfjs`) has no stored outputs: TF.js itself computes them. */
  readonly kind: "folder" | "light" | "tfjs";
  /** The folder of a model with its data, or the `.onnx` file of a light one. */
  readonly path: string;
}

/** The models below the two folders, in order of their names; a folder without `model.onnx` is none. */
export function findModels(folders: string | undefined, light: string | undefined): ModelEntry[] {
  const accuracyOf = (name: string): Accuracy => exceptions[name] ?? rule;
  const entries: ModelEntry[] = [];
  for (const name of folders === undefined ? [] : readdirSync(folders).sort()) {
    const path = join(folders!, name);
    if (existsSync(join(path, "model.onnx")))
      entries.push({ name, accuracy: accuracyOf(name), kind: "folder", path });
    else if (isGraphModelFolder(path)) entries.push({ name, accuracy: accuracyOf(name), kind: "tfjs", path });
  }
  for (const file of light === undefined ? [] : readdirSync(light).sort()) {
    if (!file.endsWith(".onnx")) continue;
    const name = file.slice(0, -".onnx".length);
    entries.push({ name, accuracy: accuracyOf(name), kind: "light", path: join(light!, file) });
  }
  return entries;
}
