/**
 * Text of nested loops. In: lines, and expressions that depend on loop variables only. Out: the lines of a function.
 * Invariant: a name stands for one text; what depends on outer loops only is computed where these open, once for equal
 * texts, so that inner loops hold what changes in them and no more.
 */

/** What is written inside one loop: the head is computed before the body, and holds no loads. */
export interface Frame {
  /** Variables that are known from here on, by their name in the nest. */
  readonly variables: Map<string, string>;
  readonly head: string[];
  readonly body: string[];
  /** Names in the head, by what they stand for. */
  readonly named: Map<string, string>;
}

export class Frames {
  readonly stack: Frame[] = [];
  private count = 0;

  /** A name that nothing else has; with "f", "i" or "u" it could be a type. */
  fresh(prefix: string): string {
    return `${prefix}${this.count++}`;
  }

  get depth(): number {
    return this.stack.length - 1;
  }

  get current(): Frame {
    return this.stack.at(-1)!;
  }

  open(): Frame {
    const frame: Frame = { variables: new Map(), head: [], body: [], named: new Map() };
    this.stack.push(frame);
    return frame;
  }

  /** The lines of the innermost frame, which is closed. */
  close(): string[] {
    const { head, body } = this.stack.pop()!;
    return [...head, ...body];
  }

  line(text: string): void {
    this.current.body.push(text);
  }

  /** The frame in which a loop variable is set, and its name there. */
  find(variable: string): { readonly depth: number; readonly name: string } | undefined {
    for (let depth = this.stack.length - 1; depth >= 0; depth--) {
      const name = this.stack[depth]!.variables.get(variable);
      if (name !== undefined) return { depth, name };
    }
    return undefined;
  }

  /** A name for a text that depends on the loops down to `depth` and on no memory. */
  hoist(text: string, depth: number): string {
    if (/^\(?-?\w+\)?$/.test(text)) return text;
    const frame = this.stack[Math.max(0, depth)]!;
    let name = frame.named.get(text);
    if (name === undefined) {
      name = this.fresh("p");
      frame.head.push(`let ${name} = ${text};`);
      frame.named.set(text, name);
    }
    return name;
  }
}

/** Lines one level further in. */
export function indented(lines: readonly string[]): string[] {
  return lines.map((line) => ` ${line}`);
}

/** Lines without names that nobody uses. */
export function withoutIdle(lines: readonly string[]): string[] {
  const uses = new Map<string, number>();
  const wordsOf = (line: string): readonly string[] => line.match(/[A-Za-z_]\w*/g) ?? [];
  for (const line of lines) for (const word of wordsOf(line)) uses.set(word, (uses.get(word) ?? 0) + 1);
  const kept: string[] = [];
  // From the last to the first, since names stand before what uses them.
  for (const line of lines.toReversed()) {
    const name = /^\s*let (\w+) =/.exec(line)?.[1];
    if (name !== undefined && uses.get(name) === 1) {
      for (const word of wordsOf(line)) uses.set(word, uses.get(word)! - 1);
    } else kept.push(line);
  }
  return kept.reverse();
}
