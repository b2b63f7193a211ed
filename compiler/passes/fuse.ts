/**
 * Fusion: fewer kernels, less memory traffic. In: a Program with one call per node. Out: one where producers that
 * only move or cheaply compute were written into their consumers (prologues, chains), and elementwise consumers into
 * the reduction that they follow (epilogues). Invariant: what a value holds never changes, only whether it is
 * stored. The rules do not know operators: they see maps, reductions and how often each element is read.
 */
import { elementCount, type Tensor } from "../ir/dtype.ts";
import { constant, loadTyped, type Expr, type LoadExpr } from "../ir/expr.ts";
import { linear } from "../ir/linear.ts";
import { range } from "../ir/range.ts";
import { rewrite, substituteAxes, visit, axesOf } from "../ir/walk.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Assign, Axis, Block, Loop } from "../ir/kernel.ts";
import type { Call, Program } from "../ir/program.ts";
import { splitDividedAxes } from "./splitAxes.ts";
import { costOf } from "./cost.ts";
import { choices } from "./guards.ts";
import { asStored, closeCall, inputsOf, mapAssign, mapAssignment, mapBody, openCall, ValueNumbers, type OpenCall, type OpenKernel } from "./open.ts"; // prettier-ignore

/** Kernels with more inputs than this are not made larger: each costs pointers. */
const MAX_INPUTS = 10;
/** Expressions beyond this size are not made larger by inlining. */
const MAX_SIZE = 160;

/**
 * An epilogue is written out once per accumulator of the tile. Beyond this cost (a transcendental function is 12)
 * that is more code than registers and the instruction cache hold: measured on yolox-nano (Zen 4, 2026-11-21), SiLU as
 * an epilogue makes the model 5% slower, with three times the code, than a pass of its own over the result, which
 * still is in cache.
 */
const MAX_EPILOGUE_COST = 11;

export interface FuseTrace {
  (rule: string, producer: string, consumer: string): void;
}

/** @param epilogueCost the most that an epilogue may cost for each result; WebAssembly's own where left out */
export function fuse(
  program: Program,
  trace: FuseTrace = () => undefined,
  epilogueCost = MAX_EPILOGUE_COST,
): Program {
  const fusion = new Fusion(program, trace, epilogueCost);
  return fusion.run();
}

class Fusion {
  private readonly program: Program;
  private readonly trace: FuseTrace;
  private readonly epilogueCost: number;
  private readonly numbers: ValueNumbers;
  private calls: (OpenCall | undefined)[];
  private readonly producer = new Map<ValueId, number>();
  private readonly consumers = new Map<ValueId, Set<number>>();
  private readonly outputs: ReadonlySet<ValueId>;
  /** What must stay apart from the branches that it chooses from. */
  private readonly choices: ReadonlySet<ValueId>;
  private readonly inputs = new WeakMap<OpenCall, readonly ValueId[]>();

  constructor(program: Program, trace: FuseTrace, epilogueCost: number) {
    this.program = program;
    this.trace = trace;
    this.epilogueCost = epilogueCost;
    this.numbers = new ValueNumbers(program.values);
    this.outputs = new Set(program.outputs.map((o) => o.id));
    this.choices = choices(program);
    this.calls = program.calls.flatMap((call) => splitCall(openCall(call, this.numbers), this.numbers));
    this.calls.forEach((call, at) => this.enter(call!, at));
  }

  /** Values that a call reads; found once per call, as every step asks. */
  private inputsOf(call: OpenCall): readonly ValueId[] {
    let known = this.inputs.get(call);
    if (!known) this.inputs.set(call, (known = inputsOf(call, this.numbers)));
    return known;
  }

  private enter(call: OpenCall, at: number): void {
    for (const id of call.outputs) if (id) this.producer.set(id, at);
    for (const id of this.inputsOf(call)) {
      let set = this.consumers.get(id);
      if (!set) this.consumers.set(id, (set = new Set()));
      set.add(at);
    }
  }

  private leave(call: OpenCall, at: number): void {
    for (const id of this.inputsOf(call)) this.consumers.get(id)?.delete(at);
  }

