/**
 * Options that several commands share: dimensions, shapes, passes, trace. In: checked arguments. Out: the compiler's
 * options. Invariant: a pass can be switched off by `--no-<pass>` and by nothing else, and trace and progress go to
 * standard error, so that standard output stays what the command is for.
 */
import { passNames, type CompileOptions, type PassName, type PortDescription } from "../options.ts";
import { traceFilter, type TraceSink } from "../trace.ts";
import { nameAndValue, usage, type Arguments, type OptionSpec } from "./commandLine.ts";
import type { ModelFile } from "./modelFile.ts";
import { shapeText } from "../tensors/table.ts";

const passPurpose: Readonly<Record<PassName, string>> = {
  fold: "computing what is constant at compile time",
  simplify: "rewriting to simpler operators",
  fuse: "joining operators into one kernel",
  rows: "joining row reductions such as softmax into one kernel",
  winograd: "convolving by tiles with fewer multiplications",
  layout: "choosing memory layouts for convolutions",
  views: "treating reshapes and slices as views",
  ahead: "packing weights while compiling instead of at every load",
  guards: "leaving out what only the other branch of an If needs",
  reuse: "sharing memory between values that do not live at once",
};

export const dimOption: OptionSpec = {
  name: "dim",
  value: "NAME=N",
  multiple: true,
  description: "value of a symbolic dimension, such as batch=1",
};

export const shapeOption: OptionSpec = {
  name: "shape",
  value: "INPUT=SHAPE",
  multiple: true,
  description: "whole shape of an input, such as image=1x3x224x224 (a scalar: image=scalar); wins over --dim",
};

export const traceOption: OptionSpec = {
  name: "trace",
  value: "STAGE[:NODE],...",
  optionalValue: true,
  description: "print what stages did to standard error; all of them, or those named, for all nodes or one",
};

export const jsonOption: OptionSpec = { name: "json", description: "print JSON instead of text" };

export const deviceOption: OptionSpec = {
  name: "device",
  value: "wasm|interp",
  description: "what computes: WebAssembly (default), or the slow interpreter that defines the result",
};

export const variantOption: OptionSpec = {
  name: "variant",
  value: "relaxed-simd|simd",
  description: "code to run instead of the best that this engine has",
};

export const threadsOption: OptionSpec = {
  name: "threads",
  value: "N",
  description: "threads to compute on; default: one per core, four at most",
};

/** `--no-fuse` and its like; help mentions them in one line. */
export const passOptions: readonly OptionSpec[] = passNames.map((pass) => ({
  name: `no-${pass}`,
  description: `without ${passPurpose[pass]}`,
}));

/** What a model may use at most. */
export const limitOptions: readonly OptionSpec[] = [
  { name: "memory-limit", value: "BYTES", description: "most memory that a program may need; default 4 GiB less a page" }, // prettier-ignore
  { name: "max-unrolled-nodes", value: "N", description: "most nodes that loops and sequences may become; default 10000" }, // prettier-ignore
  { name: "max-iterations", value: "N", description: "most iterations of a loop whose condition follows from data, and thousands of them of one that is a single kernel; default 1000" }, // prettier-ignore
];

/** The options of a compilation that the user gave. */
export function compileOptions(
  args: Arguments,
  file: ModelFile,
  trace: TraceSink | undefined,
): CompileOptions {
  const dims = Object.fromEntries(args.texts("dim").map(readDim));
  const inputShapes = Object.fromEntries(args.texts("shape").map(readShape));
  const off = passNames.filter((pass) => args.has(`no-${pass}`));
  return {
    externalData: file.externalData,
    ...(Object.keys(dims).length > 0 ? { dims } : {}),
    ...(Object.keys(inputShapes).length > 0 ? { inputShapes } : {}),
    ...(off.length > 0 ? { passes: Object.fromEntries(off.map((pass) => [pass, false])) } : {}),
    ...(trace === undefined ? {} : { trace }),
    ...limits(args),
  };
}

function limits(args: Arguments): Pick<CompileOptions, "memoryLimit" | "maxUnrolledNodes" | "maxIterations"> {
  const memoryLimit = args.integer("memory-limit", 1);
  const maxUnrolledNodes = args.integer("max-unrolled-nodes", 1);
  const maxIterations = args.integer("max-iterations", 1);
  return {
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
    ...(maxUnrolledNodes === undefined ? {} : { maxUnrolledNodes }),
    ...(maxIterations === undefined ? {} : { maxIterations }),
  };
}

function readDim(text: string): readonly [string, number] {
  const [name, value] = nameAndValue("dim", text, "NAME=N, such as batch=1");
  if (!/^\d{1,12}$/.test(value)) usage(`--dim ${name} takes a whole number, not "${value}"`);
  return [name, Number(value)];
}

function readShape(text: string): readonly [string, readonly number[]] {
  const [name, value] = nameAndValue("shape", text, "INPUT=SHAPE, such as image=1x3x224x224");
  if (value === "scalar") return [name, []];
  const dims = value.replace(/^\[|\]$/g, "").split(/[x,]/);
  if (!dims.every((dim) => /^\s*\d{1,12}\s*$/.test(dim))) {
    usage(`--shape ${name} takes numbers with x between them, such as 1x3x224x224, not "${value}"`);
  }
  return [name, dims.map(Number)];
}

/** Where trace, progress and the like are written. */
export type Write = (text: string) => void;

/**
 * A sink that prints the stages that `--trace` asks for; undefined when it was not given. `finish` says so when
 * the filter has matched nothing, which is most likely a slip.
 */
export function traceTo(write: Write, args: Arguments): { sink: TraceSink | undefined; finish: () => void } {
  const filter = args.text("trace");
  if (filter === undefined) return { sink: undefined, finish: () => {} };
  const wanted = traceFilter(filter);
  const stages = new Set<string>();
  let printed = 0;
  const sink: TraceSink = (stage, detail, node) => {
    stages.add(stage);
    if (!wanted(stage, node)) return;
    printed++;
    write(`--- ${stage}${node === undefined ? "" : `: ${node}`}\n${detail().trimEnd()}\n`);
  };
  const finish = (): void => {
    if (printed > 0) return;
    write(`Nothing was traced for "${filter}". Stages that reported: ${[...stages].join(", ") || "none"}.\n`);
  };
  return { sink, finish };
}

/**
 * The shape of an input with `--shape` and `--dim` put in.
 *
 * @throws UsageError that says which options are missing, when `shape` still has open dimensions
 */
export function boundShape(port: PortDescription, options: CompileOptions): number[] {
  const whole = options.inputShapes?.[port.name];
  if (whole !== undefined) return [...whole];
  const shape = port.shape.map((dim) => (typeof dim === "string" ? (options.dims?.[dim] ?? dim) : dim));
  const open = shape.filter((dim) => typeof dim === "string");
  if (open.length === 0) return shape as number[];
  const anonymous = open.some((dim) => !/^[^=\s]+$/.test(dim));
  const hint = anonymous
    ? `--shape ${port.name}=${shape.map((dim) => (typeof dim === "string" ? "N" : dim)).join("x")}`
    : [...new Set(open)].map((dim) => `--dim ${dim}=N`).join(" ");
  return usage(`the input "${port.name}" has the shape ${shapeText(shape)}: give ${hint}`);
}
