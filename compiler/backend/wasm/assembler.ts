/**
 * Writes WebAssembly bytes. In: instructions by name, functions, imports. Out: a module. Invariant: the operand
 * stack is tracked as types while emitting, so that a mistake throws at the instruction that makes it and not at
 * `WebAssembly.compile`. Code is written into pieces that can be joined: a loop's body is emitted before its
 * prologue is known.
 */
import { InternalError } from "../../diagnostic.ts";
import { Bytes } from "./bytes.ts";
import { accessInstruction, instruction, laneInstruction, type ValueType } from "./opcodes.ts";

const typeCodes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** Locals of a function: parameters first. */
export class Locals {
  readonly types: ValueType[];
  readonly parameters: number;
  private readonly free = new Map<ValueType, number[]>();

  constructor(parameters: readonly ValueType[]) {
    this.types = [...parameters];
    this.parameters = parameters.length;
  }
  take(type: ValueType): number {
    const reused = this.free.get(type)?.pop();
    if (reused !== undefined) return reused;
    this.types.push(type);
    return this.types.length - 1;
  }
  /** A local that no code written so far touches: for values that must survive earlier code of the same loop. */
  fresh(type: ValueType): number {
    this.types.push(type);
    return this.types.length - 1;
  }
  /** Gives a local back for reuse; its value is dead. */
  release(local: number): void {
    const type = this.types[local]!;
    const list = this.free.get(type);
    if (list) list.push(local);
    else this.free.set(type, [local]);
  }
}

export interface FunctionType {
  readonly takes: readonly ValueType[];
  readonly gives: readonly ValueType[];
}

/** What a piece of code leaves open until its module is made. */
export interface Linking {
  /** Multiply-adds are one instruction (relaxed SIMD) or two. */
  readonly relaxed: boolean;
  /** Function index of an imported function of JavaScript's Math. */
  mathImport(name: string): number;
}

/** Places in a piece of code whose bytes are known at linking only. */
const enum Site {
  /** Before a multiply-add into a local: its addend, where multiplication and addition are two instructions. */
  AccumulateBefore,
  /** The multiply-add into a local itself. */
  Accumulate,
  /** The multiplication of a multiply-add whose addend is written after it. */
  Multiply,
  /** Its addition. */
  Add,
  /** A call of an imported function of Math, by its place in `mathNames`. */
  Math,
}

const MULTIPLY_ADD = instruction("f32x4.relaxed_madd").bytes;
const MULTIPLY = instruction("f32x4.mul").bytes;
const ADD = instruction("f32x4.add").bytes;

const scratch = new DataView(new ArrayBuffer(8));
const scratch4 = new Uint8Array(scratch.buffer, 0, 4);
const scratch8 = new Uint8Array(scratch.buffer);
const v128Pair: readonly ValueType[] = ["v128", "v128"];
const v128Triple: readonly ValueType[] = ["v128", "v128", "v128"];
const v128One: readonly ValueType[] = ["v128"];

/**
 * A piece of a function's body. The places where variants of a module differ, and calls of imports whose numbers
 * are not known yet, stay open until `link`, so that a kernel is emitted once for all variants.
 */
export class Code {
  readonly locals: Locals;
  /** Functions of Math that this code calls, shared by the pieces of one function. */
  readonly mathNames: string[];
  private readonly out = new Bytes();
  private readonly stack: ValueType[] = [];
  /** position, kind, operand; three numbers per site, by position. */
  private readonly sites: number[] = [];

  constructor(locals: Locals, mathNames: string[] = []) {
    this.locals = locals;
    this.mathNames = mathNames;
  }

