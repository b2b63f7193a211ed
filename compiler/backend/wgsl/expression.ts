/**
 * Values as WGSL. In: values of a nest at one point of its unrolled loops. Out: text; what is used more than once is
 * named by a `let`. Invariant: within one region of straight code equal values are computed once, until a store to a
 * buffer that they were loaded from; index arithmetic is computed where the loops open that it depends on. Inside a
 * vector loop everything that varies by lane is four lanes wide, and the rest stays scalar.
 *
 * One file, though long: a value's scalar and vector text are one thing here, since WGSL's operators take both.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType, DType } from "../../ir/dtype.ts";
import type { BinaryOp, Expr } from "../../ir/expr.ts";
import { range } from "../../ir/range.ts";
import type { Nest } from "../../ir/nest.ts";
import { layoutOf } from "../../ir/kernel.ts";
import { ValueTable } from "../valueTable.ts";
import { operandsOf, type Address, type BinaryValue, type CastValue, type LoadValue, type Terms, type UnaryValue, type Value } from "../values.ts"; // prettier-ignore
import { Frames } from "./frames.ts";
import type { Library } from "./library.ts";
import type { Lanes } from "../straight.ts";
import { floatWord, intLiteral, literal, wgslType, wgslVector } from "./literal.ts";
import { DOT } from "./packed.ts";
import { asWord, wordOf, type Operand, type Word } from "./memory.ts";

/** The register of an accumulator. */
export interface Register {
  readonly name: string;
  vector: boolean;
  type: ComputeType;
}

/** How the words of a binding are declared. */
export interface Declared {
  readonly word: Word;
  /** Four words to an element of the array. */
  readonly quads: boolean;
  readonly name: string;
}

interface Note {
  uses: number;
  name: string | undefined;
}

export abstract class ExpressionWriter {
  readonly frames = new Frames();
  readonly library: Library;
  protected readonly nest: Nest;
  protected readonly operands: readonly Operand[];
  protected readonly values: ValueTable;
  protected lanes: Lanes | undefined;
  /** What `acc` reads. */
  protected register: Register | undefined;
  private readonly bitNames = new Map<number, string>();
  private scalars = new Map<Value, Note>();
  private vectors = new Map<Value, Note>();
  /** Four words that were loaded at once in this region, by place. */
  private quads = new Map<string, { readonly name: string; readonly buffer: number }>();
  /** Of the statement being written: what reads its accumulator and is needed more than once. */
  private ofStatement = new Map<string, Note>();

  constructor(nest: Nest, operands: readonly Operand[], library: Library) {
    this.nest = nest;
    this.library = library;
    this.operands = operands;
    this.values = new ValueTable(nest.buffers.map(layoutOf));
  }

  protected abstract declared(buffer: number): Declared;
  /** Element number 0 of a buffer's scratch, as text; undefined where it is 0. */
  protected abstract scratchBase(buffer: number): string | undefined;

  /** Private variables that hold bits which WGSL does not take as constants. */
  protected bitVariables(): string[] {
    return [...this.bitNames].map(([word, name]) => `var<private> ${name}: u32 = ${word}u;`);
  }

  private readonly bits = (word: number): string => {
    let name = this.bitNames.get(word);
    if (name === undefined) this.bitNames.set(word, (name = `bits${this.bitNames.size}`));
    return name;
  };

  // -------------------------------------------------------------------------------------------------------------
  // Regions of straight code

