/**
 * From a program to scheduled kernels. In: a Program whose values have their layouts. Out: two lists of calls (once
 * at load, and per run) whose kernels have buffers with layouts, no padded or exotic loads, and a schedule each.
 * Invariant: what depends on constants only is computed at load; panels of weights are made there too.
 */
import { axis, type Expr } from "../ir/expr.ts";
import { substituteAxes } from "../ir/walk.ts";
import { assignments, singleAssign, type Assign, type Axis, type Block, type Kernel } from "../ir/kernel.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Schedule } from "../ir/schedule.ts";
import {
  drawsAnew,
  mayOverlap,
  type Parts,
  type Program,
  type ProgramValue,
  type ScheduledCall,
  type ScheduledKernel,
  type ScheduledProgram,
} from "../ir/program.ts";
import { LEAST_SHARED_RUN, nanosecondsOf } from "../passes/time.ts";
import { splitDividedAxes } from "../passes/splitAxes.ts";
import { chooseSchedule, orderAxes } from "./heuristic.ts";
import type { SchedulingContext } from "./operands.ts";
import { takeCuts } from "../lower/cut.ts";
import { dropEmpty } from "../lower/empty.ts";
import { packOperand } from "../lower/pack.ts";
import { lowerPads } from "../lower/pad.ts";
import { chooseParts } from "./parts.ts";
import { lowerStorage } from "../lower/storage.ts";

/** What scheduling has to know of a device. */
export interface ScheduleTarget {
  readonly choose: (kernel: Kernel, context: SchedulingContext) => Schedule;
  /** Whether a value, or scratch (undefined), holds floats of 16 bits as float32; see lowerStorage. */
  readonly widens?: (id: ValueId | undefined) => boolean;
  /** Whether a value is held as float16 by a device that has such numbers; see lowerStorage. */
  readonly native?: (id: ValueId | undefined) => boolean;
  readonly parts: (kernel: Kernel) => Parts;
}

export const WEBASSEMBLY: ScheduleTarget = {
  choose: chooseSchedule,
  parts: (kernel) => chooseParts(kernel),
};

/** Chooses how each kernel of a program runs. */
export function scheduleProgram(program: Program, target: ScheduleTarget = WEBASSEMBLY): ScheduledProgram {
  const { choose } = target;
  const values = new Map(program.values);
  const init: ScheduledCall[] = [];
  const run: ScheduledCall[] = [];
  const made = new Set<ValueId>(program.constants.keys());
  /** By storage: what lies in it and is written on every run. */
  const varying = new Map<ValueId, ProgramValue[]>();
  // What is left of a concatenation in place may be constant while other parts are written on every run.
  const isFixed = (id: ValueId): boolean => {
    if (!made.has(id)) return false;
    const value = program.values.get(id);
    return value === undefined || !(varying.get(value.storage ?? id) ?? []).some((v) => mayOverlap(v, value));
  };
  // Whatever lies in an output's memory is of it.
  const outputs = new Set(program.outputs.map((o) => o.id));
  const isOutput = new Set([...outputs, ...[...values].flatMap(([id, { storage }]) => (storage !== undefined && outputs.has(storage) ? [id] : []))]); // prettier-ignore
  const packs = new Map<string, ValueId>();
  const mixed = madeEarlyAndLate(program, isOutput);
  for (const call of program.calls) {
    // Outputs are written on every run: a caller may have been given their memory. What several calls make (see
    // passes/separate.ts) is fixed only if all of it is.
    const early =
      !(call.kind === "library" && drawsAnew(call.library)) &&
      call.inputs.every((id) => id === "" || isFixed(id)) &&
      !call.outputs.some((id) => isOutput.has(id) || mixed.has(id));
    for (const id of call.outputs) {
      const value = program.values.get(id);
      if (early) made.add(id);
      else if (value) {
        const others = varying.get(value.storage ?? id);
        if (others) others.push(value);
        else varying.set(value.storage ?? id, [value]);
      }
    }
    const list = early ? init : run;
    if (call.kind === "library") {
      list.push(call);
      continue;
    }
    const bound = boundKernel(call.kernel, [...call.inputs, ...call.outputs], values);
    const ids = [...call.inputs, ...call.outputs];
    const divided = lowerPads({ ...bound, body: splitDividedAxes(dropEmpty(bound.body), "all") });
    const { widens, native } = target;
    const stored = lowerStorage(
      divided,
      widens && ((i) => widens(ids[i])),
      native && ((i) => native(ids[i])),
    );
    let kernel = orderAxes(uniqueAxes(stored));
    const constants = new Set(call.inputs.flatMap((id, i) => (isFixed(id) ? [i] : [])));
    const chosen = choose(kernel, { constants });
    kernel = takeCuts(kernel, chosen);
    const inputs = [...call.inputs];
    for (const step of chosen) {
      if (step.kind !== "pack") continue;
      const [[axis, by]] = step.panels as [readonly [string, number]];
      const assign = assignments(kernel).find(({ assign: a }) =>
        [...a.axes, ...(a.reduce?.axes ?? [])].some((x) => x.name === axis),
      )!.assign;
      const packed = packOperand(kernel, assign, step.buffer, axis, by);
      kernel = packed.kernel;
      const source = inputs[step.buffer]!;
      const panels = packed.packer.buffers[1]!;
      const packer = orderAxes(lowerPads(packed.packer));
      const key = JSON.stringify([
        source,
        panels.shape,
        packer.body.map((b) => (b.kind === "assign" ? contentKey(b) : 0)),
      ]);
      let id = packs.get(key);
      if (id === undefined) {
        id = `${source}/panels${packs.size}`;
        packs.set(key, id);
        values.set(id, { dtype: panels.dtype, shape: panels.shape });
        const atLoad = isFixed(source);
        if (atLoad) made.add(id);
        (atLoad ? init : run).push({
          kind: "kernel",
          nodes: [`pack for ${call.nodes[0] ?? ""}`],
          kernel: packer,
          schedule: choose(packer, { constants: new Set() }),
          parts: target.parts(packer),
          inputs: [source],
          outputs: [id],
        });
      }
      if (packed.added) inputs.push(id);
      else inputs[step.buffer] = id;
    }
    list.push({
      kind: "kernel",
      nodes: call.nodes,
      kernel,
      schedule: chosen.filter((s) => s.kind !== "pack" && s.kind !== "cut"),
      parts: target.parts(kernel),
      inputs,
      outputs: call.outputs,
    });
  }
  return {
    program,
    values,
    init: packedWhenMade(init, run, target),
    run: worthThreads(run) ? run : run.map(alone),
  };
}

