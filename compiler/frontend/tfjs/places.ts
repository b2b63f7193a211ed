/**
 * Where the nodes of a TF graph with Switch and Merge belong. In: nodes. Out: for every value the branches and loops
 * that it depends on, its place. Invariant: a value may be computed wherever all of its place holds, and nowhere else;
 * a Merge ends the branch of one predicate, an Exit ends its loop. Source: the dataflow form of control flow in Yu et
 * al., "Dynamic Control Flow in Large-Scale Machine Learning" (2018); it is turned back into structured form by what
 * each value depends on, since the graph does not say where a branch begins and ends.
 */
import { fail } from "../../diagnostic.ts";
import { parametersOf } from "./parameters.ts";
import type { TfNode } from "./model.ts";

/** One output of a node. */
export interface Ref {
  readonly node: string;
  readonly output: number;
}

/** By predicate the side that was taken, by frame of a loop true. Equal places are one object. */
export type Place = ReadonlyMap<string, boolean>;

/** The ends of branches of one predicate, none of which depends on another: together they are one If. */
export interface Branches {
  readonly predicate: Ref;
  readonly key: string;
  readonly merges: readonly { readonly node: string; readonly whenTrue: Ref; readonly whenFalse: Ref }[];
}

export interface WhileLoop {
  readonly frame: string;
  readonly condition: Ref;
  readonly variables: readonly { readonly merge: string; readonly initial: Ref; readonly next: Ref }[];
}

const nowhere: Place = new Map();

/** `^name` for an input that only has to have run. */
export function isControl(input: string): boolean {
  return input.startsWith("^");
}

export class Places {
  private readonly nodes: ReadonlyMap<string, TfNode>;
  private readonly known = new Map<string, Place>();
  private readonly interned = new Map<string, Place>();
  private readonly levels = new Map<string, ReadonlyMap<string, number>>();
  private readonly branches = new Map<string, Branches>();
  private readonly loops = new Map<string, WhileLoop>();
  private readonly predicates = new Map<string, Ref>();
  /** By the Merge of a loop variable the frame of its loop, as places name it. */
  private readonly frames = new Map<string, string>();
  private readonly variables: { frame: string; variable: WhileLoop["variables"][number] }[] = [];
  private readonly ends: { key: string; level: number; place: Place; merge: Branches["merges"][number] }[] =
    [];

  constructor(nodes: ReadonlyMap<string, TfNode>) {
    this.nodes = nodes;
    for (const node of nodes.values()) this.visit(node.name);
    this.group();
  }

  /** What an input says: a node and which of its outputs. */
  refOf(input: string): Ref {
    const parts = input.split(":");
    const node = parts[0]!.replace(/^\^/, "");
    if (parts.length < 2) return { node, output: 0 };
    const op = this.nodes.get(node)?.op;
    // Inside functions outputs are named, with a number among those of the name.
    const named = parts.length > 2 && op ? Math.max(0, parametersOf(op).outputs.indexOf(parts[1]!)) : 0;
    return { node, output: named + Number(parts.at(-1)) };
  }

  private inputOf(node: TfNode, position: number): Ref {
    const input = node.inputs[position];
    if (input === undefined)
      fail("graph-invalid", `input ${position} is missing`, { node: node.name, op: node.op });
    return this.refOf(input);
  }

  placeOf({ node, output }: Ref): Place {
    const at = this.nodes.get(node);
    if (!at) return nowhere;
    return this.known.get(at.op === "Switch" ? `${node}:${output}` : node) ?? nowhere;
  }

  /** The If that ends in a Merge. */
  branchesAt(merge: string): Branches | undefined {
    return this.branches.get(merge);
  }

  /** The loop that a Merge carries a variable of, or that an Exit leaves. */
  loopAt(node: string): WhileLoop | undefined {
    return this.loops.get(node);
  }

  /** The loop variable (its Merge) that a node of a loop stands for: a Switch or Exit. */
  variableOf(name: string): string | undefined {
    const node = this.nodes.get(name);
    if (!node) return undefined;
    if (node.op === "Merge") return this.frames.has(name) ? name : undefined;
    const from = node.inputs[0];
    return from && (node.op === "Switch" || node.op === "Exit")
      ? this.variableOf(this.refOf(from).node)
      : undefined;
  }

