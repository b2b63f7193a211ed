/**
 * Reductions as WGSL. In: the leaves that begin, update and combine accumulators. Out: lines over variables of an
 * invocation, and over memory of the workgroup where several invocations have gathered one result. Invariant: invocations
 * join their shares in an order that the program says, but for subgroups, whose order is the device's; barriers stand in
 * uniform control flow.
 */
import { InternalError } from "../../diagnostic.ts";
import type { ComputeType } from "../../ir/dtype.ts";
import { constant } from "../../ir/expr.ts";
import { identityOf, type Reduction } from "../../ir/kernel.ts";
import type { Nest } from "../../ir/nest.ts";
import { registerOf, type Leaf, type LeafOf } from "../straight.ts";
import { ExpressionWriter, type Register } from "./expression.ts";
import { indented } from "./frames.ts";
import { joinSlices, sharedWord } from "./gather.ts";
import type { Team } from "./grid.ts";
import { Library } from "./library.ts";
import { wgslType, wgslVector } from "./literal.ts";
import type { Binding, Operand } from "./memory.ts";
import { PACKED_DOTS } from "./packed.ts";
import { bySubgroups, combineBySubgroups, SUBGROUPS } from "./subgroups.ts";
import { isWide } from "./wide.ts";

export type Written<Kind extends Leaf<Register>["kind"]> = LeafOf<Register, Kind>;

export abstract class AccumulatorWriter extends ExpressionWriter {
  /** Whether subgroups combine what a schedule says they may. */
  protected readonly subgroups: boolean;
  /** Invocations of the workgroup of the entry point being written. */
  protected size = 1;
  /** Whether each invocation works on points of its own here. */
  protected spreads = false;
  /** Registers that are never NaN. */
  private readonly numbers = new Set<string>();

  /** @param features what the device has, of those that a text may be written for */
  constructor(
    nest: Nest,
    operands: readonly Operand[],
    bindings: readonly Binding[],
    features: ReadonlySet<string>,
  ) {
    super(nest, operands, bindings, new Library(features.has(PACKED_DOTS)));
    this.subgroups = features.has(SUBGROUPS);
  }

  private identity(op: Reduction["op"], type: ComputeType, vector: boolean): string {
    return this.text(this.values.from(constant(type, identityOf(op, type))), vector);
  }

  protected init({ op, type, slot, lanes }: Written<"init">): void {
    const register: Register = { name: this.frames.fresh("r"), vector: lanes !== undefined, type };
    slot.register = register;
    const form = register.vector ? wgslVector(type) : wgslType(type);
    this.frames.line(`var ${register.name}: ${form} = ${this.identity(op, type, register.vector)};`);
  }

  protected update({ op, slot, body: given, number, lanes }: Written<"update">): void {
    const body = number ?? given;
    const register = registerOf(slot);
    const { name, vector } = register;
    if (lanes && !vector) throw new InternalError("a vector updates a scalar accumulator");
    this.beginStatement(body, register);
    if (number !== undefined) this.numbers.add(name);
    let text = this.text(body, vector);
    if (lanes && lanes.lanes < 4) {
      const mask = [0, 1, 2, 3].map((lane) => lane < lanes.lanes).join(", ");
      text = `select(${this.identity(op, body.type, true)}, ${text}, vec4<bool>(${mask}))`;
    }
    this.frames.line(`${this.accumulated(op, name, text, body.type, vector, number !== undefined)};`);
  }

  /** `name = name op text`. */
  private accumulated(
    op: string,
    name: string,
    text: string,
    type: ComputeType,
    vector: boolean,
    skipsNaN: boolean,
  ): string {
    const wide = isWide(type);
    const sign = type === "u64" ? "U" : "I";
    switch (op) {
      case "sum":
        return wide ? `${name} = ${this.library.use("add64")}(${name}, ${text})` : `${name} += ${text}`;
      case "prod":
        return wide ? `${name} = ${this.library.use("mul64")}(${name}, ${text})` : `${name} *= ${text}`;
      default: {
        const more = op === "max";
        if (type === "bool") return `${name} = ${name} ${more ? "|" : "&"} ${text}`;
        if (wide) {
          const x = this.named(text);
          const less = this.library.use(`lt${sign}64`);
          return `${name} = select(${name}, ${x}, ${more ? `${less}(${name}, ${x})` : `${less}(${x}, ${name})`})`;
        }
        if (type !== "f32") return `${name} = ${op}(${name}, ${text})`;
        if (!skipsNaN)
          return `${name} = ${this.library.use(more ? "maxF" : "minF", vector)}(${name}, ${text})`;
        const x = this.named(text);
        return `${name} = select(${name}, ${x}, ${x} ${more ? ">" : "<"} ${name})`;
      }
    }
  }

