/**
 * What the examples of the reference take for granted: the names that they use without saying where from. In: the
 * sample model. Out: pictures, sessions, a page's own functions. Invariant: nothing here is a stand-in for anything of
 * ours; only what a page would bring itself is.
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensor, writeTensor } from "../../compiler/frontend/onnx/write.ts";
import { compile } from "../../compiler/whole.ts";
import { load, model } from "../../runtime/index.ts";
import { root } from "./publicApi.ts";

/** Where `/models/` is. */
export const models = mkdtempSync(join(tmpdir(), "tilewright-doc-examples-"));

export const modelBytes: Uint8Array = readFileSync(join(root, "playground/sample/digits.onnx"));
const { artifact } = compile(modelBytes, { dims: { batch: 1 }, profile: true });
writeFileSync(join(models, "digits.tile"), artifact);

/** A file that the user chose. */
export const file = new Blob([modelBytes as Uint8Array<ArrayBuffer>]);
/** What a file `input_0.pb` of a test holds. */
export const tensorBytes = writeTensor(tensor("float32", [2, 2], [1, 2, 3, 4]));

export const pixels = new Float32Array(28 * 28);
export const image = pixels;
/** Room for an output, used again and again. */
export const kept = new Float32Array(10);
export const session = await load(artifact);
export const classify = model(artifact);

/** A progress bar. */
export const bar = { show(_loaded: number, _total: number | undefined): void {} };
/** A picture on a page, and what a page does with numbers that stay on the GPU: Node has neither. */
export const canvas = undefined as unknown as HTMLCanvasElement;
export function draw(_buffer: unknown): void {}
export function askForAnotherImage(): void {}
export function showThatTheBrowserIsTooOld(): void {}
