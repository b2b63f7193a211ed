/**
 * Vector code of values: four 32-bit lanes at once. In: values inside a vector loop. Out: instructions that push
 * them. Invariant: what has no vector instruction is computed lane by lane as scalars, so every value has a vector
 * form; bool values are 0 or 1 in each lane, and masks only between a comparison and its use.
 */
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement, type ComputeType } from "../../ir/dtype.ts";
import { isComparison } from "../../ir/operandTypes.ts";
import { NeighbourWriter } from "./neighbours.ts";
import { isAffine } from "./scalar.ts";
import { memoryForms, vectorBinary } from "./select.ts";
import { Code } from "./assembler.ts";
import type { BinaryValue, CastValue, ConstValue, LoadValue, UnaryValue, Value } from "../values.ts";

export abstract class VectorWriter extends NeighbourWriter {
  protected splat(type: ComputeType): void {
    this.code.op(type === "f32" ? "f32x4.splat" : "i32x4.splat");
  }

  /** Constants that are set once, at the start of the function, by what they are. */
  private readonly constants = new Map<string, { readonly local: number; readonly bytes: Uint8Array }>();

  /**
   * The local that holds a constant throughout the function. An engine makes a constant out of three instructions
   * wherever it stands; inside loops a local costs a register, or one load where registers are short. All zeros and
   * all ones are one instruction, and stay.
   */
  private localOfConstant(e: Value): number | undefined {
    if (e.kind !== "const" || !canVectorise(e.type) || this.frames.length === 0) return undefined;
    const bytes = constantLanes(e);
    if (bytes.every((b) => b === bytes[0] && (b === 0 || b === 255))) return undefined;
    const key = bytes.join();
    let known = this.constants.get(key);
    if (!known) this.constants.set(key, (known = { local: this.locals.fresh("v128"), bytes }));
    return known.local;
  }

  /** The whole function: its constants first. */
  protected withConstants(body: Code): Code {
    if (this.constants.size === 0) return body;
    const code = new Code(this.locals, body.mathNames);
    for (const { local, bytes } of this.constants.values()) code.v128(bytes).set(local);
    return code.append(body);
  }

  /** Pushes the four lanes of `e` (bool: 0 or 1 in each lane). */
  protected emitVector(e: Value): void {
    const constant = this.localOfConstant(e);
    if (constant !== undefined) this.code.get(constant);
    else this.cached(e, "v", "v128", () => this.writeVector(e));
  }

  private varies(e: Value): boolean {
    return e.axes.names.has(this.vector!.variable) || (e.readsAcc && this.accumulatorLocal?.vector === true);
  }