/** What an assignment computes for each element, whatever its axes are called. */
function contentKey({ axes, value }: Assign): readonly unknown[] {
  const by = new Map(axes.map((a, i) => [a.name, axis(`packed${i}`, a.extent)] as const));
  return [substituteAxes(value, by).id, axes.map((a) => a.extent)];
}

/** Calls at load, with those that pack what another one made, for nobody else, computing it themselves. */
function packedWhenMade(
  init: readonly ScheduledCall[],
  run: readonly ScheduledCall[],
  target: ScheduleTarget,
): ScheduledCall[] {
  const readers = new Map<ValueId, number>();
  const makers = new Map<ValueId, ScheduledKernel>();
  for (const call of [...init, ...run])
    for (const id of new Set(call.inputs)) readers.set(id, (readers.get(id) ?? 0) + 1);
  for (const call of init) if (call.kind === "kernel" && call.outputs.length === 1) makers.set(call.outputs[0]!, call); // prettier-ignore
  const gone = new Set<ScheduledCall>();
  const calls = init.map((call): ScheduledCall => {
    const [source] = call.inputs;
    const maker = source === undefined ? undefined : makers.get(source);
    if (call.kind !== "kernel" || call.inputs.length !== 1 || !maker || readers.get(source!) !== 1)
      return call;
    const joined = packedAsMade(maker, call.kernel);
    if (!joined) return call;
    gone.add(maker);
    const kernel = orderAxes(joined.kernel);
    const schedule = target.choose(kernel, { constants: new Set() });
    const whole = { ...call, kernel, schedule, parts: target.parts(kernel), inputs: joined.inputs };
    // What packs this one in its turn computes all of it, not what it read before.
    if (makers.get(call.outputs[0]!) === call) makers.set(call.outputs[0]!, whole);
    return whole;
  });
  return calls.filter((call) => !gone.has(call));
}

/**
 * A packer that computes what it packs, where that is made by one map: neither the memory for it nor the way through
 * it is needed.
 */
