/**
 * `tilewright profile`: where the time of a run goes. In: a model, or an artifact compiled with `--profile`. Out: each
 * kernel's time, rates and share of what this machine can do, the slowest first; with `--trace-file` the run as a
 * trace for Chrome or Perfetto. Invariant: figures are those of `runtime/profile.ts`, which a page would get.
 */
import { writeFileSync } from "node:fs";
import { compile, describe } from "../whole.ts";
import type { CompileOptions, CompileReport } from "../options.ts";
import { TilewrightError } from "../../runtime/errors.ts";
import { load, type Feature } from "../../runtime/index.ts";
import { profile, traceOf, type Profile, type ProfiledCall } from "../../runtime/profile.ts";
import type { Arguments, CommandSpec } from "./commandLine.ts";
import { variants, type Tensors } from "./device.ts";
import { readModelFile, type ModelFile } from "./modelFile.ts";
import { inputOption, readInputs } from "./modelInputs.ts";
import {
  compileOptions,
  dimOption,
  jsonOption,
  limitOptions,
  passOptions,
  shapeOption,
  traceOption,
  traceTo,
  variantOption,
} from "./modelOptions.ts";
import { bytesText, grouped, millisecondsText, numberText, table } from "../tensors/table.ts";
import type { Terminal } from "./terminal.ts";

type MovedBytes = CompileReport["movedBytes"];

const DEFAULT_SEED = 1;
const DEFAULT_TOP = 20;

export const profileSpec: CommandSpec = {
  name: "profile",
  summary: "time each kernel of a model, against what this machine can do at most",
  usage: "MODEL.(onnx|tile) [options]",
  arity: { least: 1, most: 1 },
  options: [
    inputOption,
    { name: "random", value: "SEED", description: `seed of the inputs that have no file; default ${DEFAULT_SEED}` }, // prettier-ignore
    dimOption,
    shapeOption,
    { name: "runs", value: "N", description: "runs that are timed; times are medians; default 20" },
    { name: "top", value: "N", description: `show the N slowest; default ${DEFAULT_TOP}, 0 for all in their order` }, // prettier-ignore
    { name: "schedules", description: "show the schedule of each kernel, too" },
    { name: "trace-file", value: "OUT.json", description: "write one run for chrome://tracing or ui.perfetto.dev" }, // prettier-ignore
    variantOption,
    ...passOptions,
    ...limitOptions,
    traceOption,
    jsonOption,
  ],
  notes: [
    "GFLOP/s count two operations for a multiply-add; GB/s count every operand once. Roofline is the least time that this machine's multiply-add rate (compute) or read rate for as many bytes (memory) allows, over the time taken; both rates are measured in the same run. Code shows how many calls share a kernel's code.",
    "An artifact must have been made by `tilewright compile --profile`.",
    "Relaxed SIMD in Node 20 needs `node --experimental-wasm-relaxed-simd`; without it the plain SIMD code is measured.",
  ],
  examples: [
    "tilewright profile model.onnx --dim batch=1",
    "tilewright profile model.onnx --input image=cat.npy --top 5 --schedules",
    "tilewright profile model.tile --runs 100 --trace-file trace.json",
  ],
};

export async function profileCommand(args: Arguments, terminal: Terminal): Promise<number> {
  const file = readModelFile(args.positionals[0]!);
  const variant = args.choice("variant", variants);
  const runs = args.integer("runs", 1);
  const top = args.integer("top") ?? DEFAULT_TOP;
  const trace = traceTo(terminal.error, args);
  const options = compileOptions(args, file, terminal.watch(trace.sink));
  const { profiled, movedBytes } = await profileOf(file, args, options, variant, runs, terminal);
  terminal.progress(undefined);
  trace.finish();
  const traceFile = args.text("trace-file");
  if (traceFile !== undefined) writeFileSync(traceFile, JSON.stringify(traceOf(profiled)));
  if (args.has("json")) {
    terminal.out(`${JSON.stringify({ model: file.path, ...profiled, movedBytes, traceFile }, null, 2)}\n`);
    return 0;
  }
  terminal.out(`${headText(file.path, profiled, movedBytes)}\n\n${callTable(profiled, top)}\n`);
  if (args.has("schedules")) terminal.out(`\n${scheduleText(shown(profiled, top))}\n`);
  if (traceFile !== undefined) terminal.out(`\nThe trace of a run is in ${traceFile}.\n`);
  return 0;
}

