/**
 * The recurrence of one direction of an RNN, GRU or LSTM: internal operators that recurrent.ts expands into. In:
 * the input's share of every gate [steps, batch, gates * hidden], then R, B, sequence_lens, initial_h, initial_c
 * and P as the operator has them, of all directions. Out: Y, the last hidden state and for LSTM the last cell
 * state, of this direction. Invariant: the loop over time is carried; within a step the gates are complete before
 * any state changes, and a sequence that has ended keeps its state and gives zeros.
 */
import { acc, add, cast, constant, int, lt, max, min, mul, select, sub, type Expr } from "../ir/expr.ts";
import { computeType } from "../ir/dtype.ts";
import { coordinate, type Axis, type Block, type Buffer, type Kernel } from "../ir/kernel.ts";
import { KernelWriter, type InferredType, type OpCall, type OpDefinition } from "./define.ts";
import { workingType } from "./normalise.ts";
import { cellActivations } from "./recurrentActivation.ts";

// Positions of inputs.
const PROJECTED = 0;
const WEIGHTS = 1;
const BIAS = 2;
const LENGTHS = 3;
const HIDDEN = 4;
const CELL = 5;
const PEEPHOLE = 6;

/** One direction's recurrence, as its body sees it. */
class Recurrence {
  readonly writer: KernelWriter;
  readonly hidden: number;
  readonly batchAxis: Axis;
  readonly unitAxis: Axis;
  readonly previousAxis: Axis;
  readonly stepAxis: Axis;
  readonly batch: Expr;
  readonly unit: Expr;
  readonly direction: Expr;
  private readonly call: OpCall;

  /** @param gateTemps names and widths (in multiples of the hidden size) of temps [batch, width * hidden] */
  constructor(call: OpCall, gateTemps: Readonly<Record<string, number>>) {
    this.call = call;
    const [steps, batch] = call.input(PROJECTED).shape as [number, number, number];
    this.hidden = call.input(WEIGHTS).shape[2]!;
    const temps = Object.entries(gateTemps).map(([name, width]): Omit<Buffer, "role"> => {
      return { name, dtype: workingType(call.input(PROJECTED).dtype), shape: [batch, width * this.hidden] };
    });
    this.writer = new KernelWriter(call, temps);
    this.stepAxis = { name: "t", extent: steps };
    this.batchAxis = { name: "b", extent: batch };
    this.unitAxis = { name: "j", extent: this.hidden };
    this.previousAxis = { name: "k", extent: this.hidden };
    this.batch = coordinate(this.batchAxis);
    this.unit = coordinate(this.unitAxis);
    this.direction = int(call.int("cell_direction", 0));
  }

  /** The step's number as the sequence sees it, and whether the sequence has not ended. */
  private step(): { readonly position: Expr; readonly active: Expr | undefined } {
    const t = coordinate(this.stepAxis);
    const steps = this.stepAxis.extent;
    const reverse = this.call.int("cell_reverse", 0) !== 0;
    if (!this.call.has(LENGTHS)) return { position: reverse ? sub(int(steps - 1), t) : t, active: undefined };
    const given = this.writer.load(LENGTHS, [this.batch]);
    const length = cast(min(max(given, constant("i32", 0)), constant("i32", steps)), "index");
    const active = lt(t, length);
    return { position: reverse ? select(active, sub(sub(length, int(1)), t), t) : t, active };
  }

  /** The input's share of gate `gate` for the current unit, at the current step. */
  projected(gate: number, unit: Expr = this.unit): Expr {
    return this.writer.load(PROJECTED, [
      this.step().position,
      this.batch,
      add(unit, int(gate * this.hidden)),
    ]);
  }

  /** The recurrent bias of gate `gate`, or nothing. */
  withBias(x: Expr, gates: number, row: Expr): Expr {
    if (!this.call.has(BIAS)) return x;
    return add(x, this.writer.load(BIAS, [this.direction, add(row, int(gates * this.hidden))]));
  }

  temp(name: string, gate = 0): Expr {
    return this.writer.loadFrom(this.writer.temp(name), [
      this.batch,
      add(this.unit, int(gate * this.hidden)),
    ]);
  }

