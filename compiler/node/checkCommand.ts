/**
 * `tilewright check`: runs a folder in the form of the ONNX backend tests and compares. In: the folder. Out: the
 * worst errors of each output of each data set, against the tolerance. Invariant: passes only if at least one
 * output was compared and all are within the tolerance.
 */
import { type Tolerance, compareValues, magnitude, type Comparison } from "../tensors/compare.ts";
import { usage, type Arguments, type CommandSpec } from "./commandLine.ts";
import { devices, openModel, variants, type OpenModel, type Tensors } from "./device.ts";
import type { ProtoValue } from "../frontend/onnx/tensor.ts";
import { externalDataIn, type ModelFile } from "./modelFile.ts";
import {
  compileOptions,
  deviceOption,
  dimOption,
  jsonOption,
  limitOptions,
  passOptions,
  traceOption,
  traceTo,
  variantOption,
} from "./modelOptions.ts";
import { millisecondsText, numberText, table } from "../tensors/table.ts";
import { readTestFolder, type DataSet } from "./testFolder.ts";
import type { Terminal } from "./terminal.ts";

const RELATIVE = 1e-3;
const LEAST_ABSOLUTE = 1e-5;
/** Rounding errors in a network are of the order of its output's range, not of each element. */
const SHARE_OF_RANGE = 1e-4;

export const checkSpec: CommandSpec = {
  name: "check",
  summary: "run a folder with a model, inputs and expected outputs, and compare",
  usage: "DIR [options]",
  arity: { least: 1, most: 1 },
  options: [
    deviceOption,
    variantOption,
    { name: "rtol", value: "X", description: `relative tolerance; default ${RELATIVE}` },
    { name: "atol", value: "X", description: `absolute tolerance; default ${SHARE_OF_RANGE} of the largest expected magnitude, at least ${LEAST_ABSOLUTE}` }, // prettier-ignore
    dimOption,
    ...passOptions,
    ...limitOptions,
    traceOption,
    jsonOption,
  ],
  notes: [
    "DIR holds model.onnx and test_data_set_N/input_N.pb and output_N.pb, as the ONNX backend tests do. Integers must be equal.",
    "Exit status 1 when an output is outside the tolerance.",
  ],
  examples: ["tilewright check onnx/backend/test/data/node/test_abs", "tilewright check models/mobilenetv2 --variant simd --rtol 1e-4"], // prettier-ignore
};

interface OutputCheck extends Comparison {
  readonly set: string;
  readonly name: string;
  readonly tolerance: Tolerance;
}

/** Values that are tensors; anything else has no place in a program's memory. */
function tensorsOf(set: DataSet): Tensors {
  return Object.fromEntries(
    set.inputs.map(({ name, value }) => {
      if (value === undefined || !("dtype" in value))
        usage(`the input "${name}" of ${set.name} is no tensor`);
      return [name, value];
    }),
  );
}

async function checkSet(
  model: OpenModel,
  set: DataSet,
  toleranceOf: (expected: ProtoValue) => Tolerance,
): Promise<OutputCheck[]> {
  // prettier-ignore
  const outputs = await model.run(tensorsOf(set));
  return set.outputs.map(({ name, value }) => {
    const tolerance = toleranceOf(value);
    return { set: set.name, name, tolerance, ...compareValues(outputs[name], value, tolerance) };
  });
}

export async function checkCommand(args: Arguments, terminal: Terminal): Promise<number> {
  const folder = readTestFolder(args.positionals[0]!);
  if (folder.sets.length === 0) usage(`there is no test_data_set_0 in ${folder.path}`);
  const file: ModelFile = {
    path: `${folder.path}/model.onnx`,
    name: folder.path,
    kind: "model",
    bytes: folder.model,
    externalData: externalDataIn(folder.path),
  };
  const device = args.choice("device", devices) ?? "wasm";
  const variant = args.choice("variant", variants);
  const relative = args.number("rtol") ?? RELATIVE;
  const absolute = args.number("atol");
  const toleranceOf = (expected: ProtoValue): Tolerance => {
    const range = expected !== undefined && "dtype" in expected ? magnitude(expected) : 0;
    return { relative, absolute: absolute ?? Math.max(LEAST_ABSOLUTE, SHARE_OF_RANGE * range) };
  };
  const trace = traceTo(terminal.error, args);
  const start = performance.now();
  const model = await openModel(
    file,
    device,
    compileOptions(args, file, terminal.watch(trace.sink)),
    variant,
  );
  try {
    const checks: OutputCheck[] = [];
    for (const set of folder.sets) {
      terminal.progress(`${set.name} ...`);
      checks.push(...(await checkSet(model, set, toleranceOf)));
    }
    terminal.progress(undefined);
    trace.finish();
    const passed = checks.length > 0 && checks.every((check) => check.passed);
    const milliseconds = performance.now() - start;
    const used = model.variant();
    if (args.has("json")) {
      terminal.out(`${JSON.stringify({ folder: folder.path, device, variant: used, passed, outputs: checks, milliseconds }, null, 2)}\n`); // prettier-ignore
    } else {
      terminal.out(`${checkTable(checks)}\n\n`);
      const where = `${device}${used === undefined ? "" : ` (${used})`}`;
      terminal.out(`${passed ? "passed" : "FAILED"} on ${where} in ${millisecondsText(milliseconds)}\n`);
    }
    return passed ? 0 : 1;
  } finally {
    model.dispose();
  }
}

function checkTable(checks: readonly OutputCheck[]): string {
  const rows = checks.map(({ set, name, worstAbsolute, worstRelative, tolerance, passed, reason }) => [
    set,
    name,
    numberText(worstAbsolute, 3),
    numberText(worstRelative, 3),
    `${numberText(tolerance.absolute, 3)} + ${numberText(tolerance.relative, 3)} |y|`,
    passed ? "ok" : (reason ?? "wrong"),
  ]);
  return table([["data set", "output", "worst error", "relative", "allowed", ""], ...rows], {
    heading: true,
  });
}