  protected named(text: string): string {
    if (/^\w+(\.\w)?$/.test(text)) return text;
    const name = this.frames.fresh("v");
    this.frames.line(`let ${name} = ${text};`);
    return name;
  }

  protected combine({ op, slot, over }: Written<"combine">): void {
    const register = registerOf(slot);
    const { name, type } = register;
    if (over === undefined) {
      const total = this.frames.fresh("r");
      this.frames.line(`var ${total}: ${wgslType(type)} = ${name}.x;`);
      for (const lane of ["y", "z", "w"])
        this.frames.line(`${this.accumulated(op, total, `${name}.${lane}`, type, false, false)};`);
      slot.register = { name: total, vector: false, type };
      return;
    }
    const { size } = this;
    if (size === 1) return;
    if (this.spreads) throw new InternalError("invocations combine what they do not share");
    const { vector } = register;
    const word = sharedWord(register);
    const memory = `s_${word.replace(/\W/g, "")}`;
    this.declarations.shared.set(memory, `var<workgroup> ${memory}: array<${word}, ${size}>;`);
    const { frames } = this;
    if (over === "subgroup" && this.subgroups && !vector && bySubgroups(type)) {
      const constantText = (value: number): string => this.text(this.values.from(constant("f32", value)), false); // prettier-ignore
      const mayBeNaN = type === "f32" && !this.numbers.has(name);
      combineBySubgroups(frames, {
        ...{ name, op, type, size, memory },
        identity: this.identity(op, type, false),
        nan: mayBeNaN ? constantText(NaN) : "",
        isNan: mayBeNaN ? this.library.use("isNan", false) : undefined,
        accumulated: (text) => this.accumulated(op, name, text, type, false, !mayBeNaN),
      });
      return;
    }
    const read = (at: string): string => (type === "bool" ? `(${memory}[${at}] != 0u)` : `${memory}[${at}]`);
    const written = (text: string): string => (type === "bool" ? `u32(${text})` : text);
    if (type === "bool" && vector) throw new InternalError("lanes are combined before invocations");
    frames.line(`${memory}[lane] = ${written(name)};`);
    frames.line("workgroupBarrier();");
    if (size <= 8 || !Number.isInteger(Math.log2(size))) {
      frames.line(`${name} = ${read("0")};`);
      for (let i = 1; i < size; i++)
        frames.line(`${this.accumulated(op, name, read(`${i}`), type, vector, false)};`);
    } else {
      const half = frames.fresh("h");
      frames.line(`for (var ${half} = ${size / 2}; ${half} > 0; ${half} >>= 1u) {`);
      frames.open();
      frames.line(`${name} = ${read("lane")};`);
      frames.line(`${this.accumulated(op, name, read(`lane + ${half}`), type, vector, false)};`);
      frames.line(`${memory}[lane] = ${written(name)};`);
      const inside = indented(frames.close());
      for (const line of [`if (lane < ${half}) {`, ...inside, "}", "workgroupBarrier();"])
        frames.line(` ${line}`);
      frames.line("}");
      frames.line(`${name} = ${read("0")};`);
    }
    frames.line("workgroupBarrier();");
  }

  protected join(leaves: readonly Written<"combine">[], team: Team): void {
    const gathered = leaves.map(({ op, slot }) => ({ op, register: registerOf(slot) }));
    joinSlices(gathered, team, this.frames, this.declarations.shared, (...given) =>
      this.accumulated(...given, false),
    );
  }
}
