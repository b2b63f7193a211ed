/**
 * Elements of buffers as WGSL. In: loads, and addresses that are stored to. Out: text. Invariant: neighbours are loaded
 * four at once where a binding is declared so, and once within a region of straight code, until a store to what they were
 * loaded from; narrow constants are read out of their words by shift and mask.
 */
import type { DType } from "../../ir/dtype.ts";
import type { Nest } from "../../ir/nest.ts";
import type { Address, LoadValue, Terms, Value } from "../values.ts";
import { Declarations } from "./declarations.ts";
import { IndexWriter } from "./indices.ts";
import { asWord, wordOf, type Binding, type Operand, type Word } from "./memory.ts";

export abstract class LoadWriter extends IndexWriter {
  protected readonly operands: readonly Operand[];
  protected readonly declarations: Declarations;
  /** Four words that were loaded at once in this region, by place. */
  private quads = new Map<string, { readonly name: string; readonly buffer: number }>();

  constructor(nest: Nest, operands: readonly Operand[], bindings: readonly Binding[]) {
    super(nest);
    this.operands = operands;
    this.declarations = new Declarations(nest, operands, bindings, this.values);
  }

  /** Each lane by itself. */
  protected abstract byLanes(e: Value): string;
  /** Where a buffer's scratch begins in its binding, as text and in elements of that; undefined where it is 0. */
  protected abstract scratchBase(buffer: number): string | undefined;

  protected openRegion(): void {
    this.quads = new Map();
  }

  /** After a store: what was loaded from these buffers is stale. */
  protected forgetLoads(stale: (buffer: number) => boolean): void {
    for (const [key, quad] of this.quads) if (stale(quad.buffer)) this.quads.delete(key);
  }

  protected offsetOf(buffer: number): number {
    const operand = this.operands[buffer]!;
    return operand.kind === "bound" || operand.kind === "scratch" ? operand.offset : 0;
  }

  /** The words at an address, as an element of the binding's array: `index` is in elements of that. */
  protected element(buffer: number, index: string): string {
    const base = this.scratchBase(buffer);
    return `${this.declarations.of(buffer).name}[${base === undefined ? index : `${base} + ${index}`}]`;
  }

  /** An element of a buffer, before its type's own conversion. */
  protected place(buffer: number, address: Address): string {
    const declared = this.declarations.of(buffer);
    const constant = address.constant + this.offsetOf(buffer);
    if (!declared.quads) return this.element(buffer, this.sum(constant, address.terms, 1));
    const lane = ((constant % 4) + 4) % 4;
    return `${this.element(buffer, this.sum(constant - lane, address.terms, 4))}.${"xyzw"[lane]}`;
  }

  protected scalarLoad(e: LoadValue): string {
    const { dtype } = this.nest.buffers[e.buffer]!;
    const operand = this.operands[e.buffer]!;
    const packed = operand.kind === "bound" && operand.packed;
    const declared = this.declarations.of(e.buffer);
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
    const text = `${this.declarations.of(e.buffer).name}[${offset ? `${at} + ${offset}${aligned ? "" : "u"}` : at}]`;
    const read = asWord(text, word, signed ? "i32" : "u32");
    const value = `extractBits(${read}, ${shift}, ${bits}u)`;
    return dtype === "bool" ? `(${value} != 0u)` : signed ? value : `i32(${value})`;
  }

  protected vectorLoad(e: LoadValue): string {
    const { variable } = this.lanes!;
    const { dtype } = this.nest.buffers[e.buffer]!;
    const operand = this.operands[e.buffer]!;
    const declared = this.declarations.of(e.buffer);
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
}
