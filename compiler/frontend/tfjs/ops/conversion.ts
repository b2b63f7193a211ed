/** What an entry of the tables of TF.js operators is, and the simplest of them. */
import type { ValueId } from "../../../ir/graph.ts";
import type { Call } from "../call.ts";

/** Writes nodes that compute what a TF node does; gives its outputs, in TF's order. */
export type Conversion = (call: Call) => ValueId | readonly ValueId[];

export type Conversions = Readonly<Record<string, Conversion>>;

export function unary(op: string): Conversion {
  return (call) => call.emit(op, [call.input("x")]);
}

export function binary(op: string): Conversion {
  return (call) => call.emit(op, [call.input("x"), call.input("y")]);
}

/** Passes an input on. */
export function same(name: string): Conversion {
  return (call) => call.input(name);
}
