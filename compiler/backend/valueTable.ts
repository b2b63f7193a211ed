/**
 * The table of a nest's values. In: the expressions of the nest, and points of its unrolled loops. Out: values (values.ts)
 * at these points, made by adding numbers to the addresses of loads instead of rewriting index arithmetic. Invariant:
 * equal values are one object; index expressions keep their `Expr`, whose simplifications (a clamp or a test that is
 * decided at this point) stay in force.
 */
import { InternalError } from "../diagnostic.ts";
import type { ComputeType, DType } from "../ir/dtype.ts";
import {
  binary,
  bitcast,
  cast,
  constant,
  fromLinear,
  int,
  unary,
  type BinaryOp,
  type BitsType,
  type Expr,
  type UnaryOp,
} from "../ir/expr.ts";
import { linear, type Linear } from "../ir/linear.ts";
import { simplifyOperands } from "../ir/simplifyOperands.ts";
import type { Layout } from "../ir/kernel.ts";
import { axesOf, operands, substituteAxes } from "../ir/walk.ts";
import { flatOffset } from "../lower/access.ts";
import { AccValue, AxisValue, BinaryValue, BitcastValue, CastValue, ConstValue, LoadValue, Scope, SelectValue, Terms, UnaryValue, type Address, type AxisSet, type Point, type Projection, type Value } from "./values.ts"; // prettier-ignore

/** Room for node numbers in keys that hold two of them. */
const PAIR = 2 ** 26;

/** All values of one nest. */
export class ValueTable {
  readonly root = new Scope([]);
  private readonly layouts: readonly Layout[];
  private readonly fromExprs = new Map<Expr, Value>();
  private readonly nodes = new Map<string, Map<number, Value>>();
  private readonly termTable = new Map<string, Terms>();
  private readonly sets = new Map<string, AxisSet>();
  private readonly unions = new Map<number, AxisSet>();
  private readonly singles = new Map<string, Scope>();
  private readonly noAxes: AxisSet;
  private count = 0;
  private stamps = 0;

