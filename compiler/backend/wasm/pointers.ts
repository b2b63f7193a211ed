/**
 * Addresses inside loops. In: addresses as a constant plus loop terms. Out: code that pushes them. Invariant: each
 * access keeps one pointer per set of loop strides, advanced as its loop advances; everything constant goes into
 * the instruction's offset.
 */
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement } from "../../ir/dtype.ts";
import { range } from "../../ir/range.ts";
import { layoutOf } from "../../ir/kernel.ts";
import type { Nest } from "../../ir/nest.ts";
import { Code, Locals } from "./assembler.ts";
import type { ValueType } from "./opcodes.ts";
import type { Address, Terms, Value } from "../values.ts";
import { ValueTable } from "../valueTable.ts";

/** How an access moves with the open loops, in elements; equal ones are one object. */
export interface Walk {
  readonly id: number;
  readonly strides: ReadonlyMap<string, number>;
  readonly backwards: boolean;
  /**
   * Where it starts. An instruction's offset is added without wrapping, so a pointer may not lie before its buffer:
   * with loops that walk backwards it starts at their far end.
   */
  readonly start: number;
}

export interface Pointer {
  readonly local: number;
  /** In bytes, per step of the loop that it belongs to. */
  readonly stride: number;
  readonly buffer: number;
  /** What is left for the loops around. */
  readonly outer: Walk;
}

/** A real loop that is being written. */
export interface Frame {
  readonly variable: string;
  readonly counter: number;
  /** The largest value of the variable. */
  readonly last: number;
  /** Pointers that advance with this loop. */
  readonly pointers: Map<number, Pointer>;
}

/** Room for walk numbers in keys. */
const WALKS = 2 ** 20;

export abstract class PointerWriter {
  protected readonly nest: Nest;
  protected readonly locals: Locals;
  protected readonly values: ValueTable;
  protected readonly elementBytes: readonly number[];
  protected readonly frames: Frame[] = [];
  protected code: Code;
  private readonly walks = new Map<string, Walk>();
  private readonly walksOfTerms = new Map<string, Map<Terms, Walk>>();

  constructor(nest: Nest, parameters: readonly ValueType[]) {
    this.nest = nest;
    this.locals = new Locals(parameters);
    this.code = new Code(this.locals);
    this.values = new ValueTable(nest.buffers.map(layoutOf));
    this.elementBytes = nest.buffers.map((b) => bytesPerElement(b.dtype));
  }

  /** Pushes a value that is the same in all lanes. */
  protected abstract pushUniform(value: Value): void;

  /** Pushes the address of `buffer` plus the strides of the open loops. */
  protected pointer(buffer: number, walk: Walk): void {
    let innermost: Frame | undefined;
    let found = 0;
    for (const frame of this.frames) {
      if (!walk.strides.has(frame.variable)) continue;
      innermost = frame;
      found++;
    }
    if (found !== walk.strides.size) {
      throw new InternalError(
        `${[...walk.strides.keys()].join(", ")} are not all open loops in ${this.nest.name}`,
      );
    }
    if (!innermost) {
      this.code.get(buffer);
      if (walk.start) this.code.i32(walk.start * this.elementBytes[buffer]!).op("i32.add");
      return;
    }
    const key = buffer * WALKS + walk.id;
    let known = innermost.pointers.get(key);
    if (!known) {
      const outer = new Map(walk.strides);
      outer.delete(innermost.variable);
      // The loop's earlier code is written already and will run again, so no local of its own may serve here.
      known = {
        local: this.locals.fresh("i32"),
        stride: walk.strides.get(innermost.variable)! * this.elementBytes[buffer]!,
        buffer,
        outer: this.walk(outer, walk.start),
      };
      innermost.pointers.set(key, known);
    }
    this.code.get(known.local);
  }

  private walk(strides: ReadonlyMap<string, number>, start: number): Walk {
    const key = `${start}+${[...strides].map(([name, c]) => `${name}*${c}`).sort().join("+")}`; // prettier-ignore
    let known = this.walks.get(key);
    if (!known) {
      const backwards = [...strides.values()].some((c) => c < 0);
      known = { id: this.walks.size, strides, backwards, start };
      this.walks.set(key, known);
    }
    return known;
  }

  /** The walk of the loops in `terms`, apart from the vector loop `lane`. */
  private walkOf(terms: Terms, lane: string): Walk {
    let table = this.walksOfTerms.get(lane);
    if (!table) {
      table = new Map();
      this.walksOfTerms.set(lane, table);
    }
    let walk = table.get(terms);
    if (!walk) {
      walk = this.walk(new Map(terms.loops.filter(([name]) => name !== lane)), 0);
      table.set(terms, walk);
    }
    if (!walk.backwards) return walk;
    let start = 0;
    for (const { variable, last } of this.frames)
      start -= Math.min(0, walk.strides.get(variable) ?? 0) * last;
    return this.walk(walk.strides, start);
  }

  /**
   * Pushes the dynamic part of an address and returns the constant byte offset that goes into the instruction.
   *
   * @param variable the vector loop around, if any, whose lane number `lane` is meant
   */
  protected address(buffer: number, address: Address, variable: string | undefined, lane = 0): number {
    const bytes = this.elementBytes[buffer]!;
    let at = address;
    let offset = 0;
    if (variable !== undefined) {
      const stride = at.terms.stride(variable);
      if (stride === undefined) at = this.values.addressAtLane(at, variable, lane);
      else offset = stride * lane;
    }
    const walk = this.walkOf(at.terms, variable ?? "");
    offset += at.constant - walk.start;
    this.pointer(buffer, walk);
    let backwards = offset < 0;
    for (const [term, c] of at.terms.rest) {
      this.pushUniform(term);
      if (c * bytes !== 1) this.code.i32(c * bytes).op("i32.mul");
      this.code.op("i32.add");
      const [low, high] = range(term.expr!);
      if (c < 0 ? high > 0 : low < 0) backwards = true;
    }
    if (backwards) {
      this.code.i32(offset * bytes).op("i32.add");
      return 0;
    }
    return offset * bytes;
  }
}
