/**
 * Row fusion: the parts into which exporters take a normalisation or a softmax become one kernel again. In: a Program
 * after fusion. Out: one where a reduction of each row, what is computed from it for the same row, further
 * reductions of that, and so on are one loop over the rows; values between them that nobody else reads are scratch
 * of one row. Invariant: every value is computed by the same expression as before; only when and where it is kept
 * changes. The rule knows no operators: calls qualify when each reads only its own row of what the other makes.
 *
 * What it saves is memory traffic: a row that was just reduced is still in the first-level cache when it is mapped.
 * Contractions do not qualify, since what they read is shared between rows and wants tiles across them; but for those
 * around rows that are many and go to and fro: the scores of an attention (rowProducts.ts).
 */
import { bytesPerElement, elementCount } from "../ir/dtype.ts";
import { axis as axisOf, loadTyped, type Expr, type LoadExpr } from "../ir/expr.ts";
import { axesOf, rewrite, substituteAxes, visit } from "../ir/walk.ts";
import type { ValueId } from "../ir/graph.ts";
import { mapAssign, type Assign, type Axis, type Block, type Reduction } from "../ir/kernel.ts";
import type { Call, Program } from "../ir/program.ts";
import { inOrder } from "./order.ts";
import { choices } from "./guards.ts";
import { closeCall, inputsOf, openCall, ValueNumbers, type OpenCall, type OpenKernel } from "./open.ts";
import { blockRows, rowsOfBlock } from "./rowBlocks.ts";
import { hasRoom, PRODUCT_LIMITS, productRows, type ProductLimits } from "./rowProducts.ts";

/** Kernels are not made larger than this: code that is run through once per block of rows leaves the cache. */
const MAX_INPUTS = 12;
const MAX_ASSIGNS = 12;
/** Most bytes of one row's scratch. */
const SCRATCH_LIMIT = 16 * 1024;

export interface RowTrace {
  (rule: string, producer: string, consumer: string): void;
}

/** Assignments over common rows; their own axes are those within a row. */
export interface RowForm {
  readonly rows: readonly Axis[];
  readonly assigns: readonly Assign[];
  /** The rows may be any of the axes of the only assignment: no loop says which. */
  readonly flexible: boolean;
}

/**
 * Merges calls that work on the same rows; then works on blocks of rows that stay in the first-level cache.
 *
 * @param products when contractions may join the rows between them; undefined: never
 */
export function mergeRows(
  program: Program,
  trace: RowTrace = () => undefined,
  products: ProductLimits | undefined = PRODUCT_LIMITS,
): Program {
  return new RowFusion(program, trace).run(products);
}

class RowFusion {
  private readonly program: Program;
  private readonly trace: RowTrace;
  private readonly numbers: ValueNumbers;
  private readonly calls: (OpenCall | undefined)[];
  private readonly producer = new Map<ValueId, number>();
  private readonly consumers = new Map<ValueId, Set<number>>();
  private readonly outputs: ReadonlySet<ValueId>;
  /** What must stay apart from the branches that it chooses from. */
  private readonly choices: ReadonlySet<ValueId>;
  /** Values that depend on constants only: they are made once, and must not be drawn into what runs every time. */
  private readonly fixed: Set<ValueId>;
  private readonly inputs = new WeakMap<OpenCall, readonly ValueId[]>();
  private readonly forms = new WeakMap<OpenCall, RowForm | "none">();
  private names = 0;
  /** When contractions are joined, while they are; otherwise what works on its own rows only. */
  private products: ProductLimits | undefined;

  constructor(program: Program, trace: RowTrace) {
    this.program = program;
    this.trace = trace;
    this.numbers = new ValueNumbers(program.values);
    this.outputs = new Set(program.outputs.map((o) => o.id));
    this.choices = choices(program);
    this.fixed = new Set(program.constants.keys());
    for (const call of program.calls) {
      if (call.inputs.every((id) => id === "" || this.fixed.has(id)))
        for (const id of call.outputs) this.fixed.add(id);
    }
    this.calls = program.calls.map((call) => openCall(call, this.numbers));
    this.calls.forEach((call, at) => this.enter(call!, at));
  }

