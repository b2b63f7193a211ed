/**
 * Kernels run as WebAssembly, for tests. In: a kernel, a schedule and the elements of its buffers. Out: the
 * elements after the emitted function has run. Invariant: the buffers lie at the very start and the very end of
 * memory, so that an access that wraps or overruns traps, and all bytes between them are checked afterwards.
 */
import { Code, Locals, ModuleBuilder } from "../compiler/backend/wasm/assembler.ts";
import { emitNest } from "../compiler/backend/wasm/emit.ts";
import { cutOf, unitsOf } from "../compiler/backend/wasm/units.ts";
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

/** Memories by their size: an engine reserves gigabytes of addresses for each, which takes long. */
const memories = new Map<number, WebAssembly.Memory>();

function memoryOf(pages: number): WebAssembly.Memory {
  let memory = memories.get(pages);
  if (!memory) memories.set(pages, (memory = new WebAssembly.Memory({ initial: pages })));
  return memory;
}

/** Where `data` lies: the even ones from the start of memory on, the odd ones up to its end. */
function placed(data: readonly NumericData[], size: number): number[] {
  let low = SLACK;
  let high = size;
  return data.map(({ byteLength }, i) => {
    if (i % 2 === 1) return (high = (high - byteLength - SLACK) & -SLACK);
    const address = low;
    low += (byteLength + 2 * SLACK - 1) & -SLACK;
    return address;
  });
}

/** Throws when a byte that belongs to no buffer is not what it was. */
function expectUntouched(
  bytes: Uint8Array,
  addresses: readonly number[],
  data: readonly NumericData[],
): void {
  const owned = addresses.map((from, i) => [from, from + data[i]!.byteLength] as const);
  let at = 0;
  for (const [from, to] of [...owned.sort(([a], [b]) => a - b), [bytes.length, bytes.length] as const]) {
    for (; at < from; at++)
      if (bytes[at] !== FILL) throw new RangeError(`byte ${at} belongs to no buffer and was written`);
    at = Math.max(at, to);
  }
}

/**
 * A nest's emitted code as a function, which runs it over copies of `data`, given in the order of the nest's buffers,
 * and returns them. It throws when the code writes outside of its buffers. With `inParts` the code is that which is
 * called for a range of the nest's units at a time: in `parts` calls, with a negative number the last first, which only
 * independent units allow.
 */
export function emittedKernel(
  nest: Nest,
  relaxed: boolean,
  inParts: boolean,
): (data: readonly NumericData[], parts?: number) => NumericData[] {
  const code = emitNest(nest, inParts);
  const math = Object.fromEntries(code.mathNames.map((name) => [name, mathFunction(name)!]));
  const instances = new Map<number, (...parameters: number[]) => void>();
  const instance = (pages: number): ((...parameters: number[]) => void) => {
    let kernel = instances.get(pages);
    if (!kernel) {
      const bytes = emittedModule(code, relaxed, code.locals.parameters, pages);
      const module = new WebAssembly.Module(bytes as BufferSource);
      const { exports } = new WebAssembly.Instance(module, { env: { memory: memoryOf(pages) }, math });
      kernel = exports["kernel"] as (...parameters: number[]) => void;
      instances.set(pages, kernel);
    }
    return kernel;
  };
  return (data, parts = 1) => {
    const total = data.reduce((sum, view) => sum + view.byteLength + 2 * SLACK, 4 * SLACK);
    const pages = Math.ceil(total / PAGE);
    const kernel = instance(pages);
    const { buffer } = memoryOf(pages);
    const bytes = new Uint8Array(buffer).fill(FILL);
    const addresses = placed(data, bytes.length);
    data.forEach((view, i) => {
      bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), addresses[i]!);
    });
    if (!inParts) kernel(...addresses);
    else {
      const units = unitsOf(nest.body, cutOf(nest));
      const count = Math.abs(parts);
      const order = Array.from({ length: count }, (_, i) => (parts < 0 ? count - 1 - i : i));
      for (const i of order)
        kernel(...addresses, Math.floor((i * units) / count), Math.floor(((i + 1) * units) / count));
    }
    expectUntouched(bytes, addresses, data);
    return data.map((view, i) => viewOf(nest.buffers[i]!.dtype, buffer, addresses[i]!, view.length).slice());
  };
}

/** Runs a nest's emitted code once, as a whole: see {@link emittedKernel}. */
export function runEmitted(nest: Nest, data: readonly NumericData[], relaxed: boolean): NumericData[] {
  return emittedKernel(nest, relaxed, false)(data);
}
