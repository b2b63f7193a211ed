/**
 * Writes a nest as one WebAssembly function. In: a nest whose buffers hold only what WebAssembly loads and stores
 * directly (see lower/storage.ts) and whose mathematics is primitive (lower/math.ts). Out: a function that takes
 * the byte address of each buffer. Invariant: unrolled loops become straight code in which equal values are
 * computed once, and accumulators live in locals; that is what brings a kernel to the machine's peak. This file
 * writes statements; vector.ts, scalar.ts and pointers.ts write what they are made of.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import type { BinaryOp } from "../../ir/expr.ts";
import { identityOf, type Reduction } from "../../ir/kernel.ts";
import type { ForStatement, Nest, Statement } from "../../ir/nest.ts";
import { registerOf, StraightCode, type Lanes, type Leaf, type LeafOf } from "../straight.ts";
import { Code } from "./assembler.ts";
import type { ValueType } from "./opcodes.ts";
import type { Frame } from "./pointers.ts";
import { touchOf } from "./touch.ts";
import type { Limit } from "../../lower/limits.ts";
import { cutOf, isCut, unitsOf, type Cut } from "./units.ts";
import type { Accumulator } from "./scalar.ts";
import { memoryForms, scalarBinary, scalarType, vectorBinary } from "./select.ts";
import type { Point, Value } from "../values.ts";
import { canVectorise, VectorWriter } from "./vector.ts";

type Written<Kind extends Leaf<Accumulator>["kind"]> = LeafOf<Accumulator, Kind>;

/**
 * Emits the function's code. Parameters are the buffers' byte addresses, in order; where there are limits, the address of
 * the number that they follow from; then, in parts, which of the nest's units (see units.ts) are run, from the first up
 * to, without, the second.
 */
export function emitNest(nest: Nest, inParts = false, limits?: ReadonlyMap<ForStatement, Limit>): Code {
  const more = (limits ? 1 : 0) + (inParts ? 2 : 0);
  const emitter = new Emitter(nest, new Array<ValueType>(nest.buffers.length + more).fill("i32"));
  return emitter.run(inParts, limits);
}

/** The units of a list of statements that are run: locals that hold the first, and one more than the last. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** Loops that are still to be cut. */
  readonly cut: Cut;
}

class Emitter extends VectorWriter {
  private readonly straightCode = new StraightCode<Accumulator>(this.values, {
    straight: (leaves) => this.straight(leaves),
    loop: (statement, at) => this.loop(statement, at),
    // One thread runs all of a workgroup, in order.
    barrier: undefined,
  });
  private readonly scratchLocals = new Map<ValueType, number>();
  private combinedNames: Set<string> | undefined;
  /** Locals that hold where loops end at the latest. */
  private readonly ends = new Map<ForStatement, number>();

  run(inParts: boolean, limits?: ReadonlyMap<ForStatement, Limit>): Code {
    const { body, buffers } = this.nest;
    if (limits) this.computeLimits(buffers.length, limits);
    const from = buffers.length + (limits ? 1 : 0);
    const part = inParts ? { from, to: from + 1, cut: cutOf(this.nest) } : undefined;
    this.statements(body, { scope: this.values.root, values: [] }, part);
    return this.withConstants(this.code);
  }

  /** Puts into locals how far loops go. */
  private computeLimits(number: number, limits: ReadonlyMap<ForStatement, Limit>): void {
    const { code } = this;
    const known = new Map<string, number>();
    for (const [loop, { size, step }] of limits) {
      const text = `${size.slope} ${size.offset} ${step}`;
      let local = known.get(text);
      if (local === undefined) {
        known.set(text, (local = this.locals.fresh("i32")));
        code
          .get(number)
          .access("i32.load", 0)
          .i32(size.slope)
          .op("i32.mul")
          .i32(size.offset + step - 1);
        code.op("i32.add").i32(step).op("i32.div_s").set(local);
      }
      this.ends.set(loop, local);
    }
  }

  // -------------------------------------------------------------------------------------------------------------
  // Loops

  /** Writes statements, or those units of them that `part` says. */
  private statements(list: readonly Statement[], outer: Point, part?: Part): void {
    if (part) this.part(list, outer, part);
    else this.straightCode.write(list, outer);
  }

