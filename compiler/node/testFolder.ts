/**
 * Folders in the form of the ONNX backend tests: `model.onnx` and one or more `test_data_set_N` with `input_N.pb`
 * and `output_N.pb`. In: a path. Out: the model's bytes and, by name, what goes in and what must come out.
 * Invariant: file N belongs to the model's N-th input (those that are no initializers; all of them if there are
 * more files), and is read as the kind that the model declares: tensor, sequence or optional.
 * Source: onnx/backend/test in the ONNX repository.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { readModel, type OnnxModel, type OnnxType, type OnnxValue } from "../frontend/onnx/model.ts";
import { readOptional, readSequence, readTensor, type ProtoValue } from "../frontend/onnx/tensor.ts";
import { externalDataIn } from "./modelFile.ts";

export interface NamedValue {
  readonly name: string;
  readonly value: ProtoValue;
}

export interface DataSet {
  /** Name of the folder, such as `test_data_set_0`. */
  readonly name: string;
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
}

export interface TestFolder {
  readonly path: string;
  /** The bytes of `model.onnx`. */
  readonly model: Uint8Array;
  readonly sets: readonly DataSet[];
}

/** The folder, or a file in it, is missing or not what it should be. */
export class TestFolderError extends Error {
  override readonly name = "TestFolderError";
}

/** `prefix_0.pb`, `prefix_1.pb`, ... of a folder, in order of their numbers, up to the first gap. */
function numberedFiles(folder: string, prefix: string): string[] {
  const files: string[] = [];
  for (let i = 0; ; i++) {
    const path = join(folder, `${prefix}_${i}.pb`);
    if (!existsSync(path)) return files;
    files.push(path);
  }
}

/** Reads one `.pb` as the kind of value that the model declares. */
function readValue(path: string, type: OnnxType | undefined): ProtoValue {
  const bytes = readFileSync(path);
  if (type?.kind === "sequence") return readSequence(bytes);
  if (type?.kind === "optional") return bytes.length === 0 ? undefined : readOptional(bytes);
  return readTensor(bytes, externalDataIn(dirname(path)));
}

function readSet(folder: string, name: string, model: OnnxModel): DataSet {
  const path = join(folder, name);
  const initialized = new Set(model.graph.initializers.map((initializer) => initializer.name));
  const inputFiles = numberedFiles(path, "input");
  const required = model.graph.inputs.filter((input) => !initialized.has(input.name));
  const inputs = inputFiles.length > required.length ? model.graph.inputs : required;
  return {
    name,
    inputs: pair(inputFiles, inputs, "inputs", path),
    outputs: pair(numberedFiles(path, "output"), model.graph.outputs, "outputs", path),
  };
}

function pair(
  files: readonly string[],
  values: readonly OnnxValue[],
  what: string,
  path: string,
): NamedValue[] {
  if (files.length > values.length) {
    throw new TestFolderError(`${path} has ${files.length} ${what}, the model ${values.length}`);
  }
  return files.map((file, i) => ({ name: values[i]!.name, value: readValue(file, values[i]!.type) }));
}

/** The names of the data sets of a folder, in order. */
function dataSetNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^test_data_set_\d+$/.test(name))
    .sort((a, b) => Number(a.slice(14)) - Number(b.slice(14)));
}

/**
 * Reads a test folder whole.
 *
 * @throws TestFolderError when it is none; CompileError `model-malformed` and the like for its files
 * @example const { model, sets } = readTestFolder("node/test_abs");
 */
export function readTestFolder(path: string): TestFolder {
  const modelPath = join(path, "model.onnx");
  if (!existsSync(path) || !statSync(path).isDirectory())
    throw new TestFolderError(`${path} is not a folder`);
  if (!existsSync(modelPath)) throw new TestFolderError(`there is no model.onnx in ${path}`);
  const model = readFileSync(modelPath);
  const parsed = readModel(model, { externalData: externalDataIn(path) });
  return { path, model, sets: dataSetNames(path).map((name) => readSet(path, name, parsed)) };
}
