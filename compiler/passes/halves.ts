/**
 * Floats of 16 bits in memory. In: a Program with layouts, of which a caller has said that it may be less exact. Out: one
 * whose weights and intermediate values are float16 where they were float32; inputs, outputs and all arithmetic stay
 * float32. Invariant: each stored value is rounded once, to nearest (2^-11 of it at most; past 65,504 to infinity, below
 * 2^-24 to zero); constants that such a number cannot hold stay as they are, and so do small ones, whose bytes do not count.
 */
import { elementCount, type Tensor } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Buffer } from "../ir/kernel.ts";
import { storeFunction } from "../ir/numeric.ts";
import { rootsOf, type Call, type Program, type ProgramValue } from "../ir/program.ts";

/** Elements of constants that are worth it: biases and scales are not. */
const LEAST_CONSTANT = 1024;
const LARGEST = 65_504;

export function inHalves(program: Program): Program {
  const { values, calls } = program;
  const rootOf = rootsOf(values);
  const kept = new Set([...program.inputs, ...program.outputs.map(({ id }) => id)].map(rootOf));
  for (const [id, { dtype, layout, dynamicDim, sizeOf }] of values) {
    const border = layout?.halo?.value ?? 0;
    const plain = dtype === "float32" && dynamicDim === undefined && sizeOf === undefined;
    if (!plain || (Math.abs(border) > LARGEST && Number.isFinite(border))) kept.add(rootOf(id));
  }
  for (const call of calls)
    if (call.kind === "library") for (const id of [...call.inputs, ...call.outputs]) kept.add(rootOf(id));
  const constants = new Map<ValueId, Tensor>();
  for (const [id, tensor] of program.constants) {
    const half = kept.has(rootOf(id)) ? undefined : halfOf(tensor);
    if (half === undefined) kept.add(rootOf(id));
    constants.set(id, half ?? tensor);
  }
  const becomes = (id: ValueId | undefined): boolean => id !== undefined && values.has(id) && !kept.has(rootOf(id)); // prettier-ignore
  const changed = calls.map((call): Call => {
    if (call.kind === "library") return call;
    const ids = [...call.inputs, ...call.outputs];
    const buffers = call.kernel.buffers.map((b, i): Buffer => (becomes(ids[i]) ? { ...b, dtype: "float16" } : b)); // prettier-ignore
    return { ...call, kernel: { ...call.kernel, buffers } };
  });
  return {
    ...program,
    calls: changed,
    constants,
    values: new Map([...values].map(([id, value]): [ValueId, ProgramValue] => [id, becomes(id) ? { ...value, dtype: "float16" } : value])), // prettier-ignore
  };
}

function halfOf({ dtype, shape, data }: Tensor): Tensor | undefined {
  if (dtype !== "float32" || elementCount(shape) < LEAST_CONSTANT) return undefined;
  const floats = data as Float32Array;
  if (floats.some((x) => Math.abs(x) > LARGEST && Number.isFinite(x))) return undefined;
  const store = storeFunction("float16");
  return { dtype: "float16", shape, data: Uint16Array.from(floats, (x) => Number(store(x))) };
}