  run(products: ProductLimits | undefined): Program {
    this.mergeAll();
    this.products = products;
    if (products) this.mergeAll();
    const calls = this.calls.flatMap((call): Call[] => {
      if (!call) return [];
      return [closeCall(call.kind === "kernel" ? this.blocked(call) : call, this.numbers)];
    });
    return { ...this.program, calls: inOrder(calls) };
  }

  private mergeAll(): void {
    let again = true;
    while (again) {
      again = false;
      for (let at = 0; at < this.calls.length; at++) while (this.mergeInto(at)) again = true;
    }
  }

  private blocked(call: OpenKernel): OpenKernel {
    const form = this.formOf(call);
    const body = form && !form.flexible ? blockRows(form, this.numbers, this.products) : undefined;
    return body
      ? { ...call, body: plainNames(body) }
      : { ...call, body: form && !form.flexible ? plainNames(call.body) : call.body };
  }

  private inputsOf(call: OpenCall): readonly ValueId[] {
    let known = this.inputs.get(call);
    if (!known) this.inputs.set(call, (known = inputsOf(call, this.numbers)));
    return known;
  }

  private formOf(call: OpenCall): RowForm | undefined {
    let known = this.forms.get(call);
    if (!known) this.forms.set(call, (known = formOf(call) ?? "none"));
    return known === "none" ? undefined : known;
  }

  private enter(call: OpenCall, at: number): void {
    for (const id of call.outputs) if (id) this.producer.set(id, at);
    for (const id of this.inputsOf(call)) {
      let set = this.consumers.get(id);
      if (!set) this.consumers.set(id, (set = new Set()));
      set.add(at);
    }
  }

  private leave(at: number): void {
    for (const id of this.inputsOf(this.calls[at]!)) this.consumers.get(id)?.delete(at);
    this.calls[at] = undefined;
  }

  /** Merges one of the calls that make the inputs of `at` into it. */
  private mergeInto(at: number): boolean {
    const into = this.calls[at];
    if (into?.kind !== "kernel") return false;
    const tried = new Set<number>();
    for (const id of this.inputsOf(into)) {
      const from = this.producer.get(id);
      const call = from === undefined ? undefined : this.calls[from];
      if (from === undefined || from === at || call?.kind !== "kernel" || tried.has(from)) continue;
      tried.add(from);
      if (this.fixed.has(id) !== this.fixed.has(into.outputs[0]!)) continue;
      const merged = this.merged(call, from, into, at);
      if (!merged) continue;
      this.trace("merge", call.nodes.join("+"), into.nodes.join("+"));
      this.leave(from);
      this.leave(at);
      this.calls[at] = merged;
      this.enter(merged, at);
      return true;
    }
    return false;
  }

