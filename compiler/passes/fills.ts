/**
 * Borders written once. In: a Program with layouts, whose calls write the borders of what they make. Out: the same calls
 * without, and calls of their own that write the borders. Invariant: memory that a border is in must keep its content
 * from one run to the next (see lower/placeGpu.ts), and be zero at first: borders of zeros are no call at all.
 */
import type { Assign, Block, Kernel } from "../ir/kernel.ts";
import type { Call, KernelCall, Program } from "../ir/program.ts";
import { isBorder } from "./layout/halo.ts";

export interface WithoutFills {
  readonly program: Program;
  /** Calls without inputs. */
  readonly fills: readonly KernelCall[];
}

export function withoutFills(program: Program): WithoutFills {
  const fills: KernelCall[] = [];
  const calls = program.calls.map((call): Call => {
    if (call.kind !== "kernel" || !call.kernel.body.some(isFill)) return call;
    const inputs = call.inputs.length;
    const borders = call.kernel.body.filter(isFill);
    call.outputs.forEach((id, k) => {
      const body = borders
        .filter(({ out, value }) => out === inputs + k && !isZero(value))
        .map((assign) => ({ ...assign, out: 0 }));
      const buffer = call.kernel.buffers[inputs + k]!;
      const kernel: Kernel = { name: "border", buffers: [buffer], body };
      if (body.length) fills.push({ kind: "kernel", nodes: call.nodes, kernel, inputs: [], outputs: [id] });
    });
    return { ...call, kernel: { ...call.kernel, body: call.kernel.body.filter((b) => !isFill(b)) } };
  });
  return { program: { ...program, calls }, fills };
}

/** Whether a block writes a border, and nothing else. */
export function isFill(block: Block): block is Assign {
  return block.kind === "assign" && isBorder(block);
}

function isZero(value: Assign["value"]): boolean {
  return value.kind === "const" && Object.is(Number(value.value), 0);
}
