/**
 * Scalar code of values. In: values. Out: instructions that push them. Invariant: within one region of straight
 * code a value that is used again is computed once and kept in a local, until a store to a buffer that it was
 * loaded from. Nothing traps: divisions are guarded and conversions saturate, whatever the data.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import type { BinaryOp, Expr } from "../../ir/expr.ts";
import { linear } from "../../ir/linear.ts";
import { range } from "../../ir/range.ts";
import type { Lanes } from "../straight.ts";
import type { ValueType } from "./opcodes.ts";
import { PointerWriter } from "./pointers.ts";
import { memoryForms, scalarBinary, scalarType } from "./select.ts";
import { operandsOf, type UnaryValue, type Value } from "../values.ts";

export interface Accumulator {
  local: number;
  vector: boolean;
  type: ComputeType;
  /** The scalar that the lanes were combined into. */
  combined: Accumulator | undefined;
}

type Mode = "v" | "s";

export abstract class ScalarWriter extends PointerWriter {
  protected vector: Lanes | undefined;
  /** What `acc` reads. */
  protected accumulatorLocal: Accumulator | undefined;
  private region = 0;
  /** Values that are held in locals, in order of writing. */
  private held: { readonly value: Value; readonly mode: Mode; readonly local: number }[] = [];
  /** By buffer: which values depend on what it holds. */
  private readonly reads = new Map<number, Map<Value, boolean>>();

  // -------------------------------------------------------------------------------------------------------------
  // Regions of straight code

  protected openRegion(): void {
    this.region++;
    this.held = [];
    this.reads.clear();
  }

  protected closeRegion(): void {
    for (const { local } of this.held) this.locals.release(local);
    this.held = [];
    this.region++;
  }

  private touch(value: Value): void {
    if (value.region === this.region) return;
    value.region = this.region;
    value.vectorUses = 0;
    value.scalarUses = 0;
    value.vectorLocal = -1;
    value.scalarLocal = -1;
  }

  /** Counts the uses of a value that is going to be written in this region, as `vector` says. */
  protected count(value: Value, vector: Lanes | undefined): void {
    this.touch(value);
    const uses = vector ? ++value.vectorUses : ++value.scalarUses;
    if (uses > 1) return;
    if (value.kind === "load") {
      for (const [term] of value.address.terms.rest) this.count(term, undefined);
    } else if (
      vector &&
      value.kind !== "const" &&
      !value.readsAcc &&
      !value.axes.names.has(vector.variable)
    ) {
      // The same in all lanes: written as a scalar.
      this.count(value, undefined);
    } else for (const operand of operandsOf(value)) this.count(operand, vector);
  }

  protected shared(value: Value, mode: Mode): boolean {
    return value.region === this.region && (mode === "v" ? value.vectorUses : value.scalarUses) > 1;
  }

  /** Writes a value through `write` unless it is already in a local; keeps it in one if it is used again. */
  protected cached(value: Value, mode: Mode, type: ValueType, write: () => void): void {
    this.touch(value);
    const local = mode === "v" ? value.vectorLocal : value.scalarLocal;
    const lanes = mode === "v" ? this.vector!.lanes : 0;
    if (local >= 0 && (mode === "s" || value.lanes >= lanes)) {
      this.code.get(local);
      return;
    }
    write();
    if (!this.shared(value, mode) || value.kind === "acc" || (value.kind === "const" && mode === "s")) return;
    // A value that reads an accumulator is only good for that accumulator's statement.
    if (value.readsAcc && !this.repeated.has(value)) return;
    const held = this.locals.take(type);
    this.code.tee(held);
    if (mode === "v") {
      value.vectorLocal = held;
      value.lanes = value.axes.names.has(this.vector!.variable) ? lanes : 4;
    } else value.scalarLocal = held;
    this.held.push({ value, mode, local: held });
  }