  private merged(call: OpenKernel, from: number, into: OpenKernel, at: number): OpenKernel | undefined {
    const [first, second] = [this.formOf(call), this.formOf(into)];
    if (!first || !second) return undefined;
    if (![...first.assigns, ...second.assigns].some((a) => a.reduce)) return undefined;
    if ([...call.outputs, ...into.outputs].some((id) => this.choices.has(id))) return undefined;
    const crossing = new Set(call.outputs.map((id) => this.numbers.numberOf(id)));
    const pairs = pairRows(first, second, crossing);
    if (!pairs) return undefined;
    const rowsOfSecond = [...pairs].map(([a, b]): Axis => ({ name: b, extent: a.extent }));
    if (
      !this.products &&
      (!this.reduceOwnRows(first, [...pairs.keys()]) || !this.reduceOwnRows(second, rowsOfSecond))
    )
      return undefined;
    if (first.assigns.length + second.assigns.length > MAX_ASSIGNS) return undefined;

    // New names for all axes, the same one for the two axes of a pair.
    const byFirst = new Map<string, Expr>();
    const bySecond = new Map<string, Expr>();
    const rows = [...pairs].map(([a, b]): Axis => {
      const name = `row${this.names++}`;
      byFirst.set(a.name, axisOf(name, a.extent));
      bySecond.set(b, axisOf(name, a.extent));
      return { name, extent: a.extent };
    });
    const isRow = new Set(rows.map((r) => r.name));
    const assigns = [
      ...first.assigns.map((a) => this.renamed(a, byFirst)),
      ...second.assigns.map((a) => this.renamed(a, bySecond)),
    ].map((a) => ({ ...a, axes: a.axes.filter((x) => !isRow.has(x.name)) }));
    const isFixed = (n: number): boolean => this.fixed.has(this.numbers.at(n).id);
    const joined: RowForm = { rows, assigns, flexible: false };
    const ordered = this.products
      ? productRows(joined, crossing, this.numbers, isFixed, this.products)
      : rows;
    if (!ordered) return undefined;
    const form: RowForm = { ...joined, rows: ordered };
    if (!this.products) {
      if (!this.sharesRows(form, first.assigns.length, crossing)) return undefined;
      if (!rowsOfBlock(form, this.numbers).cached) return undefined;
    }

    const outputs = [...call.outputs, ...into.outputs];
    const inner = outputs.filter(
      (id) =>
        id !== "" &&
        !this.outputs.has(id) &&
        [...(this.consumers.get(id) ?? [])].every((c) => c === at || c === from),
    );
    // What nobody reads is not worth a place, but some output must stay.
    const kept = outputs.filter(
      (id) => id !== "" && (!inner.includes(id) || (into.outputs.includes(id) && into.outputs.length === 1)),
    );
    const own = this.asScratch(
      form,
      inner.filter((id) => !kept.includes(id)).map((id) => this.numbers.numberOf(id)),
    );
    if (!own || this.scratchBytes(own.assigns) > SCRATCH_LIMIT) return undefined;
    // Products are joined for what then need not be written.
    if (
      this.products &&
      (kept.some((id) => crossing.has(this.numbers.numberOf(id))) ||
        !hasRoom(own, this.numbers, this.products))
    )
      return undefined;
    const result: OpenKernel = {
      kind: "kernel",
      name: call.name === into.name ? call.name : `${call.name}+${into.name}`,
      nodes: [...new Set([...call.nodes, ...into.nodes])],
      body: loops(own.rows, own.assigns),
      outputs: kept,
    };
    if (this.inputsOf(result).length > MAX_INPUTS || this.leadsTo(from, at)) return undefined;
    return result;
  }

  private renamed(assign: Assign, by: Map<string, Expr>): Assign {
    const memo = new Map<Expr, Expr>();
    const all = new Map(by);
    const fresh = (a: Axis): Axis => {
      const known = by.get(a.name);
      if (known?.kind === "axis") return { name: known.name, extent: a.extent };
      const name = `x${this.names++}`;
      all.set(a.name, axisOf(name, a.extent));
      return { name, extent: a.extent };
    };
    const axes = assign.axes.filter((a) => a.extent !== 1).map(fresh);
    const reduced = assign.reduce?.axes.map(fresh);
    const result = mapAssign(assign, (e) => substituteAxes(e, all, memo));
    return { ...result, axes, ...(result.reduce ? { reduce: { ...result.reduce, axes: reduced! } } : {}) };
  }

  private reduceOwnRows({ assigns }: RowForm, rows: readonly Axis[]): boolean {
    return assigns.every((a) => !a.reduce || this.reducesOwnRow(a, a.reduce, rows));
  }

  /** Whether a reduction has one result per row and reads, of some operand, elements that no other row reads. */
  private reducesOwnRow(assign: Assign, reduce: Reduction, rows: readonly Axis[]): boolean {
    if (assign.axes.some((a) => a.extent !== 1 && !rows.some((r) => r.name === a.name))) return false;
    const count = elementCount(rows.map((r) => r.extent));
    const depth = elementCount(reduce.axes.map((a) => a.extent));
    let own = false;
    visit(reduce.body, (x) => {
      if (x.kind !== "load") return;
      const { shape, temp } = this.numbers.at(x.buffer);
      if (temp) own ||= elementCount(shape) >= depth;
      else {
        const along = axesOf(x);
        own ||= rows.every((r) => along.has(r.name)) && count * depth <= elementCount(shape);
      }
    });
    return own;
  }

