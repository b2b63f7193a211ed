/**
 * Kernels run as WebAssembly, for tests. In: a kernel, a schedule and the elements of its buffers. Out: the
 * elements after the emitted function has run. Invariant: the buffers lie at the very start and the very end of
 * memory, so that an access that wraps or overruns traps, and all bytes between them are checked afterwards.
 */
import { Code, Locals, ModuleBuilder } from "../compiler/backend/wasm/assembler.ts";
import { emitNest, emitNestInParts } from "../compiler/backend/wasm/emit.ts";
import { levelsOf, unitsOf } from "../compiler/backend/wasm/units.ts";
import type { ValueType } from "../compiler/backend/wasm/opcodes.ts";
import { prepareNest } from "../compiler/backend/wasm/program.ts";
import { viewOf, type NumericData } from "../compiler/ir/dtype.ts";
import type { Kernel } from "../compiler/ir/kernel.ts";
import { ONE_PART } from "../compiler/ir/program.ts";
import type { Nest } from "../compiler/ir/nest.ts";
import type { Schedule } from "../compiler/ir/schedule.ts";
import { mathFunction } from "../runtime/format/header.ts";

const PAGE = 65536;
/** Bytes after a value that vector loads may read, as the memory plan leaves them. */
const SLACK = 16;
const FILL = 0xa5;

/** Whether this engine runs the relaxed SIMD instructions. */
export function hasRelaxedSimd(): boolean {
  const code = new Code(new Locals([]));
  const zero = (): Code => code.f32(0).op("f32x4.splat");
  zero();
  zero().product();
  zero().addProduct().drop();
  return WebAssembly.validate(emittedModule(code, true, 0) as BufferSource);
}

/** The nest that a kernel becomes under a schedule. */
export function nestOf(kernel: Kernel, schedule: Schedule): Nest {
  return prepareNest({
    kind: "kernel",
    nodes: [],
    kernel,
    schedule,
    parts: ONE_PART,
    inputs: [],
    outputs: [],
  });
}

/** A module that exports `kernel`, the function of the code with so many parameters, over imported memory. */
export function emittedModule(code: Code, relaxed: boolean, parameters: number, pages = 1): Uint8Array {
  const module = new ModuleBuilder();
  const imports = new Map<string, number>();
  for (const name of code.mathNames) {
    const takes: ValueType[] = name === "pow" || name === "fmod" ? ["f64", "f64"] : ["f64"];
    imports.set(name, module.import("math", name, { takes, gives: ["f64"] }));
  }
  const type = { takes: new Array<ValueType>(parameters).fill("i32"), gives: [] };
  module.function(type, code, "kernel", { relaxed, mathImport: (name) => imports.get(name)! });
  return module.build(pages);
}

/**
 * Runs a nest's emitted code over copies of `data`, given in the order of its buffers, and returns them. Throws when
 * the code writes outside of its buffers. `parts`: in so many calls, each for a range of the nest's units; with a
 * negative number the last first, which only independent units allow.
 */
export function runEmitted(
  nest: Nest,
  data: readonly NumericData[],
  relaxed: boolean,
  parts = 0,
): NumericData[] {
  const code = parts === 0 ? emitNest(nest) : emitNestInParts(nest);
  const total = data.reduce((sum, view) => sum + view.byteLength + 2 * SLACK, 4 * SLACK);
  const pages = Math.ceil(total / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages });
  const bytes = new Uint8Array(memory.buffer).fill(FILL);
  // The first half from the start, the rest up to the end.
  const addresses: number[] = [];
  let low = SLACK;
  let high = pages * PAGE;
  data.forEach((view, i) => {
    if (i % 2 === 1) {
      high = (high - view.byteLength - SLACK) & -SLACK;
      addresses.push(high);
    } else {
      addresses.push(low);
      low += (view.byteLength + 2 * SLACK - 1) & -SLACK;
    }
  });
  const owned = new Uint8Array(bytes.length);
  data.forEach((view, i) => {
    bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), addresses[i]!);
    owned.fill(1, addresses[i]!, addresses[i]! + view.byteLength);
  });
  const module = new WebAssembly.Module(
    emittedModule(code, relaxed, code.locals.parameters, pages) as BufferSource,
  );
  const math = Object.fromEntries(code.mathNames.map((name) => [name, mathFunction(name)!]));
  const { exports } = new WebAssembly.Instance(module, { env: { memory }, math });
  const kernel = exports["kernel"] as (...parameters: number[]) => void;
  if (parts === 0) kernel(...addresses);
  else {
    const units = unitsOf(nest.body, levelsOf(nest.body));
    const count = Math.abs(parts);
    const order = Array.from({ length: count }, (_, i) => (parts < 0 ? count - 1 - i : i));
    for (const i of order)
      kernel(...addresses, Math.floor((i * units) / count), Math.floor(((i + 1) * units) / count));
  }
  const stray = bytes.findIndex((byte, at) => byte !== FILL && owned[at] === 0);
  if (stray >= 0) throw new RangeError(`byte ${stray} belongs to no buffer and was written`);
  return data.map((view, i) =>
    viewOf(nest.buffers[i]!.dtype, memory.buffer, addresses[i]!, view.length).slice(),
  );
}
