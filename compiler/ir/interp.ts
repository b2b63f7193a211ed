/**
 * The slow definition of the Kernel IR. In: a kernel and its buffers' elements. Out: the out buffers filled.
 * Invariant: what this computes is what the kernel means; backends are tested against it. Each assignment runs
 * over its points in row-major order of its axes, one point at a time.
 */
import { InternalError } from "../diagnostic.ts";
import { computeType, type NumericData } from "./dtype.ts";
import { compileAddress, compileExpr, Context, outOfBounds } from "./interpExpr.ts";
import { reducer, type Evaluate } from "./interpOperator.ts";
import type { Expr } from "./expr.ts";
import type { Assign, Axis, Block, Kernel } from "./kernel.ts";
import { storeFunction } from "./numeric.ts";

/**
 * Runs `kernel` over `buffers`, given in the kernel's order. Elements lie as each buffer's layout says (row-major
 * where it has none); the array of a "temp" buffer may be left out. Throws {@link InternalError} when the kernel
 * reads or writes outside a buffer.
 */
export function runKernel(kernel: Kernel, buffers: readonly (NumericData | undefined)[]): void {
  const context = new Context(kernel.buffers, buffers);
  for (const block of kernel.body) compileBlock(block, context)();
}

function compileBlock(block: Block, context: Context): () => void {
  return block.kind === "assign"
    ? compileAssign(block, context)
    : over([block.axis], context, sequence(block.body.map((inner) => compileBlock(inner, context))));
}

function sequence(parts: readonly (() => void)[]): () => void {
  if (parts.length === 1) return parts[0]!;
  return () => {
    for (const part of parts) part();
  };
}

/** Runs `body` at every point of `axes`, the last varying fastest. */
function over(axes: readonly Axis[], context: Context, body: () => void): () => void {
  const { point } = context;
  return axes.reduceRight<() => void>((inner, { name, extent }) => {
    const slot = context.slot(name);
    return () => {
      for (let i = 0; i < extent; i++) {
        point[slot] = i;
        inner();
      }
    };
  }, body);
}

function compileAssign(assign: Assign, context: Context): () => void {
  const store = compileStore(assign.out, assign.index, assign.value, context);
  const { reduce } = assign;
  if (!reduce) return over(assign.axes, context, store);
  const body = compileExpr(reduce.body, context);
  const { identity, combine, finish } = reducer(reduce.op, reduce.body.type);
  let total = identity;
  const accumulate = over(reduce.axes, context, () => {
    total = combine(total, body());
  });
  return over(assign.axes, context, () => {
    total = identity;
    accumulate();
    context.accumulator = finish(total);
    store();
  });
}

/** Stores `value` at `index` of buffer number `out`, narrowed to its dtype. */
export function compileStore(out: number, index: readonly Expr[], value: Expr, context: Context): () => void {
  const buffer = context.buffers[out];
  const data = context.data[out];
  if (!buffer || !data) throw new InternalError(`store to buffer ${out} of ${context.buffers.length}`);
  if (value.type !== computeType(buffer.dtype)) {
    throw new InternalError(`store of ${value.type} to ${buffer.name}, which holds ${buffer.dtype}`);
  }
  const coordinates: readonly Evaluate[] = index.map((e) => compileExpr(e, context));
  const address = compileAddress(buffer, coordinates);
  const narrow = storeFunction(buffer.dtype);
  const evaluate = compileExpr(value, context);
  return () => {
    const stored = narrow(evaluate());
    const at = address();
    if (at < 0) outOfBounds("store to", buffer, coordinates);
    data[at] = stored;
  };
}
