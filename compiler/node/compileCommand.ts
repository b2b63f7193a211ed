/**
 * `tilewright compile`: a model to an artifact. In: an ONNX file or a TF.js model.json. Out: a `.tile` file, and a table of what was made.
 * Invariant: the file is written whole or not at all.
 */
import { renameSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { compile, openDimensions } from "../whole.ts";
import { gpuKinds, type CompileReport, type GpuReport } from "../options.ts";
import { oneOf, usage, type Arguments, type CommandSpec } from "./commandLine.ts";
import type { Terminal } from "./terminal.ts";
import { targets, variants } from "./device.ts";
import { describeArtifact } from "./modelCache.ts";
import { modelDeclaration } from "./modelDeclaration.ts";
import { readModelFile } from "./modelFile.ts";
import { writeDeclaration } from "./modelProject.ts";
import {
  compileOptions,
  dimOption,
  jsonOption,
  limitOptions,
  passOptions,
  shapeOption,
  traceOption,
  traceTo,
} from "./modelOptions.ts";
import { bytesText, grouped, millisecondsText, table } from "../tensors/table.ts";

export const compileSpec: CommandSpec = {
  name: "compile",
  summary: "compile an ONNX or TF.js model to one artifact file",
  usage: "MODEL -o OUT.tile [options]",
  arity: { least: 1, most: 1 },
  options: [
    { name: "output", short: "o", value: "OUT.tile", description: "where to write the artifact; default: MODEL.tile in this folder" }, // prettier-ignore
    dimOption,
    shapeOption,
    { name: "target", value: "wasm|webgpu|auto", description: "what to compile for: WebAssembly (default), WebGPU, or both, from which the page takes what is faster" }, // prettier-ignore
    { name: "gpu", value: "software|integrated|discrete|mobile", description: "the kind of GPU to schedule for, with --target webgpu or auto; default software" }, // prettier-ignore
    { name: "gpu-floats", value: "float32|float16", description: "how weights and intermediate values are kept on a GPU; float16 halves them and rounds each by up to 1/2048 of it" }, // prettier-ignore
    { name: "variant", value: "relaxed-simd|simd", multiple: true, description: "code to put in; default: both, and the runtime takes what the engine has" }, // prettier-ignore
    {
      name: "kernels",
      description:
        "list the kernels with calls, work, bytes of code and nodes (with --json also the schedules)",
    },
    { name: "profile", description: "add what `tilewright profile` and `tilewright/profile` need to time each kernel" }, // prettier-ignore
    { name: "types", description: "write TypeScript declarations beside the artifact, OUT.tile.d.ts: see `model` of the runtime" }, // prettier-ignore
    ...passOptions,
    ...limitOptions,
    traceOption,
    jsonOption,
  ],
  notes: [
    "MODEL is an .onnx file, the model.json of a TF.js graph model (its weight files lie beside it), or a folder with either.",
    "Dimensions that stay open are bound when the model runs, by the compiler in the page: the artifact is then late, and its loader needs the option `compiler`.",
  ],
  examples: [
    "tilewright compile model.onnx -o model.tile",
    "tilewright compile model.onnx -o model.tile --dim batch=1 --dim height=224 --dim width=224",
    "tilewright compile blazeface/model.json -o blazeface.tile",
    "tilewright compile model.onnx --kernels --no-fuse --trace=fuse",
  ],
};

export async function compileCommand(args: Arguments, terminal: Terminal): Promise<number> {
  const file = readModelFile(args.positionals[0]!);
  if (file.kind === "tile") usage(`${file.path} is an artifact already`);
  const target = args.choice("target", ["wasm", "webgpu", "auto"]);
  const chosen = args.texts("variant").map((text) => oneOf("--variant", text, variants));
  const gpu = args.choice("gpu", gpuKinds);
  if (gpu !== undefined && (target ?? "wasm") === "wasm") usage("--gpu needs --target webgpu or auto");
  const gpuFloats = args.choice("gpu-floats", ["float32", "float16"]);
  if (gpuFloats !== undefined && (target ?? "wasm") === "wasm") usage("--gpu-floats needs --target webgpu or auto"); // prettier-ignore
  const output = args.text("output") ?? `${file.name}.tile`;
  const trace = traceTo(terminal.error, args);
  const options = {
    ...compileOptions(args, file, terminal.watch(trace.sink)),
    ...(chosen.length > 0 ? { variants: chosen } : {}),
    ...(target === undefined ? {} : { targets: targets[target] }),
    ...(gpu === undefined ? {} : { gpu }),
    ...(gpuFloats === undefined ? {} : { gpuFloats }),
    ...(args.has("profile") ? { profile: true } : {}),
  };
  const start = performance.now();
  const { artifact, report } = compile(file.bytes, options);
  const milliseconds = performance.now() - start;
  terminal.progress(undefined);
  trace.finish();
  // Written aside and renamed, so that a page never loads half a file.
  writeFileSync(`${output}.part`, artifact);
  renameSync(`${output}.part`, output);
  if (args.has("types")) {
    const { inputs, outputs } = describeArtifact(output, artifact);
    writeDeclaration({
      path: `${output}.d.ts`,
      text: modelDeclaration(basename(output), { inputs, outputs }),
    });
  }
  if (args.has("json")) {
    terminal.out(`${JSON.stringify({ ...report, model: file.path, artifact: output, artifactBytes: artifact.length, compileMilliseconds: milliseconds }, null, 2)}\n`); // prettier-ignore
    return 0;
  }
  const open = report.kind === "late" ? openDimensions(file.bytes, options) : [];
  terminal.out(`${file.path} -> ${output}\n\n${reportTable(report, artifact.length, milliseconds)}\n`);
  if (report.kind === "late") terminal.out(`\n${open.length > 0 ? openText(open) : DEPENDS_ON_DATA}\n`);
  if (args.has("kernels")) terminal.out(`\n${kernelTable(report)}\n`);
  return 0;
}

const DEPENDS_ON_DATA =
  "Shapes or branches depend on data, so it is bound in parts while it runs, as the data becomes known.\n--trace=bind tells which nodes wait for what.";

/** How `openDimensions` names what is open of an input that is a sequence. */
const LENGTH_OF_SEQUENCE = "length";

/** Why the artifact is late, and what would bind it now. */
function openText(open: ReturnType<typeof openDimensions>): string {
  const where = open.map(({ input, dims }) => `${input} (${dims.join(", ")})`).join("; ");
  const named = open
    .flatMap(({ dims }) => dims)
    .filter((dim) => /^[A-Za-z_]\w*$/.test(dim) && dim !== "shape" && dim !== LENGTH_OF_SEQUENCE);
  const text = `Dimensions are open: ${where}.\nThey are bound when it runs`;
  // How many elements a sequence has is only known from the elements that a run is given.
  if (open.some(({ dims }) => dims.includes(LENGTH_OF_SEQUENCE))) return `${text}.`;
  const options = [...new Set(named)].map((dim) => `--dim ${dim}=N`).join(" ") || "--shape INPUT=SHAPE";
  return `${text}; to bind them now, give ${options}.`;
}

/** What one run on WebGPU takes. */
function gpuRows(gpu: GpuReport): string[][] {
  const rows = [
    ["WebGPU", `${grouped(gpu.dispatches)} dispatches by ${grouped(gpu.pipelines)} pipelines, ${bytesText(gpu.wgslBytes)} of WGSL`], // prettier-ignore
    ["on the GPU", `${bytesText(gpu.arenaBytes)} for intermediate values`],
  ];
  if (gpu.hostCalls.length === 0) return rows;
  const reasons = new Map<string, number>();
  for (const { why } of gpu.hostCalls) reasons.set(why, (reasons.get(why) ?? 0) + 1);
  const text = [...reasons].map(([why, count]) => (count > 1 ? `${why} (${count})` : why)).join(", ");
  return [...rows, ["on the host", `${grouped(gpu.hostCalls.length)} calls, ${grouped(gpu.roundTrips)} round trips: ${text}`]]; // prettier-ignore
}

/** The figures of a compilation. */
function reportTable(report: CompileReport, artifactBytes: number, milliseconds: number): string {
  const stages = Object.entries(report.milliseconds)
    .sort(([, a], [, b]) => b - a)
    .filter(([, time]) => time >= 0.5)
    .slice(0, 6)
    .map(([stage, time]) => `${stage} ${Math.round(time)}`)
    .join(", ");
  const code = Object.entries(report.codeBytes).map(([variant, bytes]) => `${bytesText(bytes)} ${variant}`);
  const late = report.kind === "late";
  return table(
    [
      ["ops in", grouped(report.opsIn)],
      ["kernels out", late ? "made when the shapes are known" : grouped(report.kernelsOut)],
      ...(late ? [] : [["fused", grouped(report.fused)]]),
      ...(late || code.length === 0 ? [] : [["code", code.join(", ")]]),
      ...(report.gpu ? gpuRows(report.gpu) : []),
      ["weights", bytesText(report.weightBytes)],
      ...(late
        ? []
        : [
            ["arena", bytesText(report.arenaBytes)],
            ...(report.memoryBytes === 0 ? [] : [["memory", `${bytesText(report.memoryBytes)}, of which no plan can do without ${bytesText(report.memoryBoundBytes)}`]]), // prettier-ignore
          ]),
      ...(late
        ? []
        : [["moved per run", `${bytesText(report.movedBytes.fused)}, ${bytesText(report.movedBytes.unfused)} without fusion`]]), // prettier-ignore
      ["artifact", bytesText(artifactBytes)],
      ["compile time", `${millisecondsText(milliseconds)}${stages === "" ? "" : ` (${stages})`}`],
    ],
    { indent: 2 },
  );
}

function kernelTable({ kernels }: CompileReport): string {
  const rows = kernels.map(({ name, nodes, work, bytes, calls }) => [
    name,
    grouped(calls),
    grouped(work),
    grouped(bytes),
    nodes.length > 3 ? `${nodes.slice(0, 3).join(" ")} +${nodes.length - 3}` : nodes.join(" "),
  ]);
  return table([["kernel", "calls", "work", "bytes", "nodes"], ...rows], { heading: true });
}