  /** Whether the parts read the same rows, hand over a row, or one of them is so small that it does not matter. */
  private sharesRows({ rows, assigns }: RowForm, split: number, crossing: ReadonlySet<number>): boolean {
    const parts = [assigns.slice(0, split), assigns.slice(split)];
    if (parts.some((part) => part.every((a) => !a.reduce && a.axes.every((x) => x.extent === 1))))
      return true;
    const count = elementCount(rows.map((r) => r.extent));
    const read = parts.map((part) => {
      const found = new Set<number>();
      for (const load of loadsIn(part)) {
        const along = axesOf(load);
        const { shape } = this.numbers.at(load.buffer);
        if (elementCount(shape) >= 2 * count && rows.every((r) => along.has(r.name))) found.add(load.buffer);
      }
      return found;
    });
    return [...read[1]!].some((n) => crossing.has(n) || read[0]!.has(n));
  }

  /** The form with `values` kept in scratch of one row. Undefined where one is not addressed by its row. */
  private asScratch({ rows, assigns, flexible }: RowForm, values: readonly number[]): RowForm | undefined {
    const isRow = new Set(rows.map((r) => r.name));
    const kept = new Map<number, readonly number[]>();
    const temps = new Map<number, number>();
    for (const value of values) {
      const { dtype, shape } = this.numbers.at(value);
      const writers = assigns.filter((a) => a.out === value);
      if (writers.length !== 1) return undefined;
      const dims = writers[0]!.index.flatMap((e, d) =>
        shape[d] === 1 || (e.kind === "axis" && isRow.has(e.name)) ? [] : [d],
      );
      // The rest of the index must lie within the row.
      if (dims.some((d) => [...axesOf(writers[0]!.index[d]!)].some((name) => isRow.has(name))))
        return undefined;
      kept.set(value, dims);
      temps.set(
        value,
        this.numbers.add(
          `row scratch ${this.names++}`,
          dtype,
          dims.map((d) => shape[d]!),
          true,
        ),
      );
    }
    const memo = new Map<Expr, Expr>();
    const change = (e: Expr): Expr =>
      rewrite(
        e,
        (x) => {
          const temp = x.kind === "load" ? temps.get(x.buffer) : undefined;
          return x.kind === "load" && temp !== undefined
            ? loadTyped(
                temp,
                x.type,
                kept.get(x.buffer)!.map((d) => x.index[d]!),
              )
            : undefined;
        },
        memo,
      );
    return {
      rows,
      flexible,
      assigns: assigns.map((assign) => {
        const temp = temps.get(assign.out);
        const index = temp === undefined ? assign.index : kept.get(assign.out)!.map((d) => assign.index[d]!);
        return { ...mapAssign(assign, change), index, out: temp ?? assign.out };
      }),
    };
  }

  private scratchBytes(assigns: readonly Assign[]): number {
    const temps = new Set(assigns.map((a) => a.out).filter((n) => this.numbers.at(n).temp));
    return [...temps].reduce(
      (sum, n) => sum + elementCount(this.numbers.at(n).shape) * bytesPerElement(this.numbers.at(n).dtype),
      0,
    );
  }

  /** Whether `to` depends on `from` also by way of a third call: then the two cannot run as one. */
  private leadsTo(from: number, to: number): boolean {
    const seen = new Set<number>([to]);
    const reach = (at: number): boolean => {
      if (at === from) return true;
      if (seen.has(at)) return false;
      seen.add(at);
      return before(at).some(reach);
    };
    const before = (at: number): number[] =>
      this.inputsOf(this.calls[at]!).flatMap((id) => {
        const p = this.producer.get(id);
        return p === undefined ? [] : [p];
      });
    return before(to)
      .filter((p) => p !== from)
      .some(reach);
  }
}

