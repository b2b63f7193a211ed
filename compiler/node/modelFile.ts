/**
 * Model files on disk. In: a path that the user typed. Out: bytes, what kind of file they are, and a reader for
 * weights that lie beside the model. Invariant: external data is only ever read from the model's own folder.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve, sep } from "node:path";
import { isArtifact } from "../../runtime/format.ts";
import { usage } from "./commandLine.ts";

export interface ModelFile {
  readonly path: string;
  /** The file's name without folder and extension. */
  readonly name: string;
  /** Something to compile (an ONNX file or the model.json of a TF.js model), or an artifact. */
  readonly kind: "model" | "tile";
  readonly bytes: Uint8Array;
  readonly externalData: (location: string) => Uint8Array | undefined;
}

/** Node reads no more than this at once. */
const MOST_AT_ONCE = 2 ** 30;

/** All bytes of a file, also of one above the 2 GiB that `readFileSync` takes. */
function readWhole(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size <= MOST_AT_ONCE) return readFileSync(path);
  const bytes = new Uint8Array(size);
  const file = openSync(path, "r");
  try {
    for (let at = 0; at < size;) {
      const count = readSync(file, bytes, at, Math.min(MOST_AT_ONCE, size - at), at);
      if (count === 0) usage(`${path} has become shorter while it was read`);
      at += count;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

/** Milliseconds without a change after which a file counts as written. */
const QUIET_MILLISECONDS = 100;
/** What changes for longer is read as it is. */
const PATIENCE_MILLISECONDS = 10_000;

/**
 * Waits until nobody writes to a file any more. Who watches files hears of a change when it begins, and may hear no more
 * of it: half a model, read then, would be told as a broken one until the next change.
 */
export async function whenWritten(path: string): Promise<void> {
  const look = (): { readonly state: string; readonly age: number } => {
    const stats = statSync(path, { throwIfNoEntry: false });
    // One that is not there may be about to take the place of the one that was.
    return stats
      ? { state: `${stats.size} ${stats.mtimeMs}`, age: Date.now() - stats.mtimeMs }
      : { state: "", age: 0 };
  };
  const end = performance.now() + PATIENCE_MILLISECONDS;
  let { state, age } = look();
  while (age < QUIET_MILLISECONDS && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MILLISECONDS));
    const now = look();
    if (now.state === state) return;
    ({ state, age } = now);
  }
}

/** Reads files of a folder by relative path; undefined for what is not there or leads out of it. */
export function externalDataIn(folder: string): (location: string) => Uint8Array | undefined {
  return (location) => {
    const path = resolve(folder, location);
    if (!existsSync(path) || !statSync(path).isFile()) return undefined;
    return realpathSync(path).startsWith(realpathSync(folder) + sep) ? readWhole(path) : undefined;
  };
}

/** What a folder stands for, the first of them that it holds. */
const MODEL_FILES = ["model.onnx", "model.json"];

/**
 * Reads a model; a folder stands for the `model.onnx` or `model.json` in it.
 *
 * @throws UsageError when there is no such file
 */
export function readModelFile(given: string): ModelFile {
  if (!existsSync(given)) usage(`there is no file ${given}`);
  const isFolder = statSync(given).isDirectory();
  const inFolder = MODEL_FILES.map((file) => join(given, file)).find((file) => existsSync(file));
  const path = isFolder
    ? (inFolder ?? usage(`there is no ${MODEL_FILES.join(" or ")} in the folder ${given}`))
    : given;
  const bytes = readFileSync(path);
  // Every TF.js model is called model.json; its folder has the name.
  const byFolder = isFolder || basename(path) === "model.json";
  const name = byFolder ? basename(resolve(dirname(path))) : basename(path, extname(path));
  return {
    path,
    name,
    kind: isArtifact(bytes) ? "tile" : "model",
    bytes,
    externalData: externalDataIn(dirname(path)),
  };
}
