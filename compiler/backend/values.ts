/**
 * Values: expressions at one point of the unrolled loops, as the emitters read them. In: nothing; the table of
 * valueTable.ts makes them. Out: kinds of values, the addresses of loads, and points of unrolled loops. Invariant: a load
 * knows its position as a constant plus terms, so that copies of an unrolled body differ in numbers only; equal values of
 * one table are one object, and so are equal terms, sets of axes and scopes.
 */
import type { ComputeType, DType } from "../ir/dtype.ts";
import type { AxisExpr, BinaryOp, ConstExpr, Expr, UnaryOp } from "../ir/expr.ts";

/** Loop variables that something depends on; equal sets are one object. */
export interface AxisSet {
  readonly id: number;
  readonly names: ReadonlySet<string>;
}

/** constant + sum of terms, in elements of a buffer. */
export interface Address {
  readonly constant: number;
  readonly terms: Terms;
}

/** The part of an address that is known at run time only; equal ones are one object. */
export class Terms {
  readonly id: number;
  /** Terms that are plain loop variables. */
  readonly loops: readonly (readonly [name: string, coefficient: number])[];
  /** All others: divisions, clamps, loaded positions. */
  readonly rest: readonly (readonly [value: Value, coefficient: number])[];
  readonly axes: AxisSet;
  readonly readsAcc: boolean;
  readonly all: readonly (readonly [term: Expr, coefficient: number])[];
  readonly loads: Map<number, LoadValue>[] = [];
  readonly projections = new Map<Scope, Projection>();
  private readonly strides = new Map<string, number | undefined>();

  constructor(
    id: number,
    all: readonly (readonly [Expr, number])[],
    rest: readonly (readonly [Value, number])[],
    axes: AxisSet,
  ) {
    this.id = id;
    this.all = all;
    this.rest = rest;
    this.axes = axes;
    this.readsAcc = rest.some(([value]) => value.readsAcc);
    this.loops = all.flatMap(([term, c]) => (term.kind === "axis" ? [[term.name, c] as const] : []));
  }

  /** Elements between neighbouring values of `variable`, when that is a constant. */
  stride(variable: string): number | undefined {
    if (!this.axes.names.has(variable)) return 0;
    if (!this.strides.has(variable)) {
      const opaque = this.rest.some(([value]) => value.axes.names.has(variable));
      const sum = this.loops.reduce((total, [name, c]) => (name === variable ? total + c : total), 0);
      this.strides.set(variable, opaque ? undefined : sum);
    }
    return this.strides.get(variable);
  }
}

/** What fixing a scope's variables does to terms: those of plain variables become part of the constant. */
export interface Projection {
  readonly slots: readonly number[];
  readonly coefficients: readonly number[];
  /** The scope's variables inside other terms, and what is left by their values. */
  readonly opaqueSlots: readonly number[];
  readonly images: Map<string, Address>;
  /** What is left when there are no such variables. */
  readonly left: Address;
}

/** The unrolled variables around a statement, outermost first; equal lists are one object. */
export class Scope {
  readonly names: readonly string[];
  private readonly children = new Map<string, Scope>();
  private readonly touched: (boolean | undefined)[] = [];
  /** Index expressions at points of this scope, by the values of the variables that they depend on. */
  readonly images = new Map<Expr, { readonly slots: readonly number[]; readonly at: Map<string, Expr> }>();

  constructor(names: readonly string[]) {
    this.names = names;
  }
  with(name: string): Scope {
    let child = this.children.get(name);
    if (!child) {
      child = new Scope([...this.names, name]);
      this.children.set(name, child);
    }
    return child;
  }
  /** Whether fixing this scope's variables changes what depends on `axes`. */
  touches(axes: AxisSet): boolean {
    return (this.touched[axes.id] ??= this.names.some((name) => axes.names.has(name)));
  }
}

/** Numbers for a scope's variables. */
export interface Point {
  readonly scope: Scope;
  readonly values: readonly number[];
}

/**
 * What all values have. Classes, because many are made and all must look alike to the engine; their fields are
 * declared and set by hand, because defining each one first costs more than all the rest of making a value.
 */
abstract class Node {
  declare readonly id: number;
  declare readonly type: ComputeType;
  declare readonly axes: AxisSet;
  declare readonly readsAcc: boolean;
  /** Set for constants, index values and comparisons of them. */
  declare readonly expr: Expr | undefined;
  // Writers' notes: how often and in which local, in straight code number `region`.
  declare region: number;
  declare vectorUses: number;
  declare scalarUses: number;
  declare vectorLocal: number;
  declare scalarLocal: number;
  /** Lanes of `vectorLocal` that are in use; the others may hold anything. */
  declare lanes: number;
  /** The value at the point number `stamp`. */
  declare stamp: number;
  declare image: Value | undefined;