  constructor(layouts: readonly Layout[]) {
    this.layouts = layouts;
    this.noAxes = this.axisSet([]);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Sets of axes

  private axisSet(names: Iterable<string>): AxisSet {
    const sorted = [...names].sort();
    const key = sorted.join(" ");
    let known = this.sets.get(key);
    if (!known) {
      known = { id: this.sets.size, names: new Set(sorted) };
      this.sets.set(key, known);
    }
    return known;
  }

  private union(a: AxisSet, b: AxisSet): AxisSet {
    if (a === b || b.names.size === 0) return a;
    if (a.names.size === 0) return b;
    const key = a.id * PAIR + b.id;
    let known = this.unions.get(key);
    if (!known) {
      known = this.axisSet(new Set([...a.names, ...b.names]));
      this.unions.set(key, known);
    }
    return known;
  }

  // -------------------------------------------------------------------------------------------------------------
  // From expressions

  /** The value of an expression whose unrolled variables, if any, are still open. */
  from(e: Expr): Value {
    let known = this.fromExprs.get(e);
    if (!known) {
      known = this.convert(e);
      this.fromExprs.set(e, known);
    }
    return known;
  }

  private convert(e: Expr): Value {
    switch (e.kind) {
      case "const":
        return new ConstValue(this.count++, this.noAxes, e);
      case "axis":
        return new AxisValue(this.count++, this.axisSet([e.name]), e);
      case "acc":
        return new AccValue(this.count++, e.type, this.noAxes);
      case "load": {
        const { constant, terms } = this.address(e.buffer, e.index);
        return this.loadAt(e.buffer, e.type, constant, terms);
      }
      default:
    }
    const parts = operands(e).map((x) => this.from(x));
    const [a, b, c] = parts as [Value, Value, Value];
    const ofIndex = e.type === "index" || (e.kind === "binary" && e.a.type === "index");
    const expr = ofIndex ? e : undefined;
    switch (e.kind) {
      case "unary":
        return this.unaryNode(e.op, e.type, a, expr);
      case "binary":
        return this.binaryNode(e.op, e.type, a, b, expr);
      case "select":
        return this.selectNode(a, b, c, expr);
      case "cast":
        return this.castNode(e.to, e.type, a, expr);
      case "bitcast":
        return this.bitcastNode(e.type, a);
      default:
        return e satisfies never;
    }
  }

  /** Where the element at `index` of a buffer lies. */
  address(buffer: number, index: readonly Expr[]): Address {
    return this.settled(flatOffset(this.layouts[buffer]!, index));
  }

  private settled({ constant, terms }: Linear): Address {
    const all = [...terms].filter(([, c]) => c !== 0);
    if (all.length > 1) all.sort(([x], [y]) => x.id - y.id);
    return { constant, terms: this.terms(all) };
  }

  private terms(all: readonly (readonly [Expr, number])[]): Terms {
    const key = all.map(([term, c]) => `${term.id}*${c}`).join("+");
    let known = this.termTable.get(key);
    if (!known) {
      const rest = all.flatMap(([term, c]) => (term.kind === "axis" ? [] : [[this.from(term), c] as const]));
      let axes = this.axisSet(all.flatMap(([term]) => (term.kind === "axis" ? [term.name] : [])));
      for (const [value] of rest) axes = this.union(axes, value.axes);
      known = new Terms(this.termTable.size, all, rest, axes);
      this.termTable.set(key, known);
    }
    return known;
  }

  // -------------------------------------------------------------------------------------------------------------
  // At a point

  /** `value` with the variables of the point's scope fixed. */
  at(value: Value, point: Point): Value {
    this.stamps++;
    return this.image(value, point);
  }

  /** `value` in one lane of a vector loop. */
  atLane(value: Value, variable: string, lane: number): Value {
    return this.at(value, this.lanePoint(variable, lane));
  }

  addressAtLane(address: Address, variable: string, lane: number): Address {
    return this.addressAt(address, this.lanePoint(variable, lane));
  }

  private lanePoint(variable: string, lane: number): Point {
    let scope = this.singles.get(variable);
    if (!scope) {
      scope = new Scope([variable]);
      this.singles.set(variable, scope);
    }
    return { scope, values: [lane] };
  }

  private image(value: Value, point: Point): Value {
    if (!point.scope.touches(value.axes)) return value;
    if (value.stamp === this.stamps) return value.image!;
    const made = this.makeImage(value, point);
    value.stamp = this.stamps;
    value.image = made;
    return made;
  }

  private makeImage(value: Value, point: Point): Value {
    if (value.expr) return this.from(this.indexAt(value.expr, point));
    switch (value.kind) {
      case "load": {
        const { terms } = value.address;
        const projection = this.projection(terms, point.scope);
        const left = projection.opaqueSlots.length
          ? this.opaqueImage(projection, terms, point)
          : projection.left;
        return this.loadAt(value.buffer, value.type, value.address.constant + fixedPart(projection, point) + left.constant, left.terms); // prettier-ignore
      }
      case "unary":
        return this.unary(value.op, this.image(value.a, point));
      case "binary":
        return this.binary(value.op, this.image(value.a, point), this.image(value.b, point));
      case "select": {
        const condition = this.image(value.condition, point);
        // What a coordinate does not choose here is not looked at.
        if (condition.kind === "const") return this.image(condition.value ? value.a : value.b, point);
        const a = this.image(value.a, point);
        const b = this.image(value.b, point);
        return a === b ? a : this.selectNode(condition, a, b, undefined);
      }
      case "cast": {
        const a = this.image(value.a, point);
        if (a.expr) return this.from(cast(a.expr, value.to));
        return this.castNode(value.to, value.type, a, undefined);
      }
      case "bitcast": {
        const a = this.image(value.a, point);
        if (a.expr) return this.from(bitcast(a.expr, value.type as BitsType));
        return this.bitcastNode(value.type, a);
      }
      default:
        throw new InternalError(`${value.kind} does not depend on loops`);
    }
  }

  /** An address with the variables of the point's scope fixed. */
  addressAt(address: Address, point: Point): Address {
    const { terms } = address;
    if (!point.scope.touches(terms.axes)) return address;
    const projection = this.projection(terms, point.scope);
    const left = projection.opaqueSlots.length ? this.opaqueImage(projection, terms, point) : projection.left;
    return { constant: address.constant + fixedPart(projection, point) + left.constant, terms: left.terms };
  }

  private projection(terms: Terms, scope: Scope): Projection {
    const known = terms.projections.get(scope);
    if (known) return known;
    const slots: number[] = [];
    const coefficients: number[] = [];
    const rest = terms.all.filter(([term, c]) => {
      const slot = term.kind === "axis" ? scope.names.indexOf(term.name) : -1;
      if (slot < 0) return true;
      slots.push(slot);
      coefficients.push(c);
      return false;
    });
    const opaque = new Set(terms.rest.flatMap(([value]) => [...value.axes.names]));
    const opaqueSlots = scope.names.flatMap((name, i) => (opaque.has(name) ? [i] : []));
    const left = opaqueSlots.length ? { constant: 0, terms } : { constant: 0, terms: this.terms(rest) };
    const made: Projection = { slots, coefficients, opaqueSlots, images: new Map(), left };
    terms.projections.set(scope, made);
    return made;
  }

  /** The terms that are left at a point where some of them change as such: a clamp that is decided, a quotient. */
  private opaqueImage(projection: Projection, terms: Terms, point: Point): Address {
    const key = projection.opaqueSlots.map((slot) => point.values[slot]!).join(",");
    let image = projection.images.get(key);
    if (!image) {
      let constant = 0;
      const merged = new Map<Expr, number>();
      for (const [term, c] of terms.all) {
        if (term.kind === "axis") {
          if (!point.scope.names.includes(term.name)) merged.set(term, (merged.get(term) ?? 0) + c);
          continue;
        }
        const form = linear(this.indexAt(term, point));
        constant += form.constant * c;
        for (const [t, k] of form.terms) merged.set(t, (merged.get(t) ?? 0) + k * c);
      }
      image = this.settled(linear(fromLinear({ constant, terms: merged })));
      projection.images.set(key, image);
    }
    return image;
  }

  private indexAt(e: Expr, { scope, values }: Point): Expr {
    let images = scope.images.get(e);
    if (!images) {
      const names = axesOf(e);
      images = { slots: scope.names.flatMap((name, i) => (names.has(name) ? [i] : [])), at: new Map() };
      scope.images.set(e, images);
    }
    const { slots, at } = images;
    const key = slots.map((slot) => values[slot]!).join(",");
    let image = at.get(key);
    if (!image) {
      image = substituteAxes(e, new Map(slots.map((slot) => [scope.names[slot]!, int(values[slot]!)])));
      at.set(key, image);
    }
    return image;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Nodes

  private table(name: string): Map<number, Value> {
    let table = this.nodes.get(name);
    if (!table) {
      table = new Map();
      this.nodes.set(name, table);
    }
    return table;
  }

  private loadAt(buffer: number, type: ComputeType, constant: number, terms: Terms): LoadValue {
    const table = (terms.loads[buffer] ??= new Map());
    let known = table.get(constant);
    if (!known) {
      known = new LoadValue(this.count++, type, buffer, { constant, terms });
      table.set(constant, known);
    }
    return known;
  }

  private unary(op: UnaryOp, a: Value): Value {
    if (a.expr) return this.from(unary(op, a.expr));
    return this.unaryNode(op, op === "not" ? "bool" : a.type, a, undefined);
  }

  private unaryNode(op: UnaryOp, type: ComputeType, a: Value, expr: Expr | undefined): Value {
    const table = this.table(op);
    let known = table.get(a.id);
    if (!known) {
      known = new UnaryValue(this.count++, type, op, a, expr);
      table.set(a.id, known);
    }
    return known;
  }

  private binary(op: BinaryOp, a: Value, b: Value): Value {
    if (a.expr && b.expr) return this.from(binary(op, a.expr, b.expr));
    if (a.kind === "const" || b.kind === "const") {
      const simpler = simplifyOperands<Value>(op, a, b, (type, value) => this.from(constant(type, value)));
      if (simpler) return simpler;
    }
    const compares = op === "eq" || op === "ne" || op === "lt" || op === "le" || op === "gt" || op === "ge";
    return this.binaryNode(op, compares ? "bool" : a.type, a, b, undefined);
  }

  private binaryNode(op: BinaryOp, type: ComputeType, a: Value, b: Value, expr: Expr | undefined): Value {
    const table = this.table(op);
    const key = a.id * PAIR + b.id;
    let known = table.get(key);
    if (!known) {
      known = new BinaryValue(this.count++, type, this.union(a.axes, b.axes), op, a, b, expr);
      table.set(key, known);
    }
    return known;
  }

  private selectNode(condition: Value, a: Value, b: Value, expr: Expr | undefined): Value {
    const table = this.table(`select ${condition.id}`);
    const key = a.id * PAIR + b.id;
    let known = table.get(key);
    if (!known) {
      const axes = this.union(condition.axes, this.union(a.axes, b.axes));
      known = new SelectValue(this.count++, axes, condition, a, b, expr);
      table.set(key, known);
    }
    return known;
  }

  private castNode(to: DType | "index", type: ComputeType, a: Value, expr: Expr | undefined): Value {
    const table = this.table(`cast ${to}`);
    let known = table.get(a.id);
    if (!known) {
      known = new CastValue(this.count++, type, to, a, expr);
      table.set(a.id, known);
    }
    return known;
  }

  private bitcastNode(type: ComputeType, a: Value): Value {
    const table = this.table(`bits ${type}`);
    let known = table.get(a.id);
    if (!known) {
      known = new BitcastValue(this.count++, type, a);
      table.set(a.id, known);
    }
    return known;
  }
}

/** What the variables that are plain terms add to the constant at a point. */
function fixedPart({ slots, coefficients }: Projection, { values }: Point): number {
  let sum = 0;
  for (let i = 0; i < slots.length; i++) sum += coefficients[i]! * values[slots[i]!]!;
  return sum;
}
