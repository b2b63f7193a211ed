/**
 * `tilewright inspect`: the model at any stage of its compilation, as text. In: an ONNX file. Out: the printed IR.
 * Invariant: without `--stage` it only reads the model, so it also works on one that cannot be compiled.
 */
import { describe, inspect } from "../whole.ts";
import { usage, type Arguments, type CommandSpec } from "./commandLine.ts";
import { variants } from "./device.ts";
import { readModelFile, type ModelFile } from "./modelFile.ts";
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
import { grouped, shapeText, table } from "../tensors/table.ts";
import type { Terminal } from "./terminal.ts";

const stages = ["import", "graph", "fused", "kernels", "nest", "wat", "wgsl"] as const;

export const inspectSpec: CommandSpec = {
  name: "inspect",
  summary: "print a model, or what becomes of it at any stage of compilation",
  usage: "MODEL.onnx [--stage STAGE] [options]",
  arity: { least: 1, most: 1 },
  options: [
    { name: "stage", value: "STAGE", description: `one of ${stages.join(", ")}` },
    { name: "node", value: "NAME", description: "only what concerns this node" },
    dimOption,
    shapeOption,
    {
      name: "variant",
      value: "relaxed-simd|simd",
      description: "code to show at the stage wat; default relaxed-simd",
    },
    ...passOptions,
    ...limitOptions,
    traceOption,
    jsonOption,
  ],
  notes: [
    "import: the graph as read. graph: with shapes bound and constants folded, one call per node. fused: the calls that the passes made of them. kernels: what each computes. nest: the loops that compute it. wat: their WebAssembly. wgsl: their shaders for WebGPU, and the dispatches of a run. Without --stage: inputs, outputs and operators.",
  ],
  examples: [
    "tilewright inspect model.onnx",
    "tilewright inspect model.onnx --stage fused --dim batch=1",
    "tilewright inspect model.onnx --stage nest --node /conv1/Conv",
  ],
};

export async function inspectCommand(args: Arguments, terminal: Terminal): Promise<number> {
  const file = readModelFile(args.positionals[0]!);
  if (file.kind === "tile") usage(`${file.path} is an artifact; inspect needs the model`);
  const stage = args.choice("stage", stages);
  const node = args.text("node");
  if (stage === undefined) {
    if (node !== undefined) usage(`--node needs --stage`);
    terminal.out(overview(file, args.has("json")));
    return 0;
  }
  const trace = traceTo(terminal.error, args);
  const options = compileOptions(args, file, terminal.watch(trace.sink));
  const variant = args.choice("variant", variants);
  const text = inspect(file.bytes, stage, {
    ...options,
    ...(node === undefined ? {} : { node }),
    ...(variant === undefined ? {} : { variants: [variant] }),
  });
  terminal.progress(undefined);
  trace.finish();
  terminal.out(
    args.has("json") ? `${JSON.stringify({ model: file.path, stage, node, text })}\n` : `${text.trimEnd()}\n`,
  );
  return 0;
}

function overview(file: ModelFile, json: boolean): string {
  const described = describe(file.bytes, { externalData: file.externalData });
  if (json) return `${JSON.stringify({ model: file.path, ...described }, null, 2)}\n`;
  const { inputs, outputs, opset, nodes, ops } = described;
  const opsets = Object.entries(opset).map(([domain, version]) => `${domain || "ai.onnx"} ${version}`);
  const ports = (word: string, list: typeof inputs): string[][] => list.map(({ name, dtype, shape }) => [word, name, dtype, shapeText(shape)]); // prettier-ignore
  const counts = Object.entries(ops).sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
  return [
    `${file.path}: ${grouped(nodes)} nodes, opset ${opsets.join(", ")}`,
    "",
    table([...ports("input", inputs), ...ports("output", outputs)], { indent: 2 }),
    "",
    table(
      counts.map(([op, count]) => [op, grouped(count)]),
      { indent: 2 },
    ),
    "",
  ].join("\n");
}