  private replace(at: number, call: OpenCall | undefined): void {
    const old = this.calls[at];
    if (old) this.leave(old, at);
    this.calls[at] = call;
    if (call) this.enter(call, at);
  }

  run(): Program {
    this.inlineScalars();
    this.shareEqual();
    for (let round = 0; round < 8; round++) {
      let changed = false;
      for (let at = 0; at < this.calls.length; at++) {
        const call = this.calls[at];
        if (!call) continue;
        if (this.dropDead(call, at)) {
          changed = true;
          continue;
        }
        if (this.tryInline(call, at) || this.tryEpilogue(call, at)) changed = true;
      }
      if (!changed) break;
    }
    this.shareEqual();
    const calls = this.calls.flatMap((call): Call[] => (call ? [closeCall(call, this.numbers)] : []));
    return { ...this.program, calls: inOrder(calls) };
  }

  private chooses(call: OpenCall): boolean {
    return this.choices.size > 0 && call.outputs.some((id) => this.choices.has(id));
  }

  private dropDead(call: OpenCall, at: number): boolean {
    const live = call.outputs.some(
      (id) => id !== "" && (this.outputs.has(id) || (this.consumers.get(id)?.size ?? 0) > 0),
    );
    if (live) return false;
    this.replace(at, undefined);
    return true;
  }

  /** Constants of one element become part of the code. */
  private inlineScalars(): void {
    const scalars = new Map<number, Tensor>();
    for (const [id, tensor] of this.program.constants) {
      if (tensor.dtype === "string" || elementCount(tensor.shape) !== 1) continue;
      if (!["float32", "float64", "int32", "uint32", "int64", "uint64", "bool", "int8", "uint8", "int16", "uint16"].includes(tensor.dtype)) continue; // prettier-ignore
      scalars.set(this.numbers.numberOf(id), tensor);
    }
    this.calls.forEach((call, at) => {
      if (call?.kind !== "kernel") return;
      const memo = new Map<Expr, Expr>();
      const body = mapBody(call.body, (e) =>
        rewrite(
          e,
          (x) => {
            if (x.kind !== "load" || x.pad !== undefined) return undefined;
            const tensor = scalars.get(x.buffer);
            return tensor && constant(x.type, tensor.data[0] as number | bigint);
          },
          memo,
        ),
      );
      this.replace(at, { ...call, body });
    });
  }

  /** Equal kernels on equal inputs are computed once. */
  private shareEqual(): void {
    const known = new Map<string, OpenKernel>();
    const renamed = new Map<number, number>();
    this.calls.forEach((call, at) => {
      if (call?.kind !== "kernel") return;
      let current: OpenKernel = call;
      if (renamed.size && this.inputsOf(call).some((id) => renamed.has(this.numbers.numberOf(id)))) {
        current = { ...call, body: renumbered(call.body, renamed) };
        this.replace(at, current);
      }
      if (current.outputs.length !== 1 || this.outputs.has(current.outputs[0]!)) return;
      const own = this.numbers.numberOf(current.outputs[0]!);
      const { dtype, shape } = this.numbers.at(own);
      const assign = current.body[0];
      if (current.body.length !== 1 || assign?.kind !== "assign") return;
      const key = `${dtype}[${shape}]${assign.axes.map((a) => `${a.name}:${a.extent}`)};${assign.index.map((e) => e.id)};${assign.value.id};${assign.reduce ? `${assign.reduce.op}${assign.reduce.axes.map((a) => `${a.name}:${a.extent}`)}${assign.reduce.body.id}` : ""}`; // prettier-ignore
      const first = known.get(key);
      if (!first) {
        known.set(key, current);
        return;
      }
      this.trace("share", first.nodes.join("+"), current.nodes.join("+"));
      renamed.set(own, this.numbers.numberOf(first.outputs[0]!));
      this.replace(at, undefined);
    });
    if (!renamed.size) return;
    this.calls.forEach((call, at) => {
      if (
        call?.kind === "library" &&
        call.inputs.some((id) => id && renamed.has(this.numbers.numberOf(id)))
      ) {
        const inputs = call.inputs.map((id) => (id && renamed.has(this.numbers.numberOf(id)) ? this.numbers.at(renamed.get(this.numbers.numberOf(id))!).id : id)); // prettier-ignore
        this.replace(at, { ...call, inputs });
      }
    });
  }

