/**
 * How often a kernel is called for one run of it. In: a kernel as it is scheduled. Out: the number of its parts, and
 * how many threads may share them. Invariant: parts that are shared touch no element of one another; where iterations
 * use scratch, each thread has scratch of its own. A kernel on one thread is cut too when it is long: an engine that
 * compiles a function once more, better, can take the new code only at its next call.
 */
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import { assignments, type Kernel, type Loop } from "../ir/kernel.ts";
import { axesOf } from "../ir/walk.ts";
import { ONE_PART, type Parts } from "../ir/program.ts";
import { storesApart } from "../lower/independent.ts";
import { LEAST_SHARED, nanosecondsOf } from "../passes/time.ts";

/** Long enough that claiming a part costs nothing, short enough that no thread waits long for the last one. */
const PART_NANOSECONDS = 10_000;
/** Enough for sixteen threads to share evenly. */
const MOST_PARTS = 48;
/** Most threads of a kernel that uses scratch, and its scratch for all of them. */
const MOST_WITH_SCRATCH = 8;
const MOST_SCRATCH_BYTES = 4 << 20;

/** `least`: fewer nanoseconds than this are not cut. */
export function chooseParts(kernel: Kernel, least = LEAST_SHARED): Parts {
  const [block] = kernel.body;
  if (kernel.body.length !== 1 || block === undefined) return ONE_PART;
  const nanoseconds = nanosecondsOf(kernel.body);
  if (nanoseconds < least) return ONE_PART;
  const wanted = Math.min(MOST_PARTS, 2 * Math.ceil(nanoseconds / PART_NANOSECONDS / 2));
  if (block.kind === "assign")
    return storesApart(kernel, block) ? { count: wanted, threads: wanted } : ONE_PART;
  if (block.carried) return { count: Math.min(wanted, block.axis.extent), threads: 1 };
  const scratch = kernel.buffers
    .filter(({ role }) => role === "temp")
    .reduce((sum, { dtype, shape }) => sum + elementCount(shape) * bytesPerElement(dtype), 0);
  const count = Math.min(wanted, iterations(block));
  if (!keepsApart(kernel, block)) return { count, threads: 1 };
  if (scratch === 0) return { count, threads: count };
  return {
    count,
    threads: Math.max(1, Math.min(count, MOST_WITH_SCRATCH, Math.floor(MOST_SCRATCH_BYTES / scratch))),
  };
}

/** Of a loop and of the loops that are all of its body. */
function iterations(loop: Loop): number {
  return nestOf(loop).reduce((product, { axis }) => product * axis.extent, 1);
}

/** A loop and those that are all of its body, whose iterations may go to different threads. */
function nestOf(loop: Loop): Loop[] {
  const [inner] = loop.body;
  const nested = loop.body.length === 1 && inner?.kind === "loop" && !inner.carried;
  return [loop, ...(nested ? nestOf(inner) : [])];
}

/**
 * Whether iterations store to places of their own. What was scratch of each iteration may have become a value of the
 * program, because a later call reads what the last one left in it (see passes/separate.ts).
 */
function keepsApart(kernel: Kernel, loop: Loop): boolean {
  const axes = nestOf(loop).filter(({ axis }) => axis.extent > 1);
  return assignments({ ...kernel, body: [loop] }).every(({ assign }) => {
    if (kernel.buffers[assign.out]!.role === "temp") return true;
    const used = new Set(assign.index.flatMap((e) => [...axesOf(e)]));
    return axes.every(({ axis }) => used.has(axis.name));
  });
}
