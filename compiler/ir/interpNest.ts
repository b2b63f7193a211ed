/**
 * The slow definition of the Nest IR. In: a nest and its buffers' elements. Out: the out buffers filled. Invariant:
 * loop modes do not change the result: grid, unrolled and vector loops run one iteration after another, idle lanes
 * not at all. What a mode does change is how many registers an accumulator is: one for every iteration of the
 * unrolled and vector loops around its `init`; an update or a store means the register of the current iteration.
 */
import { InternalError } from "../diagnostic.ts";
import type { NumericData } from "./dtype.ts";
import { compileStore } from "./interp.ts";
import { compileExpr, Context } from "./interpExpr.ts";
import { reducer, type Reducer } from "./interpOperator.ts";
import type { Reduction } from "./kernel.ts";
import type { ForStatement, Nest, Statement } from "./nest.ts";
import type { Scalar } from "./numeric.ts";

/** The registers of one accumulator: one for each combination of values of `variables`. */
interface Registers {
  readonly variables: readonly string[];
  readonly reducer: Reducer;
  readonly op: Reduction["op"];
  readonly values: (Scalar | undefined)[];
  /** Of what `combine` made: the registers of the lanes. */
  readonly lanes?: Registers;
}

/** Runs `nest` over `buffers`, given in the nest's order; a "temp" may be left out. Errors as of runKernel. */
export function runNest(nest: Nest, buffers: readonly (NumericData | undefined)[]): void {
  const context = new Context(nest.buffers, buffers);
  new NestCompiler(context, bounds(nest.body)).compileAll(nest.body, [])();
}

/** One more than the largest value of each loop variable; tiles and what is left of them share their variables. */
function bounds(
  body: readonly Statement[],
  found: Map<string, number> = new Map(),
): ReadonlyMap<string, number> {
  for (const statement of body) {
    if (statement.kind !== "for") continue;
    const { variable, from, extent } = statement;
    found.set(variable, Math.max(found.get(variable) ?? 0, from + extent));
    bounds(statement.body, found);
  }
  return found;
}

class NestCompiler {
  private readonly context: Context;
  private readonly bounds: ReadonlyMap<string, number>;
  private readonly registers = new Map<string, Registers>();

  constructor(context: Context, bounds: ReadonlyMap<string, number>) {
    this.context = context;
    this.bounds = bounds;
  }

  compileAll(body: readonly Statement[], loops: readonly ForStatement[]): () => void {
    const parts = body.map((statement) => this.compile(statement, loops));
    return () => {
      for (const part of parts) part();
    };
  }

  private compile(statement: Statement, loops: readonly ForStatement[]): () => void {
    const { context } = this;
    switch (statement.kind) {
      case "for": {
        const { point } = context;
        const slot = context.slot(statement.variable);
        const body = this.compileAll(statement.body, [...loops, statement]);
        const count = statement.mode === "vector" ? (statement.lanes ?? statement.extent) : statement.extent;
        const { from } = statement;
        return () => {
          for (let i = from; i < from + count; i++) {
            point[slot] = i;
            body();
          }
        };
      }
      case "init": {
        const { accumulator, op, type } = statement;
        const own = loops.filter(({ mode }) => mode === "unroll" || mode === "vector");
        const variables = own.map((loop) => loop.variable);
        const registers = this.reusable(accumulator, variables) ?? {
          variables,
          reducer: reducer(op, type),
          op,
          values: [],
        };
        this.registers.set(accumulator, registers);
        const at = this.position(variables);
        return () => {
          registers.values[at()] = registers.reducer.identity;
        };
      }
      case "update": {
        const { values, variables, reducer: rules, op } = this.find(statement.accumulator);
        if (statement.op !== op) throw new InternalError(`${statement.accumulator} holds a ${op}, updated by ${statement.op}`); // prettier-ignore
        const at = this.position(variables);
        const body = compileExpr(statement.body, context);
        return () => {
          const register = at();
          values[register] = rules.combine(values[register]!, body());
        };
      }
      case "combine":
        // One invocation after the other: they share one register.
        if (statement.over) return () => {};
        return this.combine(statement.accumulator, loops);
      case "barrier":
        return () => {};
      case "store": {
        const store = compileStore(statement.buffer, statement.index, statement.value, context);
        if (statement.accumulator === undefined) return store;
        const { values, variables, reducer: rules } = this.find(statement.accumulator);
        const at = this.position(variables);
        return () => {
          context.accumulator = rules.finish(values[at()]!);
          store();
        };
      }
      default:
        throw new InternalError(`unknown statement ${(statement satisfies never as Statement).kind}`);
    }
  }

  private find(accumulator: string): Registers {
    const found = this.registers.get(accumulator);
    if (!found) throw new InternalError(`accumulator ${accumulator} is used before it is initialised`);
    return found;
  }

  /** A tile and what is left of it each initialise their part of the same registers. */
  private reusable(accumulator: string, variables: readonly string[]): Registers | undefined {
    const known = this.registers.get(accumulator);
    const same = (registers: Registers | undefined): boolean =>
      registers?.variables.join() === variables.join();
    return same(known) ? known : same(known?.lanes) ? known?.lanes : undefined;
  }

  /** The number of the register that belongs to the current values of `variables`. */
  private position(variables: readonly string[]): () => number {
    const { point } = this.context;
    const slots = variables.map((name) => [this.context.slot(name), this.bounds.get(name)!] as const);
    return () => slots.reduce((at, [slot, bound]) => at * bound + point[slot]!, 0);
  }

  /** Joins the registers of the loops that are closed here into one for each iteration of those still open. */
  private combine(accumulator: string, loops: readonly ForStatement[]): () => void {
    const known = this.find(accumulator);
    const lanes = known.lanes ?? known;
    const open = new Set(loops.map(({ variable }) => variable));
    const closed = lanes.variables.filter((name) => !open.has(name));
    const kept = lanes.variables.filter((name) => open.has(name));
    if (closed.length === 0) return () => {};
    const joined = known.lanes ? known : { ...lanes, variables: kept, values: [], lanes };
    this.registers.set(accumulator, joined);
    const { point } = this.context;
    const slots = closed.map((name) => [this.context.slot(name), this.bounds.get(name)!] as const);
    const from = this.position(lanes.variables);
    const to = this.position(kept);
    const rules = lanes.reducer;
    const join = (depth: number, total: Scalar): Scalar => {
      if (depth === slots.length) {
        const lane = from();
        const value = lanes.values[lane];
        lanes.values[lane] = undefined; // an idle lane of the next round must not hold this one's
        return value === undefined ? total : rules.combine(total, value);
      }
      const [slot, bound] = slots[depth]!;
      let sum = total;
      for (let i = 0; i < bound; i++) {
        point[slot] = i;
        sum = join(depth + 1, sum);
      }
      return sum;
    };
    return () => {
      joined.values[to()] = join(0, rules.identity);
    };
  }
}