  // -------------------------------------------------------------------------------------------------------------
  // A producer into its consumers

  /** Writes map `call` into all kernels that read it, when that does not compute more than it saves. */
  private tryInline(call: OpenCall, at: number): boolean {
    const assign = mapAssignment(call);
    const [output] = call.outputs;
    if (!assign || call.kind !== "kernel" || call.outputs.length !== 1 || this.outputs.has(output!))
      return false;
    if (this.chooses(call)) return false;
    const readers = [...(this.consumers.get(output!) ?? [])];
    if (!readers.length) return false;
    const number = this.numbers.numberOf(output!);
    const { dtype, shape } = this.numbers.at(number);
    const value = asStored(assign.value, dtype);
    const weight = costOf(value);
    const moves = weight === 0;
    if (!moves && readers.length > 1 && weight > 1) return false;
    const replacements: { at: number; call: OpenKernel }[] = [];
    for (const reader of readers) {
      const consumer = this.calls[reader]!;
      if (consumer.kind !== "kernel" || (!moves && this.chooses(consumer))) {
        if (moves) continue; // It stays for the library call, and others may still read through it.
        return false;
      }
      const inlined = this.inlined(consumer, number, assign, value, elementCount(shape), weight);
      if (inlined) replacements.push({ at: reader, call: inlined });
      else if (!moves) return false;
    }
    if (!replacements.length) return false;
    for (const r of replacements) {
      const consumer = this.calls[r.at]!;
      this.trace("inline", call.nodes.join("+"), consumer.nodes.join("+"));
      this.replace(r.at, { ...r.call, nodes: unique([...call.nodes, ...consumer.nodes]) });
    }
    this.dropDead(call, at);
    return true;
  }

  private inlined(
    consumer: OpenKernel,
    number: number,
    producer: Assign,
    value: Expr,
    size: number,
    weight: number,
  ): OpenKernel | undefined {
    // One input goes; kernels that have far too many stay as they are, without a look into them.
    if (this.inputsOf(consumer).length - 1 > MAX_INPUTS) return undefined;
    let evaluations = 0;
    let refused = false;
    const { shape } = this.numbers.at(number);
    const place = (x: LoadExpr): Expr | undefined => {
      if (x.buffer !== number) return undefined;
      if (x.pad !== undefined && !staysInside(x, shape)) {
        const moved = movedPad(value, producer, x, (buffer) => this.numbers.at(buffer).shape);
        if (moved) return moved;
        refused = true;
        return undefined;
      }
      return substituteAxes(value, producerAxes(producer, x.index));
    };
    const before = contractionOpaque(consumer.body);
    const body = visitAssigns(consumer.body, [], (assign, loops) => {
      const points = elementCount([...loops, ...assign.axes].map((a) => a.extent));
      const depth = assign.reduce ? elementCount(assign.reduce.axes.map((a) => a.extent)) : 1;
      evaluations += loadsOf(assign.value, number) * points;
      if (assign.reduce) evaluations += loadsOf(assign.reduce.body, number) * points * depth;
      return mapAssign(assign, (e) => rewrite(e, (x) => (x.kind === "load" ? place(x) : undefined)));
    });
    if (refused) return undefined;
    const linearised = splitDividedAxes(body, "reduced");
    const result: OpenKernel = { ...consumer, body: linearised };
    if (weight > 0 && evaluations > size * (weight <= 2 ? 3 : 1)) return undefined;
    if (this.inputsOf(result).length > MAX_INPUTS) return undefined;
    if (sizeOf(body) > MAX_SIZE) return undefined;
    // A contraction needs straight strides more than it needs one kernel less.
    if (contractionOpaque(linearised) > before) return undefined;
    return result;
  }

