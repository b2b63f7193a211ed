/**
 * Writes a nest as one WebAssembly function. In: a nest whose buffers hold only what WebAssembly loads and stores
 * directly (see lower/storage.ts) and whose mathematics is primitive (lower/math.ts). Out: a function that takes
 * the byte address of each buffer. Invariants: unrolled loops become straight code in which equal expressions are
 * computed once; each access keeps one pointer per set of loop strides, advanced as its loop advances, and
 * everything constant goes into the instruction's offset. That is what brings a kernel to the machine's peak.
 */
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement, type ComputeType } from "../../ir/dtype.ts";
import { axesOf, int, linear, operands, range, substituteAxes, add, mul, type BinaryOp, type Expr, type LoadExpr } from "../../ir/expr.ts"; // prettier-ignore
import { layoutOf, type Buffer, type Layout } from "../../ir/kernel.ts";
import type { ForStatement, Nest, Statement } from "../../ir/nest.ts";
import { Code, Locals } from "./assembler.ts";
import type { ValueType } from "./opcodes.ts";
import { memoryForms, scalarBinary, scalarType, vectorBinary } from "./select.ts";

export interface EmitOptions {
  /** Fused multiply-add of the relaxed SIMD proposal. */
  readonly relaxed: boolean;
  /** Index of an imported function of JavaScript's Math (f64 to f64), by name. */
  mathImport(name: string): number;
}

/** A real loop that is being written. */
interface Frame {
  readonly variable: string;
  readonly counter: number;
  /** Pointers that advance with this loop, by key; strides in bytes. */
  readonly pointers: Map<string, { local: number; stride: number; buffer: number; outer: Map<string, number> }>;
}

/** One leaf statement at one point of the unrolled loops around it. */
type Leaf =
  | { readonly kind: "init"; readonly op: string; readonly type: ComputeType; readonly key: string; readonly vector: boolean }
  | { readonly kind: "update"; readonly op: string; readonly key: string; readonly body: Expr; readonly vector: Vector | undefined }
  | { readonly kind: "combine"; readonly op: string; readonly key: string }
  | { readonly kind: "store"; readonly buffer: number; readonly address: Expr; readonly value: Expr; readonly key: string; readonly vector: Vector | undefined }; // prettier-ignore

interface Vector {
  readonly variable: string;
  readonly lanes: number;
}

interface Accumulator {
  local: number;
  vector: boolean;
  readonly type: ComputeType;
}

/** Emits the function's code. Parameters are the buffers' byte addresses, in order. */
export function emitNest(nest: Nest, options: EmitOptions): Code {
  return new Emitter(nest, options).run();
}

class Emitter {
  private readonly nest: Nest;
  private readonly options: EmitOptions;
  private readonly locals: Locals;
  private code: Code;
  private readonly frames: Frame[] = [];
  private readonly accumulators = new Map<string, Accumulator>();
  /** For each accumulator, the unrolled variables that tell its copies apart. */
  private readonly accumulatorVariables = new Map<string, readonly string[]>();
  private readonly layouts: readonly Layout[];

  // State of the straight-line region that is being written.
  private cache = new Map<string, number>();
  private cacheOwners = new Map<number, number[]>();
  private uses = new Map<string, number>();
  private vector: Vector | undefined;
  private accumulatorLocal: Accumulator | undefined;

  constructor(nest: Nest, options: EmitOptions) {
    this.nest = nest;
    this.options = options;
    this.locals = new Locals(nest.buffers.map(() => "i32"));
    this.code = new Code(this.locals);
    this.layouts = nest.buffers.map(layoutOf);
  }