  private writeVector(e: Value): void {
    const { code } = this;
    if (e.kind === "load" && e.type !== "i64" && e.type !== "u64" && e.type !== "f64") {
      this.vectorLoad(e);
      return;
    }
    if (e.kind === "const" && canVectorise(e.type)) {
      code.v128(constantLanes(e));
      return;
    }
    if (!this.varies(e)) {
      this.emitScalar(e);
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

  /** Pushes one lane of `e` as a scalar. */
  protected inLane(e: Value, variable: string, lane: number): void {
    const accumulator = this.accumulatorLocal;
    let scalar = -1;
    if (accumulator?.vector && e.readsAcc) {
      // Each lane of the accumulator in turn, as a scalar of its own.
      const { type, local } = accumulator;
      scalar = this.locals.take(type === "f32" ? "f32" : "i32");
      this.code.get(local).lane(type === "f32" ? "f32x4.extract_lane" : "i32x4.extract_lane", lane).set(scalar); // prettier-ignore
      this.accumulatorLocal = { local: scalar, vector: false, type, combined: undefined };
    }
    const value = this.values.atLane(e, variable, lane);
    this.count(value, undefined);
    this.asStatement(value, () => this.pushUniform(value));
    this.accumulatorLocal = accumulator;
    if (scalar >= 0) this.locals.release(scalar);
  }

  /** The general fallback: each lane that is in use as a scalar. */
  private byLanes(e: Value): void {
    const { code } = this;
    const { variable, lanes } = this.vector!;
    const type = e.type === "f32" ? "f32" : "i32";
    if (!canVectorise(e.type)) throw new InternalError(`${e.type} in a vector`);
    const result = this.locals.take("v128");
    for (let lane = 0; lane < lanes; lane++) {
      if (lane > 0) code.get(result);
      this.inLane(e, variable, lane);
      if (lane === 0) this.splat(e.type);
      else code.lane(`${type}x4.replace_lane`, lane);
      code.set(result);
    }
    code.get(result);
    this.locals.release(result);
  }

  private vectorLoad(e: LoadValue): void {
    const { code } = this;
    const buffer = this.nest.buffers[e.buffer]!;
    // Lanes beyond those in use must not be read one by one: with a large stride they lie far outside of memory.
    const { variable, lanes } = this.vector!;
    const forms = memoryForms(buffer.dtype);
    const { address } = e;
    if (e.readsAcc && this.accumulatorLocal?.vector) {
      this.byLanes(e);
      return;
    }
    const stride = address.terms.stride(variable);
    if (stride === 0) {
      if (bytesPerElement(buffer.dtype) === 4) {
        code.access("v128.load32_splat", this.address(e.buffer, address, variable));
      } else {
        code.access(forms.load, this.address(e.buffer, address, variable)).op("i32x4.splat");
      }
      return;
    }
    if (stride === 1) {
      // Reads past the lanes in use, by 12 bytes at most, which the memory plan keeps free after every value.
      code.access(forms.vectorLoad!, this.address(e.buffer, address, variable));
      for (const widen of forms.widen) code.op(widen);
      return;
    }
    if (this.withNeighbours(e)) return;
    const four = bytesPerElement(buffer.dtype) === 4;
    const result = this.locals.take("v128");
    for (let lane = 0; lane < lanes; lane++) {
      if (four && lane === 0) {
        code.access("v128.load32_zero", this.address(e.buffer, address, variable, 0)).set(result);
      } else if (four) {
        const offset = this.address(e.buffer, address, variable, lane);
        code.get(result).access("v128.load32_lane", offset, lane).set(result);
      } else {
        if (lane > 0) code.get(result);
        code.access(forms.load, this.address(e.buffer, address, variable, lane));
        if (lane === 0) code.op("i32x4.splat");
        else code.lane("i32x4.replace_lane", lane);
        code.set(result);
      }
    }
    code.get(result);
    this.locals.release(result);
  }

  private vectorUnary(e: UnaryValue): boolean {
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
    const integer: Partial<Record<string, string>> = {
      neg: "i32x4.neg",
      abs: "i32x4.abs",
      bitnot: "v128.not",
    };
    const name =
      e.type === "f32" ? float[e.op] : e.type === "i32" || e.type === "u32" ? integer[e.op] : undefined;
    if (!name || (e.type === "u32" && e.op === "abs")) return false;
    this.emitVector(e.a);
    code.op(name);
    return true;
  }

  private vectorBinaryExpr(e: BinaryValue): boolean {
    const { code } = this;
    if (e.type === "bool") {
      if (!canVectorise(e.a.type)) return false;
      if (e.op !== "and" && e.op !== "or" && e.op !== "xor" && e.a.type === "index" && !isAffine(e.a.expr!))
        return false;
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
    // x op c with a constant c that is not NaN: the one-instruction forms keep a NaN in x (and, unlike the others,
    // the sign of a zero x that is compared with a zero).
    const pseudo = (e.op === "min" || e.op === "max") && e.type === "f32" && e.b.kind === "const" && !Number.isNaN(e.b.value); // prettier-ignore
    if (e.op === "add" && e.type === "f32") {
      const product = [e.a, e.b].find(
        (x) => x.kind === "binary" && x.op === "mul" && !this.shared(x, "v") && this.varies(x),
      );
      if (product?.kind === "binary") {
        this.emitVector(product.a);
        this.emitVector(product.b);
        code.product();
        this.emitVector(product === e.a ? e.b : e.a);
        code.addProduct();
        return true;
      }
    }
    this.emitVector(e.a);
    this.emitVector(e.b);
    vectorBinary(code, e.op, e.type, pseudo);
    return true;
  }

  private vectorCast(e: CastValue): boolean {
    const { code } = this;
    const from = e.a.type;
    if (!canVectorise(from) || !canVectorise(e.type)) return false;
    if (from === "index" && !isAffine(e.a.expr!) && this.varies(e.a) && e.a.kind !== "load") return false;
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
  private emitMask(e: Value): void {
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
      isComparison(e.op) &&
      canVectorise(e.a.type) &&
      !(e.a.type === "index" && (!isAffine(e.a.expr!) || !isAffine(e.b.expr!))) &&
      this.varies(e);
    if (comparison) {
      this.emitVector(e.a);
      this.emitVector(e.b);
      vectorBinary(code, e.op, e.a.type, false);
      return;
    }
    // 0 or 1 to a mask: 0 - x.
    const value = this.locals.take("v128");
    if (e.kind === "load" || e.kind === "select" || e.kind === "acc" || !this.varies(e)) this.emitVector(e);
    else this.byLanes(e);
    code.set(value).i32(0).op("i32x4.splat").get(value).op("i32x4.sub");
    this.locals.release(value);
  }
}

/** Types whose elements fill a 32-bit lane. */
export function canVectorise(type: ComputeType): boolean {
  return type === "f32" || type === "i32" || type === "u32" || type === "bool" || type === "index";
}

function constantLanes(e: ConstValue): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let lane = 0; lane < 4; lane++) {
    if (e.type === "f32") view.setFloat32(lane * 4, e.value as number, true);
    else view.setInt32(lane * 4, Number(e.value) | 0, true);
  }
  return bytes;
}

function ones(): Uint8Array {
  return new Uint8Array(new Int32Array([1, 1, 1, 1]).buffer);
}
