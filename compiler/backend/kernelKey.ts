/** Which calls may share code. In: a scheduled call. Out: text that is equal for equal kernels with equal schedules. */
import type { Kernel } from "../ir/kernel.ts";
import type { ScheduledKernel } from "../ir/program.ts";

/** Identity of a kernel with its schedule, within one compilation (expressions are interned). */
export function keyOf(call: ScheduledKernel): string {
  const { kernel } = call;
  const block = (b: Kernel["body"][number]): unknown =>
    b.kind === "loop"
      ? [b.axis.name, b.axis.extent, b.carried, b.body.map(block)]
      : [
          b.axes,
          b.out,
          b.index.map((e) => e.id),
          b.value.id,
          b.reduce && [b.reduce.op, b.reduce.axes, b.reduce.body.id],
        ];
  const buffers = kernel.buffers.map((b) => [b.dtype, b.shape, b.role, b.layout?.strides, b.layout?.offset]);
  return JSON.stringify([
    buffers,
    kernel.body.map(block),
    call.schedule,
    call.parts.count > 1,
    call.ends?.shapes,
  ]);
}