async function profileOf(
  file: ModelFile,
  args: Arguments,
  options: CompileOptions,
  variant: Feature | undefined,
  runs: number | undefined,
  terminal: Terminal,
): Promise<{ readonly profiled: Profile; readonly movedBytes?: MovedBytes }> {
  let artifact = file.bytes;
  let movedBytes: MovedBytes | undefined;
  let inputs: Tensors | undefined;
  if (file.kind === "model") {
    inputs = readInputs(args, describe(file.bytes, options).inputs, options, DEFAULT_SEED);
    const inputShapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
    const made = compile(file.bytes, { ...options, inputShapes, profile: true });
    if (made.report.kind === "late") {
      const what = "shapes inside this model depend on its data: it is compiled in parts while it runs, and only a whole program can be profiled"; // prettier-ignore
      throw new TilewrightError("profile-needed", what);
    }
    ({ artifact } = made);
    ({ movedBytes } = made.report);
  }
  const session = await load(artifact, variant === undefined ? {} : { variant });
  try {
    terminal.progress("profiling ...");
    inputs ??= readInputs(args, session.inputs, options, DEFAULT_SEED);
    const profiled = await profile(session, inputs, { runs });
    return movedBytes ? { profiled, movedBytes } : { profiled };
  } finally {
    session.dispose();
  }
}

function headText(
  path: string,
  { calls, variant, runs, runMilliseconds, totalMilliseconds, peak }: Profile,
  movedBytes: MovedBytes | undefined,
): string {
  const ideal = calls.reduce((sum, call) => sum + call.milliseconds * call.roofline, 0);
  const reads = peak.bandwidth.map(({ bytes, gbs }) => `${numberText(gbs, 3)} (${binaryText(bytes)})`);
  return [
    `${path}: ${grouped(calls.length)} calls on ${variant}, medians of ${grouped(runs)} runs`,
    table(
      [
        ["whole run", `${millisecondsText(runMilliseconds)} with copies of inputs and outputs`],
        ["sum of calls", millisecondsText(totalMilliseconds)],
        ["at the roofline", `${millisecondsText(ideal)} (${percent(ideal / totalMilliseconds)})`],
        ...(movedBytes
          ? [
              [
                "moved per run",
                `${bytesText(movedBytes.fused)}, ${bytesText(movedBytes.unfused)} without fusion`,
              ],
            ]
          : []),
        ["multiply-adds", `at most ${numberText(peak.gflops, 3)} GFLOP/s`],
        ["reads", `at most ${reads.join(", ")} GB/s, by what is read over and over`],
      ],
      { indent: 2 },
    ),
  ].join("\n");
}

/** The slowest, or all in the order of the run. */
function shown({ calls }: Profile, top: number): readonly ProfiledCall[] {
  return top === 0 ? calls : calls.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, top);
}

function callTable(profiled: Profile, top: number): string {
  const rows = shown(profiled, top);
  const heading = ["kernel", "ms", "share", "GFLOP/s", "GB/s", "roofline", "bound", "code", "nodes"];
  // Four digits of the total, so that the column adds up.
  const decimals = Math.max(0, 3 - Math.floor(Math.log10(Math.max(1e-6, profiled.totalMilliseconds))));
  const lines = table([heading, ...rows.map((call) => cells(call, decimals))], { heading: true });
  const left = profiled.calls.length - rows.length;
  const share = 1 - rows.reduce((sum, call) => sum + call.share, 0);
  return left === 0 ? lines : `${lines}\nand ${grouped(left)} more calls, ${percent(share)} of the time`;
}

function cells(call: ProfiledCall, decimals: number): string[] {
  const { name, nodes, operations, sharedBy } = call;
  return [
    name,
    call.milliseconds.toFixed(decimals),
    percent(call.share),
    operations === 0 ? "" : call.gflops.toFixed(1),
    call.gbs.toFixed(1),
    percent(call.roofline),
    call.bound,
    `${sharedBy}x`,
    nodes.length > 2 ? `${nodes.slice(0, 2).join(" ")} +${nodes.length - 2}` : nodes.join(" "),
  ];
}

function scheduleText(calls: readonly ProfiledCall[]): string {
  return calls
    .map(({ name, nodes, schedule }) => {
      const steps = schedule === "" ? "as written" : schedule.split("; ").join("\n  ");
      return `${name} (${nodes.join(" + ")})\n  ${steps}`;
    })
    .join("\n\n");
}

/** A power of two of bytes. */
function binaryText(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