  protected openRegion(): void {
    this.scalars = new Map();
    this.vectors = new Map();
    this.quads = new Map();
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
    const name = this.declared(buffer).name;
    const stale = (other: number): boolean => this.declared(other).name === name;
    for (const [key, quad] of this.quads) if (stale(quad.buffer)) this.quads.delete(key);
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

  /** The text of a value: an atom, or in parentheses. `vector`: its four lanes. */
  protected text(e: Value, vector: boolean): string {
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
        if (wide(e.type) && vector) return this.byLanes(e);
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

  protected variable(name: string): string {
    const found = this.frames.find(name);
    if (!found) throw new InternalError(`${name} is no open loop in ${this.nest.name}`);
    return found.name;
  }

  /** Each lane by itself. */
  private byLanes(e: Value): string {
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
  // Index arithmetic

  /** Whether a value depends on loop variables only. */
  private isPure(e: Value): boolean {
    if (e.kind === "load" || e.kind === "acc") return false;
    if (this.lanes && e.axes.names.has(this.lanes.variable)) return false;
    return operandsOf(e).every((operand) => this.isPure(operand));
  }

  private depthOf(names: ReadonlySet<string>): number {
    let depth = 0;
    for (const name of names) depth = Math.max(depth, this.frames.find(name)?.depth ?? 0);
    return depth;
  }

  /** Text of an expression of loop variables, named where the last of them is set. */
  private pure(e: Expr): string {
    const names = new Set<string>();
    const text = this.pureText(e, names);
    return this.frames.hoist(text, this.depthOf(names));
  }

  private pureText(e: Expr, names: Set<string>): string {
    switch (e.kind) {
      case "const":
        return literal(e.type, e.value, this.bits);
      case "axis":
        names.add(e.name);
        return this.variable(e.name);
      case "binary": {
        if (e.op === "floordiv" || e.op === "floormod") {
          const inner = new Set<string>();
          const a = this.frames.hoist(this.pureText(e.a, inner), this.depthOf(inner));
          for (const name of inner) names.add(name);
          return divided(e.op, a, Number((e.b as Expr & { kind: "const" }).value), range(e.a)[0]);
        }
        const a = this.pureText(e.a, names);
        const b = this.pureText(e.b, names);
        return indexOperation(e.op, a, b, e.a.type);
      }
      case "select": {
        const [a, b] = [this.pureText(e.a, names), this.pureText(e.b, names)];
        return `select(${b}, ${a}, ${this.pureText(e.condition, names)})`;
      }
      case "unary": {
        const a = this.pureText(e.a, names);
        return e.op === "not" ? `!${a}` : e.op === "abs" ? `abs(${a})` : `(-${a})`;
      }
      case "cast":
        if (e.to === "index" || e.to === "int32") return this.pureText(e.a, names);
        throw new InternalError(`cast to ${e.to} in index arithmetic`);
      default:
        throw new InternalError(`${e.kind} in index arithmetic`);
    }
  }

  /** (constant + terms) / by, as text; everything is known to be divisible. */
  protected sum(constant: number, terms: Terms, by: number): string {
    const levels: string[][] = this.frames.stack.map(() => []);
    const here: string[] = [];
    const add = (list: string[], text: string, coefficient: number): void => {
      const c = coefficient / by;
      list.push(c === 1 ? text : `${text} * ${intLiteral(c)}`);
    };
    for (const [name, c] of terms.loops) {
      const found = this.frames.find(name);
      if (!found) throw new InternalError(`${name} is no open loop in ${this.nest.name}`);
      add(levels[found.depth]!, found.name, c);
    }
    for (const [value, c] of terms.rest) {
      if (this.isPure(value) && value.expr)
        add(levels[this.depthOf(value.axes.names)]!, this.pure(value.expr), c);
      else add(here, this.text(value, false), c);
    }
    let text = "";
    levels.forEach((list, depth) => {
      if (list.length === 0) return;
      const joined = text === "" ? list.join(" + ") : `${text} + ${list.join(" + ")}`;
      text = list.length + (text === "" ? 0 : 1) > 1 || joined.includes("*") ? this.frames.hoist(joined, depth) : joined; // prettier-ignore
    });
    const offset = constant / by;
    const parts = [...(text === "" ? [] : [text]), ...here];
    if (parts.length === 0) return intLiteral(offset);
    if (offset !== 0) parts.push(intLiteral(offset));
    return parts.join(" + ");
  }

  // -------------------------------------------------------------------------------------------------------------
  // Memory

  private offsetOf(buffer: number): number {
    const operand = this.operands[buffer]!;
    return operand.kind === "bound" || operand.kind === "scratch" ? operand.offset : 0;
  }

  /** The words at an address, as an element of the binding's array: `index` is in elements of the buffer. */
  private element(buffer: number, index: string): string {
    const base = this.scratchBase(buffer);
    return `${this.declared(buffer).name}[${base === undefined ? index : `${base} + ${index}`}]`;
  }

  /** An element of a buffer, before its type's own conversion. */
  protected place(buffer: number, address: Address): string {
    const declared = this.declared(buffer);
    const constant = address.constant + this.offsetOf(buffer);
    if (!declared.quads) return this.element(buffer, this.sum(constant, address.terms, 1));
    const lane = ((constant % 4) + 4) % 4;
    return `${this.element(buffer, this.sum(constant - lane, address.terms, 4))}.${"xyzw"[lane]}`;
  }

  private scalarLoad(e: LoadValue): string {
    const { dtype } = this.nest.buffers[e.buffer]!;
    const operand = this.operands[e.buffer]!;
    const packed = operand.kind === "bound" && operand.packed;
    const declared = this.declared(e.buffer);
    if (packed && wordOf(dtype, true) === "u32" && dtype !== "uint32")
      return this.packedLoad(e, dtype, declared.word);
    const own = wordOf(dtype, packed);
    if (own === "vec2u" && declared.word !== "vec2u") {
      const index = this.sum(e.address.constant + this.offsetOf(e.buffer), e.address.terms, 0.5);
      const part = (more: number): string =>
        asWord(this.element(e.buffer, more ? `${index} + ${more}` : index), declared.word, "u32");
      return `vec2u(${part(0)}, ${part(1)})`;
    }
    let text: string;
    if (declared.quads) {
      const constant = e.address.constant + this.offsetOf(e.buffer);
      const lane = ((constant % 4) + 4) % 4;
      text = `${this.quad(e.buffer, constant - lane, e.address.terms)}.${"xyzw"[lane]}`;
    } else text = this.place(e.buffer, e.address);
    text = asWord(text, declared.word, own);
    if (own === "f16") return `f32(${text})`;
    return dtype === "bool" ? `(${text} != 0)` : text;
  }

  /** Four words from an address that is a multiple of four: loaded once in a region. */
  private quad(buffer: number, constant: number, terms: Terms): string {
    const key = `${buffer} ${terms.id} ${constant}`;
    let known = this.quads.get(key);
    if (!known) {
      const text = this.element(buffer, this.sum(constant, terms, 4));
      known = { name: this.frames.fresh("q"), buffer };
      this.frames.line(`let ${known.name} = ${text};`);
      this.quads.set(key, known);
    }
    return known.name;
  }

  private packedLoad(e: LoadValue, dtype: DType, word: Word): string {
    const bits = dtype === "int16" || dtype === "uint16" ? 16 : 8;
    const per = 32 / bits;
    const { constant, terms } = e.address;
    const aligned = terms.all.every(([, c]) => c % per === 0);
    const signed = dtype.startsWith("int");
    let at: string;
    let shift: string;
    if (aligned) {
      const rest = ((constant % per) + per) % per;
      at = this.sum(constant - rest, terms, per);
      shift = `${rest * bits}u`;
    } else {
      const name = this.frames.fresh("a");
      this.frames.line(`let ${name} = u32(${this.sum(constant, terms, 1)});`);
      at = `${name} / ${per}u`;
      shift = `(${name} % ${per}u) * ${bits}u`;
    }
    // `offset` is counted in elements, and a multiple of a word's.
    const offset = this.offsetOf(e.buffer) / per;
    const text = `${this.declared(e.buffer).name}[${offset ? `${at} + ${offset}${aligned ? "" : "u"}` : at}]`;
    const read = asWord(text, word, signed ? "i32" : "u32");
    const value = `extractBits(${read}, ${shift}, ${bits}u)`;
    return dtype === "bool" ? `(${value} != 0u)` : signed ? value : `i32(${value})`;
  }

  private vectorLoad(e: LoadValue): string {
    const { variable } = this.lanes!;
    const { dtype } = this.nest.buffers[e.buffer]!;
    const operand = this.operands[e.buffer]!;
    const declared = this.declared(e.buffer);
    const stride = e.address.terms.stride(variable);
    const narrow = operand.kind === "bound" && operand.packed && wordOf(dtype, true) !== wordOf(dtype, false);
    if (stride === 1 && declared.quads && !e.readsAcc && !narrow) {
      const first = this.values.addressAtLane(e.address, variable, 0);
      const constant = first.constant + this.offsetOf(e.buffer);
      if (constant % 4 === 0) {
        const text = asWord(
          this.quad(e.buffer, constant, first.terms),
          declared.word,
          wordOf(dtype, false),
          true,
        );
        if (dtype === "float16") return `vec4f(${text})`;
        return dtype === "bool" ? `(${text} != vec4i())` : text;
      }
    }
    return this.byLanes(e);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Operators

  private unary(e: UnaryValue, vector: boolean): string {
    if (wide(e.a.type)) {
      if (vector) return this.byLanes(e);
      const a = this.text(e.a, false);
      if (e.op === "bitnot") return `(~${a})`;
      if (e.op === "neg") return `${this.library.use("neg64")}(${a})`;
      if (e.op === "abs") return e.a.type === "u64" ? a : `${this.library.use("abs64")}(${a})`;
      throw new InternalError(`${e.op} of ${e.a.type}`);
    }
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
    if (wide(type)) return vector ? this.byLanes(e) : this.wideBinary(e);
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

  private wideBinary(e: BinaryValue): string {
    const { type } = e.a;
    const [a, b] = [this.text(e.a, false), this.text(e.b, false)];
    const sign = type === "u64" ? "U" : "I";
    const call = (name: string, x = a, y = b): string => `${this.library.use(name)}(${x}, ${y})`;
    switch (e.op) {
      case "add":
      case "sub":
      case "mul":
        return call(`${e.op}64`);
      case "div":
      case "rem":
      case "pow":
        return call(`${e.op}${sign}64`);
      case "and":
        return `(${a} & ${b})`;
      case "or":
        return `(${a} | ${b})`;
      case "xor":
        return `(${a} ^ ${b})`;
      case "shl":
        return call("shl64", a, `${b}.x`);
      case "shr":
        return call(`shr${sign}64`, a, `${b}.x`);
      case "eq":
        return `all(${a} == ${b})`;
      case "ne":
        return `any(${a} != ${b})`;
      case "lt":
        return call(`lt${sign}64`);
      case "gt":
        return call(`lt${sign}64`, b, a);
      case "le":
        return `!${call(`lt${sign}64`, b, a)}`;
      case "ge":
        return `!${call(`lt${sign}64`)}`;
      case "min":
        return `select(${b}, ${a}, ${call(`lt${sign}64`)})`;
      case "max":
        return `select(${a}, ${b}, ${call(`lt${sign}64`)})`;
      default:
        throw new InternalError(`${e.op} of ${type}`);
    }
  }

  private cast(e: CastValue, vector: boolean): string {
    const from = e.a.type;
    if (vector && (wide(from) || wide(e.type))) return this.byLanes(e);
    const a = this.text(e.a, vector);
    return this.converted(a, from, e.to, vector);
  }

  /** A value of compute type `from` as one of storage type `to` (small floats were lowered before). */
  protected converted(a: string, from: ComputeType, to: DType | "index", vector: boolean): string {
    const f = vector ? "vec4f" : "f32";
    const i = vector ? "vec4i" : "i32";
    const u = vector ? "vec4u" : "u32";
    const zero = (type: string): string => `${type}()`;
    switch (to) {
      case "bool":
        if (from === "bool") return a;
        if (wide(from)) return `any(${a} != vec2u())`;
        if (from === "f32") return `!(${a} == ${zero(f)})`;
        return `(${a} != ${zero(from === "u32" ? u : i)})`;
      case "float32":
        if (wide(from)) return `${this.library.use(from === "u64" ? "floatU64" : "floatI64")}(${a})`;
        return from === "f32" ? a : `${f}(${a})`;
      case "int64":
      case "uint64":
        if (wide(from)) return a;
        if (from === "f32") return `${this.library.use(to === "int64" ? "toI64" : "toU64")}(${a})`;
        if (from === "u32" || from === "bool") return `vec2u(u32(${a}), 0u)`;
        return `vec2u(bitcast<u32>(${a}), bitcast<u32>(${a} >> 31u))`;
      case "uint32":
        if (from === "f32") return `${this.library.use("toUint", vector)}(${a})`;
        if (wide(from)) return `${a}.x`;
        return from === "u32" ? a : from === "bool" ? `${u}(${a})` : `bitcast<${u}>(${a})`;
      default:
    }
    const whole =
      from === "f32"
        ? `${this.library.use("toInt", vector)}(${a})`
        : wide(from)
          ? `bitcast<i32>(${a}.x)`
          : from === "u32"
            ? `bitcast<${i}>(${a})`
            : from === "bool"
              ? `${i}(${a})`
              : a;
    return narrowed(whole, to, vector);
  }
}

/** The low bits of an i32 that a narrow type has room for. */
export function narrowed(text: string, to: DType | "index", vector: boolean): string {
  const bits: Partial<Record<string, number>> = { int8: 8, uint8: 8, int16: 16, uint16: 16, int4: 4, uint4: 4, int2: 2, uint2: 2 }; // prettier-ignore
  const count = bits[to];
  if (count === undefined) {
    if (to === "int32" || to === "index") return text;
    throw new InternalError(`cast to ${to} reached the emitter`);
  }
  if (to.startsWith("int")) return `extractBits(${text}, 0u, ${count}u)`;
  const mask = `${2 ** count - 1}`;
  return `(${text} & ${vector ? `vec4i(${mask})` : mask})`;
}

function wide(type: ComputeType): boolean {
  return type === "i64" || type === "u64";
}

const symbols: Partial<Record<BinaryOp, string>> = { add: "+", sub: "-", mul: "*", and: "&", or: "|", xor: "^", eq: "==", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">=" }; // prettier-ignore

/** Operations on words that WGSL has itself, in scalars and vectors alike; undefined for others. */
function plainOperation(op: BinaryOp, a: string, b: string, type: ComputeType): string | undefined {
  if (op === "xor" && type === "bool") return `(${a} != ${b})`;
  const symbol = symbols[op];
  return symbol === undefined ? undefined : `(${a} ${symbol} ${b})`;
}

function indexOperation(op: BinaryOp, a: string, b: string, type: ComputeType): string {
  if (op === "min" || op === "max")
    return type === "bool" ? `(${a} ${op === "min" ? "&" : "|"} ${b})` : `${op}(${a}, ${b})`;
  const text = plainOperation(op, a, b, type);
  if (text === undefined) throw new InternalError(`${op} in index arithmetic`);
  return text;
}

/** Quotient rounded down, or remainder in [0, by), of a number that is at least `low`; `a` is a name or a number. */
function divided(op: "floordiv" | "floormod", a: string, by: number, low: number): string {
  const power = Math.log2(by);
  if (Number.isInteger(power)) return op === "floordiv" ? `(${a} >> ${power}u)` : `(${a} & ${by - 1})`;
  if (low >= 0) return op === "floordiv" ? `(${a} / ${by})` : `(${a} % ${by})`;
  if (low > -(2 ** 30)) {
    const shift = Math.ceil(-low / by);
    const moved = `(${a} + ${shift * by})`;
    return op === "floordiv" ? `(${moved} / ${by} - ${shift})` : `(${moved} % ${by})`;
  }
  // One less than the truncated quotient where the remainder is negative.
  return op === "floordiv" ? `(${a} / ${by} + ((${a} % ${by}) >> 31u))` : `((${a} % ${by} + ${by}) % ${by})`;
}