  constructor(id: number, type: ComputeType, axes: AxisSet, readsAcc: boolean, expr: Expr | undefined) {
    this.id = id;
    this.type = type;
    this.axes = axes;
    this.readsAcc = readsAcc;
    this.expr = expr;
    this.region = -1;
    this.vectorUses = 0;
    this.scalarUses = 0;
    this.vectorLocal = -1;
    this.scalarLocal = -1;
    this.lanes = 0;
    this.stamp = -1;
    this.image = undefined;
  }
}

export class ConstValue extends Node {
  declare readonly kind: "const";
  declare readonly value: number | bigint;
  constructor(id: number, axes: AxisSet, expr: ConstExpr) {
    super(id, expr.type, axes, false, expr);
    this.kind = "const";
    this.value = expr.value;
  }
}
export class AxisValue extends Node {
  declare readonly kind: "axis";
  declare readonly name: string;
  constructor(id: number, axes: AxisSet, expr: AxisExpr) {
    super(id, expr.type, axes, false, expr);
    this.kind = "axis";
    this.name = expr.name;
  }
}
export class AccValue extends Node {
  declare readonly kind: "acc";
  constructor(id: number, type: ComputeType, axes: AxisSet) {
    super(id, type, axes, true, undefined);
    this.kind = "acc";
  }
}
export class LoadValue extends Node {
  declare readonly kind: "load";
  declare readonly buffer: number;
  declare readonly address: Address;
  constructor(id: number, type: ComputeType, buffer: number, address: Address) {
    super(id, type, address.terms.axes, address.terms.readsAcc, undefined);
    this.kind = "load";
    this.buffer = buffer;
    this.address = address;
  }
}
export class UnaryValue extends Node {
  declare readonly kind: "unary";
  declare readonly op: UnaryOp;
  declare readonly a: Value;
  constructor(id: number, type: ComputeType, op: UnaryOp, a: Value, expr: Expr | undefined) {
    super(id, type, a.axes, a.readsAcc, expr);
    this.kind = "unary";
    this.op = op;
    this.a = a;
  }
}
export class BinaryValue extends Node {
  declare readonly kind: "binary";
  declare readonly op: BinaryOp;
  declare readonly a: Value;
  declare readonly b: Value;
  constructor(
    id: number,
    type: ComputeType,
    axes: AxisSet,
    op: BinaryOp,
    a: Value,
    b: Value,
    expr: Expr | undefined,
  ) {
    super(id, type, axes, a.readsAcc || b.readsAcc, expr);
    this.kind = "binary";
    this.op = op;
    this.a = a;
    this.b = b;
  }
}
export class SelectValue extends Node {
  declare readonly kind: "select";
  declare readonly condition: Value;
  declare readonly a: Value;
  declare readonly b: Value;
  constructor(id: number, axes: AxisSet, condition: Value, a: Value, b: Value, expr: Expr | undefined) {
    super(id, a.type, axes, condition.readsAcc || a.readsAcc || b.readsAcc, expr);
    this.kind = "select";
    this.condition = condition;
    this.a = a;
    this.b = b;
  }
}
export class CastValue extends Node {
  declare readonly kind: "cast";
  declare readonly to: DType | "index";
  declare readonly a: Value;
  constructor(id: number, type: ComputeType, to: DType | "index", a: Value, expr: Expr | undefined) {
    super(id, type, a.axes, a.readsAcc, expr);
    this.kind = "cast";
    this.to = to;
    this.a = a;
  }
}
export class BitcastValue extends Node {
  declare readonly kind: "bitcast";
  declare readonly a: Value;
  constructor(id: number, type: ComputeType, a: Value) {
    super(id, type, a.axes, a.readsAcc, undefined);
    this.kind = "bitcast";
    this.a = a;
  }
}
export type Value =
  | ConstValue
  | AxisValue
  | AccValue
  | LoadValue
  | UnaryValue
  | BinaryValue
  | SelectValue
  | CastValue
  | BitcastValue;

/** The direct operands of a value; positions of loads not counted. */
export function operandsOf(value: Value): readonly Value[] {
  switch (value.kind) {
    case "unary":
    case "cast":
    case "bitcast":
      return [value.a];
    case "binary":
      return [value.a, value.b];
    case "select":
      return [value.condition, value.a, value.b];
    default:
      return [];
  }
}
