/**
 * Runs regular expressions without ever going back. In: a pattern as a tree, and texts. Out: whether it matches a text
 * from end to end. Invariant: every state of the automaton is entered at most once per character, so the time is at
 * most the length of the text times the size of the automaton, whatever both are; and that size is limited.
 * Source: K. Thompson, "Regular expression search algorithm", 1968.
 */
import type { CharacterSet, Place, RegexNode } from "./stringRegex.ts";

/** A state: it takes a character, asks for a place, or leads on to others; the last one is the end. */
type State =
  | { readonly kind: "character"; readonly test: (point: number) => boolean; next: number }
  | { readonly kind: "place"; readonly place: Place; next: number }
  | { readonly kind: "fork"; readonly next: number[] }
  | { readonly kind: "end" };

/** Repetitions are written out; more states than this are refused, as RE2 refuses what takes too much memory. */
const MOST_STATES = 20_000;

/** @returns whether a whole text is matched. @throws what `refuse` does */
export function regexMatcher(tree: RegexNode, refuse: (reason: string) => never): (text: string) => boolean {
  const states: State[] = [];
  const tests = new Map<CharacterSet, (point: number) => boolean>();
  const add = (state: State): number => {
    if (states.length >= MOST_STATES) refuse(`is more than ${MOST_STATES} states of an automaton`);
    return states.push(state) - 1;
  };
  const end = add({ kind: "end" });
  // Built from its end: each part is told what comes after it.
  const build = (node: RegexNode, next: number): number => {
    switch (node.kind) {
      case "character": {
        const test = tests.get(node) ?? testOf(node);
        tests.set(node, test);
        return add({ kind: "character", test, next });
      }
      case "place":
        return add({ kind: "place", place: node.place, next });
      case "sequence":
        return node.parts.reduceRight((after, part) => build(part, after), next);
      case "choice":
        return add({ kind: "fork", next: node.options.map((option) => build(option, next)) });
      case "repeat": {
        const { of, least, most } = node;
        let at = next;
        if (most === Infinity) {
          const again = { kind: "fork", next: [next] } as const satisfies State;
          at = add(again);
          (again.next as number[]).push(build(of, at));
        } else for (let i = least; i < most; i++) at = add({ kind: "fork", next: [next, build(of, at)] });
        for (let i = 0; i < least; i++) at = build(of, at);
        return at;
      }
    }
  };
  const start = build(tree, end);
  return (text) => runs(states, start, end, Array.from(text, (character) => character.codePointAt(0)!));
} // prettier-ignore

function runs(states: readonly State[], start: number, end: number, text: readonly number[]): boolean {
  const entered = new Int32Array(states.length).fill(-1);
  /** Everything that `from` leads to before the character at `at`. */
  const closure = (from: readonly number[], at: number): number[] => {
    const waiting: number[] = [];
    const open = [...from];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (entered[id] === at) continue;
      entered[id] = at;
      const state = states[id]!;
      if (state.kind === "fork") open.push(...state.next);
      else if (state.kind !== "place") waiting.push(id);
      else if (holds(state.place, text[at - 1], text[at])) open.push(state.next);
    }
    return waiting;
  };
  let current = closure([start], 0);
  for (let at = 0; at < text.length && current.length > 0; at++) {
    const next: number[] = [];
    for (const id of current) {
      const state = states[id]!;
      if (state.kind === "character" && state.test(text[at]!)) next.push(state.next);
    }
    current = closure(next, at + 1);
  }
  return current.includes(end);
}

function holds(place: Place, before: number | undefined, after: number | undefined): boolean {
  switch (place) {
    case "text start":
      return before === undefined;
    case "text end":
      return after === undefined;
    case "line start":
      return before === undefined || before === 10;
    case "line end":
      return after === undefined || after === 10;
    case "word edge":
      return isWord(before) !== isWord(after);
    case "no word edge":
      return isWord(before) === isWord(after);
  }
}

function isWord(point: number | undefined): boolean {
  return point !== undefined && point < 128 && /\w/.test(String.fromCharCode(point));
}

/** Whether a code point is in a set; what was asked before is remembered. */
function testOf({ parts, negated }: CharacterSet): (point: number) => boolean {
  const tests = parts.map(({ source, folds }) => new RegExp(`^[${source}]$`, folds ? "iu" : "u"));
  const known = new Map<number, boolean>();
  return (point) => {
    const before = known.get(point);
    if (before !== undefined) return before;
    const character = String.fromCodePoint(point);
    const result = tests.some((test) => test.test(character)) !== negated;
    known.set(point, result);
    return result;
  };
}