  /** Whether a Switch is that of a loop, which gives its variables to the body and to the exit. */
  isLoopSwitch(node: TfNode): boolean {
    return node.op === "Switch" && this.isLoopCondition(this.inputOf(node, 1));
  }

  // -------------------------------------------------------------------------------------------------------------

  /** Finds the place of a node and of all that it depends on. */
  private visit(start: string): void {
    const open: { readonly name: string; entered: boolean }[] = [{ name: start, entered: false }];
    const onPath = new Set<string>();
    while (open.length > 0) {
      const at = open.at(-1)!;
      const node = this.nodes.get(at.name);
      if (!node || this.levels.has(at.name)) {
        open.pop();
        continue;
      }
      if (at.entered) {
        open.pop();
        onPath.delete(at.name);
        this.settle(node);
        continue;
      }
      at.entered = true;
      onPath.add(at.name);
      for (const input of this.forward(node)) {
        const name = this.refOf(input).node;
        if (onPath.has(name)) fail("graph-invalid", "the nodes form a circle", { node: name });
        if (!this.levels.has(name)) open.push({ name, entered: false });
      }
    }
  }

  /** The inputs of a node but for what comes back from the iteration before. */
  private forward(node: TfNode): readonly string[] {
    return node.op === "Merge" ? node.inputs.filter((input) => !this.comesBack(input)) : node.inputs;
  }

  private comesBack(input: string): boolean {
    return this.nodes.get(this.refOf(input).node)?.op === "NextIteration";
  }

  private settle(node: TfNode): void {
    const refs = this.forward(node).map((input) => this.refOf(input));
    this.levels.set(node.name, this.mostOf(refs));
    const places = refs.map((ref) => this.placeOf(ref));
    switch (node.op) {
      case "Switch": {
        const predicate = this.inputOf(node, 1);
        const around = this.union(places);
        const ofLoop = this.isLoopCondition(predicate);
        for (const side of [false, true]) {
          const key = this.keyOf(predicate);
          const place = ofLoop ? around : this.intern(new Map([...around, [key, side] as const]));
          this.known.set(`${node.name}:${Number(side)}`, place);
        }
        return;
      }
      case "Merge":
        this.known.set(node.name, this.settleMerge(node, refs, places));
        return;
      case "Exit": {
        const frame = this.frameOf(this.variableOf(node.name));
        if (frame === undefined)
          fail("graph-invalid", "an Exit belongs to no loop", { node: node.name, op: node.op });
        const place = new Map(this.union(places));
        place.delete(frame);
        this.known.set(node.name, this.intern(place));
        return;
      }
      default:
        this.known.set(node.name, this.union(places));
    }
  }

  private settleMerge(node: TfNode, refs: readonly Ref[], places: readonly Place[]): Place {
    const back = node.inputs.find((input) => this.comesBack(input));
    if (back !== undefined) return this.settleVariable(node, refs, places, back);
    const [a, b] = places;
    if (!a || !b || refs.length < 2)
      return fail("graph-invalid", "a Merge has two inputs", { node: node.name });
    const key = [...a, ...b]
      .map(([k]) => k)
      .find((k) => {
        const [left, right] = [a.get(k), b.get(k)];
        return left !== right && (left !== undefined || right !== undefined);
      });
    if (key === undefined)
      return fail("graph-invalid", "the inputs of a Merge come from no two sides of one Switch", {
        node: node.name,
      });
    const firstIsTrue = a.get(key) ?? !b.get(key);
    const level = this.levels.get(node.name)!.get(key) ?? 0;
    this.levels.set(node.name, new Map([...this.levels.get(node.name)!, [key, level + 1]]));
    const around = new Map(this.union(places));
    around.delete(key);
    const place = this.intern(around);
    const merge = {
      node: node.name,
      whenTrue: refs[firstIsTrue ? 0 : 1]!,
      whenFalse: refs[firstIsTrue ? 1 : 0]!,
    };
    this.ends.push({ key, level, place, merge });
    return place;
  }

