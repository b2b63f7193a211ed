/**
 * One list of TF nodes, the main graph or a function's, as nodes of the Graph IR. In: nodes, and which value is asked
 * for where. Out: that value, with all that it needs written before it. Invariant: a value is written once, in the
 * outermost graph in which everything is there that its place names (places.ts); branches become If, frames Loop, and
 * functions are written out where they are called.
 */
import { fail } from "../../diagnostic.ts";
import type { Graph, GraphInput, GraphOutput, OpNode, ValueId } from "../../ir/graph.ts";
import { Call, type Writer } from "./call.ts";
import { dilateConvolutions } from "./dilation.ts";
import type { Importer } from "./import.ts";
import type { TfFunction, TfNode } from "./model.ts";
import { complexOps } from "./ops/reduction.ts";
import { conversions } from "./ops/table.ts";
import { isControl, Places, type Branches, type Place, type Ref, type WhileLoop } from "./places.ts";
import { lookup, sizeOfTable } from "./tables.ts";

/** Functions may call functions so deep. */
const MAX_CALL_DEPTH = 64;

/** A graph being written; nodes only, since constants are all kept in the main graph. */
export interface Body {
  readonly nodes: OpNode[];
}

/** Where values are looked for, from the inside out. */
export interface Scope {
  readonly place: Place;
  readonly body: Body;
  readonly parent: Scope | undefined;
  /** By "node:output". */
  readonly values: Map<string, ValueId>;
}

/** One list of nodes with names of its own: the main graph, or a function that is being inlined. */
export class Region {
  readonly places: Places;
  private readonly importer: Importer;
  private readonly nodes: ReadonlyMap<string, TfNode>;
  private readonly prefix: string;
  private readonly depth: number;

  constructor(importer: Importer, nodes: ReadonlyMap<string, TfNode>, prefix: string, depth: number) {
    if (depth > MAX_CALL_DEPTH)
      fail("graph-invalid", "functions call each other without end", { node: prefix });
    this.importer = importer;
    this.nodes = dilateConvolutions(nodes, importer.model.weights);
    this.prefix = prefix;
    this.depth = depth;
    this.places = new Places(this.nodes);
  }

  root(body: Body): Scope {
    return { place: new Map(), body, parent: undefined, values: new Map() };
  }

  /** The value of a reference; everything that it needs and that is not there yet is written first. */
  value(ref: Ref, from: Scope): ValueId {
    const open: { readonly ref: Ref; entered: boolean }[] = [{ ref, entered: false }];
    while (open.length > 0) {
      const at = open.at(-1)!;
      const scope = this.home(at.ref, from);
      if (find(scope, at.ref) !== undefined) {
        open.pop();
        continue;
      }
      const node = this.nodes.get(at.ref.node);
      if (!node) return fail("graph-invalid", `nothing has the name ${at.ref.node}`, { node: at.ref.node });
      if (at.entered) {
        open.pop();
        this.convert(node, at.ref, scope);
        if (find(scope, at.ref) === undefined)
          fail("graph-invalid", `it has no output ${at.ref.output}`, { node: node.name, op: node.op });
        continue;
      }
      at.entered = true;
      for (const input of this.before(node)) open.push({ ref: input, entered: false });
    }
    return find(this.home(ref, from), ref)!;
  }

  /** The outermost scope in which all is there that a value depends on. */
  private home(ref: Ref, from: Scope): Scope {
    const place = this.places.placeOf(ref);
    let scope = from;
    while (scope.parent && [...place].every(([key, side]) => scope.parent!.place.get(key) === side))
      scope = scope.parent;
    return scope;
  }

  /** What must be there before a node is converted; what stands inside branches and loops follows with them. */
  private before(node: TfNode): readonly Ref[] {
    const { places } = this;
    const branches = places.branchesAt(node.name);
    if (node.op === "Merge" && branches) return [branches.predicate];
    const loop = places.loopAt(node.name);
    if (loop && (node.op === "Exit" || node.op === "Merge")) return node.op === "Exit" ? loop.variables.map(({ initial }) => initial) : []; // prettier-ignore
    return dataInputs(node).map((input) => places.refOf(input));
  }