function packedAsMade(
  maker: ScheduledKernel,
  packer: Kernel,
): { readonly kernel: Kernel; readonly inputs: readonly ValueId[] } | undefined {
  const made = singleAssign(maker.kernel);
  const packs = singleAssign(packer);
  const load = packs?.value;
  if (!made || made.reduce || packs?.value.kind !== "load" || load?.kind !== "load" || load.pad !== undefined)
    return undefined;
  const out = maker.kernel.buffers[made.out]!;
  // Each element is stored once, at its own coordinates, by an axis for each dimension.
  const whole = made.index.every((e, d) => (e.kind === "axis" ? e.extent : 1) === out.shape[d]);
  if (!whole || out.dtype !== "float32" || made.value.type !== "f32") return undefined;
  const by = new Map<string, Expr>();
  made.index.forEach((e, d) => e.kind === "axis" && by.set(e.name, load.index[d]!));
  if (by.size !== made.axes.filter((a) => a.extent > 1).length) return undefined;
  const inputs = maker.kernel.buffers.filter((b) => b.role === "in");
  if (maker.kernel.buffers.length !== inputs.length + 1) return undefined;
  const body = [{ ...packs, out: inputs.length, value: substituteAxes(made.value, by) }];
  return { kernel: { ...packer, buffers: [...inputs, packer.buffers[1]!], body }, inputs: maker.inputs };
}

/** Values that several calls make (see passes/separate.ts), of which some could run at load and others not. */
function madeEarlyAndLate(program: Program, isOutput: ReadonlySet<ValueId>): Set<ValueId> {
  const mixed = new Set<ValueId>();
  // Each round takes away what was thought fixed because of a value that is not; mostly there is nothing to take.
  for (let before = -1; before < mixed.size;) {
    before = mixed.size;
    const early = new Map<ValueId, boolean>();
    for (const { inputs, outputs } of program.calls) {
      const fixed =
        inputs.every((id) => id === "" || program.constants.has(id) || early.get(id) === true) &&
        !outputs.some((id) => isOutput.has(id) || mixed.has(id));
      for (const id of outputs) {
        if (id && (early.get(id) ?? fixed) !== fixed) mixed.add(id);
        early.set(id, fixed);
      }
    }
  }
  return mixed;
}

/** Whether threads would save more of a run than they cost it: waking them takes some tens of microseconds. */
function worthThreads(run: readonly ScheduledCall[]): boolean {
  let shared = 0;
  for (const call of run)
    if (call.kind === "kernel" && call.parts.threads > 1) shared += nanosecondsOf(call.kernel.body);
  return shared >= LEAST_SHARED_RUN;
}

function alone(call: ScheduledCall): ScheduledCall {
  return call.kind === "kernel" ? { ...call, parts: { ...call.parts, threads: 1 } } : call;
}

/** Steps name axes over the whole kernel, so assignments that use the same names get their own. */
function uniqueAxes(kernel: Kernel): Kernel {
  const taken = new Set<string>();
  const walk = (blocks: readonly Block[]): Block[] =>
    blocks.map((block) => {
      if (block.kind === "loop") {
        taken.add(block.axis.name);
        return { ...block, body: walk(block.body) };
      }
      const by = new Map<string, Expr>();
      const renamed = (a: Axis): Axis => {
        let name = a.name;
        for (let k = 1; taken.has(name); k++) name = `${a.name}_${k}`;
        taken.add(name);
        by.set(a.name, axis(name, a.extent));
        return { name, extent: a.extent };
      };
      const axes = block.axes.map(renamed);
      const reduced = block.reduce?.axes.map(renamed);
      const memo = new Map<Expr, Expr>();
      const replaced = (e: Expr): Expr => substituteAxes(e, by, memo);
      return {
        ...block,
        axes,
        index: block.index.map(replaced),
        value: replaced(block.value),
        ...(block.reduce
          ? { reduce: { ...block.reduce, axes: reduced!, body: replaced(block.reduce.body) } }
          : {}),
      };
    });
  return { ...kernel, body: walk(kernel.body) };
}

/** The kernel with the layouts of the values that it is called on, and buffers named by position. */
function boundKernel(
  kernel: Kernel,
  ids: readonly ValueId[],
  values: ReadonlyMap<ValueId, ProgramValue>,
): Kernel {
  const buffers = kernel.buffers.map((buffer, i) => {
    const layout = i < ids.length ? values.get(ids[i]!)?.layout : undefined;
    return { ...buffer, name: `b${i}`, ...(layout ? { layout } : {}) };
  });
  return { ...kernel, buffers };
}
