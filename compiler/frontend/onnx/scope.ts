/**
 * Names of a model and the value ids that they become. In: names as the file has them, which mean different things
 * in different graphs. Out: ids, unique over the whole model, found by lexical scope. Invariant: a name that cannot
 * be resolved, or is defined twice, gives one diagnostic and an id all the same, so that importing goes on and all
 * mistakes are found.
 */
import { didYouMean, type Diagnostic } from "../../diagnostic.ts";
import type { ValueId } from "../../ir/graph.ts";
import { isGradient, namesInGradient } from "./gradientBody.ts";
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode } from "./model.ts";

/** Suggestions compare a name with all others: only so many, of names so long, among so many. */
const MAX_SUGGESTIONS = 20;
const MAX_SUGGESTION_LENGTH = 48;
const MAX_CANDIDATES = 2_000;

/** Names of one graph or function body, and of what lies around it. */
export interface Scope {
  /** "" where the name stands for an optional input that was not given. */
  readonly ids: Map<string, ValueId>;
  readonly outer: Scope | undefined;
}

/** Hands out value ids, and notes what is wrong with names. */
export class Names {
  private readonly diagnostics: Diagnostic[];
  private readonly used = new Set<ValueId>();
  /** Next suffix to try by name, so that many like names stay cheap. */
  private readonly suffixes = new Map<string, number>();
  private suggestions = 0;

  constructor(diagnostics: Diagnostic[]) {
    this.diagnostics = diagnostics;
  }

  /** A new id: `name` itself, or with a suffix when it is taken. */
  fresh(name: string): ValueId {
    let id = name;
    if (this.used.has(id)) {
      let suffix = this.suffixes.get(name) ?? 1;
      while (this.used.has((id = `${name}_${suffix}`))) suffix++;
      this.suffixes.set(name, suffix + 1);
    }
    this.used.add(id);
    return id;
  }

  /** Makes `name` known in `scope`, as `id`; a second definition of it is an error. */
  define(scope: Scope, name: string, id: ValueId): ValueId {
    if (scope.ids.has(name)) {
      this.diagnostics.push({
        code: "graph-invalid",
        message: `the value "${name}" is defined twice in one graph`,
        node: name,
      });
    }
    scope.ids.set(name, id);
    return id;
  }

  /** The id that `name` means in `scope`. */
  resolve(scope: Scope, name: string, where: Pick<Diagnostic, "node" | "op">): ValueId {
    for (let at: Scope | undefined = scope; at; at = at.outer) {
      const id = at.ids.get(name);
      if (id !== undefined) return id;
    }
    const near = scope.ids.size <= MAX_CANDIDATES ? this.suggestion(name, scope.ids.keys()) : undefined;
    this.diagnostics.push({
      code: "graph-invalid",
      message: `the value "${name}" is used and never defined`,
      ...where,
      ...(near === undefined ? {} : { hint: `did you mean "${near}"?` }),
    });
    // Known from here on, so that it is reported once.
    scope.ids.set(name, name);
    return name;
  }

  /** The candidate that `word` may be a slip of, within the bounds that keep hostile files cheap. */
  suggestion(word: string, candidates: Iterable<string>): string | undefined {
    if (word.length > MAX_SUGGESTION_LENGTH || this.suggestions++ >= MAX_SUGGESTIONS) return undefined;
    const near = didYouMean(word, candidates);
    return near === word ? undefined : near;
  }
}

/** Names that anything in the model reads; an output of another name is not wanted. */
export function namesRead(model: OnnxModel): ReadonlySet<string> {
  const read = new Set<string>();
  const attributes = (all: Iterable<OnnxAttribute>): void => {
    for (const attribute of all) if (attribute.kind === "graph") graph(attribute.value);
  };
  const nodes = (all: readonly OnnxNode[]): void => {
    for (const node of all) {
      for (const input of node.inputs) read.add(input);
      if (isGradient(node)) for (const name of namesInGradient(node)) read.add(name);
      attributes(node.attributes.values());
    }
  };
  const graph = (each: OnnxGraph): void => {
    for (const output of each.outputs) read.add(output.name);
    nodes(each.nodes);
  };
  graph(model.graph);
  for (const fn of model.functions) {
    for (const output of fn.outputs) read.add(output);
    nodes(fn.nodes);
    attributes(fn.attributeDefaults.values());
  }
  return read;
}
