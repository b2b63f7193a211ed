/**
 * Reads and imports real files: every `.onnx` and `.pb` below the folder that TILEWRIGHT_DATA names. Skipped when it
 * is not set. All of them import: sequences and optionals too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { processorMilliseconds } from "../../../test/support/processorTime.ts";
import { CompileError } from "../../diagnostic.ts";
import { importModel } from "./import.ts";
import { readModel, type OnnxModel } from "./model.ts";
import { readOptional, readSequence, readTensor } from "./tensor.ts";

const folder = process.env["TILEWRIGHT_DATA"];
if (folder === undefined)
  console.log("corpus.test.ts is skipped: TILEWRIGHT_DATA names no folder of ONNX models");

function filesBelow(root: string, extension: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function refusal(action: () => unknown): CompileError | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  return undefined;
}

describe.skipIf(folder === undefined)("real models", () => {
  const files = folder === undefined ? [] : filesBelow(folder, ".onnx");

  it("are read and imported, whatever their opset", () => {
    for (const file of files) {
      const model = readModel(readFileSync(file));
      const error = refusal(() => importModel(model));
      expect(error, `${file}: ${error?.message}`).toBeUndefined();
    }
    console.log(`${files.length} models imported`);
    expect(files.length).toBeGreaterThan(0);
  });

  it("have tensors beside them that are read as their graphs declare them", () => {
    const models = new Map<string, OnnxModel>();
    let read = 0;
    for (const file of filesBelow(folder!, ".pb")) {
      const place = /^(input|output)_(\d+)\.pb$/.exec(basename(file));
      if (!place) continue;
      const path = join(dirname(dirname(file)), "model.onnx");
      const { graph } = models.get(path) ?? readModel(readFileSync(path));
      const type = (place[1] === "input" ? graph.inputs : graph.outputs)[Number(place[2])]?.type;
      const bytes = readFileSync(file);
      if (type?.kind === "sequence") readSequence(bytes);
      else if (type?.kind === "optional") readOptional(bytes);
      else if (type?.kind === "tensor") expect(readTensor(bytes).dtype, file).toBe(type.dtype);
      else throw new Error(`${file} belongs to no input or output`);
      read++;
    }
    expect(read).toBeGreaterThan(0);
  });

  it("give a model or a CompileError when they are damaged", () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let slowest = 0;
    for (let i = 0; i < 400; i++) {
      const original = readFileSync(files[random(files.length)]!);
      const bytes = new Uint8Array(original.subarray(0, 1_000_000));
      for (let changes = 1 + random(4); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
      const start = processorMilliseconds();
      refusal(() => importModel(readModel(bytes)));
      slowest = Math.max(slowest, processorMilliseconds() - start);
    }
    expect(slowest).toBeLessThan(5_000);
  });
});
