/**
 * Equal calls. In: opened calls. Out: the same, in which kernels that compute the same of the same values are one, and
 * whoever read the others reads it. Invariant: an output of the program keeps its own call.
 */
import { loadTyped, type Expr } from "../../ir/expr.ts";
import type { Block } from "../../ir/kernel.ts";
import { rewrite } from "../../ir/walk.ts";
import { mapBody, type OpenKernel } from "../open.ts";
import type { FuseTrace, OpenCalls } from "./calls.ts";

/** Equal kernels on equal inputs are computed once. */
export function shareEqual(calls: OpenCalls, trace: FuseTrace): void {
  const { numbers } = calls;
  const known = new Map<string, OpenKernel>();
  const renamed = new Map<number, number>();
  calls.list.forEach((call, at) => {
    if (call?.kind !== "kernel") return;
    let current: OpenKernel = call;
    if (renamed.size && calls.inputsOf(call).some((id) => renamed.has(numbers.numberOf(id)))) {
      current = { ...call, body: renumbered(call.body, renamed) };
      calls.replace(at, current);
    }
    if (current.outputs.length !== 1 || calls.outputs.has(current.outputs[0]!)) return;
    const own = numbers.numberOf(current.outputs[0]!);
    const { dtype, shape } = numbers.at(own);
    const assign = current.body[0];
    if (current.body.length !== 1 || assign?.kind !== "assign") return;
    const key = `${dtype}[${shape}]${assign.axes.map((a) => `${a.name}:${a.extent}`)};${assign.index.map((e) => e.id)};${assign.value.id};${assign.reduce ? `${assign.reduce.op}${assign.reduce.axes.map((a) => `${a.name}:${a.extent}`)}${assign.reduce.body.id}` : ""}`; // prettier-ignore
    const first = known.get(key);
    if (!first) {
      known.set(key, current);
      return;
    }
    trace("share", first.nodes.join("+"), current.nodes.join("+"));
    renamed.set(own, numbers.numberOf(first.outputs[0]!));
    calls.replace(at, undefined);
  });
  if (!renamed.size) return;
  calls.list.forEach((call, at) => {
    if (call?.kind === "library" && call.inputs.some((id) => id && renamed.has(numbers.numberOf(id)))) {
      const inputs = call.inputs.map((id) => (id && renamed.has(numbers.numberOf(id)) ? numbers.at(renamed.get(numbers.numberOf(id))!).id : id)); // prettier-ignore
      calls.replace(at, { ...call, inputs });
    }
  });
}

function renumbered(body: readonly Block[], by: ReadonlyMap<number, number>): Block[] {
  const memo = new Map<Expr, Expr>();
  return mapBody(body, (e) =>
    rewrite(
      e,
      (x) =>
        x.kind === "load" && by.has(x.buffer)
          ? loadTyped(by.get(x.buffer)!, x.type, x.index, x.pad)
          : undefined,
      memo,
    ),
  );
}