  private convert(node: TfNode, ref: Ref, scope: Scope): void {
    const { places, importer } = this;
    const inputs = (): ValueId[] => dataInputs(node).map((input) => this.value(places.refOf(input), scope));
    const give = (outputs: readonly ValueId[]): void =>
      outputs.forEach((id, output) => scope.values.set(`${node.name}:${output}`, id));
    switch (node.op) {
      case "Const":
        give([this.constant(node, scope)]);
        return;
      case "Placeholder":
        fail("graph-invalid", "the graph needs a placeholder that is no input of the signature", {
          node: node.name,
        });
        return;
      case "Enter":
      case "LoopCond":
      case "PlaceholderWithDefault":
        give(inputs().slice(0, 1));
        return;
      case "Switch":
        // Inside its branch, or its loop, a Switch passes on what it is given.
        scope.values.set(`${node.name}:${ref.output}`, this.value(places.refOf(node.inputs[0]!), scope));
        return;
      case "Merge":
        this.convertMerge(node, scope);
        return;
      case "Exit":
        this.convertLoop(places.loopAt(node.name)!, scope);
        return;
      case "If":
      case "StatelessIf":
        give(this.convertIf(node, inputs(), scope));
        return;
      case "While":
      case "StatelessWhile":
        give(this.convertWhile(node, inputs(), scope));
        return;
      case "PartitionedCall":
      case "StatefulPartitionedCall":
        give(this.inline(this.functionOf(node, "f"), inputs(), scope.body));
        return;
      default:
    }
    const call = new Call(node, inputs(), this.writer(scope), {
      value: (id) => importer.constants.get(id),
      shape: (id) => importer.shapes.get(id) ?? importer.constants.get(id)?.shape,
    });
    if (node.op.startsWith("LookupTableFind")) give([lookup(call, importer.model)]);
    else if (node.op.startsWith("LookupTableSize")) give([sizeOfTable(call, importer.model)]);
    else if (node.op.startsWith("HashTable"))
      give([importer.constant({ dtype: "int32", shape: [], data: Int32Array.of(0) })]); // prettier-ignore
    else give(this.computed(node, call, inputs()));
  }

  private computed(node: TfNode, call: Call, inputs: readonly ValueId[]): readonly ValueId[] {
    const { complex } = this.importer;
    const conversion = conversions.get(node.op);
    if (!conversion) return call.fail("op-unsupported", "it cannot stand here");
    const takesComplex = inputs.some((id) => complex.has(id));
    if (takesComplex && complexOps[node.op] === undefined)
      return call.fail("dtype-unsupported", "it takes no complex numbers here");
    const made = conversion(call);
    const outputs = typeof made === "string" ? [made] : made;
    if (complexOps[node.op] === true && (takesComplex || node.op !== "Identity")) for (const id of outputs) complex.add(id); // prettier-ignore
    return outputs;
  }

  private writer({ body }: Scope): Writer {
    const { importer, prefix } = this;
    return {
      node: (op, inputs, attributes, outputs, domain) =>
        importer.write(body, op, inputs, attributes, outputs, domain),
      constant: (tensor) => importer.constant(tensor),
      fresh: (hint) => importer.fresh(prefix + hint),
    };
  }