  private settleVariable(node: TfNode, refs: readonly Ref[], places: readonly Place[], back: string): Place {
    const enter = refs.map(({ node: name }) => this.nodes.get(name)).find((from) => from?.op === "Enter");
    const frame = enter?.attributes.get("frame_name");
    if (!enter || frame?.kind !== "string")
      return fail("graph-invalid", "a loop variable has no Enter that names its frame", { node: node.name });
    const nextIteration = this.nodes.get(this.refOf(back).node)!;
    const variable = {
      merge: node.name,
      initial: this.inputOf(enter, 0),
      next: this.inputOf(nextIteration, 0),
    };
    this.variables.push({ frame: frame.value, variable });
    this.frames.set(node.name, `loop ${frame.value}`);
    return this.intern(new Map([...this.union(places), [`loop ${frame.value}`, true] as const]));
  }

  private frameOf(merge: string | undefined): string | undefined {
    return merge === undefined ? undefined : this.frames.get(merge);
  }

  /** Puts together what is one If or one loop. */
  private group(): void {
    const groups = new Map<string, typeof this.ends>();
    for (const end of this.ends) {
      const id = JSON.stringify([end.key, end.level, [...end.place].sort()]);
      groups.set(id, [...(groups.get(id) ?? []), end]);
    }
    for (const ends of groups.values()) {
      const { key } = ends[0]!;
      const together: Branches = {
        key,
        predicate: this.predicates.get(key)!,
        merges: ends.map(({ merge }) => merge),
      };
      for (const { merge } of ends) this.branches.set(merge.node, together);
    }
    const loops = new Map<string, WhileLoop>();
    for (const { frame, variable } of this.variables) {
      const known = loops.get(frame);
      const variables = [...(known?.variables ?? []), variable];
      const condition = known?.condition ?? this.conditionOf(variable.merge);
      if (!condition) continue;
      loops.set(frame, { frame, condition, variables });
    }
    for (const { frame, variable } of this.variables) {
      const loop = loops.get(frame);
      if (!loop) fail("graph-invalid", `the loop ${frame} has no LoopCond`, { node: variable.merge });
      this.loops.set(variable.merge, loop);
    }
    for (const node of this.nodes.values()) {
      const variable = node.op === "Exit" ? this.variableOf(node.name) : undefined;
      if (variable !== undefined) this.loops.set(node.name, this.loops.get(variable)!);
    }
  }

  /** What is tested before each iteration of the loop that a Merge carries a variable of. */
  private conditionOf(merge: string): Ref | undefined {
    for (const node of this.nodes.values()) {
      if (node.op !== "Switch" || this.inputOf(node, 0).node !== merge || !this.isLoopSwitch(node)) continue;
      return this.through(this.inputOf(node, 1));
    }
    return undefined;
  }

  private keyOf(predicate: Ref): string {
    const { node, output } = this.through(predicate);
    const key = `${node}:${output}`;
    if (!this.predicates.has(key)) this.predicates.set(key, { node, output });
    return key;
  }

  /** The value that identities pass on. */
  private through(ref: Ref): Ref {
    let at = ref;
    for (let steps = this.nodes.size; steps > 0; steps--) {
      const node = this.nodes.get(at.node);
      if (node?.op !== "Identity" || node.inputs.length === 0) break;
      at = this.refOf(node.inputs[0]!);
    }
    return at;
  }

  private isLoopCondition(ref: Ref): boolean {
    return this.nodes.get(this.through(ref).node)?.op === "LoopCond";
  }

  private mostOf(refs: readonly Ref[]): ReadonlyMap<string, number> {
    let most: ReadonlyMap<string, number> = none;
    for (const { node } of refs) {
      const other = this.levels.get(node) ?? none;
      if (other === most || other.size === 0) continue;
      if (most.size === 0) {
        most = other;
        continue;
      }
      const joined = new Map(most);
      for (const [key, level] of other) joined.set(key, Math.max(level, joined.get(key) ?? 0));
      most = joined;
    }
    return most;
  }

  private union(places: readonly Place[]): Place {
    const filled = places.filter((place) => place.size > 0);
    if (filled.length === 0) return nowhere;
    if (filled.every((place) => place === filled[0])) return filled[0]!;
    return this.intern(new Map(filled.flatMap((place) => [...place])));
  }

  private intern(place: Place): Place {
    if (place.size === 0) return nowhere;
    const id = JSON.stringify([...place].sort(([a], [b]) => (a < b ? -1 : 1)));
    const known = this.interned.get(id) ?? place;
    this.interned.set(id, known);
    return known;
  }
}

const none: ReadonlyMap<string, number> = new Map();
