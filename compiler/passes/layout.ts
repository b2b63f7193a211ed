/**
 * Where elements lie. In: a fused Program, all values row-major. Out: values with strides, borders (halos) and
 * places inside other values; copies where a caller's layout does not suit. Invariant: kernels are written over
 * coordinates, so a layout never changes what is computed; inputs and outputs of the program stay row-major.
 *
 * Three decisions: which dimension lies innermost (by the votes of the contractions that touch a value, weighted by
 * their work: convolutions vote for channels), which values get a border that holds the padding (so that padded
 * reads need no test), and which values live inside another one (the parts of a concatenation, views).
 */
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import { add, int, mul, type Expr } from "../ir/expr.ts";
import { linear } from "../ir/linear.ts";
import { range } from "../ir/range.ts";
import { visit } from "../ir/walk.ts";
import type { ValueId } from "../ir/graph.ts";
import {
  assignments,
  rowMajorStrides,
  singleAssign,
  type Block,
  type Halo,
  type Layout,
} from "../ir/kernel.ts";
import type { Call, KernelCall, Program, ProgramValue } from "../ir/program.ts";
import { copyKernel } from "../lower/copy.ts";
import type { TraceSink } from "../trace.ts";
import { concatenationOf, remainder } from "./layout/concatenation.ts";
import { haloAssigns, leavesShape, widen, type Wish } from "./layout/halo.ts";
import { readFewTimes, withoutRepeatedOutputs, withoutTurnedOutputs } from "./layout/outputs.ts";
import { idOf, innermostDimensions } from "./layout/votes.ts";
import { windowedReads } from "./layout/windows.ts";

export interface LayoutOptions {
  /** Strides and halos. */
  readonly layout: boolean;
  /** Concatenation in place, slices and transposes without copies. */
  readonly views: boolean;
}

export function chooseLayouts(
  program: Program,
  options: LayoutOptions,
  trace: TraceSink = () => undefined,
): Program {
  return new LayoutChoice(program, options, trace).run();
}

class LayoutChoice {
  private readonly options: LayoutOptions;
  private readonly trace: TraceSink;
  private readonly values: Map<ValueId, ProgramValue>;
  private readonly program: Program;
  private calls: Call[];
  /** Values whose layout is the caller's or the library's. */
  private readonly pinned = new Set<ValueId>();
  /** Their copies, which lie otherwise. */
  private readonly laid = new Map<ValueId, ValueId>();

  constructor(program: Program, options: LayoutOptions, trace: TraceSink) {
    this.options = options;
    this.trace = trace;
    this.values = new Map(program.values);
    this.program = program;
    this.calls = [...program.calls];
    for (const id of program.inputs) this.pinned.add(id);
    for (const id of program.constants.keys()) this.pinned.add(id);
    for (const { id } of program.outputs) this.pinned.add(id);
    for (const call of program.calls) {
      if (call.kind !== "library") continue;
      for (const id of [...call.inputs, ...call.outputs]) if (id) this.pinned.add(id);
    }
    for (const [id, value] of this.values) if (value.dynamicDim !== undefined) this.pinned.add(id);
  }

  run(): Program {
    const inner = this.options.layout
      ? innermostDimensions(this.calls, this.values, this.program.constants)
      : new Map<ValueId, number>();
    if (this.options.views) this.dropRepeatedOutputs(inner);
    if (this.options.views && this.options.layout) this.dropTurnedOutputs(inner);
    if (this.options.layout) this.copyPinned(inner);
    const wishes = this.options.layout ? this.halos() : new Map<ValueId, Wish>();
    const places = this.options.views ? this.concatenations(inner, wishes) : new Map<ValueId, never>();
    this.assign(inner, wishes, places);
    if (this.options.views) this.dropCopies();
    this.fillHalos();
    this.traceLayouts();
    return { ...this.program, values: this.values, calls: this.calls };
  }

  /** What lies otherwise than row by row: the order of dimensions, the outermost first, and the border. */
  private traceLayouts(): void {
    for (const call of this.calls)
      for (const id of call.outputs) {
        const { layout, shape, storage } = this.values.get(id) ?? { shape: [] };
        if (!layout || storage !== undefined) continue;
        const order = shape.map((_, d) => d).toSorted((a, b) => layout.strides[b]! - layout.strides[a]!);
        const { halo } = layout;
        const border = halo ? `, border ${halo.before.join(",")}/${halo.after.join(",")}` : "";
        const moved = order.some((d, at) => d !== at)
          ? `dimensions in the order ${order.join(" ")}`
          : "row-major";
        this.trace("layout", () => `${id} [${shape.join(", ")}]: ${moved}${border}`, call.nodes.join("+"));
      }
  }

