/**
 * Checks of operand shapes that a definition's loads rely on. In: a call and what it needs. Out: nothing, or a
 * CompileError that names the node. Invariant: a kernel reads without tests, so whatever its indices assume about
 * an operand's shape is checked here first; a model file can say anything.
 */
import type { OpCall } from "./define.ts";

/** Input `position`, where given, must have exactly this shape. */
export function expectShape(call: OpCall, position: number, what: string, shape: readonly number[]): void {
  const found = call.inputs[position]?.shape;
  if (!found || found.join() === shape.join()) return;
  call.fail("shape-mismatch", `${what} is [${found}] where [${shape}] is needed`);
}

/** Input `position` must have a rank in `ranks`. */
export function expectRank(call: OpCall, position: number, what: string, ...ranks: readonly number[]): void {
  const found = call.input(position).shape;
  if (ranks.includes(found.length)) return;
  call.fail("shape-mismatch", `${what} is [${found}]: its rank must be ${ranks.join(" or ")}`);
}

/** Input `position`, where given, must broadcast to `shape` without widening it. */
export function expectBroadcast(
  call: OpCall,
  position: number,
  what: string,
  shape: readonly number[],
): void {
  const found = call.inputs[position]?.shape;
  if (!found) return;
  const skip = shape.length - found.length;
  const fits = skip >= 0 && found.every((dim, d) => dim === 1 || dim === shape[d + skip]);
  if (!fits) call.fail("shape-mismatch", `${what} is [${found}] and does not broadcast to [${shape}]`);
}

/** Input `position`, where given, must have one element or one for each of `count`. */
export function expectOneOr(call: OpCall, position: number, what: string, count: number): void {
  const found = call.inputs[position]?.shape;
  if (!found) return;
  const elements = found.reduce((product, dim) => product * dim, 1);
  if (elements !== 1 && elements !== count) {
    call.fail("shape-mismatch", `${what} is [${found}] where one element or ${count} are needed`);
  }
}