/** A kernel as assignments over rows: loops of independent rows around assignments, or one assignment. */
function formOf(call: OpenCall): RowForm | undefined {
  if (call.kind !== "kernel") return undefined;
  const rows: Axis[] = [];
  let { body } = call;
  while (body.length === 1 && body[0]!.kind === "loop") {
    if (body[0].carried) return undefined;
    if (body[0].axis.extent !== 1) rows.push(body[0].axis);
    else return undefined;
    body = body[0].body;
  }
  const assigns = body.flatMap((b) => (b.kind === "assign" ? [b] : []));
  if (assigns.length !== body.length) return undefined;
  return { rows, assigns, flexible: rows.length === 0 && assigns.length === 1 };
}

/**
 * Which axes of the first form are the same coordinate as which of the second, by the values that cross from one to
 * the other. Undefined where the rows of one are not rows of the other.
 */
function pairRows(
  first: RowForm,
  second: RowForm,
  crossing: ReadonlySet<number>,
): Map<Axis, string> | undefined {
  const axesOfForm = (form: RowForm): readonly Axis[] =>
    (form.flexible ? form.assigns[0]!.axes : form.rows).filter((a) => a.extent > 1);
  const of = new Map(axesOfForm(first).map((a) => [a.name, a]));
  const to = new Set(axesOfForm(second).map((a) => a.name));
  let pairs: Map<Axis, string> | undefined;
  for (const load of loadsIn(second.assigns)) {
    if (!crossing.has(load.buffer)) continue;
    const writers = first.assigns.filter((a) => a.out === load.buffer);
    if (writers.length !== 1 || load.pad !== undefined) return undefined;
    const here = new Map<Axis, string>();
    for (let d = 0; d < load.index.length; d++) {
      const [i, e] = [writers[0]!.index[d]!, load.index[d]!];
      const own = i.kind === "axis" ? of.get(i.name) : undefined;
      if (!own || e.kind !== "axis" || e.extent !== own.extent || !to.has(e.name)) continue;
      if (here.has(own)) return undefined;
      here.set(own, e.name);
    }
    pairs = pairs ? new Map([...pairs].filter(([a, b]) => here.get(a) === b)) : here;
  }
  if (!pairs || new Set(pairs.values()).size !== pairs.size) return undefined;
  if (!first.flexible && pairs.size !== of.size) return undefined;
  if (!second.flexible && pairs.size !== to.size) return undefined;
  return pairs;
}

/** Names axes by their place, so that equal kernels are equal and share their code. */
function plainNames(body: readonly Block[]): readonly Block[] {
  const names = new Map<string, string>();
  const by = new Map<string, Expr>();
  const named = ({ name, extent }: Axis): Axis => {
    const plain = names.get(name) ?? `i${names.size}`;
    names.set(name, plain);
    by.set(name, axisOf(plain, extent));
    return { name: plain, extent };
  };
  const memo = new Map<Expr, Expr>();
  const walk = (blocks: readonly Block[]): Block[] =>
    blocks.map((block) => {
      if (block.kind === "loop") return { ...block, axis: named(block.axis), body: walk(block.body) };
      const axes = block.axes.map(named);
      const reduced = block.reduce?.axes.map(named);
      memo.clear();
      const result = mapAssign(block, (e) => substituteAxes(e, by, memo));
      return { ...result, axes, ...(result.reduce ? { reduce: { ...result.reduce, axes: reduced! } } : {}) };
    });
  return walk(body);
}

function loadsIn(assigns: readonly Assign[]): Set<LoadExpr> {
  const found = new Set<LoadExpr>();
  const seen = new Set<Expr>();
  for (const a of assigns) {
    mapAssign(a, (e) => {
      visit(e, (x) => x.kind === "load" && found.add(x), seen);
      return e;
    });
  }
  return found;
}

function loops(rows: readonly Axis[], assigns: readonly Assign[]): readonly Block[] {
  return rows.reduceRight<readonly Block[]>(
    (body, axis) => [{ kind: "loop", axis, carried: false, body }],
    assigns,
  );
}