  // -------------------------------------------------------------------------------------------------------------
  // An elementwise consumer into the reduction before it

  /** Writes map `call` into the kernel whose last assignment makes one of its inputs, point for point. */
  private tryEpilogue(call: OpenCall, at: number): boolean {
    const assign = mapAssignment(call);
    if (!assign || call.kind !== "kernel" || call.outputs.length !== 1 || this.chooses(call)) return false;
    for (const input of this.inputsOf(call)) {
      const from = this.producer.get(input);
      const producer = from === undefined ? undefined : this.calls[from];
      if (from === undefined || producer?.kind !== "kernel" || this.outputs.has(input)) continue;
      if (this.chooses(producer)) continue;
      if ((this.consumers.get(input)?.size ?? 0) !== 1) continue;
      const fused = this.withEpilogue(producer, input, assign, call);
      if (!fused) continue;
      // The fused call stands where the later of the two stood: all its inputs are made by then.
      this.trace("epilogue", call.nodes.join("+"), producer.nodes.join("+"));
      this.replace(from, undefined);
      this.replace(at, fused);
      return true;
    }
    return false;
  }

  private withEpilogue(
    producer: OpenKernel,
    input: ValueId,
    consumer: Assign,
    call: OpenKernel,
  ): OpenKernel | undefined {
    const number = this.numbers.numberOf(input);
    const { dtype, shape } = this.numbers.at(number);
    const target = this.numbers.numberOf(call.outputs[0]!);
    // Only the producer's last word on this value may be extended, and nobody else in the kernel may read it.
    const writers: { assign: Assign; loops: readonly Loop[] }[] = [];
    let readsItself = false;
    visitAssigns(producer.body, [], (assign, _axes, loops) => {
      if (assign.out === number) writers.push({ assign, loops });
      if (loadsOf(assign.value, number) || (assign.reduce && loadsOf(assign.reduce.body, number)))
        readsItself = true;
      return assign;
    });
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
    if (writer.assign.reduce && costOf(consumer.value) > this.epilogueCost) return undefined;
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
    const body = visitAssigns(producer.body, [], (assign) =>
      assign === writer.assign ? { ...assign, value, index, out: target } : assign,
    );
    const result: OpenKernel = {
      kind: "kernel",
      name: producer.name.includes(call.name) ? producer.name : `${producer.name}+${call.name}`,
      nodes: unique([...producer.nodes, ...call.nodes]),
      body,
      outputs: call.outputs,
    };
    if (this.inputsOf(result).length > MAX_INPUTS + 2 || sizeOf(body) > MAX_SIZE * 2) return undefined;
    // Values that the epilogue reads must not be made by the producer's own consumers: order is checked when sorted.
    return result;
  }
}

/** Stands for the element that an epilogue takes over from the reduction while axes are renamed. */
const HOLE = -1;