  set(name: string, value: Expr): Block {
    return this.writer.assign(
      this.writer.temp(name),
      [this.batchAxis, this.unitAxis],
      [this.batch, this.unit],
      value,
    );
  }

  /** A state moves on only while its sequence lasts. */
  advance(name: string, value: Expr): Block {
    const { active } = this.step();
    return this.set(name, active ? select(active, value, this.temp(name)) : value);
  }

  /** temp[b, q] = finish(sum over k of from[b, k] * R[firstGate * hidden + q, k]) for `width` gates. */
  product(
    temp: string,
    from: string,
    firstGate: number,
    width: number,
    finish: (sum: Expr, row: Expr) => Expr,
  ): Block {
    const rows: Axis = { name: `q${firstGate}`, extent: width * this.hidden };
    const previous = coordinate(this.previousAxis);
    const row = add(coordinate(rows), int(firstGate * this.hidden));
    const state = this.writer.loadFrom(this.writer.temp(from), [this.batch, previous]);
    const body = mul(state, this.writer.load(WEIGHTS, [this.direction, row, previous]));
    const index = [this.batch, coordinate(rows)];
    return this.writer.assign(
      this.writer.temp(temp),
      [this.batchAxis, rows],
      index,
      finish(acc(body.type), row),
      {
        op: "sum",
        axes: [this.previousAxis],
        body,
      },
    );
  }

  /** The gate's row of the projected input, for {@link product}. */
  projectedRow(row: Expr): Expr {
    return this.writer.load(PROJECTED, [this.step().position, this.batch, row]);
  }

  clip(x: Expr): Expr {
    const limit = this.call.float("clip", 0);
    if (!(limit > 0)) return x;
    return min(max(x, constant(x.type, -limit)), constant(x.type, limit));
  }

  peephole(gate: number): Expr | undefined {
    if (!this.call.has(PEEPHOLE)) return undefined;
    return this.writer.load(PEEPHOLE, [this.direction, add(this.unit, int(gate * this.hidden))]);
  }

  private stateIndex(direction: Expr): Expr[] {
    return this.call.int("layout", 0)
      ? [this.batch, direction, this.unit]
      : [direction, this.batch, this.unit];
  }

  private initial(name: string, position: number): Block {
    if (this.call.has(position))
      return this.set(name, this.writer.load(position, this.stateIndex(this.direction)));
    return this.set(name, constant(computeType(workingType(this.call.input(PROJECTED).dtype)), 0));
  }

  /** The whole kernel around the body of a step. `states`: "hidden", and "cell" where there is one. */
  finish(states: readonly string[], body: readonly Block[]): Kernel {
    const { call, writer } = this;
    const { position, active } = this.step();
    const h = this.temp("hidden");
    const shown = active ? select(active, h, constant(h.type, 0)) : h;
    const at = call.int("layout", 0)
      ? [this.batch, position, int(0), this.unit]
      : [position, int(0), this.batch, this.unit];
    const steps: Block[] = [...body];
    if (call.wants(0)) steps.push(writer.assign(writer.out(0), [this.batchAxis, this.unitAxis], at, shown));
    writer.push(...states.map((name, i) => this.initial(name, i === 0 ? HIDDEN : CELL)));
    writer.push({ kind: "loop", axis: this.stepAxis, carried: true, body: steps });
    states.forEach((name, i) => {
      if (!call.wants(1 + i)) return;
      writer.push(
        writer.assign(
          writer.out(1 + i),
          [this.batchAxis, this.unitAxis],
          this.stateIndex(int(0)),
          this.temp(name),
        ),
      );
    });
    return writer.done();
  }
}

const one = (x: Expr): Expr => constant(x.type, 1);

function buildRnn(call: OpCall): Kernel {
  const cell = new Recurrence(call, { hidden: 1, next: 1 });
  const [f] = cellActivations(call, call.int("cell_direction", 0), ["Tanh"]) as [(x: Expr) => Expr];
  return cell.finish(
    ["hidden"],
    [
      cell.product("next", "hidden", 0, 1, (sum, row) => f(cell.clip(add(sum, cell.projectedRow(row))))),
      cell.advance("hidden", cell.temp("next")),
    ],
  );
}