  /** Whether this region needs a value in vectors and does not hold it. */
  protected isAwaited(value: Value): boolean {
    return value.region === this.region && value.vectorUses > 0 && value.vectorLocal < 0;
  }

  /** Takes a local that was set, with all four lanes of a value that this region will need. */
  protected hold(value: Value, local: number): void {
    value.vectorLocal = local;
    value.lanes = 4;
    this.held.push({ value, mode: "v", local });
  }

  /** Values of the statement being written that read its accumulator and are needed more than once. */
  private repeated: ReadonlySet<Value> = new Set();
  private readonly repeatedIn = new Map<Value, ReadonlySet<Value>>();

  /** Says which statement is written next, as the value that it stores. */
  protected beginStatement(root: Value): void {
    let repeated = this.repeatedIn.get(root);
    if (!repeated) this.repeatedIn.set(root, (repeated = repeatedValues(root)));
    this.repeated = repeated;
  }

  /** Forgets the values that read the accumulator, in one mode or in both: it is another one's turn. */
  protected endStatement(only?: Mode): void {
    if (this.repeated.size === 0) return;
    this.held = this.held.filter(({ value, mode, local }) => {
      if (!value.readsAcc || (only !== undefined && mode !== only)) return true;
      if (mode === "v") value.vectorLocal = -1;
      else value.scalarLocal = -1;
      this.locals.release(local);
      return false;
    });
  }

  /** Writes one lane's value, which is a statement within the statement. */
  protected asStatement(root: Value, write: () => void): void {
    const outer = this.repeated;
    this.beginStatement(root);
    write();
    this.endStatement("s");
    this.repeated = outer;
  }

  /** After a store, values that were loaded from that buffer are stale. */
  protected forget(buffer: number): void {
    if (this.nest.buffers[buffer]!.role === "in") return;
    this.held = this.held.filter(({ value, mode }) => {
      if (!this.readsBuffer(value, buffer)) return true;
      if (mode === "v") value.vectorLocal = -1;
      else value.scalarLocal = -1;
      return false;
    });
  }