function replacedLoad(e: Expr, load: LoadExpr): Expr {
  return rewrite(e, (x) => (x === load ? loadTyped(HOLE, load.type, []) : undefined));
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** Rebuilds assignments, telling the axes of the loops around each. */
function visitAssigns(
  blocks: readonly Block[],
  loops: readonly Loop[],
  change: (assign: Assign, axes: readonly Axis[], loops: readonly Loop[]) => Assign,
): Block[] {
  return blocks.map((block) =>
    block.kind === "assign"
      ? change(
          block,
          loops.map((l) => l.axis),
          loops,
        )
      : { ...block, body: visitAssigns(block.body, [...loops, block], change) },
  );
}

/** Axes of a map producer by the coordinates at which it is read. */
function producerAxes(producer: Assign, index: readonly Expr[]): Map<string, Expr> {
  const by = new Map<string, Expr>();
  producer.index.forEach((e, d) => {
    if (e.kind === "axis") by.set(e.name, index[d]!);
  });
  return by;
}

function staysInside(load: LoadExpr, shape: readonly number[]): boolean {
  return load.index.every((e, d) => {
    const [low, high] = range(e);
    return low >= 0 && high < shape[d]!;
  });
}

/** A padded read of a pure rearrangement of whole dimensions is a padded read of its source. */
function movedPad(
  value: Expr,
  producer: Assign,
  x: LoadExpr,
  shapeOf: (buffer: number) => readonly number[],
): Expr | undefined {
  if (value.kind !== "load" || value.pad !== undefined) return undefined;
  const seen = new Set<string>();
  const source = shapeOf(value.buffer);
  for (let d = 0; d < value.index.length; d++) {
    const e = value.index[d]!;
    if (e.kind === "const" && e.value === 0 && source[d] === 1) continue;
    // A slice ends before its source does: what lies beyond is not padding.
    if (e.kind !== "axis" || seen.has(e.name) || e.extent !== source[d]) return undefined;
    seen.add(e.name);
  }
  if (!producer.axes.every((a) => a.extent === 1 || seen.has(a.name))) return undefined;
  // Dimensions of extent 1 must not be read out of bounds: there is no axis to carry the test.
  const by = new Map<string, Expr>();
  for (let d = 0; d < producer.index.length; d++) {
    const e = producer.index[d]!;
    if (e.kind === "axis") by.set(e.name, x.index[d]!);
    else if (!(x.index[d]!.kind === "const" && (x.index[d] as Expr & { kind: "const" }).value === 0))
      return undefined;
  }
  return loadTyped(value.buffer, value.type, value.index.map((e) => substituteAxes(e, by)), x.pad); // prettier-ignore
}

function loadsOf(e: Expr, number: number): number {
  let count = 0;
  visit(e, (x) => {
    if (x.kind === "load" && x.buffer === number) count++;
  });
  return count;
}

function sizeOf(body: readonly Block[]): number {
  let size = 0;
  const seen = new Set<Expr>();
  mapBody(body, (e) => {
    visit(e, () => size++, seen);
    return e;
  });
  return size;
}

/** Loads inside contractions (sums of products) whose position is more than linear. */
function contractionOpaque(body: readonly Block[]): number {
  let count = 0;
  visitAssigns(body, [], (assign) => {
    if (assign.reduce?.op !== "sum" || elementCount(assign.reduce.axes.map((a) => a.extent)) < 4)
      return assign;
    visit(assign.reduce.body, (x) => {
      if (x.kind !== "load") return;
      for (const i of x.index)
        for (const term of linear(i).terms.keys()) if (term.kind !== "axis" && axesOf(term).size) count++;
    });
    return assign;
  });
  return count;
}

/** A kernel that is several independent assignments to different values becomes several kernels. */
function splitCall(call: OpenCall, numbers: ValueNumbers): OpenCall[] {
  if (call.kind !== "kernel" || call.body.length < 2 || call.body.length !== call.outputs.length)
    return [call];
  const assigns = call.body.flatMap((b) => (b.kind === "assign" ? [b] : []));
  if (assigns.length !== call.body.length || new Set(assigns.map((a) => a.out)).size !== assigns.length)
    return [call];
  const own = new Set(call.outputs.map((id) => numbers.numberOf(id)));
  for (const a of assigns) {
    for (const n of own) if (loadsOf(a.value, n) || (a.reduce && loadsOf(a.reduce.body, n))) return [call];
    if (numbers.at(a.out).temp) return [call];
  }
  return assigns.map((a) => ({ ...call, body: [a], outputs: [numbers.at(a.out).id] }));
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

/** Calls in an order in which every value is made before it is read, as near as possible to the given one. */
export function inOrder(calls: readonly Call[]): Call[] {
  const producer = new Map<ValueId, Call>();
  for (const call of calls) for (const id of call.outputs) if (id) producer.set(id, call);
  const done = new Set<Call>();
  const sorted: Call[] = [];
  const place = (call: Call): void => {
    if (done.has(call)) return;
    done.add(call);
    for (const id of call.inputs) {
      const from = producer.get(id);
      if (from && from !== call) place(from);
    }
    sorted.push(call);
  };
  for (const call of calls) place(call);
  return sorted;
}