  /** The finished bytes. */
  link(linking: Linking): Uint8Array {
    const { relaxed } = linking;
    const linked = new Bytes();
    let from = 0;
    for (let i = 0; i < this.sites.length; i += 3) {
      const position = this.sites[i]!;
      linked.copy(this.out, from, position);
      from = position;
      const kind = this.sites[i + 1]! as Site;
      const operand = this.sites[i + 2]!;
      if (kind === Site.Math) {
        linked.byte(0x10);
        linked.unsigned(linking.mathImport(this.mathNames[operand]!));
        continue;
      }
      // The addend comes before the factors where it is added by an instruction of its own, and else after them.
      if (kind === (relaxed ? Site.Accumulate : Site.AccumulateBefore)) {
        linked.byte(0x20);
        linked.unsigned(operand);
      }
      if (relaxed) {
        if (kind === Site.Accumulate || kind === Site.Add) linked.bytes(MULTIPLY_ADD);
      } else {
        if (kind === Site.Accumulate || kind === Site.Multiply) linked.bytes(MULTIPLY);
        if (kind === Site.Accumulate || kind === Site.Add) linked.bytes(ADD);
      }
    }
    linked.copy(this.out, from, this.out.length);
    return linked.view();
  }

  private site(kind: Site, operand: number): void {
    this.sites.push(this.out.length, kind, operand);
  }

  /** Opens `local += a * b`: write a and b next, then `accumulate`, then set the local. */
  beforeAccumulate(local: number): this {
    this.site(Site.AccumulateBefore, local);
    this.stack.push("v128");
    return this;
  }
  accumulate(local: number): this {
    this.apply("accumulate", v128Triple, v128One);
    this.site(Site.Accumulate, local);
    return this;
  }
  /** The product of a multiply-add; write the addend next, then `addProduct`. */
  product(): this {
    this.apply("product", v128Pair, v128One);
    this.site(Site.Multiply, 0);
    return this;
  }
  addProduct(): this {
    this.apply("addProduct", v128Pair, v128One);
    this.site(Site.Add, 0);
    return this;
  }
  /** Calls a function of Math on doubles. */
  math(name: string, parameters: number): this {
    this.apply(name, new Array<ValueType>(parameters).fill("f64"), ["f64"]);
    let at = this.mathNames.indexOf(name);
    if (at < 0) at = this.mathNames.push(name) - 1;
    this.site(Site.Math, at);
    return this;
  }

  private pop(type: ValueType, what: string): void {
    const top = this.stack.pop();
    if (top !== type) throw new InternalError(`${what} takes ${type}, the stack has ${top ?? "nothing"}`);
  }

  private apply(name: string, takes: readonly ValueType[], gives: readonly ValueType[]): void {
    for (let i = takes.length - 1; i >= 0; i--) this.pop(takes[i]!, name);
    for (const type of gives) this.stack.push(type);
  }

  /** Type on top of the stack. */
  top(): ValueType {
    const type = this.stack.at(-1);
    if (!type) throw new InternalError("the stack is empty");
    return type;
  }

