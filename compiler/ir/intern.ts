/**
 * The table of all expressions of one compilation. In: what a node is made of. Out: the node, the same object for the same
 * parts, and room for what is found out about nodes. Invariant: numbers of nodes grow and are never used again, so that an
 * order by number is the order of making, also across tables.
 */
import type { Expr, Node } from "./expr.ts";

let table = new Map<string, Expr>();
/** Nodes of one or two operands by operator, then by the operands' numbers. */
let pairs = new Map<string, Map<number, Expr>>();
/** What is known of the table's expressions. */
const notes: Map<Expr, unknown>[] = [];
let nextId = 0;
/** The first number of this table. */
let firstId = 0;

/** Forgets all interned expressions; called between compilations so that memory does not grow. */
export function clearInternTable(): void {
  table = new Map();
  pairs = new Map();
  for (const known of notes) known.clear();
  firstId = nextId;
}

/** A map from expressions of the table, which is emptied with it. */
export function notesOfExpressions<T>(): Map<Expr, T> {
  const known = new Map<Expr, T>();
  notes.push(known);
  return known;
}

type Draft<T> = T extends Node ? Omit<T, "id"> : never;

/** The node that `key` stands for; `draft` is what it is when it is new. */
export function intern(key: string, draft: Draft<Expr>): Expr {
  const known = table.get(key);
  if (known) return known;
  const made = { id: nextId++, ...draft } as Expr;
  table.set(key, made);
  return made;
}

/** Node numbers in a key of two. */
const PAIR = 2 ** 26;

/** The node of an operator on one or two operands; `make` gives it when it is new. */
export function internPair(operator: string, a: Expr, b: Expr | undefined, make: () => Draft<Expr>): Expr {
  const first = a.id - firstId;
  const second = b === undefined ? 0 : b.id - firstId;
  // Expressions that outlived their table, or a very large one: keys of text hold any number.
  if (first < 0 || second < 0 || nextId - firstId >= PAIR)
    return intern(`${operator}:${a.id}:${b?.id ?? ""}`, make());
  let known = pairs.get(operator);
  if (!known) {
    known = new Map();
    pairs.set(operator, known);
  }
  const key = first * PAIR + second;
  let node = known.get(key);
  if (!node) {
    node = { id: nextId++, ...make() } as Expr;
    known.set(key, node);
  }
  return node;
}
