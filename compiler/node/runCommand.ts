/**
 * `tilewright run`: one inference from the command line. In: a model or an artifact, and inputs from files or from a
 * seed. Out: each output's dtype, shape, range and first values or best classes, and the time it took; with
 * `--output-dir` the outputs as `.npy` files. Invariant: every input has a file or comes from the seed that was
 * asked for, never from a silent default.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Arguments, CommandSpec } from "./commandLine.ts";
import { devices, openModel, variants, type OpenModel, type Tensors } from "./device.ts";
import { readModelFile } from "./modelFile.ts";
import { inputOption, readInputs } from "./modelInputs.ts";
import {
  compileOptions,
  deviceOption,
  dimOption,
  jsonOption,
  limitOptions,
  passOptions,
  shapeOption,
  traceOption,
  traceTo,
  threadsOption,
  variantOption,
} from "./modelOptions.ts";
import { writeNpy } from "../tensors/npy.ts";
import { millisecondsText } from "../tensors/table.ts";
import { summarise, summaryJson, summaryLines } from "../tensors/tensorSummary.ts";
import type { Terminal } from "./terminal.ts";

export const runSpec: CommandSpec = {
  name: "run",
  summary: "run a model or an artifact and show its outputs",
  usage: "MODEL.(onnx|tile) [options]",
  arity: { least: 1, most: 1 },
  options: [
    inputOption,
    { name: "random", value: "SEED", description: "make the inputs that have no file from this seed" },
    dimOption,
    shapeOption,
    deviceOption,
    variantOption,
    threadsOption,
    { name: "repeat", value: "N", description: "run N more times and show the median time" },
    { name: "output-dir", value: "DIR", description: "write each output there as NAME.npy" },
    ...passOptions,
    ...limitOptions,
    traceOption,
    jsonOption,
  ],
  notes: [
    'JSON inputs are nested lists, a flat list, or {"dtype", "shape", "data"}; NaN, infinities and large integers as text.',
    'A sequence "s" is given by its elements, --input "s[0]=FILE" and so on; an optional may be left out.',
    "Seeded floats are uniform in [0, 1), integers small and not negative, booleans 0 or 1: the same on every machine.",
    "Relaxed SIMD in Node 20 needs `node --experimental-wasm-relaxed-simd`; without it the plain SIMD code runs.",
  ],
  examples: [
    "tilewright run model.onnx --random 1 --dim batch=1",
    "tilewright run model.tile --input image=cat.npy --repeat 20",
    "tilewright run model.onnx --input ids=ids.json --device interp --output-dir out",
  ],
};

interface Timing {
  readonly load: number;
  readonly first: number;
  /** Median of the repeated runs; absent without `--repeat`. */
  readonly median?: number;
}

async function timedRuns(
  model: OpenModel,
  inputs: Tensors,
  repeat: number,
): Promise<{ outputs: Tensors; first: number; median?: number }> {
  // prettier-ignore
  const time = async (): Promise<{ outputs: Tensors; milliseconds: number }> => {
    const start = performance.now();
    const outputs = await model.run(inputs);
    return { outputs, milliseconds: performance.now() - start };
  };
  const { outputs, milliseconds: first } = await time();
  const times: number[] = [];
  for (let i = 0; i < repeat; i++) times.push((await time()).milliseconds);
  if (repeat === 0) return { outputs, first };
  times.sort((a, b) => a - b);
  const middle = times.length >> 1;
  const median = times.length % 2 === 1 ? times[middle]! : (times[middle - 1]! + times[middle]!) / 2;
  return { outputs, first, median };
}

export async function runCommand(args: Arguments, terminal: Terminal): Promise<number> {
  const file = readModelFile(args.positionals[0]!);
  const device = args.choice("device", devices) ?? "wasm";
  const variant = args.choice("variant", variants);
  const repeat = args.integer("repeat") ?? 0;
  const trace = traceTo(terminal.error, args);
  const options = compileOptions(args, file, terminal.watch(trace.sink));
  const start = performance.now();
  const model = await openModel(file, device, options, variant, args.integer("threads", 1));
  try {
    const loaded = performance.now() - start;
    const inputs = readInputs(args, model.inputs, options);
    terminal.progress("running ...");
    const { outputs, ...times } = await timedRuns(model, inputs, repeat);
    terminal.progress(undefined);
    trace.finish();
    const written = writeOutputs(outputs, args.text("output-dir"));
    const timing: Timing = { load: loaded, ...times };
    const code: Code = { device, variant: model.variant(), threads: model.threads() };
    if (args.has("json")) printJson(terminal, file.path, code, outputs, written, timing);
    else printText(terminal, code, outputs, written, timing);
    return 0;
  } finally {
    model.dispose();
  }
}

/** Writes the outputs; returns the path of each. */
function writeOutputs(outputs: Tensors, folder: string | undefined): Readonly<Record<string, string>> {
  if (folder === undefined) return {};
  mkdirSync(folder, { recursive: true });
  const taken = new Set<string>();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => {
      // Output names may hold slashes and colons, which file names may not.
      const safe = name.replace(/[^\w.-]+/g, "_").replace(/^\.+/, "") || "output";
      let unique = safe;
      for (let i = 1; taken.has(unique); i++) unique = `${safe}_${i}`;
      taken.add(unique);
      const path = join(folder, `${unique}.npy`);
      writeFileSync(path, writeNpy(tensor));
      return [name, path];
    }),
  );
}

/** What ran. */
interface Code {
  readonly device: string;
  readonly variant: string | undefined;
  readonly threads: number | undefined;
}

function printJson(
  terminal: Terminal,
  model: string,
  code: Code,
  outputs: Tensors,
  written: Readonly<Record<string, string>>,
  { load, first, median }: Timing,
): void {
  const shown = Object.entries(outputs).map(([name, tensor]) => ({
    name,
    ...summaryJson(summarise(tensor)),
    file: written[name],
  }));
  const milliseconds = { load, first, median };
  terminal.out(`${JSON.stringify({ model, ...code, outputs: shown, milliseconds }, null, 2)}\n`);
}

function printText(
  terminal: Terminal,
  { device, variant, threads }: Code,
  outputs: Tensors,
  written: Readonly<Record<string, string>>,
  { load, first, median }: Timing,
): void {
  for (const [name, tensor] of Object.entries(outputs)) {
    terminal.out(`${summaryLines(name, summarise(tensor)).join("\n")}\n`);
    if (written[name] !== undefined) terminal.out(`  written to ${written[name]}\n`);
  }
  const times = [`load ${millisecondsText(load)}`, `first run ${millisecondsText(first)}`];
  if (median !== undefined) times.push(`median ${millisecondsText(median)}`);
  const how = [variant, threads !== undefined && threads > 1 ? `${threads} threads` : undefined].filter(
    Boolean,
  );
  terminal.out(`\n${device}${how.length ? ` (${how.join(", ")})` : ""}: ${times.join(", ")}\n`);
}
