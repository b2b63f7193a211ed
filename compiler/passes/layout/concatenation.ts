/**
 * Concatenations, recognised by what they do. In: a kernel. Out: the parts that it copies side by side, and the call
 * that is left when some of them are written in place. Invariant: each part is a whole input at a constant place, and no
 * two of them meet: what is written over another part, as a scatter does it, would be seen by whoever reads that part.
 */
import { int, loadTyped } from "../../ir/expr.ts";
import { linear } from "../../ir/linear.ts";
import type { Assign, Block, Kernel } from "../../ir/kernel.ts";
import type { KernelCall } from "../../ir/program.ts";

export interface Part {
  readonly assign: Assign;
  readonly buffer: number;
  readonly dim: number;
  readonly start: number[];
}

/** A kernel that does nothing but copy whole inputs next to each other. */
export function concatenationOf(kernel: Kernel): Part[] | undefined {
  const parts: Part[] = [];
  for (const block of kernel.body) {
    if (block.kind !== "assign" || block.reduce) return undefined;
    const { value } = block;
    if (value.kind !== "load" || value.pad !== undefined) return undefined;
    const { shape } = kernel.buffers[value.buffer]!;
    const start: number[] = [];
    let dim = -1;
    for (let d = 0; d < shape.length; d++) {
      const form = linear(block.index[d] ?? int(0));
      const from = value.index[d]!;
      const plain =
        from.kind === "axis"
          ? form.terms.size === 1 && form.terms.get(from) === 1
          : form.terms.size === 0 && shape[d] === 1;
      if (!plain || (from.kind === "axis" && from.extent !== shape[d])) return undefined;
      start.push(form.constant);
      if (form.constant !== 0 || shape[d] !== kernel.buffers[block.out]!.shape[d]) dim = d;
    }
    if (block.index.length !== shape.length) return undefined;
    parts.push({ assign: block, buffer: value.buffer, dim: Math.max(dim, 0), start });
  }
  return parts.length >= 2 && areApart(parts, kernel) ? parts : undefined;
}

function areApart(parts: readonly Part[], { buffers }: Kernel): boolean {
  const along = parts.find(({ start, dim }) => start[dim] !== 0)?.dim ?? 0;
  const boxes = parts.map(({ buffer, start }) => ({ start, shape: buffers[buffer]!.shape }));
  boxes.sort((a, b) => (a.start[along] ?? 0) - (b.start[along] ?? 0));
  return boxes.every((a, i) => {
    const end = (a.start[along] ?? 0) + (a.shape[along] ?? 1);
    for (let at = i + 1; at < boxes.length; at++) {
      const b = boxes[at]!;
      if ((b.start[along] ?? 0) >= end) break;
      const apart = a.shape.some((size, d) => a.start[d]! + size <= b.start[d]! || b.start[d]! + b.shape[d]! <= a.start[d]!); // prettier-ignore
      if (!apart) return false;
    }
    return true;
  });
}

/** The call with only these blocks, and only the inputs that they read. */
export function remainder(call: KernelCall, body: readonly Block[]): KernelCall {
  const used = new Set<number>();
  for (const block of body)
    if (block.kind === "assign" && block.value.kind === "load") used.add(block.value.buffer);
  const kept = call.inputs.flatMap((_, i) => (used.has(i) ? [i] : []));
  const to = new Map([...kept, call.inputs.length].map((old, i) => [old, i]));
  const blocks = body.map((block): Block => {
    if (block.kind !== "assign" || block.value.kind !== "load") return block;
    const { value } = block;
    return {
      ...block,
      out: to.get(block.out)!,
      value: loadTyped(to.get(value.buffer)!, value.type, value.index),
    };
  });
  const buffers = [...kept, call.inputs.length].map((old) => call.kernel.buffers[old]!);
  return {
    ...call,
    inputs: kept.map((i) => call.inputs[i]!),
    kernel: { ...call.kernel, buffers, body: blocks },
  };
}
