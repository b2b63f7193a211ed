/**
 * The slow definition of the Nest IR. In: a nest and its buffers' elements. Out: the out buffers filled. Invariant:
 * loop modes do not change the result: grid, unrolled and vector loops run one iteration after another, idle lanes
 * not at all. What a mode does change is how many registers an accumulator is: one for every iteration of the
 * unrolled and vector loops around its `init`; an update or a store means the register of the current iteration.
 */
import { InternalError } from "../diagnostic.ts";
import type { NumericData } from "./dtype.ts";
import { compileStore } from "./interp.ts";
import { compileExpr, Context, reducer, type ReduceOp, type Reducer } from "./interpExpr.ts";
import type { ForStatement, Nest, Statement } from "./nest.ts";
import type { Scalar } from "./numeric.ts";

/** The registers of one accumulator, addressed by the loops that each has its own for. */
interface Registers {
  readonly loops: readonly ForStatement[];
  readonly reducer: Reducer;
  readonly type: Parameters<typeof reducer>[1];
  readonly op: ReduceOp;
  readonly values: (Scalar | undefined)[];
}

/** Runs `nest` over `buffers`, given in the nest's order; a "temp" may be left out. Errors as of runKernel. */
export function runNest(nest: Nest, buffers: readonly (NumericData | undefined)[]): void {
  const context = new Context(nest.buffers, buffers);
  new NestCompiler(context).compileAll(nest.body, [])();
}

class NestCompiler {
  private readonly context: Context;
  private readonly registers = new Map<string, Registers>();

  constructor(context: Context) {
    this.context = context;
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
        return () => {
          for (let i = 0; i < count; i++) {
            point[slot] = i;
            body();
          }
        };
      }
      case "init": {
        const { op, type } = statement;
        const own = loops.filter(({ mode }) => mode === "unroll" || mode === "vector");
        const made: Registers = { loops: own, reducer: reducer(op, type), type, op, values: [] };
        this.registers.set(statement.accumulator, made);
        const at = this.position(made.loops);
        return () => {
          made.values[at()] = made.reducer.identity;
        };
      }
      case "update": {
        const { values, reducer: rules, op } = this.find(statement.accumulator);
        if (statement.op !== op) throw new InternalError(`${statement.accumulator} holds a ${op}, updated by ${statement.op}`); // prettier-ignore
        const at = this.position(this.find(statement.accumulator).loops);
        const body = compileExpr(statement.body, context);
        return () => {
          const register = at();
          values[register] = rules.combine(values[register]!, body());
        };
      }
      case "combine":
        return this.combine(statement.accumulator, loops);
      case "store": {
        const store = compileStore(statement.buffer, statement.index, statement.value, context);
        if (statement.accumulator === undefined) return store;
        const { values, reducer: rules, loops: own } = this.find(statement.accumulator);
        const at = this.position(own);
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

  /** The number of the register that belongs to the current iteration of `loops`. */
  private position(loops: readonly ForStatement[]): () => number {
    const { point } = this.context;
    const slots = loops.map(({ variable, extent }) => [this.context.slot(variable), extent] as const);
    return () => slots.reduce((at, [slot, extent]) => at * extent + point[slot]!, 0);
  }

  /** Joins the registers of the vector loops that are closed here into one for each iteration of those still open. */
  private combine(accumulator: string, loops: readonly ForStatement[]): () => void {
    const lanes = this.find(accumulator);
    const open = new Set(loops.map(({ variable }) => variable));
    const kept = lanes.loops.filter(({ variable }) => open.has(variable));
    const joined: Registers = { ...lanes, loops: kept, values: [] };
    this.registers.set(accumulator, joined);
    const to = this.position(kept);
    const { point } = this.context;
    const closed = lanes.loops.filter(({ variable }) => !open.has(variable));
    const slots = closed.map(({ variable }) => this.context.slot(variable));
    const from = this.position(lanes.loops);
    const { reducer: rules } = lanes;
    const join = (depth: number, total: Scalar): Scalar => {
      if (depth === closed.length) {
        const value = lanes.values[from()];
        return value === undefined ? total : rules.combine(total, value); // undefined: an idle lane
      }
      let sum = total;
      for (let i = 0; i < closed[depth]!.extent; i++) {
        point[slots[depth]!] = i;
        sum = join(depth + 1, sum);
      }
      return sum;
    };
    return () => {
      joined.values[to()] = join(0, rules.identity);
    };
  }
}