  private value(id: ValueId): ProgramValue {
    return this.values.get(id)!;
  }

  /** What is only copied to an output is made there, unless it wants to lie otherwise than the caller expects. */
  private dropRepeatedOutputs(inner: Map<ValueId, number>): void {
    const wishes = this.options.layout ? this.halos() : new Map<ValueId, Wish>();
    const anyOrder = (id: ValueId): boolean => {
      const last = this.value(id).shape.length - 1;
      return this.pinned.has(id) || (inner.get(id) ?? last) === last;
    };
    const rowMajor = (id: ValueId): boolean => {
      if (this.pinned.has(id) || wishes.has(id)) return false;
      if (anyOrder(id)) return true;
      return readFewTimes(id, this.calls, elementCount(this.value(id).shape), anyOrder);
    };
    const { calls, outputOf } = withoutRepeatedOutputs(this.calls, this.program, rowMajor);
    this.calls = calls;
    for (const [id, output] of outputOf) {
      this.values.delete(id);
      inner.delete(id);
      this.trace("views", () => `${id} is made in output ${output}`);
    }
  }

  /** What is only turned into an output is made there, in the order that the caller expects. */
  private dropTurnedOutputs(inner: Map<ValueId, number>): void {
    const wishes = this.halos();
    const free = (id: ValueId): boolean =>
      !this.pinned.has(id) && !wishes.has(id) && this.value(id).storage === undefined;
    const { calls, turned } = withoutTurnedOutputs(this.calls, this.program, inner, free);
    this.calls = calls;
    for (const [id, { output, strides }] of turned) {
      this.values.set(id, { ...this.value(id), storage: output, layout: { strides, offset: 0 } });
      this.pinned.add(id);
      inner.delete(id);
      this.trace("views", () => `${id} is made in output ${output}, turned`);
    }
  }

  // -------------------------------------------------------------------------------------------------------------
  // Copies of what the caller lays out, where a contraction wants it otherwise