  /** Writes statements, all of them grid loops or else one unit, so that only the units of `part` run. */
  private part(list: readonly Statement[], outer: Point, part: Part): void {
    if (!list.every(isCut)) {
      this.whenNotEmpty(part, () => this.statements(list, outer));
      return;
    }
    let before = 0;
    for (const s of list) {
      const first = before;
      const count = unitsOf([s], part.cut);
      before += count;
      if (count === 0) continue;
      const own = list.length === 1 ? part : this.within(part, () => this.code.i32(first), count);
      this.whenNotEmpty(own, () => {
        if (s.extent > 1) {
          if (s.variable === part.cut.whole) this.loop(s, outer, undefined, own);
          else if (part.cut.levels > 0) this.loop(s, outer, own);
          else this.statements([s], outer);
          return;
        }
        const at = { scope: outer.scope.with(s.variable), values: [...outer.values, s.from] };
        this.statements(s.body, at, own);
      });
    }
  }

  /** The units of `part` that are among the `count` from where `start` says. */
  private within(part: Part, start: () => unknown, count: number): Part {
    const { code, locals } = this;
    const own: Part = { from: locals.fresh("i32"), to: locals.fresh("i32"), cut: part.cut };
    code.get(part.from);
    start();
    code.op("i32.sub").tee(own.from).i32(0).get(own.from).i32(0).op("i32.gt_s").select("i32").set(own.from);
    code.get(part.to);
    start();
    code.op("i32.sub").tee(own.to).i32(count).get(own.to).i32(count).op("i32.lt_s").select("i32").set(own.to);
    return own;
  }

  private whenNotEmpty({ from, to }: Part, write: () => void): void {
    this.code.get(from).get(to).op("i32.lt_s").if();
    write();
    this.code.end();
  }