  /** An instruction without immediates. */
  op(name: string): this {
    const { bytes, takes, gives } = instruction(name);
    this.apply(name, takes, gives);
    this.out.bytes(bytes);
    return this;
  }
  lane(name: string, lane: number): this {
    const { bytes, takes, gives } = laneInstruction(name);
    this.apply(name, takes, gives);
    this.out.bytes(bytes);
    this.out.byte(lane);
    return this;
  }
  /** A load or store at a constant offset from the address on the stack; alignment hint 4 bytes at most. */
  access(name: string, offset: number, lane?: number): this {
    const { bytes, takes, gives, align } = accessInstruction(name);
    this.apply(name, takes, gives);
    this.out.bytes(bytes);
    this.out.unsigned(Math.min(align, 2));
    this.out.unsigned(offset);
    if (lane !== undefined) this.out.byte(lane);
    return this;
  }
  shuffle(lanes: readonly number[]): this {
    this.apply("i8x16.shuffle", ["v128", "v128"], ["v128"]);
    this.out.bytes([0xfd, 13, ...lanes]);
    return this;
  }
  i32(value: number): this {
    this.out.byte(0x41);
    this.out.signed32(value);
    this.stack.push("i32");
    return this;
  }
  i64(value: bigint): this {
    this.out.byte(0x42);
    this.out.signed(BigInt.asIntN(64, value));
    this.stack.push("i64");
    return this;
  }
  f32(value: number): this {
    this.out.byte(0x43);
    scratch.setFloat32(0, value, true);
    this.out.bytes(scratch4);
    this.stack.push("f32");
    return this;
  }
  f64(value: number): this {
    this.out.byte(0x44);
    scratch.setFloat64(0, value, true);
    this.out.bytes(scratch8);
    this.stack.push("f64");
    return this;
  }
  v128(bytes: Uint8Array): this {
    this.out.bytes([0xfd, 12]);
    this.out.bytes(bytes);
    this.stack.push("v128");
    return this;
  }
  get(local: number): this {
    this.out.byte(0x20);
    this.out.unsigned(local);
    this.stack.push(this.locals.types[local]!);
    return this;
  }
  set(local: number): this {
    this.pop(this.locals.types[local]!, "local.set");
    this.out.byte(0x21);
    this.out.unsigned(local);
    return this;
  }
  tee(local: number): this {
    this.pop(this.locals.types[local]!, "local.tee");
    this.out.byte(0x22);
    this.out.unsigned(local);
    this.stack.push(this.locals.types[local]!);
    return this;
  }
  select(type: ValueType): this {
    this.pop("i32", "select");
    this.apply("select", [type, type], [type]);
    this.out.bytes([0x1c, 1, typeCodes[type]]);
    return this;
  }
  call(index: number, type: FunctionType): this {
    this.apply(`call ${index}`, type.takes, type.gives);
    this.out.byte(0x10);
    this.out.unsigned(index);
    return this;
  }
  drop(): this {
    if (!this.stack.pop()) throw new InternalError("drop from an empty stack");
    this.out.byte(0x1a);
    return this;
  }
  block(): this {
    this.expectEmpty("block");
    this.out.bytes([0x02, 0x40]);
    return this;
  }
  loop(): this {
    this.expectEmpty("loop");
    this.out.bytes([0x03, 0x40]);
    return this;
  }
  /** Takes a condition; what follows, up to `end`, runs where it is not 0. */
  if(): this {
    this.pop("i32", "if");
    this.expectEmpty("if");
    this.out.bytes([0x04, 0x40]);
    return this;
  }
  /** Ends the function's run. */
  return(): this {
    this.expectEmpty("return");
    this.out.byte(0x0f);
    return this;
  }
  unreachable(): this {
    this.out.byte(0x00);
    return this;
  }
  br(depth: number): this {
    this.expectEmpty("br");
    this.out.byte(0x0c);
    this.out.unsigned(depth);
    return this;
  }
  brIf(depth: number): this {
    this.pop("i32", "br_if");
    this.out.byte(0x0d);
    this.out.unsigned(depth);
    return this;
  }
  end(): this {
    this.expectEmpty("end");
    this.out.byte(0x0b);
    return this;
  }
  /** Appends a finished piece. */
  append(piece: Code): this {
    this.expectEmpty("append");
    piece.expectEmpty("append");
    if (piece.mathNames !== this.mathNames && piece.mathNames.length)
      throw new InternalError("pieces of two functions");
    for (let i = 0; i < piece.sites.length; i += 3) {
      this.sites.push(this.out.length + piece.sites[i]!, piece.sites[i + 1]!, piece.sites[i + 2]!);
    }
    this.out.bytes(piece.out.view());
    return this;
  }
  /** Takes what a function gives off the stack, which must be all there is. */
  finish(gives: readonly ValueType[]): void {
    this.apply("the function's end", gives, []);
    this.expectEmpty("the function's end");
  }
  expectEmpty(where: string): void {
    if (this.stack.length) throw new InternalError(`${this.stack.join(", ")} left on the stack at ${where}`);
  }
}

interface FunctionBody {
  readonly type: FunctionType;
  readonly code: Uint8Array;
  readonly export?: string;
}

