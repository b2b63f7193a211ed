/**
 * Kernels as text and back. In: a kernel. Out: its buffers, one a line, then loops and assignments:
 * `for i in 0..4: out0[i] = sum(k in 0..64) in0[i, k]; then max(acc, 0.0)`. Invariant: parsing a printed kernel
 * gives an equal one, whose expressions are the same nodes.
 */
import { dtypes, type ComputeType } from "../dtype.ts";
import { acc, type Expr } from "../expr.ts";
import type { Assign, Axis, Block, Buffer, Halo, Kernel, Layout, Reduction } from "../kernel.ts";
import { bufferText, printExpr, readBuffer, readExpr, type TextScope } from "./expr.ts";
import { nameText } from "./name.ts";
import { numberText, parseAll, type Reader } from "./token.ts";

const reductions = ["sum", "max", "min", "prod"] as const;

// ---------------------------------------------------------------------------------------------------------------
// Printing

export function printKernel(kernel: Kernel): string {
  const scope = { buffers: kernel.buffers, axes: new Map<string, number>() };
  const lines = [...kernel.buffers.map((buffer) => bufferLine(buffer)), ...blockLines(kernel.body, scope)];
  return `kernel ${nameText(kernel.name)} ${braces(lines)}`;
}

/** Lines between braces, indented. */
export function braces(lines: readonly string[]): string {
  if (lines.length === 0) return "{}";
  return `{\n${lines.map((line) => line.replace(/^/gm, "  ")).join("\n")}\n}`;
}

export function bufferLine({ name, dtype, shape, role, layout }: Buffer): string {
  const head = `${role} ${nameText(name)}: ${dtype}${listText(shape)}`;
  if (!layout) return head;
  const { strides, offset, halo } = layout;
  const border = halo
    ? ` halo ${listText(halo.before)} ${listText(halo.after)} ${numberText(halo.value)}`
    : "";
  return `${head} strides ${listText(strides)} offset ${offset}${border}`;
}

function listText(values: readonly number[]): string {
  return `[${values.map(numberText).join(", ")}]`;
}

function axesText(axes: readonly Axis[]): string {
  return axes.map(({ name, extent }) => `${nameText(name)} in 0..${extent}`).join(", ");
}

function within(scope: TextScope, axes: readonly Axis[]): TextScope {
  return {
    buffers: scope.buffers,
    axes: new Map([...scope.axes, ...axes.map((a) => [a.name, a.extent] as const)]),
  };
}

function blockLines(blocks: readonly Block[], scope: TextScope): string[] {
  return blocks.map((block) => {
    if (block.kind === "assign") return assignText(block, scope);
    const word = block.carried ? "carried" : "loop";
    return `${word} ${axesText([block.axis])} ${braces(blockLines(block.body, within(scope, [block.axis])))}`;
  });
}

function assignText(assign: Assign, outer: TextScope): string {
  const scope = within(outer, assign.axes);
  const points = assign.axes.length ? `for ${axesText(assign.axes)}: ` : "";
  const target = targetText(scope, assign.out, assign.index);
  const { reduce } = assign;
  if (!reduce) return `${points}${target} = ${printExpr(assign.value, scope)}`;
  const body = printExpr(reduce.body, within(scope, reduce.axes));
  const { type } = reduce.body;
  const value = assign.value.kind === "acc" && assign.value.type === type ? "" : `; then ${printExpr(assign.value, { ...scope, accumulator: type })}`; // prettier-ignore
  return `${points}${target} = ${reduce.op}(${axesText(reduce.axes)}) ${body}${value}`;
}

/** The element that is stored to. */
export function targetText(scope: TextScope, buffer: number, index: readonly Expr[]): string {
  return `${bufferText(scope.buffers, buffer)}[${index.map((e) => printExpr(e, scope)).join(", ")}]`;
}

// ---------------------------------------------------------------------------------------------------------------
// Parsing

