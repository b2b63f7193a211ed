/**
 * An elementwise consumer in the kernel before it (an epilogue). In: a kernel, and a map that reads each element of its
 * result once. Out: the kernel, which stores what the map makes instead; undefined where points do not lie one to one, or
 * the epilogue costs too much. Invariant: what the map's output holds does not change, and the value between the two is
 * not stored any more.
 */
import { elementCount } from "../../ir/dtype.ts";
import { loadTyped, type Expr, type LoadExpr } from "../../ir/expr.ts";
import type { ValueId } from "../../ir/graph.ts";
import { assignments, mapAssigns, type Assign, type Axis, type Loop } from "../../ir/kernel.ts";
import { rewrite, substituteAxes, visit } from "../../ir/walk.ts";
import { costOf } from "../cost.ts";
import { asStored, type OpenKernel } from "../open.ts";
import { unique, type OpenCalls } from "./calls.ts";
import { loadsOf, MAX_INPUTS, MAX_SIZE, sizeOf } from "./limits.ts";

/** Stands for the element that an epilogue takes over from the reduction while axes are renamed. */
const HOLE = -1;

/**
 * @param input the value between the two
 * @param consumer the only assignment of `call`
 * @param most that the epilogue of a reduction may cost for each result
 */
export function withEpilogue(
  producer: OpenKernel,
  input: ValueId,
  consumer: Assign,
  call: OpenKernel,
  calls: OpenCalls,
  most: number,
): OpenKernel | undefined {
  const { numbers } = calls;
  const number = numbers.numberOf(input);
  const { dtype, shape } = numbers.at(number);
  const target = numbers.numberOf(call.outputs[0]!);
  // Only the producer's last word on this value may be extended, and nobody else in the kernel may read it.
  const writers: { assign: Assign; loops: readonly Loop[] }[] = [];
  let readsItself = false;
  for (const { assign, loops } of assignments(producer)) {
    if (assign.out === number) writers.push({ assign, loops });
    if (loadsOf(assign.value, number) || (assign.reduce && loadsOf(assign.reduce.body, number)))
      readsItself = true;
  }
  const [writer] = writers;
  if (readsItself || writers.length !== 1 || !writer || producer.outputs.length !== 1) return undefined;
  const around: Axis[] = [...writer.loops.map((l) => l.axis), ...writer.assign.axes];
  // Each coordinate of the stored point is one axis of the writer.
  const covered = writer.assign.index.every(
    (e) => e.kind === "axis" || (e.kind === "const" && e.value === 0),
  );
  if (!covered || elementCount(around.map((a) => a.extent)) !== elementCount(shape)) return undefined;

  const loads = new Set<LoadExpr>();
  visit(consumer.value, (x) => {
    if (x.kind === "load" && x.buffer === number) loads.add(x);
  });
  const [load] = loads;
  if (loads.size !== 1 || !load || load.pad !== undefined) return undefined;
  if (writer.assign.reduce && costOf(consumer.value) > most) return undefined;
  // The consumer reads each element once: every coordinate of the load is another of the consumer's axes.
  const by = new Map<string, Expr>();
  for (let d = 0; d < load.index.length; d++) {
    const e = load.index[d]!;
    if (e.kind === "const" && shape[d] === 1) continue;
    if (e.kind !== "axis" || by.has(e.name) || e.extent !== shape[d]) return undefined;
    by.set(e.name, writer.assign.index[d]!);
  }
  if (!consumer.axes.every((a) => a.extent === 1 || by.has(a.name))) return undefined;
  const stored = asStored(writer.assign.value, dtype);
  // acc in a consumer's value would be its own; maps have none.
  const memo = new Map<Expr, Expr>();
  const moved = substituteAxes(replacedLoad(consumer.value, load), by, memo);
  const value = rewrite(moved, (x) => (x.kind === "load" && x.buffer === HOLE ? stored : undefined));
  const index = consumer.index.map((e) => substituteAxes(e, by));
  const body = mapAssigns(producer.body, (assign) =>
    assign === writer.assign ? { ...assign, value, index, out: target } : assign,
  );
  const result: OpenKernel = {
    kind: "kernel",
    name: producer.name.includes(call.name) ? producer.name : `${producer.name}+${call.name}`,
    nodes: unique([...producer.nodes, ...call.nodes]),
    body,
    outputs: call.outputs,
  };
  if (calls.inputsOf(result).length > MAX_INPUTS + 2 || sizeOf(body) > MAX_SIZE * 2) return undefined;
  // Values that the epilogue reads must not be made by the producer's own consumers: order is checked when sorted.
  return result;
}

function replacedLoad(e: Expr, load: LoadExpr): Expr {
  return rewrite(e, (x) => (x === load ? loadTyped(HOLE, load.type, []) : undefined));
}