  /** A loop, or those of its iterations that hold units of `part`; all iterations of which each runs units of `inside`. */
  private loop(statement: ForStatement, outer: Point, part?: Part, inside?: Part): void {
    const outside = this.code;
    const { variable, from, extent } = statement;
    const counter = part || inside ? this.locals.fresh("i32") : this.locals.take("i32");
    const limit = this.ends.get(statement);
    const frame: Frame = { variable, counter, last: from + extent - 1, pointers: new Map() };
    const deeper = part && { ...part.cut, levels: part.cut.levels - 1 };
    const units = deeper ? unitsOf(statement.body, deeper) : 1;
    this.code = new Code(this.locals, outside.mathNames);
    this.frames.push(frame);
    if (part && deeper && units > 1) {
      const { code } = this;
      const first = (): unknown => code.get(counter).i32(from).op("i32.sub").i32(units).op("i32.mul");
      const inner = this.within(part, first, units);
      this.statements(statement.body, outer, { ...inner, cut: deeper });
    } else this.statements(statement.body, outer, inside);
    this.frames.pop();
    const body = this.code;
    this.code = outside;
    let end: number | undefined;
    if (part) {
      end = this.locals.fresh("i32");
      outside.get(part.from).i32(units).op("i32.div_u").i32(from).op("i32.add").set(counter);
      outside.get(part.to).i32(units - 1).op("i32.add").i32(units).op("i32.div_u").i32(from); // prettier-ignore
      outside.op("i32.add").set(end);
    } else outside.i32(from).set(counter);
    if (limit !== undefined) {
      const last = end;
      const most = (): unknown => (last === undefined ? outside.i32(from + extent) : outside.get(last));
      end = this.locals.fresh("i32");
      most();
      outside.get(limit);
      most();
      outside.get(limit).op("i32.lt_s").select("i32").set(end);
      outside.get(counter).get(end).op("i32.lt_s").if();
    }
    for (const pointer of frame.pointers.values()) {
      this.pointer(pointer.buffer, pointer.outer);
      if (part) outside.get(counter).i32(pointer.stride).op("i32.mul").op("i32.add");
      else if (from) outside.i32(from * pointer.stride).op("i32.add");
      outside.set(pointer.local);
    }
    const touch = part ? undefined : touchOf(frame, this.frames, this.nest);
    const touched = touch && this.locals.take("i32");
    if (touch && touched !== undefined) {
      const { pointer, panel, loop, share } = touch;
      outside.get(pointer.local).i32(panel).i32(0).get(loop.counter).i32(loop.last).op("i32.lt_s").select("i32").op("i32.add"); // prettier-ignore
      outside.get(touch.reuse.counter).i32(share).op("i32.mul").op("i32.add").set(touched);
    }
    outside.loop().append(body);
    if (touch && touched !== undefined) {
      outside.get(touched).access("i32.load8_u", 0).drop();
      outside.get(touched).i32(touch.step).op("i32.add").set(touched);
      this.locals.release(touched);
    }
    for (const pointer of frame.pointers.values()) {
      outside.get(pointer.local).i32(pointer.stride).op("i32.add").set(pointer.local);
    }
    outside.get(counter).i32(1).op("i32.add").tee(counter);
    if (end === undefined) outside.i32(from + extent);
    else outside.get(end);
    outside.op("i32.lt_s").brIf(0).end();
    if (limit !== undefined) outside.end();
    for (const pointer of frame.pointers.values()) this.locals.release(pointer.local);
    if (!part && !inside) this.locals.release(counter);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Straight code

  private isCombined(name: string): boolean {
    if (!this.combinedNames) {
      const names = new Set<string>();
      const walk = (statements: readonly Statement[]): void => {
        for (const s of statements) {
          if (s.kind === "for") walk(s.body);
          else if (s.kind === "combine" && !s.over) names.add(s.accumulator);
        }
      };
      walk(this.nest.body);
      this.combinedNames = names;
    }
    return this.combinedNames.has(name);
  }

  private straight(leaves: readonly Leaf<Accumulator>[]): void {
    this.openRegion();
    for (const leaf of leaves) {
      if (leaf.kind === "update") this.count(bodyOf(leaf), leaf.lanes);
      else if (leaf.kind === "store") this.count(leaf.value, leaf.lanes);
    }
    for (const leaf of leaves) this.emitLeaf(leaf);
    this.closeRegion();
  }

  private emitLeaf(leaf: Leaf<Accumulator>): void {
    switch (leaf.kind) {
      case "init":
        this.init(leaf);
        return;
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

  private init({ slot, op, type, lanes }: Written<"init">): void {
    const valueType = lanes ? "v128" : scalarType(type);
    const vector = lanes !== undefined;
    const before = slot.register;
    if (before && this.locals.types[before.local] === valueType) before.vector = vector;
    else slot.register = { local: this.locals.take(valueType), vector, type, combined: undefined };
    this.identity(op, type, vector);
    this.code.set(slot.register!.local);
  }

  private identity(op: Reduction["op"], type: ComputeType, vector: boolean): void {
    this.constant(type, identityOf(op, type));
    if (vector) this.splat(type);
  }

  private update(leaf: Written<"update">): void {
    const { code } = this;
    const { op, slot, lanes } = leaf;
    const body = bodyOf(leaf);
    const accumulator = registerOf(slot);
    const { local } = accumulator;
    this.vector = lanes;
    if (!lanes) {
      code.get(local);
      this.emitScalar(body);
      scalarBinary(code, reduceOp(op), body.type);
      code.set(local);
      return;
    }
    if (!accumulator.vector) throw new InternalError("a vector updates a scalar accumulator");
    // The lanes are points of the reduction exactly when a combine for this accumulator follows.
    const masked = lanes.lanes < 4 && this.isCombined(leaf.accumulator);
    if (
      op === "sum" &&
      body.type === "f32" &&
      body.kind === "binary" &&
      body.op === "mul" &&
      !masked &&
      !this.shared(body, "v")
    ) {
      code.beforeAccumulate(local);
      this.emitVector(body.a);
      this.emitVector(body.b);
      code.accumulate(local).set(local);
      return;
    }
    code.get(local);
    this.emitVector(body);
    if (masked) {
      this.identity(op, body.type, true);
      code.v128(laneMask(lanes.lanes)).op("v128.bitselect");
    }
    vectorBinary(code, reduceOp(op), body.type, leaf.number !== undefined);
    code.set(local);
  }

  /** Folds the four lanes of an accumulator into one scalar, pairwise. */
  private combine({ slot, op, over }: Written<"combine">): void {
    if (over) return;
    const { code } = this;
    const accumulator = registerOf(slot);
    const { type, local } = accumulator;
    const halves = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
    const pairs = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
    for (const lanes of [halves, pairs]) {
      code.get(local).get(local).get(local).shuffle(lanes);
      vectorBinary(code, reduceOp(op), type, false);
      code.set(local);
    }
    const scalar = this.locals.take(scalarType(type));
    code
      .get(local)
      .lane(type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", 0)
      .set(scalar);
    accumulator.combined = { local: scalar, vector: false, type, combined: undefined };
  }

  // -------------------------------------------------------------------------------------------------------------
  // Stores

  private store(leaf: Written<"store">): void {
    const { code } = this;
    const { slot, buffer, address, value, lanes: vector } = leaf;
    const accumulator = slot && registerOf(slot);
    const bytes = this.elementBytes[buffer]!;
    this.accumulatorLocal = accumulator?.combined ?? accumulator;
    this.vector = vector;
    this.beginStatement(value);
    const forms = memoryForms(this.nest.buffers[buffer]!.dtype);
    if (!vector) {
      const offset = this.address(buffer, address, undefined);
      this.emitScalar(value);
      code.access(forms.store, offset);
    } else {
      const { variable, lanes } = vector;
      const stride = address.terms.stride(variable);
      if (stride === undefined || forms.vectorStore === undefined || !canVectorise(value.type)) {
        this.storeByLanes(leaf, forms.store, vector);
      } else if (stride === 1 && lanes === 4) {
        const offset = this.address(buffer, address, variable);
        this.emitVector(value);
        this.narrow(bytes);
        if (forms.vectorStore === "v128.store") code.access(forms.vectorStore, offset);
        else code.access(forms.vectorStore, offset, 0);
      } else if (bytes === 4) {
        this.emitVector(value);
        const held = this.locals.take("v128");
        code.set(held);
        for (let lane = 0; lane < lanes; lane++) {
          const offset = this.address(buffer, address, variable, lane);
          code.get(held).access("v128.store32_lane", offset, lane);
        }
        this.locals.release(held);
      } else this.storeByLanes(leaf, forms.store, vector);
    }
    this.endStatement();
    this.forget(buffer);
  }

  /** Stores lane by lane: the general fallback. */
  private storeByLanes(
    { buffer, address, value }: Written<"store">,
    store: string,
    { variable, lanes }: Lanes,
  ): void {
    const { code } = this;
    if (canVectorise(value.type)) {
      // The value still is a vector: only the store is not.
      this.emitVector(value);
      const held = this.locals.take("v128");
      code.set(held);
      for (let lane = 0; lane < lanes; lane++) {
        const offset = this.address(buffer, address, variable, lane);
        code.get(held).lane(value.type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", lane);
        code.access(store, offset);
      }
      this.locals.release(held);
      return;
    }
    for (let lane = 0; lane < lanes; lane++) {
      const offset = this.address(buffer, address, variable, lane);
      this.inLane(value, variable, lane);
      code.access(store, offset);
    }
  }

  private scratch(type: ValueType): number {
    let local = this.scratchLocals.get(type);
    if (local === undefined) {
      local = this.locals.take(type);
      this.scratchLocals.set(type, local);
    }
    return local;
  }

  /** v128 of 32-bit lanes to elements of `bytes` bytes, in the low bytes. */
  private narrow(bytes: number): void {
    if (bytes === 4) return;
    const scratch = this.scratch("v128");
    const keep = bytes === 2 ? [0, 1, 4, 5, 8, 9, 12, 13] : [0, 4, 8, 12];
    const lanes = [...keep, ...new Array<number>(16 - keep.length).fill(0)];
    this.code.tee(scratch).get(scratch).shuffle(lanes);
  }
}

/** What an update adds: in vectors, a maximum that passes over NaN is one instruction. */
function bodyOf({ body, number, lanes }: Written<"update">): Value {
  return (lanes && number) ?? body;
}

function reduceOp(op: Reduction["op"]): BinaryOp {
  return op === "sum" ? "add" : op === "prod" ? "mul" : op === "min" ? "min" : "max";
}

function laneMask(lanes: number): Uint8Array {
  return new Uint8Array(new Int32Array([0, 1, 2, 3].map((i) => (i < lanes ? -1 : 0))).buffer);
}
