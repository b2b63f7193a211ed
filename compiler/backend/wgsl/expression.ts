/**
 * Values as WGSL. In: values of a nest at one point of its unrolled loops. Out: text; what is used more than once is
 * named by a `let`. Invariant: within one region of straight code equal values are computed once, until a store to a
 * buffer that they were loaded from. Inside a vector loop everything that varies by lane is four lanes wide, and the rest
 * stays scalar. Coordinates are written by indices.ts, elements of buffers by loads.ts.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import type { Nest } from "../../ir/nest.ts";
import { range } from "../../ir/range.ts";
import type { Lanes } from "../straight.ts";
import { operandsOf, type BinaryValue, type CastValue, type UnaryValue, type Value } from "../values.ts";
import { converted } from "./conversions.ts";
import type { Library } from "./library.ts";
import { floatWord, literal, wgslType, wgslVector } from "./literal.ts";
import { LoadWriter } from "./loads.ts";
import type { Binding, Operand } from "./memory.ts";
import { divided, plainOperation } from "./operations.ts";
import { DOT } from "./packed.ts";
import { isWide, wideBinary, wideUnary } from "./wide.ts";

/** The register of an accumulator. */
export interface Register {
  readonly name: string;
  /** Whether it holds four lanes. */
  readonly vector: boolean;
  readonly type: ComputeType;
}

interface Note {
  uses: number;
  name: string | undefined;
}

export abstract class ExpressionWriter extends LoadWriter {
  protected readonly library: Library;
  /** What `acc` reads. */
  protected register: Register | undefined;
  private scalars = new Map<Value, Note>();
  private vectors = new Map<Value, Note>();
  /** Of the statement being written: what reads its accumulator and is needed more than once. */
  private ofStatement = new Map<string, Note>();