const unlinked: Linking = {
  relaxed: false,
  mathImport(name) {
    throw new InternalError(`${name} is called by a function that is not linked`);
  },
};

/** Collects imports and functions; function indices count imports first, so declare all imports before bodies. */
export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly typeBytes: Uint8Array[] = [];
  private readonly imports: { module: string; name: string; type: FunctionType }[] = [];
  private readonly functions: FunctionBody[] = [];

  /** Index of the imported function. */
  import(module: string, name: string, type: FunctionType): number {
    if (this.functions.length) throw new InternalError("imports come before functions");
    this.imports.push({ module, name, type });
    return this.imports.length - 1;
  }

  /** Adds a function made of `code`; returns its index. */
  function(type: FunctionType, code: Code, exported?: string, linking: Linking = unlinked): number {
    code.finish(type.gives);
    const body = new Bytes();
    const declared = code.locals.types.slice(code.locals.parameters);
    const groups: { type: ValueType; count: number }[] = [];
    for (const t of declared) {
      const last = groups.at(-1);
      if (last?.type === t) last.count++;
      else groups.push({ type: t, count: 1 });
    }
    body.unsigned(groups.length);
    for (const group of groups) {
      body.unsigned(group.count);
      body.byte(typeCodes[group.type]);
    }
    body.bytes(code.link(linking));
    body.byte(0x0b);
    this.functions.push({ type, code: body.view().slice(), ...(exported ? { export: exported } : {}) });
    return this.imports.length + this.functions.length - 1;
  }

  /** Bytes of a function's body. */
  size(index: number): number {
    return this.functions[index - this.imports.length]!.code.length;
  }

  private typeIndex(type: FunctionType): number {
    const key = `${type.takes.join(",")}>${type.gives.join(",")}`;
    const known = this.types.indexOf(key);
    if (known >= 0) return known;
    const bytes = new Bytes();
    bytes.byte(0x60);
    bytes.unsigned(type.takes.length);
    for (const t of type.takes) bytes.byte(typeCodes[t]);
    bytes.unsigned(type.gives.length);
    for (const t of type.gives) bytes.byte(typeCodes[t]);
    this.types.push(key);
    this.typeBytes.push(bytes.view().slice());
    return this.types.length - 1;
  }

  /** The finished module, importing `env.memory` of at least `pages` 64 KiB pages. */
  build(pages: number): Uint8Array {
    const importTypes = this.imports.map((i) => this.typeIndex(i.type));
    const functionTypes = this.functions.map((f) => this.typeIndex(f.type));
    const module = new Bytes();
    module.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, write: (out: Bytes) => void): void => {
      const out = new Bytes();
      write(out);
      module.byte(id);
      module.unsigned(out.length);
      module.bytes(out.view());
    };
    section(1, (out) => {
      out.unsigned(this.typeBytes.length);
      for (const bytes of this.typeBytes) out.bytes(bytes);
    });
    section(2, (out) => {
      out.unsigned(this.imports.length + 1);
      this.imports.forEach((i, k) => {
        out.name(i.module);
        out.name(i.name);
        out.byte(0x00);
        out.unsigned(importTypes[k]!);
      });
      out.name("env");
      out.name("memory");
      out.bytes([0x02, 0x00]);
      out.unsigned(pages);
    });
    section(3, (out) => {
      out.unsigned(functionTypes.length);
      for (const type of functionTypes) out.unsigned(type);
    });
    const exported = this.functions
      .map((f, i) => ({ name: f.export, index: this.imports.length + i }))
      .filter((f) => f.name);
    section(7, (out) => {
      out.unsigned(exported.length);
      for (const { name, index } of exported) {
        out.name(name!);
        out.byte(0x00);
        out.unsigned(index);
      }
    });
    section(10, (out) => {
      out.unsigned(this.functions.length);
      for (const { code } of this.functions) {
        out.unsigned(code.length);
        out.bytes(code);
      }
    });
    return module.view().slice();
  }
}