/** Parses what {@link printKernel} printed. Throws CompileError where the text is malformed. */
export function parseKernel(text: string): Kernel {
  return parseAll(text, (reader) => {
    reader.expect("kernel");
    const name = reader.name();
    reader.expect("{");
    const buffers = readBuffers(reader);
    return { name, buffers, body: reader.until("}", () => readBlock(reader, { buffers, axes: new Map() })) };
  });
}

/** Reads the lines that declare buffers. */
export function readBuffers(reader: Reader): Buffer[] {
  const buffers: Buffer[] = [];
  // A role is a word here only where a name follows: a buffer called `out` is stored to as `out[...]`.
  while (["in", "out", "temp"].some((role) => reader.sees(role)) && !reader.sees("[", 1)) {
    const role = reader.choice(["in", "out", "temp"] as const);
    const name = reader.name();
    reader.expect(":");
    const dtype = reader.choice(dtypes);
    const shape = readNumbers(reader);
    const layout = reader.accept("strides") ? readLayout(reader) : undefined;
    buffers.push({ name, dtype, shape, role, ...(layout ? { layout } : {}) });
  }
  return buffers;
}

function readLayout(reader: Reader): Layout {
  const strides = readNumbers(reader);
  reader.expect("offset");
  const offset = reader.integer();
  if (!reader.accept("halo")) return { strides, offset };
  const halo: Halo = { before: readNumbers(reader), after: readNumbers(reader), value: reader.number() };
  return { strides, offset, halo };
}

function readNumbers(reader: Reader): number[] {
  return reader.list("[", "]", () => reader.integer());
}

/** `name in from..to`. */
export function readRange(reader: Reader): { name: string; from: number; extent: number } {
  const name = reader.name();
  reader.expect("in");
  const from = reader.integer();
  reader.expect("..");
  return { name, from, extent: reader.integer() - from };
}

function readAxis(reader: Reader): Axis {
  const { name, from, extent } = readRange(reader);
  return from === 0 ? { name, extent } : reader.fail(`axis ${name} must start at 0, before here`);
}

function readBlock(reader: Reader, scope: TextScope): Block {
  if (reader.sees("loop") || reader.sees("carried")) {
    const carried = reader.take().text === "carried";
    const axis = readAxis(reader);
    const inner = within(scope, [axis]);
    reader.expect("{");
    return { kind: "loop", axis, carried, body: reader.until("}", () => readBlock(reader, inner)) };
  }
  const axes: Axis[] = [];
  if (reader.accept("for")) {
    do axes.push(readAxis(reader));
    while (reader.accept(","));
    reader.expect(":");
  }
  return readAssign(reader, axes, within(scope, axes));
}

function readAssign(reader: Reader, axes: readonly Axis[], scope: TextScope): Assign {
  const { out, index } = readTarget(reader, scope);
  reader.expect("=");
  if (!startsReduction(reader)) return { kind: "assign", axes, out, index, value: readExpr(reader, scope) };
  const op = reader.choice(reductions);
  const reduced = reader.list("(", ")", () => readAxis(reader));
  const body = readExpr(reader, within(scope, reduced));
  const reduce: Reduction = { op, axes: reduced, body };
  const value = readAfter(reader, scope, body.type);
  return { kind: "assign", axes, reduce, value, out, index };
}

function readAfter(reader: Reader, scope: TextScope, accumulator: ComputeType): Expr {
  if (!reader.accept(";")) return acc(accumulator);
  reader.expect("then");
  return readExpr(reader, { ...scope, accumulator });
}

/** `max(k in 0..3) ...` reduces, `max(a, b)` is an expression. */
function startsReduction(reader: Reader): boolean {
  return (
    reductions.some((op) => reader.sees(op)) &&
    reader.sees("(", 1) &&
    (reader.sees(")", 2) || reader.sees("in", 3))
  );
}

/** Reads the element that is stored to. */
export function readTarget(reader: Reader, scope: TextScope): { out: number; index: Expr[] } {
  const { buffer } = readBuffer(reader, scope.buffers);
  return { out: buffer, index: reader.list("[", "]", () => readExpr(reader, scope)) };
}