  private copyPinned(inner: Map<ValueId, number>): void {
    const rebuilt: Call[] = [];
    for (const call of this.calls) {
      if (call.kind !== "kernel") {
        rebuilt.push(call);
        continue;
      }
      const wanted = new Set<ValueId>();
      for (const { assign } of assignments(call.kernel)) {
        const reads = windowedReads(assign);
        if (!reads || (assign.reduce && elementCount(assign.reduce.axes.map((a) => a.extent)) < 4)) continue;
        visit(reads, (x) => {
          if (x.kind !== "load") return;
          const id = idOf(call, x.buffer);
          if (id === undefined || !this.pinned.has(id) || this.program.constants.has(id)) return;
          if (elementCount(this.value(id).shape) === 0) return;
          if (x.pad !== undefined) wanted.add(id);
        });
      }
      if (!wanted.size) {
        rebuilt.push(call);
        continue;
      }
      const inputs = call.inputs.map((id) => {
        if (!wanted.has(id)) return id;
        let copy = this.laid.get(id);
        if (copy === undefined) {
          copy = `${id}:laid`;
          this.laid.set(id, copy);
          const { dtype, shape } = this.value(id);
          this.values.set(copy, { dtype, shape });
          const dim = inner.get(id);
          if (dim !== undefined) inner.set(copy, dim);
          rebuilt.push({
            kind: "kernel",
            nodes: [`layout of ${id}`],
            kernel: copyKernel(dtype, shape),
            inputs: [id],
            outputs: [copy],
          });
        }
        return copy;
      });
      rebuilt.push({ ...call, inputs });
    }
    this.calls = rebuilt;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Halos

  private halos(): Map<ValueId, Wish> {
    const wishes = new Map<ValueId, Wish[]>();
    for (const call of this.calls) {
      if (call.kind !== "kernel") continue;
      for (const { assign } of assignments(call.kernel)) {
        const reads = windowedReads(assign);
        if (!reads) continue;
        const work = elementCount([...assign.axes, ...(assign.reduce?.axes ?? [])].map((a) => a.extent));
        visit(reads, (x) => {
          if (x.kind !== "load" || x.pad === undefined) return;
          const id = idOf(call, x.buffer);
          if (id === undefined || this.pinned.has(id)) return;
          const { shape, dtype } = this.value(id);
          if (bytesPerElement(dtype) === 0 || elementCount(shape) === 0 || !leavesShape(x, shape)) return;
          const wish: Wish = { before: [], after: [], value: x.pad, work };
          x.index.forEach((e, d) => {
            const [low, high] = range(e);
            wish.before.push(Math.max(0, -low));
            wish.after.push(Math.max(0, high - (shape[d]! - 1)));
          });
          // A border much larger than the content is a guard's job.
          const bordered = elementCount(shape.map((dim, d) => dim + wish.before[d]! + wish.after[d]!));
          if (bordered > 4 * elementCount(shape) + 4096) return;
          const list = wishes.get(id) ?? [];
          wishes.set(id, list);
          const same = list.find((w) => Object.is(w.value, wish.value));
          if (!same) list.push(wish);
          else {
            same.work += work;
            widen(same, wish);
          }
        });
      }
    }
    const chosen = new Map<ValueId, Wish>();
    for (const [id, list] of wishes) chosen.set(id, list.sort((a, b) => b.work - a.work)[0]!);
    return chosen;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Concatenation in place

  /** Which values are parts of which others, and from where in each dimension. */
  private concatenations(
    inner: Map<ValueId, number>,
    wishes: Map<ValueId, Wish>,
  ): Map<ValueId, { of: ValueId; start: number[] }> {
    const places = new Map<ValueId, { of: ValueId; start: number[] }>();
    for (let at = this.calls.length - 1; at >= 0; at--) {
      const call = this.calls[at]!;
      if (call.kind !== "kernel" || call.outputs.length !== 1) continue;
      const parts = concatenationOf(call.kernel);
      if (!parts) continue;
      const target = call.outputs[0]!;
      const { dtype } = this.value(target);
      const remaining: Block[] = [];
      let moved = 0;
      for (const part of parts) {
        const id = call.inputs[part.buffer]!;
        const value = this.value(id);
        const uses = parts.filter((p) => p.buffer === part.buffer).length;
        const haloFits = this.uniteHalos(id, target, part.dim, wishes, false);
        if (
          this.pinned.has(id) ||
          places.has(id) ||
          uses !== 1 ||
          value.dtype !== dtype ||
          !haloFits ||
          elementCount(value.shape) === 0
        ) {
          remaining.push(part.assign);
          continue;
        }
        this.uniteHalos(id, target, part.dim, wishes, true);
        places.set(id, { of: target, start: part.start });
        const dim = inner.get(target);
        if (dim === undefined) inner.delete(id);
        else inner.set(id, dim);
        moved++;
      }
      if (!moved) continue;
      this.trace("views", () => `${moved} of ${parts.length} parts written in place`, call.nodes.join("+"));
      // What could not move is still copied; the call disappears when nothing is left.
      this.calls[at] = remainder(call, remaining);
    }
    this.calls = this.calls.filter((call) => call.kind === "library" || call.kernel.body.length > 0);
    return places;
  }

  /** Makes the halos of a part and its whole one, if that is possible. */
  private uniteHalos(
    part: ValueId,
    whole: ValueId,
    dim: number,
    wishes: Map<ValueId, Wish>,
    commit: boolean,
  ): boolean {
    const a = wishes.get(part);
    const b = wishes.get(whole);
    if (!a && !b) return true;
    if (this.pinned.has(whole) && a) return false;
    if (a && b && !Object.is(a.value, b.value)) return false;
    for (const w of [a, b]) if (w && (w.before[dim] || w.after[dim])) return false;
    if (!commit) return true;
    const wish = b ?? {
      before: a!.before.map(() => 0),
      after: a!.after.map(() => 0),
      value: a!.value,
      work: 0,
    };
    if (a) widen(wish, a);
    wishes.set(whole, wish);
    wishes.delete(part);
    return true;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Strides

  private assign(
    inner: ReadonlyMap<ValueId, number>,
    wishes: ReadonlyMap<ValueId, Wish>,
    places: ReadonlyMap<ValueId, { of: ValueId; start: number[] }>,
  ): void {
    const done = new Set<ValueId>();
    const lay = (id: ValueId): ProgramValue => {
      const value = this.value(id);
      if (done.has(id)) return value;
      done.add(id);
      const place = places.get(id);
      if (place) {
        const whole = lay(place.of);
        const layout = whole.layout ?? { strides: rowMajorStrides(whole.shape), offset: 0 };
        const offset = layout.offset + place.start.reduce((sum, s, d) => sum + s * layout.strides[d]!, 0);
        const part: ProgramValue = {
          ...value,
          storage: whole.storage ?? place.of,
          layout: { strides: layout.strides, offset, ...(layout.halo ? { halo: layout.halo } : {}) },
        };
        this.values.set(id, part);
        return part;
      }
      if (this.pinned.has(id)) return value;
      const laid = laidOut(value, inner.get(id), wishes.get(id));
      this.values.set(id, laid);
      return laid;
    };
    for (const id of [...this.values.keys()]) lay(id);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Views

  /** A call that only moves, and whose result is a strided view of its source, is no call at all. */
  private dropCopies(): void {
    const kept: Call[] = [];
    const storageOf = (id: ValueId): ValueId => this.value(id).storage ?? id;
    // A value that other calls write into must not be aliased under another name before it is complete.
    for (const call of this.calls) {
      const view = call.kind === "kernel" ? this.viewOf(call) : undefined;
      if (!view || call.kind !== "kernel") {
        kept.push(call);
        continue;
      }
      const target = call.outputs[0]!;
      this.values.set(target, { ...this.value(target), storage: storageOf(call.inputs[0]!), layout: view });
      this.trace("views", () => `a view of ${call.inputs[0]}`, call.nodes.join("+"));
    }
    this.calls = kept;
  }

  private viewOf(call: KernelCall): Layout | undefined {
    const assign = singleAssign(call.kernel);
    if (!assign || assign.reduce || call.inputs.length !== 1 || call.outputs.length !== 1) return undefined;
    const [source] = call.inputs as [ValueId];
    const [target] = call.outputs as [ValueId];
    const from = this.value(source);
    const to = this.value(target);
    if (
      this.pinned.has(target) ||
      to.storage !== undefined ||
      (to.layout && (to.layout.halo || this.laid.get(source) === target)) ||
      this.program.constants.has(source)
    )
      return undefined;
    if (from.dtype !== to.dtype || elementCount(to.shape) === 0) return undefined;
    const load = assign.value;
    if (load.kind !== "load" || load.pad !== undefined) return undefined;
    const layout = from.layout ?? { strides: rowMajorStrides(from.shape), offset: 0 };
    const flat = linear(
      load.index.reduce<Expr>((sum, e, d) => add(sum, mul(e, int(layout.strides[d]!))), int(layout.offset)),
    );
    const strides = new Array<number>(to.shape.length).fill(0);
    const dims = new Map<string, number>();
    // The rest of a concatenation, whose other parts are written in place, stores into a part of its target only.
    const whole = assign.index.every((e, d) => (e.kind === "axis" ? e.extent : 1) === to.shape[d]);
    if (!whole) return undefined;
    assign.index.forEach((e, d) => {
      if (e.kind === "axis") dims.set(e.name, d);
    });
    for (const [term, c] of flat.terms) {
      if (term.kind !== "axis") return undefined;
      const d = dims.get(term.name);
      if (d === undefined) return undefined;
      strides[d] = c;
    }
    // Broadcast views would be written to by nobody, but a stride of 0 or below is no place for vector loads.
    if (strides.some((s, d) => s <= 0 && to.shape[d]! > 1)) return undefined;
    return { strides, offset: flat.constant };
  }

  // -------------------------------------------------------------------------------------------------------------
  // Filling borders

  private fillHalos(): void {
    this.calls = this.calls.map((call) => {
      if (call.kind !== "kernel") return call;
      const fills = call.outputs.flatMap((id, k) => {
        const halo = this.value(id).layout?.halo;
        if (!halo) return [];
        const { shape, dtype } = this.value(id);
        return haloAssigns(call.inputs.length + k, dtype, shape, halo, k);
      });
      if (!fills.length) return call;
      return { ...call, kernel: { ...call.kernel, body: [...call.kernel.body, ...fills] } };
    });
  }
}

/** Strides with dimension `inner` innermost and a border around. */
function laidOut(value: ProgramValue, inner: number | undefined, wish: Wish | undefined): ProgramValue {
  const { shape } = value;
  if (elementCount(shape) === 0) return value;
  const last = shape.length - 1;
  if ((inner === undefined || inner === last) && !wish) return value;
  const order = shape.map((_, d) => d).filter((d) => d !== (inner ?? last));
  order.push(inner ?? last);
  const strides = new Array<number>(shape.length);
  let stride = 1;
  let offset = 0;
  for (const d of order.toReversed()) {
    strides[d] = stride;
    offset += (wish?.before[d] ?? 0) * stride;
    stride *= shape[d]! + (wish?.before[d] ?? 0) + (wish?.after[d] ?? 0);
  }
  const halo: Halo | undefined = wish && { before: wish.before, after: wish.after, value: wish.value };
  return { ...value, layout: { strides, offset, ...(halo ? { halo } : {}) }, elements: stride };
}