  constructor(nest: Nest, operands: readonly Operand[], bindings: readonly Binding[], library: Library) {
    super(nest, operands, bindings);
    this.library = library;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Regions of straight code

  protected override openRegion(): void {
    super.openRegion();
    this.scalars = new Map();
    this.vectors = new Map();
  }

  /** Counts the uses of a value that is going to be written in this region. */
  protected count(value: Value, lanes: Lanes | undefined): void {
    const note = this.note(value, lanes !== undefined);
    if (++note.uses > 1) return;
    if (value.kind === "load") {
      for (const [term] of value.address.terms.rest) this.count(term, undefined);
    } else if (lanes && value.kind !== "const" && !value.readsAcc && !value.axes.names.has(lanes.variable)) {
      this.count(value, undefined);
    } else for (const operand of operandsOf(value)) this.count(operand, lanes);
  }

  private note(value: Value, vector: boolean): Note {
    const notes = vector ? this.vectors : this.scalars;
    let note = notes.get(value);
    if (!note) notes.set(value, (note = { uses: 0, name: undefined }));
    return note;
  }

  /** Says which statement is written next, as the value that it stores, and the accumulator that it reads. */
  protected beginStatement(root: Value, register: Register | undefined): void {
    this.register = register;
    this.ofStatement = new Map();
    const visit = (value: Value): void => {
      if (!value.readsAcc || value.kind === "acc") return;
      for (const mode of ["s", "v"]) {
        const key = `${mode}${value.id}`;
        const note = this.ofStatement.get(key);
        if (note) note.uses++;
        else this.ofStatement.set(key, { uses: 1, name: undefined });
      }
      if (this.ofStatement.get(`s${value.id}`)!.uses === 1)
        for (const operand of operandsOf(value)) visit(operand);
    };
    visit(root);
  }

  /** After a store, what was loaded from that buffer, or from another in the same binding, is stale. */
  protected forget(buffer: number): void {
    const { name } = this.declarations.of(buffer);
    const stale = (other: number): boolean => this.declarations.of(other).name === name;
    this.forgetLoads(stale);
    for (const notes of [this.scalars, this.vectors])
      for (const [value, note] of notes)
        if (note.name !== undefined && this.readsBuffer(value, stale)) note.name = undefined;
  }

  private readsBuffer(value: Value, test: (buffer: number) => boolean): boolean {
    if (value.kind === "load")
      return test(value.buffer) || value.address.terms.rest.some(([term]) => this.readsBuffer(term, test));
    return operandsOf(value).some((operand) => this.readsBuffer(operand, test));
  }

  // -------------------------------------------------------------------------------------------------------------
  // Values

  protected varies(e: Value): boolean {
    return (
      this.lanes !== undefined &&
      (e.axes.names.has(this.lanes.variable) || (e.readsAcc && this.register?.vector === true))
    );
  }

  protected override text(e: Value, vector: boolean): string {
    if (e.kind === "const") {
      const text = literal(e.type, e.value, this.bits);
      return vector ? `${wgslVector(e.type)}(${text})` : text;
    }
    if (vector && !this.varies(e)) return `${wgslVector(e.type)}(${this.text(e, false)})`;
    if (e.kind === "acc") return this.register!.name;
    const note = e.readsAcc
      ? (this.ofStatement.get(`${vector ? "v" : "s"}${e.id}`) ?? { uses: 1, name: undefined })
      : this.note(e, vector);
    if (note.name !== undefined) return note.name;
    if (!vector && e.expr && this.isPure(e)) return this.pure(e.expr);
    const text = this.write(e, vector);
    if (note.uses < 2 || /^\w+(\.\w)?$/.test(text)) return text;
    const name = this.frames.fresh("v");
    this.frames.line(`let ${name} = ${text};`);
    note.name = name;
    return name;
  }

  private write(e: Value, vector: boolean): string {
    switch (e.kind) {
      case "load":
        return vector ? this.vectorLoad(e) : this.scalarLoad(e);
      case "axis":
        return vector ? "vec4i(0, 1, 2, 3)" : this.variable(e.name);
      case "unary":
        return this.unary(e, vector);
      case "binary":
        return this.binary(e, vector);
      case "select": {
        if (isWide(e.type) && vector) return this.byLanes(e);
        const condition = this.text(e.condition, vector && this.varies(e.condition));
        return `select(${this.text(e.b, vector)}, ${this.text(e.a, vector)}, ${condition})`;
      }
      case "cast":
        return this.cast(e, vector);
      case "bitcast": {
        const type = vector ? wgslVector(e.type) : wgslType(e.type);
        const from = wgslType(e.a.type);
        const text = this.text(e.a, vector);
        return from === wgslType(e.type) ? text : `bitcast<${type}>(${text})`;
      }
      default:
        throw new InternalError(`${e.kind} has no text`);
    }
  }

  protected override byLanes(e: Value): string {
    const { variable } = this.lanes!;
    const { register, lanes } = this;
    const parts = [0, 1, 2, 3].map((lane) => {
      if (register?.vector === true && e.readsAcc)
        this.register = { ...register, name: `${register.name}.${"xyzw"[lane]}`, vector: false };
      const value = this.values.atLane(e, variable, lane);
      this.lanes = undefined;
      const text = this.text(value, false);
      this.lanes = lanes;
      this.register = register;
      return text;
    });
    return `${wgslVector(e.type)}(${parts.join(", ")})`;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Operators

  private unary(e: UnaryValue, vector: boolean): string {
    if (isWide(e.a.type))
      return vector ? this.byLanes(e) : wideUnary(this.library, e.op, e.a.type, this.text(e.a, false));
    if (e.op === "round") return `round(${this.quotient(e.a, vector)})`;
    const a = this.text(e.a, vector);
    switch (e.op) {
      case "neg":
        return e.a.type === "u32" ? `(~${a} + ${vector ? "vec4u(1u)" : "1u"})` : `(-${a})`;
      case "abs":
        return e.a.type === "u32" ? a : `abs(${a})`;
      case "not":
        return `!${a}`;
      case "bitnot":
        return `(~${a})`;
      case "floor":
      case "ceil":
      case "trunc":
      case "sqrt":
        return `${e.op}(${a})`;
      default:
        throw new InternalError(`${e.op} of ${e.a.type} has no form in WGSL`);
    }
  }

  /**
   * What is rounded next: compilers make products of quotients by constants, which puts what lies half-way between two
   * steps of a quantization on the other side.
   */
  private quotient(e: Value, vector: boolean): string {
    const known = e.readsAcc ? undefined : this.note(e, vector).name;
    if (
      known !== undefined ||
      e.kind !== "binary" ||
      e.op !== "div" ||
      e.b.kind !== "const" ||
      e.type !== "f32"
    )
      return this.text(e, vector);
    return `(${this.text(e.a, vector)} / bitcast<f32>(${this.bits(floatWord(Number(e.b.value)))}))`;
  }

  private binary(e: BinaryValue, vector: boolean): string {
    const { op } = e;
    const { type } = e.a;
    if (isWide(type)) {
      if (vector) return this.byLanes(e);
      const [a, b] = [this.text(e.a, false), this.text(e.b, false)];
      return wideBinary(this.library, op, type, a, b);
    }
    if (op === "floordiv" || op === "floormod") {
      if (vector) return this.byLanes(e);
      const by = Number((e.b as Value & { kind: "const" }).value);
      const name = this.frames.fresh("a");
      this.frames.line(`let ${name} = ${this.text(e.a, false)};`);
      return divided(op, name, by, range(e.a.expr!)[0]);
    }
    const mixed = (op === "add" || op === "sub" || op === "mul" || op === "div" || op === "dot4") && vector;
    const a = this.text(e.a, vector && (!mixed || this.varies(e.a)));
    const b = this.text(e.b, vector && (!mixed || this.varies(e.b)));
    const splat = (text: string, x: Value): string => (vector && mixed && !this.varies(x) ? `${wgslVector(type)}(${text})` : text); // prettier-ignore
    switch (op) {
      case "div":
        if (type === "f32") return `(${a} / ${b})`;
        return `${this.library.use(type === "u32" ? "divU" : "divI", vector)}(${splat(a, e.a)}, ${splat(b, e.b)})`;
      case "rem":
        if (type !== "f32") return `(${a} % ${b})`;
        return vector ? this.byLanes(e) : `${this.library.use("remF")}(${a}, ${b})`;
      case "pow":
        if (vector) return this.byLanes(e);
        if (type === "f32") throw new InternalError("pow of f32 has no form in WGSL");
        return `${this.library.use(type === "u32" ? "powU" : "powI")}(${a}, ${b})`;
      case "dot4":
        return `${this.library.use(DOT, vector)}(${splat(a, e.a)}, ${splat(b, e.b)})`;
      case "min":
      case "max":
        return this.extreme(op, e, a, b, vector);
      case "shl":
      case "shr": {
        const by =
          e.b.kind === "const"
            ? `${Number(e.b.value) & 31}u`
            : type === "u32"
              ? `(${b} & ${vector ? "vec4u(31u)" : "31u"})`
              : `bitcast<${vector ? "vec4u" : "u32"}>(${b} & ${vector ? "vec4i(31)" : "31"})`;
        const count = vector && e.b.kind === "const" ? `vec4u(${by})` : by;
        return `(${a} ${op === "shl" ? "<<" : ">>"} ${count})`;
      }
      case "eq":
      case "ne":
        return this.equality(op, e, a, b, vector);
      default:
        return plainOperation(op, a, b, type)!;
    }
  }

  /** NaN is never equal to anything; compilers that assume there is none are asked for bits. */
  private equality(op: "eq" | "ne", e: BinaryValue, a: string, b: string, vector: boolean): string {
    if (e.a.type !== "f32") return `(${a} ${op === "eq" ? "==" : "!="} ${b})`;
    if (e.a === e.b) return `${op === "eq" ? "!" : ""}${this.library.use("isNan", vector)}(${a})`;
    return op === "eq" ? `(${a} == ${b})` : `!(${a} == ${b})`;
  }

  /** NaN in either operand gives NaN. */
  private extreme(op: "min" | "max", e: BinaryValue, a: string, b: string, vector: boolean): string {
    if (e.a.type === "bool") return `(${a} ${op === "min" ? "&" : "|"} ${b})`;
    if (e.a.type !== "f32") return `${op}(${a}, ${b})`;
    const number = (x: Value): boolean => x.kind === "const" && !Number.isNaN(x.value);
    const sign = op === "max" ? "<" : ">";
    if (number(e.b)) return this.chosen(e.a, a, b, sign, vector);
    if (number(e.a)) return this.chosen(e.b, b, a, sign, vector);
    return `${this.library.use(op === "max" ? "maxF" : "minF", vector)}(${a}, ${b})`;
  }

  /** a, or b where a `sign` b; a is written twice. */
  private chosen(value: Value, a: string, b: string, sign: string, vector: boolean): string {
    let name = a;
    if (!/^\w+(\.\w)?$/.test(a)) {
      name = this.frames.fresh("v");
      this.frames.line(`let ${name} = ${a};`);
      const note = value.readsAcc
        ? this.ofStatement.get(`${vector ? "v" : "s"}${value.id}`)
        : this.note(value, vector);
      if (note) note.name = name;
    }
    return `select(${name}, ${b}, ${name} ${sign} ${b})`;
  }

  private cast(e: CastValue, vector: boolean): string {
    const from = e.a.type;
    if (vector && (isWide(from) || isWide(e.type))) return this.byLanes(e);
    const a = this.text(e.a, vector);
    return converted(this.library, a, from, e.to, vector);
  }
}
