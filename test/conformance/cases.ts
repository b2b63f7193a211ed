/**
 * The cases of a conformance tree. In: a folder. Out: every folder below it (or itself) that holds a `model.onnx`,
 * in a fixed order. Invariant: names are unique: a case is called by its folder's name, or by its path below the
 * given folder where two folders share a name.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join, relative, resolve, sep } from "node:path";

export interface Case {
  readonly name: string;
  readonly path: string;
}

/** All cases below a folder. */
export function findCases(root: string): Case[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    if (existsSync(join(folder, "model.onnx"))) {
      found.push(folder);
      return;
    }
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(folder, entry.name));
    }
  };
  walk(resolve(root));
  found.sort();
  const uses = new Map<string, number>();
  for (const path of found) uses.set(basename(path), (uses.get(basename(path)) ?? 0) + 1);
  return found.map((path) => ({
    name:
      uses.get(basename(path)) === 1 ? basename(path) : relative(resolve(root), path).split(sep).join("/"),
    path,
  }));
}
