import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Tensor } from "../../runtime/dtype.ts";
import { tensorFile } from "../../test/support/onnxCase.ts";
import { writeNpy } from "../tensors/npy.ts";
import { UsageError } from "./commandLine.ts";
import { readTensorFile } from "./tensorFile.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tilewright-tensors-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const port = { name: "x", dtype: "float32", shape: ["batch", 2] } as const;
const expected: Tensor = { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4.5) };

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("readTensorFile", () => {
  it.each<[string, string | Uint8Array]>([
    ["a.pb", tensorFile(expected)],
    ["a.npy", writeNpy(expected)],
    ["float64.npy", writeNpy({ dtype: "float64", shape: [2, 2], data: Float64Array.of(1, 2, 3, 4.5) })],
    ["nested.json", "[[1, 2], [3, 4.5]]"],
    ["flat.json", "[1, 2, 3, 4.5]"],
    ["whole.json", '{"dtype": "float32", "shape": [2, 2], "data": [1, 2, 3, "4.5"]}'],
  ])("reads %s", (name, content) => {
    expect(readTensorFile(put(name, content), port)).toEqual(expected);
  });

  it("takes text for what JSON has no number for, and large integers exactly", () => {
    const values = readTensorFile(put("odd.json", '["NaN", "-Infinity"]'), { ...port, shape: [2] });
    expect(values.data).toEqual(Float32Array.of(NaN, -Infinity));
    const ids = readTensorFile(put("ids.json", '["9007199254740993", 5]'), {
      name: "ids",
      dtype: "int64",
      shape: [2],
    });
    expect(ids.data).toEqual(BigInt64Array.of(9007199254740993n, 5n));
    const words = readTensorFile(put("words.json", '["a", "b"]'), { name: "w", dtype: "string", shape: [2] });
    expect(words).toEqual({ dtype: "string", shape: [2], data: ["a", "b"] });
  });

  it.each<[string, string | Uint8Array, string]>([
    ["ragged.json", "[[1, 2], [3]]", "lists of different lengths"],
    ["broken.json", "[1,", "is not JSON"],
    ["words.json", '["one", "two"]', '"one" where a number is needed'],
    ["count.json", '{"shape": [3], "data": [1, 2]}', "has 2 elements, a shape of [3] takes 3"],
    ["dtype.json", '{"dtype": "float", "data": [1, 2]}', 'unknown dtype "float"'],
    ["shape.json", '{"shape": [-1], "data": [1]}', "no list of whole numbers"],
    ["tensor.txt", "1 2", "none of .pb"],
  ])("refuses %s", (name, content, reason) => {
    const path = put(name, content);
    expect(() => readTensorFile(path, port)).toThrow(UsageError);
    expect(() => readTensorFile(path, port)).toThrow(reason);
  });

  it("refuses integers that do not fit, and files that are not there", () => {
    const small = { name: "x", dtype: "uint8", shape: [1] } as const;
    expect(() => readTensorFile(put("big.json", "[256]"), small)).toThrow("element 0, 256, is no uint8");
    expect(() => readTensorFile(put("half.json", "[0.5]"), small)).toThrow(UsageError);
    expect(() => readTensorFile(join(folder, "none.npy"), port)).toThrow("there is no file");
    const open = { name: "x", dtype: "float32", shape: ["a", "b"] } as const;
    expect(() => readTensorFile(put("open.json", "[1, 2]"), open)).toThrow("say its shape");
  });
});
