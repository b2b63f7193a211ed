/**
 * Index arithmetic as WGSL. In: expressions of loop variables, and the terms of addresses. Out: text. Invariant: what
 * depends on outer loops only is named where the last of them opens, so that an inner loop adds what changes in it; terms
 * that are loaded or that differ by lane are written where they are used.
 */
import { InternalError } from "../../diagnostic.ts";
import type { Expr } from "../../ir/expr.ts";
import { layoutOf } from "../../ir/kernel.ts";
import type { Nest } from "../../ir/nest.ts";
import { range } from "../../ir/range.ts";
import type { Lanes } from "../straight.ts";
import { operandsOf, type Terms, type Value } from "../values.ts";
import { ValueTable } from "../valueTable.ts";
import { Frames } from "./frames.ts";
import { intLiteral, literal } from "./literal.ts";
import { divided, indexOperation } from "./operations.ts";

export abstract class IndexWriter {
  protected readonly frames = new Frames();
  protected readonly nest: Nest;
  protected readonly values: ValueTable;
  /** The vector loop around the statement that is being written. */
  protected lanes: Lanes | undefined;
  private readonly bitNames = new Map<number, string>();

  constructor(nest: Nest) {
    this.nest = nest;
    this.values = new ValueTable(nest.buffers.map(layoutOf));
  }

  /** The text of a value: an atom, or in parentheses. `vector`: its four lanes. */
  protected abstract text(e: Value, vector: boolean): string;

  /** Private variables that hold bits which WGSL does not take as constants. */
  protected bitVariables(): string[] {
    return [...this.bitNames].map(([word, name]) => `var<private> ${name}: u32 = ${word}u;`);
  }

  protected readonly bits = (word: number): string => {
    let name = this.bitNames.get(word);
    if (name === undefined) this.bitNames.set(word, (name = `bits${this.bitNames.size}`));
    return name;
  };

  protected variable(name: string): string {
    const found = this.frames.find(name);
    if (!found) throw new InternalError(`${name} is no open loop in ${this.nest.name}`);
    return found.name;
  }

  /** Whether a value depends on loop variables only. */
  protected isPure(e: Value): boolean {
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
  protected pure(e: Expr): string {
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
}
