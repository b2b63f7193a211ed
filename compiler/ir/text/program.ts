/** Prints a program: one line per call with the values it reads and writes, then its kernel. */
import type { Program, ProgramValue } from "../program.ts";
import { printKernel } from "./kernel.ts";

function printValue(id: string, value: ProgramValue): string {
  const place = value.storage === undefined ? "" : ` in ${value.storage}`;
  const strides = value.layout
    ? ` strides [${value.layout.strides.join(", ")}] + ${value.layout.offset}`
    : "";
  const halo = value.layout?.halo
    ? ` halo ${value.layout.halo.before.join(",")}/${value.layout.halo.after.join(",")}`
    : "";
  return `${id}: ${value.dtype}[${value.shape.join(", ")}]${strides}${halo}${place}`;
}

export function printProgram(program: Program): string {
  const lines = [`program ${JSON.stringify(program.name)}`];
  const show = (id: string): string => (id === "" ? "-" : printValue(id, program.values.get(id)!));
  for (const id of program.inputs) lines.push(`input ${show(id)}`);
  for (const call of program.calls) {
    lines.push("", `// ${call.nodes.join(" + ")}`);
    for (const id of call.outputs) lines.push(`${show(id)} =`);
    const name = call.kind === "kernel" ? call.kernel.name : `library ${call.library.kernel.name}`;
    lines.push(`  ${name}(${call.inputs.map((id) => id || "-").join(", ")})`);
    if (call.kind === "kernel")
      lines.push(
        ...printKernel(call.kernel)
          .split("\n")
          .map((line) => `    ${line}`),
      );
  }
  for (const { id, name } of program.outputs) lines.push(`output ${name} = ${id}`);
  return lines.join("\n");
}