/** Gates z (update), r (reset), h (candidate). */
function buildGru(call: OpCall): Kernel {
  const linear = call.int("linear_before_reset", 0) !== 0;
  const [f, g] = cellActivations(call, call.int("cell_direction", 0), ["Sigmoid", "Tanh"]) as [
    (x: Expr) => Expr,
    (x: Expr) => Expr,
  ];
  const blend = (z: Expr, candidate: Expr, h: Expr): Expr => add(mul(sub(one(z), z), candidate), mul(z, h));
  if (linear) {
    const cell = new Recurrence(call, { hidden: 1, gates: 3 });
    const gate = (k: number): Expr => f(cell.clip(add(cell.projected(k), cell.temp("gates", k))));
    const candidate = g(cell.clip(add(cell.projected(2), mul(gate(1), cell.temp("gates", 2)))));
    return cell.finish(
      ["hidden"],
      [
        cell.product("gates", "hidden", 0, 3, (sum, row) => cell.withBias(sum, 3, row)),
        cell.advance("hidden", blend(gate(0), candidate, cell.temp("hidden"))),
      ],
    );
  }
  const cell = new Recurrence(call, { hidden: 1, gates: 2, kept: 1, candidate: 1 });
  return cell.finish(
    ["hidden"],
    [
      cell.product("gates", "hidden", 0, 2, (sum, row) => f(cell.clip(add(sum, cell.projectedRow(row))))),
      cell.set("kept", mul(cell.temp("gates", 1), cell.temp("hidden"))),
      cell.product("candidate", "kept", 2, 1, (sum, row) => g(cell.clip(add(sum, cell.projectedRow(row))))),
      cell.advance("hidden", blend(cell.temp("gates", 0), cell.temp("candidate"), cell.temp("hidden"))),
    ],
  );
}

/** Gates i (input), o (output), f (forget), c (candidate); peepholes for i, o, f. */
function buildLstm(call: OpCall): Kernel {
  const cell = new Recurrence(call, { hidden: 1, cell: 1, gates: 4 });
  const [f, g, h] = cellActivations(call, call.int("cell_direction", 0), ["Sigmoid", "Tanh", "Tanh"]) as [
    (x: Expr) => Expr,
    (x: Expr) => Expr,
    (x: Expr) => Expr,
  ];
  const state = cell.temp("cell");
  const gate = (k: number, peephole: number): Expr => {
    const weight = cell.peephole(peephole);
    const sum = cell.temp("gates", k);
    return f(cell.clip(weight ? add(sum, mul(weight, state)) : sum));
  };
  const input = gate(0, 0);
  const forget = call.int("input_forget", 0) ? sub(one(input), input) : gate(2, 2);
  const candidate = g(cell.clip(cell.temp("gates", 3)));
  return cell.finish(
    ["hidden", "cell"],
    [
      cell.product("gates", "hidden", 0, 4, (sum, row) => add(sum, cell.projectedRow(row))),
      cell.advance("cell", add(mul(forget, state), mul(input, candidate))),
      // The output gate's peephole sees the new cell state: the same load, after the assignment above.
      cell.advance("hidden", mul(gate(1, 1), h(state))),
    ],
  );
}

function cellDefinition(op: string, states: number, build: (call: OpCall) => Kernel): OpDefinition {
  return {
    op,
    domain: "tilewright",
    infer(call): readonly InferredType[] {
      const [steps, batch] = call.input(PROJECTED).shape as [number, number, number];
      const hidden = call.input(WEIGHTS).shape[2]!;
      const { dtype } = call.input(PROJECTED);
      const layout = call.int("layout", 0);
      const state: InferredType = { dtype, shape: layout ? [batch, 1, hidden] : [1, batch, hidden] };
      const all: InferredType = {
        dtype,
        shape: layout ? [batch, steps, 1, hidden] : [steps, 1, batch, hidden],
      };
      return [all, ...new Array<InferredType>(states).fill(state)];
    },
    implementation: { kind: "compute", build },
  };
}

export const recurrentCellOps: readonly OpDefinition[] = [
  cellDefinition("RnnRecurrence", 1, buildRnn),
  cellDefinition("GruRecurrence", 1, buildGru),
  cellDefinition("LstmRecurrence", 2, buildLstm),
];