  run(): Code {
    this.statements(this.nest.body, new Map());
    return this.code;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Loops

  /** Writes statements; runs of straight code are gathered so that they share common subexpressions. */
  private statements(list: readonly Statement[], unrolled: ReadonlyMap<string, number>): void {
    const gathered: Leaf[] = [];
    const flush = (): void => {
      if (gathered.length) this.straight(gathered.splice(0));
    };
    const gather = (statements: readonly Statement[], at: ReadonlyMap<string, number>, vector: Vector | undefined): void => {
      for (const s of statements) {
        if (s.kind !== "for") {
          gathered.push(this.leaf(s, at, vector));
        } else if (s.mode === "vector") {
          gather(s.body, at, { variable: s.variable, lanes: s.lanes ?? s.extent });
        } else if (s.mode === "unroll" || s.extent === 1) {
          for (let i = s.from; i < s.from + s.extent; i++) gather(s.body, new Map(at).set(s.variable, i), vector);
        } else {
          flush();
          this.loop(s, at);
        }
      }
    };
    gather(list, unrolled, undefined);
    flush();
  }

  private loop(statement: ForStatement, unrolled: ReadonlyMap<string, number>): void {
    const outside = this.code;
    const counter = this.locals.take("i32");
    const frame: Frame = { variable: statement.variable, counter, pointers: new Map() };
    this.code = new Code(this.locals);
    this.frames.push(frame);
    this.statements(statement.body, unrolled);
    this.frames.pop();
    const body = this.code;
    this.code = outside;
    outside.i32(statement.from).set(counter);
    for (const pointer of frame.pointers.values()) {
      this.pointer(pointer.buffer, pointer.outer);
      if (statement.from) outside.i32(statement.from * pointer.stride).op("i32.add");
      outside.set(pointer.local);
    }
    outside.loop().append(body);
    for (const pointer of frame.pointers.values()) {
      outside.get(pointer.local).i32(pointer.stride).op("i32.add").set(pointer.local);
    }
    outside.get(counter).i32(1).op("i32.add").tee(counter).i32(statement.from + statement.extent).op("i32.lt_s").brIf(0).end();
    for (const pointer of frame.pointers.values()) this.locals.release(pointer.local);
    this.locals.release(counter);
  }

  /** Pushes the address of `buffer` plus the strides of the open loops in `terms` (coefficients in elements). */
  private pointer(buffer: number, terms: ReadonlyMap<string, number>): void {
    let innermost: Frame | undefined;
    for (const frame of this.frames) if (terms.get(frame.variable)) innermost = frame;
    if (!innermost) {
      this.code.get(buffer);
      return;
    }
    const key = `${buffer}:${[...terms].filter(([, c]) => c !== 0).map(([name, c]) => `${name}*${c}`).sort().join("+")}`; // prettier-ignore
    let known = innermost.pointers.get(key);
    if (!known) {
      const outer = new Map(terms);
      const stride = outer.get(innermost.variable)! * bytesPerElement(this.nest.buffers[buffer]!.dtype);
      outer.delete(innermost.variable);
      // The loop's earlier code is written already and will run again, so no local of its own may serve here.
      known = { local: this.locals.fresh("i32"), stride, buffer, outer };
      innermost.pointers.set(key, known);
    }
    this.code.get(known.local);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Straight code

  private readonly substitution = new WeakMap<ReadonlyMap<string, number>, { by: Map<string, Expr>; memo: Map<Expr, Expr> }>();

  /** `e` at one point of the unrolled loops, with every load's index flattened to an element offset. */
  private at(e: Expr, unrolled: ReadonlyMap<string, number>): Expr {
    let state = this.substitution.get(unrolled);
    if (!state) {
      state = { by: new Map([...unrolled].map(([name, value]) => [name, int(value)])), memo: new Map() };
      this.substitution.set(unrolled, state);
    }
    return substituteAxes(e, state.by, state.memo);
  }

  private flat(buffer: number, index: readonly Expr[]): Expr {
    const { strides, offset } = this.layouts[buffer]!;
    let sum: Expr = int(offset);
    index.forEach((e, d) => {
      sum = add(sum, mul(e, int(strides[d]!)));
    });
    return sum;
  }

  private leaf(s: Exclude<Statement, ForStatement>, unrolled: ReadonlyMap<string, number>, vector: Vector | undefined): Leaf {
    switch (s.kind) {
      case "init": {
        const variables = [...unrolled.keys()];
        this.accumulatorVariables.set(s.accumulator, variables);
        return { kind: "init", op: s.op, type: s.type, key: this.keyOf(s.accumulator, unrolled), vector: vector !== undefined };
      }
      case "update":
        return { kind: "update", op: s.op, key: this.keyOf(s.accumulator, unrolled), body: this.at(s.body, unrolled), vector };
      case "combine":
        return { kind: "combine", op: s.op, key: this.keyOf(s.accumulator, unrolled) };
      case "store":
        return {
          kind: "store",
          buffer: s.buffer,
          address: this.flat(s.buffer, s.index.map((e) => this.at(e, unrolled))), // prettier-ignore
          value: this.at(s.value, unrolled),
          key: s.accumulator === undefined ? "" : this.keyOf(s.accumulator, unrolled),
          vector,
        };
      default:
        return s satisfies never;
    }
  }

  private keyOf(accumulator: string, unrolled: ReadonlyMap<string, number>): string {
    const variables = this.accumulatorVariables.get(accumulator);
    if (!variables) throw new InternalError(`${accumulator} is used before it is initialised`);
    return `${accumulator}:${variables.map((name) => `${name}=${unrolled.get(name) ?? 0}`).join(",")}`;
  }

  private straight(leaves: readonly Leaf[]): void {
    this.cache = new Map();
    this.cacheOwners = new Map();
    this.uses = new Map();
    const seen = new Set<string>();
    const count = (e: Expr, mode: string): void => {
      const key = `${mode}${e.id}`;
      this.uses.set(key, (this.uses.get(key) ?? 0) + 1);
      if (seen.has(key)) return;
      seen.add(key);
      if (e.kind === "load") {
        for (const i of e.index) if (!isAffine(i)) count(i, "s");
        return;
      }
      for (const operand of operands(e)) count(operand, mode);
    };
    for (const leaf of leaves) {
      const mode = "vector" in leaf && leaf.vector ? "v" : "s";
      if (leaf.kind === "update") count(leaf.body, mode);
      else if (leaf.kind === "store") count(leaf.value, mode);
    }
    for (const leaf of leaves) this.emitLeaf(leaf);
    for (const local of this.cache.values()) this.locals.release(local);
    this.cache = new Map();
  }

  private emitLeaf(leaf: Leaf): void {
    switch (leaf.kind) {
      case "init": {
        const type = leaf.vector ? "v128" : scalarType(leaf.type);
        let accumulator = this.accumulators.get(leaf.key);
        if (!accumulator || this.locals.types[accumulator.local] !== type) {
          accumulator = { local: this.locals.take(type), vector: leaf.vector, type: leaf.type };
          this.accumulators.set(leaf.key, accumulator);
        }
        accumulator.vector = leaf.vector;
        this.identity(leaf.op, leaf.type, leaf.vector);
        this.code.set(accumulator.local);
        return;
      }
      case "update":
        this.update(leaf);
        return;
      case "combine":
        this.combine(leaf);
        return;
      case "store":
        this.store(leaf);
        return;
      default:
        leaf satisfies never;
    }
  }

  private accumulator(key: string): Accumulator {
    const found = this.accumulators.get(key);
    if (!found) throw new InternalError(`accumulator ${key} was not initialised`);
    return found;
  }

  private identity(op: string, type: ComputeType, vector: boolean): void {
    const values: Record<string, number> = { sum: 0, prod: 1, max: -Infinity, min: Infinity };
    const limits: Partial<Record<ComputeType, readonly [bigint, bigint]>> = {
      i32: [-(2n ** 31n), 2n ** 31n - 1n],
      index: [-(2n ** 31n), 2n ** 31n - 1n],
      u32: [0n, 2n ** 32n - 1n],
      i64: [-(2n ** 63n), 2n ** 63n - 1n],
      u64: [0n, 2n ** 64n - 1n],
      bool: [0n, 1n],
    };
    const range = limits[type];
    const value = op === "max" && range ? range[0] : op === "min" && range ? range[1] : values[op]!;
    this.constant(type, value);
    if (vector) this.splat(type);
  }

  private update(leaf: Leaf & { kind: "update" }): void {
    const target = this.accumulator(leaf.key);
    const { code } = this;
    this.vector = leaf.vector;
    if (leaf.vector && !target.vector) throw new InternalError("a vector updates a scalar accumulator");
    const { body } = leaf;
    if (leaf.vector) {
      const partial = leaf.vector.lanes < 4 && this.isLaneReduction(leaf.key, leaf.vector);
      if (leaf.op === "sum" && body.type === "f32" && body.kind === "binary" && body.op === "mul" && !partial && !this.shared(body, "v")) {
        if (this.options.relaxed) {
          this.emitVector(body.a);
          this.emitVector(body.b);
          code.get(target.local).op("f32x4.relaxed_madd");
        } else {
          code.get(target.local);
          this.emitVector(body.a);
          this.emitVector(body.b);
          code.op("f32x4.mul").op("f32x4.add");
        }
        code.set(target.local);
        return;
      }
      code.get(target.local);
      this.emitVector(body);
      if (partial) {
        this.identity(leaf.op, body.type, true);
        code.v128(laneMask(leaf.vector.lanes)).op("v128.bitselect");
      }
      vectorBinary(code, reduceOp(leaf.op), body.type, false);
      code.set(target.local);
      return;
    }
    code.get(target.local);
    this.emitScalar(body);
    scalarBinary(code, reduceOp(leaf.op), body.type);
    code.set(target.local);
  }

  private isLaneReduction(key: string, vector: Vector): boolean {
    // The lanes are points of the reduction exactly when a combine for this accumulator follows.
    return this.combined(this.nest.body).has(key.split(":")[0]!) && vector.lanes < 4;
  }
  private combinedNames: Set<string> | undefined;
  private combined(list: readonly Statement[]): Set<string> {
    if (this.combinedNames) return this.combinedNames;
    const names = new Set<string>();
    const walk = (statements: readonly Statement[]): void => {
      for (const s of statements) {
        if (s.kind === "for") walk(s.body);
        else if (s.kind === "combine") names.add(s.accumulator);
      }
    };
    walk(list);
    this.combinedNames = names;
    return names;
  }

  /** Folds the four lanes of an accumulator into one scalar, pairwise. */
  private combine(leaf: Leaf & { kind: "combine" }): void {
    const target = this.accumulator(leaf.key);
    const { code } = this;
    const { type } = target;
    const op = reduceOp(leaf.op);
    const halves = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
    const pairs = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
    for (const lanes of [halves, pairs]) {
      code.get(target.local).get(target.local).get(target.local).shuffle(lanes);
      vectorBinary(code, op, type, false);
      code.set(target.local);
    }
    const scalar = this.locals.take(scalarType(type));
    code.get(target.local).lane(type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", 0).set(scalar);
    this.accumulators.set(`${leaf.key}!`, { local: scalar, vector: false, type });
  }

  private scratchLocals = new Map<ValueType, number>();
  private scratch(type: ValueType): number {
    let local = this.scratchLocals.get(type);
    if (local === undefined) {
      local = this.locals.take(type);
      this.scratchLocals.set(type, local);
    }
    return local;
  }

  private store(leaf: Leaf & { kind: "store" }): void {
    const { code } = this;
    const buffer = this.nest.buffers[leaf.buffer]!;
    const combined = this.accumulators.get(`${leaf.key}!`);
    this.accumulatorLocal = leaf.key === "" ? undefined : (combined ?? this.accumulator(leaf.key));
    this.vector = leaf.vector;
    const forms = memoryForms(buffer.dtype);
    if (!leaf.vector) {
      const offset = this.address(leaf.buffer, leaf.address, undefined);
      this.emitScalar(leaf.value);
      code.access(forms.store, offset);
    } else {
      const { variable, lanes } = leaf.vector;
      const coefficient = this.laneStride(leaf.address, variable);
      if (coefficient === undefined || forms.vectorStore === undefined || !canVectorise(leaf.value.type)) {
        this.storeByLanes(leaf, forms.store, buffer, lanes);
      } else if (coefficient === 1 && lanes === 4) {
        const offset = this.address(leaf.buffer, leaf.address, variable);
        this.emitVector(leaf.value);
        this.narrow(buffer);
        if (forms.vectorStore === "v128.store") code.access(forms.vectorStore, offset);
        else code.access(forms.vectorStore, offset, 0);
      } else if (bytesPerElement(buffer.dtype) === 4) {
        this.emitVector(leaf.value);
        const value = this.locals.take("v128");
        code.set(value);
        for (let lane = 0; lane < lanes; lane++) {
          const offset = this.address(leaf.buffer, leaf.address, variable, lane);
          code.get(value).access("v128.store32_lane", offset, lane);
        }
        this.locals.release(value);
      } else this.storeByLanes(leaf, forms.store, buffer, lanes);
    }
    this.forget(leaf.buffer);
  }

  /** Stores lane by lane, evaluating the value as scalars: the general fallback. */
  private storeByLanes(leaf: Leaf & { kind: "store" }, store: string, buffer: Buffer, lanes: number): void {
    const { variable } = leaf.vector!;
    const { code } = this;
    if (canVectorise(leaf.value.type) && leaf.value.type !== "index") {
      // The value still is a vector: only the store is not.
      this.emitVector(leaf.value);
      const value = this.locals.take("v128");
      code.set(value);
      for (let lane = 0; lane < lanes; lane++) {
        const offset = this.address(leaf.buffer, leaf.address, variable, lane);
        code.get(value).lane(leaf.value.type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", lane);
        code.access(store, offset);
      }
      this.locals.release(value);
      return;
    }
    void buffer;
    for (let lane = 0; lane < lanes; lane++) {
      const offset = this.address(leaf.buffer, leaf.address, variable, lane);
      const value = atLane(leaf.value, variable, lane);
      this.vector = undefined;
      this.emitScalar(value);
      this.vector = leaf.vector;
      code.access(store, offset);
    }
  }

  /** After a store, loads of that buffer that were kept in locals are stale. */
  private forget(buffer: number): void {
    if (this.nest.buffers[buffer]!.role === "in") return;
    for (const local of this.cacheOwners.get(buffer) ?? []) {
      for (const [key, held] of this.cache) if (held === local) this.cache.delete(key);
    }
    this.cacheOwners.delete(buffer);
  }

  /** v128 of 32-bit lanes to the buffer's width, in the low bytes. */
  private narrow(buffer: Buffer): void {
    const bytes = bytesPerElement(buffer.dtype);
    if (bytes === 4) return;
    const scratch = this.scratch("v128");
    const keep = bytes === 2 ? [0, 1, 4, 5, 8, 9, 12, 13] : [0, 4, 8, 12];
    const lanes = [...keep, ...new Array<number>(16 - keep.length).fill(0)];
    this.code.tee(scratch).get(scratch).shuffle(lanes);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Addresses

  /** Elements between neighbouring lanes, when that is a constant. */
  private laneStride(address: Expr, variable: string): number | undefined {
    let stride = 0;
    for (const [term, c] of linear(address).terms) {
      if (term.kind === "axis") {
        if (term.name === variable) stride += c;
      } else if (dependsOn(term, variable)) return undefined;
    }
    return stride;
  }

  /** Pushes the dynamic part of an address and returns the constant byte offset that goes into the instruction. */
  private address(buffer: number, flat: Expr, vectorVariable: string | undefined, lane = 0): number {
    const bytes = bytesPerElement(this.nest.buffers[buffer]!.dtype);
    const at = lane && vectorVariable && this.laneStride(flat, vectorVariable) === undefined ? atLane(flat, vectorVariable, lane) : flat; // prettier-ignore
    const form = linear(vectorVariable && this.laneStride(at, vectorVariable) === undefined ? atLane(at, vectorVariable, lane) : at);
    let offset = form.constant;
    const loops = new Map<string, number>();
    const rest: [Expr, number][] = [];
    for (const [term, c] of form.terms) {
      if (term.kind === "axis") {
        if (term.name === vectorVariable) offset += c * lane;
        else loops.set(term.name, (loops.get(term.name) ?? 0) + c);
      } else rest.push([term, c]);
    }
    this.pointer(buffer, loops);
    for (const [term, c] of rest) {
      const saved = this.vector;
      this.vector = undefined;
      this.emitScalar(term);
      this.vector = saved;
      if (c * bytes !== 1) this.code.i32(c * bytes).op("i32.mul");
      this.code.op("i32.add");
    }
    if (offset < 0) {
      this.code.i32(offset * bytes).op("i32.add");
      return 0;
    }
    return offset * bytes;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Expressions

  private shared(e: Expr, mode: "v" | "s"): boolean {
    return (this.uses.get(`${mode}${e.id}`) ?? 0) > 1;
  }

  /** Writes `e` through `write` unless it is already in a local; keeps it in one if it is used again. */
  private cached(e: Expr, mode: "v" | "s", type: ValueType, write: () => void): void {
    const key = `${mode}${e.id}`;
    const local = this.cache.get(key);
    if (local !== undefined) {
      this.code.get(local);
      return;
    }
    write();
    if (!this.shared(e, mode) || e.kind === "acc" || (e.kind === "const" && mode === "s")) return;
    // A value that reads an accumulator is only good for that accumulator's statement.
    if (hasAcc(e)) return;
    const held = this.locals.take(type);
    this.code.tee(held);
    this.cache.set(key, held);
    for (const buffer of buffersOf(e)) {
      const list = this.cacheOwners.get(buffer);
      if (list) list.push(held);
      else this.cacheOwners.set(buffer, [held]);
    }
  }

  private constant(type: ComputeType, value: number | bigint): void {
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
        this.code.i32(Number(BigInt.asIntN(32, BigInt(value))));
    }
  }

  private splat(type: ComputeType): void {
    this.code.op(type === "f32" ? "f32x4.splat" : "i32x4.splat");
  }

  /** Pushes the scalar value of `e`. */
  private emitScalar(e: Expr): void {
    this.cached(e, "s", scalarType(e.type), () => this.writeScalar(e));
  }

  private writeScalar(e: Expr): void {
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
        const flat = this.flat(e.buffer, e.index);
        const offset = this.address(e.buffer, flat, undefined);
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

  private emitBinary(op: BinaryOp, a: Expr, b: Expr): void {
    const { code } = this;
    if ((op === "floordiv" || op === "floormod") && a.type === "index") {
      const by = Number((b as Expr & { kind: "const" }).value);
      const [low] = range(a);
      this.emitScalar(a);
      if (low >= 0) {
        code.i32(by).op(op === "floordiv" ? "i32.div_u" : "i32.rem_u");
        return;
      }
      // Shift into the non-negative numbers by a multiple of the divisor.
      const shift = low > -(2 ** 30) ? Math.ceil(-low / by) : Math.floor(2 ** 29 / by);
      code.i32(shift * by).op("i32.add").i32(by);
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

  /** A function of JavaScript's Math, in double precision. */
  private mathCall(name: string, type: ComputeType, values: readonly Expr[]): void {
    const { code } = this;
    for (const value of values) {
      this.emitScalar(value);
      if (type === "f32") code.op("f64.promote_f32");
      else if (type !== "f64") throw new InternalError(`${name} of ${type}`);
    }
    code.call(this.options.mathImport(name), { takes: values.map(() => "f64"), gives: ["f64"] });
    if (type === "f32") code.op("f32.demote_f64");
  }

  private scalarUnary(e: Expr & { kind: "unary" }): void {
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

  /** Pushes the four lanes of `e` (bool: 0 or 1 in each lane). */
  private emitVector(e: Expr): void {
    this.cached(e, "v", "v128", () => this.writeVector(e));
  }

  private varies(e: Expr): boolean {
    return dependsOn(e, this.vector!.variable) || (this.accumulatorLocal?.vector === true && hasAcc(e));
  }

  private writeVector(e: Expr): void {
    const { code } = this;
    if (e.kind === "load" && e.type !== "i64" && e.type !== "u64" && e.type !== "f64") {
      this.vectorLoad(e);
      return;
    }
    if (e.kind === "const" && canVectorise(e.type)) {
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      for (let lane = 0; lane < 4; lane++) {
        if (e.type === "f32") view.setFloat32(lane * 4, e.value as number, true);
        else view.setInt32(lane * 4, Number(e.value) | 0, true);
      }
      code.v128(bytes);
      return;
    }
    if (!this.varies(e)) {
      const saved = this.vector;
      this.emitScalar(e);
      this.vector = saved;
      this.splat(e.type);
      return;
    }
    switch (e.kind) {
      case "acc":
        code.get(this.accumulatorLocal!.local);
        return;
      case "axis":
        code.v128(new Uint8Array(new Int32Array([0, 1, 2, 3]).buffer));
        return;
      case "unary":
        if (this.vectorUnary(e)) return;
        break;
      case "binary":
        if (this.vectorBinaryExpr(e)) return;
        break;
      case "select":
        if (!canVectorise(e.type)) break;
        this.emitVector(e.a);
        this.emitVector(e.b);
        if (this.varies(e.condition)) {
          this.emitMask(e.condition);
          code.op("v128.bitselect");
        } else {
          this.emitScalar(e.condition);
          code.select("v128");
        }
        return;
      case "cast":
        if (this.vectorCast(e)) return;
        break;
      case "bitcast":
        this.emitVector(e.a);
        return;
      default:
    }
    this.byLanes(e);
  }

  /** The general fallback: each lane as a scalar. */
  private byLanes(e: Expr): void {
    const { code } = this;
    const vector = this.vector!;
    const accumulator = this.accumulatorLocal;
    const type = e.type === "f32" ? "f32" : "i32";
    if (!canVectorise(e.type)) throw new InternalError(`${e.type} in a vector`);
    const result = this.locals.take("v128");
    for (let lane = 0; lane < 4; lane++) {
      let value = atLane(e, vector.variable, lane);
      if (accumulator?.vector && hasAcc(value)) {
        // Each lane of the accumulator in turn, as a scalar of its own.
        const scalar = this.locals.take(type);
        code.get(accumulator.local).lane(accumulator.type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", lane).set(scalar); // prettier-ignore
        this.accumulatorLocal = { local: scalar, vector: false, type: accumulator.type };
      }
      this.vector = undefined;
      if (lane > 0) code.get(result);
      this.emitScalar(value);
      if (lane === 0) this.splat(e.type);
      else code.lane(`${type}x4.replace_lane`, lane);
      code.set(result);
      value = e;
      this.vector = vector;
      this.accumulatorLocal = accumulator;
    }
    code.get(result);
    this.locals.release(result);
  }

  private vectorLoad(e: LoadExpr): void {
    const { code } = this;
    const buffer = this.nest.buffers[e.buffer]!;
    const { variable } = this.vector!;
    const forms = memoryForms(buffer.dtype);
    const flat = this.flat(e.buffer, e.index);
    const stride = this.laneStride(flat, variable);
    if (stride === 0) {
      if (bytesPerElement(buffer.dtype) === 4) {
        code.access("v128.load32_splat", this.address(e.buffer, flat, variable));
      } else {
        code.access(forms.load, this.address(e.buffer, flat, variable)).op("i32x4.splat");
      }
      return;
    }
    if (stride === 1) {
      code.access(forms.vectorLoad!, this.address(e.buffer, flat, variable));
      for (const widen of forms.widen) code.op(widen);
      return;
    }
    const four = bytesPerElement(buffer.dtype) === 4;
    const result = this.locals.take("v128");
    for (let lane = 0; lane < 4; lane++) {
      if (four && lane === 0) {
        code.access("v128.load32_zero", this.address(e.buffer, flat, variable, 0)).set(result);
      } else if (four) {
        const offset = this.address(e.buffer, flat, variable, lane);
        code.get(result).access("v128.load32_lane", offset, lane).set(result);
      } else {
        if (lane > 0) code.get(result);
        code.access(forms.load, this.address(e.buffer, flat, variable, lane));
        if (lane === 0) code.op("i32x4.splat");
        else code.lane("i32x4.replace_lane", lane);
        code.set(result);
      }
    }
    code.get(result);
    this.locals.release(result);
  }

  private vectorUnary(e: Expr & { kind: "unary" }): boolean {
    const { code } = this;
    if (e.op === "not") {
      this.emitMask(e);
      code.v128(ones()).op("v128.and");
      return true;
    }
    const float: Partial<Record<string, string>> = {
      neg: "f32x4.neg",
      abs: "f32x4.abs",
      floor: "f32x4.floor",
      ceil: "f32x4.ceil",
      trunc: "f32x4.trunc",
      round: "f32x4.nearest",
      sqrt: "f32x4.sqrt",
    };
    const integer: Partial<Record<string, string>> = { neg: "i32x4.neg", abs: "i32x4.abs", bitnot: "v128.not" };
    const name = e.type === "f32" ? float[e.op] : e.type === "i32" || e.type === "u32" ? integer[e.op] : undefined;
    if (!name || (e.type === "u32" && e.op === "abs")) return false;
    this.emitVector(e.a);
    code.op(name);
    return true;
  }

  private vectorBinaryExpr(e: Expr & { kind: "binary" }): boolean {
    const { code } = this;
    if (e.type === "bool") {
      if (!canVectorise(e.a.type)) return false;
      if (e.op !== "and" && e.op !== "or" && e.op !== "xor" && e.a.type === "index" && !isAffine(e.a)) return false;
      this.emitMask(e);
      code.v128(ones()).op("v128.and");
      return true;
    }
    if ((e.op === "shl" || e.op === "shr") && (e.type === "i32" || e.type === "u32") && !this.varies(e.b)) {
      this.emitVector(e.a);
      this.emitScalar(e.b);
      code.op(e.op === "shl" ? "i32x4.shl" : e.type === "u32" ? "i32x4.shr_u" : "i32x4.shr_s");
      return true;
    }
    if (!canVectorise(e.type)) return false;
    const known = vectorBinary(undefined, e.op, e.type, false);
    if (!known) return false;
    // x op c with a constant c that is not NaN: the one-instruction forms keep a NaN in x.
    const pseudo = (e.op === "min" || e.op === "max") && e.type === "f32" && e.b.kind === "const";
    if (e.op === "add" && e.type === "f32" && this.options.relaxed) {
      const product = [e.a, e.b].find((x) => x.kind === "binary" && x.op === "mul" && !this.shared(x, "v") && this.varies(x));
      if (product?.kind === "binary") {
        this.emitVector(product.a);
        this.emitVector(product.b);
        this.emitVector(product === e.a ? e.b : e.a);
        code.op("f32x4.relaxed_madd");
        return true;
      }
    }
    this.emitVector(e.a);
    this.emitVector(e.b);
    vectorBinary(code, e.op, e.type, pseudo);
    return true;
  }

  private vectorCast(e: Expr & { kind: "cast" }): boolean {
    const { code } = this;
    const from = e.a.type;
    if (!canVectorise(from) || !canVectorise(e.type)) return false;
    if (from === "index" && !isAffine(e.a) && this.varies(e.a) && e.a.kind !== "load") return false;
    if (e.to === "float32") {
      if (from === "f32") return false;
      this.emitVector(e.a);
      code.op(from === "u32" ? "f32x4.convert_i32x4_u" : "f32x4.convert_i32x4_s");
      return true;
    }
    if (e.to === "bool") {
      this.emitMask(e);
      code.v128(ones()).op("v128.and");
      return true;
    }
    const shifts: Partial<Record<string, readonly [number, string]>> = {
      int8: [24, "i32x4.shr_s"],
      int16: [16, "i32x4.shr_s"],
      uint8: [24, "i32x4.shr_u"],
      uint16: [16, "i32x4.shr_u"],
      int4: [28, "i32x4.shr_s"],
      uint4: [28, "i32x4.shr_u"],
      int2: [30, "i32x4.shr_s"],
      uint2: [30, "i32x4.shr_u"],
      int32: [0, ""],
      uint32: [0, ""],
      index: [0, ""],
    };
    const shift = shifts[e.to];
    if (!shift) return false;
    this.emitVector(e.a);
    if (from === "f32") code.op(e.to === "uint32" ? "i32x4.trunc_sat_f32x4_u" : "i32x4.trunc_sat_f32x4_s");
    if (shift[0]) code.i32(shift[0]).op("i32x4.shl").i32(shift[0]).op(shift[1]);
    return true;
  }

  /** Pushes all-ones or all-zeros lanes for a bool expression. */
  private emitMask(e: Expr): void {
    const { code } = this;
    if (e.kind === "binary" && (e.op === "and" || e.op === "or" || e.op === "xor") && e.a.type === "bool") {
      this.emitMask(e.a);
      this.emitMask(e.b);
      code.op(`v128.${e.op}`);
      return;
    }
    if (e.kind === "unary" && e.op === "not") {
      this.emitMask(e.a);
      code.op("v128.not");
      return;
    }
    if (e.kind === "cast" && e.to === "bool" && e.a.type === "f32") {
      this.emitVector(e.a);
      code.f32(0).op("f32x4.splat").op("f32x4.ne");
      return;
    }
    if (e.kind === "cast" && e.to === "bool" && canVectorise(e.a.type)) {
      this.emitVector(e.a);
      code.i32(0).op("i32x4.splat").op("i32x4.ne");
      return;
    }
    const comparison =
      e.kind === "binary" &&
      canVectorise(e.a.type) &&
      !(e.a.type === "index" && (!isAffine(e.a) || !isAffine(e.b))) &&
      this.varies(e);
    if (comparison) {
      this.emitVector(e.a);
      this.emitVector(e.b);
      vectorBinary(code, e.op, e.a.type, false);
      return;
    }
    // 0 or 1 to a mask: 0 - x.
    const value = this.locals.take("v128");
    if (e.kind === "load" || !this.varies(e)) this.emitVector(e);
    else this.byLanes(e);
    code.set(value).i32(0).op("i32x4.splat").get(value).op("i32x4.sub");
    this.locals.release(value);
  }
}

// ---------------------------------------------------------------------------------------------------------------

function reduceOp(op: string): BinaryOp {
  return op === "sum" ? "add" : op === "prod" ? "mul" : (op as "max" | "min");
}

/** Types whose elements fill a 32-bit lane. */
function canVectorise(type: ComputeType): boolean {
  return type === "f32" || type === "i32" || type === "u32" || type === "bool" || type === "index";
}

const dependencies = new WeakMap<Expr, ReadonlySet<string>>();
function dependsOn(e: Expr, variable: string): boolean {
  let names = dependencies.get(e);
  if (!names) {
    names = axesOf(e);
    dependencies.set(e, names);
  }
  return names.has(variable);
}

const accTable = new WeakMap<Expr, boolean>();
function hasAcc(e: Expr): boolean {
  let known = accTable.get(e);
  if (known === undefined) {
    known = e.kind === "acc" || operands(e).some(hasAcc);
    accTable.set(e, known);
  }
  return known;
}

function buffersOf(e: Expr): ReadonlySet<number> {
  const found = new Set<number>();
  const walk = (x: Expr): void => {
    if (x.kind === "load") found.add(x.buffer);
    for (const operand of operands(x)) walk(operand);
  };
  walk(e);
  return found;
}

function isAffine(e: Expr): boolean {
  for (const term of linear(e).terms.keys()) if (term.kind !== "axis") return false;
  return true;
}

/** `e` in one lane. */
function atLane(e: Expr, variable: string, lane: number): Expr {
  return substituteAxes(e, new Map([[variable, int(lane)]]));
}

function ones(): Uint8Array {
  return new Uint8Array(new Int32Array([1, 1, 1, 1]).buffer);
}

function laneMask(lanes: number): Uint8Array {
  return new Uint8Array(new Int32Array([0, 1, 2, 3].map((i) => (i < lanes ? -1 : 0))).buffer);
}