  /** Whether a value depends on what a buffer holds; values share operands, so each is looked into once. */
  private readsBuffer(value: Value, buffer: number): boolean {
    let known = this.reads.get(buffer);
    if (!known) this.reads.set(buffer, (known = new Map()));
    let result = known.get(value);
    if (result !== undefined) return result;
    result =
      value.kind === "load"
        ? value.buffer === buffer || value.address.terms.rest.some(([term]) => this.readsBuffer(term, buffer))
        : operandsOf(value).some((operand) => this.readsBuffer(operand, buffer));
    known.set(value, result);
    return result;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Expressions

  protected pushUniform(value: Value): void {
    const saved = this.vector;
    this.vector = undefined;
    this.emitScalar(value);
    this.vector = saved;
  }

  protected constant(type: ComputeType, value: number | bigint): void {
    switch (scalarType(type)) {
      case "f32":
        this.code.f32(Number(value));
        return;
      case "f64":
        this.code.f64(Number(value));
        return;
      case "i64":
        this.code.i64(BigInt(value));
        return;
      default:
        this.code.i32(typeof value === "number" ? value | 0 : Number(BigInt.asIntN(32, value)));
    }
  }

  /** Pushes a value as a scalar. */
  protected emitScalar(e: Value): void {
    this.cached(e, "s", scalarType(e.type), () => this.writeScalar(e));
  }

  private writeScalar(e: Value): void {
    const { code } = this;
    switch (e.kind) {
      case "const":
        this.constant(e.type, e.value);
        return;
      case "axis":
        this.counter(e.name);
        return;
      case "acc":
        code.get(this.accumulatorLocal!.local);
        return;
      case "load": {
        const offset = this.address(e.buffer, e.address, undefined);
        code.access(memoryForms(this.nest.buffers[e.buffer]!.dtype).load, offset);
        return;
      }
      case "unary":
        this.scalarUnary(e);
        return;
      case "binary":
        this.emitBinary(e.op, e.a, e.b);
        return;
      case "select":
        this.emitScalar(e.a);
        this.emitScalar(e.b);
        this.emitScalar(e.condition);
        code.select(scalarType(e.type));
        return;
      case "cast":
        this.emitScalar(e.a);
        this.convert(e.a.type, e.to);
        return;
      case "bitcast":
        this.emitScalar(e.a);
        if (scalarType(e.a.type) === scalarType(e.type)) return;
        if (e.type === "f64") code.op("f64.reinterpret_i64");
        else if (e.a.type === "f64") code.op("i64.reinterpret_f64");
        else code.op(e.type === "f32" ? "f32.reinterpret_i32" : "i32.reinterpret_f32");
        return;
      default:
        e satisfies never;
    }
  }

  private counter(name: string): void {
    const frame = this.frames.find((f) => f.variable === name);
    if (!frame) throw new InternalError(`${name} is no open loop in ${this.nest.name}`);
    this.code.get(frame.counter);
  }

  private emitBinary(op: BinaryOp, a: Value, b: Value): void {
    const { code } = this;
    if ((op === "floordiv" || op === "floormod") && a.type === "index") {
      const by = Number((b as Value & { kind: "const" }).value);
      const [low] = range(a.expr!);
      this.emitScalar(a);
      if (low >= 0) {
        code.i32(by).op(op === "floordiv" ? "i32.div_u" : "i32.rem_u");
        return;
      }
      if (low <= -(2 ** 30)) {
        this.roundedDown(op, by);
        return;
      }
      // Shift into the non-negative numbers by a multiple of the divisor.
      const shift = Math.ceil(-low / by);
      code
        .i32(shift * by)
        .op("i32.add")
        .i32(by);
      if (op === "floordiv") code.op("i32.div_u").i32(shift).op("i32.sub");
      else code.op("i32.rem_u");
      return;
    }
    if (op === "pow") {
      this.mathCall("pow", a.type, [a, b]);
      return;
    }
    if (op === "rem" && (a.type === "f32" || a.type === "f64")) {
      this.mathCall("fmod", a.type, [a, b]);
      return;
    }
    this.emitScalar(a);
    this.emitScalar(b);
    scalarBinary(code, op, a.type);
  }

  /** Quotient rounded down, or remainder in [0, by), of any number on the stack. */
  private roundedDown(op: "floordiv" | "floormod", by: number): void {
    const { code } = this;
    if (op === "floormod") {
      code.i32(by).op("i32.rem_s").i32(by).op("i32.add").i32(by).op("i32.rem_u");
      return;
    }
    const a = this.locals.take("i32");
    // One less than the truncated quotient where the remainder is negative.
    code.tee(a).i32(by).op("i32.div_s");
    code.get(a).i32(by).op("i32.rem_s").i32(31).op("i32.shr_s").op("i32.add");
    this.locals.release(a);
  }

  /** A function of JavaScript's Math, in double precision. */
  private mathCall(name: string, type: ComputeType, values: readonly Value[]): void {
    const { code } = this;
    for (const value of values) {
      this.emitScalar(value);
      if (type === "f32") code.op("f64.promote_f32");
      else if (type !== "f64") throw new InternalError(`${name} of ${type}`);
    }
    code.math(name, values.length);
    if (type === "f32") code.op("f32.demote_f64");
  }

  private scalarUnary(e: UnaryValue): void {
    const { code } = this;
    const type = scalarType(e.a.type);
    const float = type === "f32" || type === "f64";
    switch (e.op) {
      case "neg":
        if (float) {
          this.emitScalar(e.a);
          code.op(`${type}.neg`);
        } else {
          this.constant(e.a.type, 0);
          this.emitScalar(e.a);
          code.op(`${type}.sub`);
        }
        return;
      case "abs":
        this.emitScalar(e.a);
        if (float) code.op(`${type}.abs`);
        else if (e.a.type !== "u32" && e.a.type !== "u64" && e.a.type !== "bool") {
          const held = this.locals.take(type);
          code.set(held);
          this.constant(e.a.type, 0);
          code.get(held).op(`${type}.sub`).get(held).get(held);
          this.constant(e.a.type, 0);
          code.op(`${type}.lt_s`).select(type);
          this.locals.release(held);
        }
        return;
      case "floor":
      case "ceil":
      case "trunc":
      case "sqrt":
        this.emitScalar(e.a);
        if (float) code.op(`${type}.${e.op}`);
        return;
      case "round":
        this.emitScalar(e.a);
        if (float) code.op(`${type}.nearest`);
        return;
      case "not":
        this.emitScalar(e.a);
        code.op("i32.eqz");
        return;
      case "bitnot":
        this.emitScalar(e.a);
        this.constant(e.a.type, -1);
        code.op(`${type}.xor`);
        return;
      default:
        this.mathCall(e.op, e.a.type, [e.a]);
    }
  }

  /** Converts the scalar on the stack. Small floats and their like were lowered to integers before. */
  private convert(from: ComputeType, to: string): void {
    const { code } = this;
    const source = scalarType(from);
    const unsigned = from === "u32" || from === "u64" || from === "bool";
    if (to === "bool") {
      if (from === "bool") return;
      this.constant(from, 0);
      code.op(`${source}.ne`);
      return;
    }
    const float = source === "f32" || source === "f64";
    const target: ValueType = to === "float32" ? "f32" : to === "float64" ? "f64" : to === "int64" || to === "uint64" ? "i64" : "i32"; // prettier-ignore
    if (target === "f32" || target === "f64") {
      if (source === target) return;
      if (float) code.op(target === "f32" ? "f32.demote_f64" : "f64.promote_f32");
      else code.op(`${target}.convert_${source}_${unsigned ? "u" : "s"}`);
      return;
    }
    if (target === "i64") {
      if (float) code.op(`i64.trunc_sat_${source}_${to === "uint64" ? "u" : "s"}`);
      else if (source === "i32") code.op(unsigned ? "i64.extend_i32_u" : "i64.extend_i32_s");
      return;
    }
    if (float) code.op(`i32.trunc_sat_${source}_${to === "uint32" ? "u" : "s"}`);
    else if (source === "i64") code.op("i32.wrap_i64");
    switch (to) {
      case "int8":
        code.op("i32.extend8_s");
        return;
      case "int16":
        code.op("i32.extend16_s");
        return;
      case "uint8":
        code.i32(0xff).op("i32.and");
        return;
      case "uint16":
        code.i32(0xffff).op("i32.and");
        return;
      case "int4":
        code.i32(28).op("i32.shl").i32(28).op("i32.shr_s");
        return;
      case "uint4":
        code.i32(15).op("i32.and");
        return;
      case "int2":
        code.i32(30).op("i32.shl").i32(30).op("i32.shr_s");
        return;
      case "uint2":
        code.i32(3).op("i32.and");
        return;
      case "int32":
      case "uint32":
      case "index":
        return;
      default:
        throw new InternalError(`cast to ${to} reached the emitter`);
    }
  }
}

/** Whether an index expression is a sum of loop variables. */
export function isAffine(e: Expr): boolean {
  for (const term of linear(e).terms.keys()) if (term.kind !== "axis") return false;
  return true;
}

/** What of a value reads an accumulator and is an operand more than once. */
function repeatedValues(root: Value): ReadonlySet<Value> {
  const uses = new Map<Value, number>();
  const visit = (value: Value): void => {
    if (!value.readsAcc || value.kind === "acc") return;
    const before = uses.get(value) ?? 0;
    uses.set(value, before + 1);
    if (before === 0) for (const operand of operandsOf(value)) visit(operand);
  };
  visit(root);
  return new Set([...uses].flatMap(([value, count]) => (count > 1 ? [value] : [])));
}
