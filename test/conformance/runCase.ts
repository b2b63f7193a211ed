/**
 * One conformance case. In: a folder in the form of the ONNX backend tests, and a device. Out: passed, or failed with
 * the first line of what went wrong, or skipped where there is nothing to compare with. Invariant: never throws, and
 * a case passes only if every stored output was compared.
 */
import { CompileError, formatDiagnostic } from "../../compiler/diagnostic.ts";
import { readModel } from "../../compiler/frontend/onnx/model.ts";
import type { ProtoValue } from "../../compiler/frontend/onnx/tensor.ts";
import { compareValues } from "../../compiler/tensors/compare.ts";
import { openModel, type DeviceName, type OpenModel } from "../../compiler/node/device.ts";
import type { CompileOptions } from "../../compiler/options.ts";
import { externalDataIn } from "../../compiler/node/modelFile.ts";
import { readTestFolder, type NamedValue, type TestFolder } from "../../compiler/node/testFolder.ts";
import { TilewrightError, type Feature, type Tensor } from "../../runtime/index.ts";
import type { Case } from "./cases.ts";
import { implausible } from "./drawn.ts";
import { drawnAtRandom, toleranceFor } from "./tolerances.ts";

/** Opens a model in another way than on a device of this process. */
export type Opener = (
  file: { readonly path: string; readonly kind: "model"; readonly bytes: Uint8Array },
  options: CompileOptions,
) => Promise<OpenModel>;

export interface CaseOptions {
  readonly device: DeviceName;
  readonly variant?: Feature;
  readonly open?: Opener;
}

export interface Outcome {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** One line; why it did not pass. */
  readonly reason?: string;
  /** The operators that the case is about, for the summary. */
  readonly ops: string;
  readonly milliseconds: number;
}

const DRAWN =
  "the stored outputs are a draw of NumPy's random generator; checked instead: types, shapes, values that may come, and how often";

/** Runs a case to its end. */
export async function runCase({ name, path }: Case, options: CaseOptions): Promise<Outcome> {
  const start = performance.now();
  let ops = "?";
  const outcome = (status: Outcome["status"], reason?: string): Outcome => ({
    name,
    status,
    ...(reason === undefined ? {} : { reason }),
    ops,
    milliseconds: performance.now() - start,
  });
  try {
    const folder = readTestFolder(path);
    ops = operatorsOf(folder.model);
    if (folder.sets.every(({ outputs }) => outputs.length === 0))
      return outcome("skipped", "no stored outputs");
    const reason = await firstDifference(name, folder, options);
    if (reason === DRAWN) return outcome("skipped", DRAWN);
    return reason === undefined ? outcome("passed") : outcome("failed", reason);
  } catch (error) {
    return outcome("failed", reasonOf(error));
  }
}

async function firstDifference(
  name: string,
  folder: TestFolder,
  { device, variant, open }: CaseOptions,
): Promise<string | undefined> {
  // prettier-ignore
  const file = { path: folder.path, kind: "model", bytes: folder.model } as const;
  const options = { externalData: externalDataIn(folder.path) };
  const model = await (open?.(file, options) ?? openModel(file, device, options, variant));
  try {
    let drawn = false;
    for (const set of folder.sets) {
      const outputs = await model.run(Object.fromEntries(tensorsOf(set.inputs)));
      const expected = new Map(tensorsOf(set.outputs));
      const more = Object.keys(outputs).find((output) => output.endsWith("]") && !expected.has(output));
      if (more !== undefined) return `wrong: ${more}: there is no such element`;
      for (const [output, value] of expected) {
        const { passed, reason = "" } = compareValues(outputs[output], value, toleranceFor(name));
        if (passed) continue;
        if (!drawnAtRandom.test(name) || !reason.includes("elements differ"))
          return `wrong: ${output}: ${reason}`;
        drawn = true;
      }
      if (drawn) {
        const inputs = tensorsOf(set.inputs).map(([, tensor]) => tensor);
        const wrong = implausible(name, inputs, [...expected.keys()].map((output) => outputs[output]!)); // prettier-ignore
        if (wrong !== undefined) return `wrong: ${wrong}`;
      }
    }
    return drawn ? DRAWN : undefined;
  } finally {
    model.dispose();
  }
}

/** Values as a program takes and gives them: sequences by their elements, empty optionals not at all. */
function tensorsOf(values: readonly NamedValue[]): [string, Tensor][] {
  const tensors: [string, Tensor][] = [];
  const add = (name: string, value: ProtoValue): void => {
    if (Array.isArray(value)) value.forEach((element: ProtoValue, i) => add(`${name}[${i}]`, element));
    else if (isTensor(value)) tensors.push([name, value]);
  };
  for (const { name, value } of values) add(name, value);
  return tensors;
}

function isTensor(value: ProtoValue): value is Tensor {
  return value !== undefined && !Array.isArray(value);
}

/** The operators of a model's graph, each once. */
function operatorsOf(model: Uint8Array): string {
  try {
    const names = new Set(
      readModel(model).graph.nodes.map(({ op, domain }) => (domain === "" ? op : `${domain}.${op}`)),
    );
    return names.size <= 3
      ? [...names].join("+")
      : `${[...names].slice(0, 2).join("+")}+${names.size - 2} more`;
  } catch {
    return "?";
  }
}

/** What went wrong, in one line that starts with its code. */
function reasonOf(error: unknown): string {
  if (error instanceof CompileError) return formatDiagnostic(error.diagnostics[0]!).split("\n")[0]!;
  if (error instanceof TilewrightError) return `[${error.code}] ${error.message.split("\n")[0]}`;
  if (!(error instanceof Error)) return String(error).split("\n")[0]!;
  const place = /\(?(?:file:\/\/)?[^\s(]*?((?:compiler|runtime|test)\/[^\s)]+:\d+):\d+\)?/.exec(error.stack?.split("\n").slice(1).join("\n") ?? ""); // prettier-ignore
  return `${error.name}: ${error.message.split("\n")[0]}${place === null ? "" : ` at ${place[1]}`}`;
}