  private constant(node: TfNode, scope: Scope): ValueId {
    const { model } = this.importer;
    const weight = model.weights.get(node.name) ?? model.weights.get(this.prefix + node.name);
    if (!weight)
      return fail("model-malformed", "a constant has no value among the weights", {
        node: node.name,
        op: node.op,
      });
    return this.importer.weight(node, weight, outermost(scope).body);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Control flow as Switch, Merge and frames

  private convertMerge(node: TfNode, scope: Scope): void {
    const { places, importer } = this;
    const branches = places.branchesAt(node.name);
    if (!branches) {
      fail("graph-invalid", "a loop variable is used outside of its loop", { node: node.name, op: node.op });
      return;
    }
    const predicate = this.value(branches.predicate, scope);
    const ids = branches.merges.map(({ node: merge }) => importer.fresh(this.prefix + merge));
    const branch = (side: boolean): Graph => this.branch(branches, side, scope);
    importer.write(
      scope.body,
      "If",
      [predicate],
      { then_branch: branch(true), else_branch: branch(false) },
      ids,
      "",
    );
    branches.merges.forEach(({ node: merge }, i) => scope.values.set(`${merge}:0`, ids[i]!));
  }

  private branch({ key, merges }: Branches, side: boolean, scope: Scope): Graph {
    const body: Body = { nodes: [] };
    const inner: Scope = { place: new Map([...scope.place, [key, side] as const]), body, parent: scope, values: new Map() }; // prettier-ignore
    const results = merges.map(({ whenTrue, whenFalse }) => this.value(side ? whenTrue : whenFalse, inner));
    return this.graph(`${key} is ${String(side)}`, [], results, body);
  }

  /** A graph whose results are its own, also where they come from around it. */
  private graph(name: string, inputs: readonly GraphInput[], results: readonly ValueId[], body: Body): Graph {
    const outputs = results.map((result): GraphOutput => {
      const id = this.importer.fresh(result);
      this.importer.write(body, "Identity", [result], {}, [id], "");
      return { id, name: id };
    });
    return { name, inputs, outputs, nodes: body.nodes, constants: new Map() };
  }

  private convertLoop(loop: WhileLoop, scope: Scope): void {
    const { importer } = this;
    const { frame, variables, condition } = loop;
    const place = new Map([...scope.place, [`loop ${frame}`, true] as const]);
    const initial = variables.map((variable) => this.value(variable.initial, scope));
    const merges = variables.map(({ merge }) => merge);
    const around = (parent: Scope, body: Body, values: readonly ValueId[]): Scope => ({
      place,
      body,
      parent,
      values: new Map(merges.map((merge, i) => [`${merge}:0`, values[i]!])),
    });
    const first = this.value(condition, around(scope, scope.body, initial));
    const body: Body = { nodes: [] };
    const { inputs, states } = loopInputs(importer, this.prefix + frame, variables.length);
    const inner = around(scope, body, states);
    const next = variables.map((variable) => this.value(variable.next, inner));
    const again = this.value(condition, around(scope, body, next));
    const graph = this.graph(frame, inputs, [again, ...next], body);
    const ids = merges.map((merge) => importer.fresh(this.prefix + merge));
    importer.write(scope.body, "Loop", ["", first, ...initial], { body: graph }, ids, "");
    for (const node of this.nodes.values()) {
      if (node.op !== "Exit" || this.places.loopAt(node.name) !== loop) continue;
      scope.values.set(`${node.name}:0`, ids[merges.indexOf(this.places.variableOf(node.name)!)]!);
    }
  }

  // -------------------------------------------------------------------------------------------------------------
  // Control flow as functions

  private functionOf(node: TfNode, attribute: string): TfFunction {
    const given = node.attributes.get(attribute);
    const found = given?.kind === "function" ? this.importer.model.functions.get(given.value) : undefined;
    return found ?? fail("graph-invalid", `attribute ${attribute} names no function of the model`, { node: node.name, op: node.op }); // prettier-ignore
  }

  /** A function's nodes, written out where it is called. */
  private inline(fn: TfFunction, given: readonly ValueId[], body: Body): ValueId[] {
    const region = new Region(this.importer, fn.nodes, `${this.prefix}${fn.name}/`, this.depth + 1);
    const scope = region.root(body);
    fn.inputs.forEach((name, i) => scope.values.set(`${name}:0`, given[i]!));
    return fn.outputs.map(([, ref]) => region.value(region.places.refOf(ref), scope));
  }

  private convertIf(node: TfNode, [predicate, ...given]: readonly ValueId[], scope: Scope): ValueId[] {
    const branch = (attribute: string): Graph => {
      const body: Body = { nodes: [] };
      const fn = this.functionOf(node, attribute);
      return this.graph(fn.name, [], this.inline(fn, given, body), body);
    };
    const [then_branch, else_branch] = [branch("then_branch"), branch("else_branch")];
    const ids = then_branch.outputs.map(() => this.importer.fresh(this.prefix + node.name));
    this.importer.write(scope.body, "If", [predicate!], { then_branch, else_branch }, ids, "");
    return ids;
  }

  private convertWhile(node: TfNode, given: readonly ValueId[], scope: Scope): ValueId[] {
    const [condition, step] = [this.functionOf(node, "cond"), this.functionOf(node, "body")];
    const [first] = this.inline(condition, given, scope.body);
    const body: Body = { nodes: [] };
    const { inputs, states } = loopInputs(this.importer, this.prefix + node.name, given.length);
    const next = this.inline(step, states, body);
    const [again] = this.inline(condition, next, body);
    const graph = this.graph(step.name, inputs, [again!, ...next], body);
    const ids = given.map(() => this.importer.fresh(this.prefix + node.name));
    this.importer.write(scope.body, "Loop", ["", first!, ...given], { body: graph }, ids, "");
    return ids;
  }
}

/** What the body of a Loop is given: the number of the iteration, the condition, and the states. */
function loopInputs(
  importer: Importer,
  name: string,
  count: number,
): { readonly inputs: GraphInput[]; readonly states: ValueId[] } {
  const input = (id: ValueId, dtype: "int64" | "bool" | "float32"): GraphInput => ({
    id,
    type: { dtype, shape: undefined },
  });
  const states = Array.from({ length: count }, (_, i) => importer.fresh(`${name}/state${i}`));
  const iteration = importer.fresh(`${name}/iteration`);
  const goesOn = importer.fresh(`${name}/condition`);
  return {
    inputs: [input(iteration, "int64"), input(goesOn, "bool"), ...states.map((id) => input(id, "float32"))],
    states,
  };
}

function find(scope: Scope, { node, output }: Ref): ValueId | undefined {
  return scope.values.get(`${node}:${output}`);
}

function outermost(scope: Scope): Scope {
  return scope.parent ? outermost(scope.parent) : scope;
}

function dataInputs(node: TfNode): readonly string[] {
  return node.inputs.filter((input) => !isControl(input));
}
