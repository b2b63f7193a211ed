/** Recurrent operators against a plain loop over steps. */
import { describe, expect, it } from "vitest";
import { runOperator, tensor } from "../../test/operator.ts";
import type { Tensor } from "../ir/dtype.ts";

const STEPS = 4;
const BATCH = 2;
const INPUT = 3;
const HIDDEN = 2;

/** Small values without a pattern, the same on every run. */
function scattered(shape: readonly number[], seed: number): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return tensor(
    "float32",
    shape,
    Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233)),
  );
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

interface Options {
  readonly gates: number;
  readonly reverse: boolean;
  readonly lengths: readonly number[];
  readonly linear?: boolean;
}

/** Y [steps, batch, hidden] of one direction, from the formulas of the ONNX documentation. */
function reference(
  x: Tensor,
  w: Tensor,
  r: Tensor,
  b: Tensor,
  p: Tensor | undefined,
  direction: number,
  o: Options,
): number[] {
  const rows = o.gates * HIDDEN;
  const y = new Array<number>(STEPS * BATCH * HIDDEN).fill(0);
  const at = (t: Tensor, ...index: number[]): number => {
    return Number(t.data[index.reduce((flat, i, d) => flat * t.shape[d]! + i, 0)]);
  };
  for (let n = 0; n < BATCH; n++) {
    let h = new Array<number>(HIDDEN).fill(0);
    let c = new Array<number>(HIDDEN).fill(0);
    const length = o.lengths[n]!;
    for (let step = 0; step < length; step++) {
      const t = o.reverse ? length - 1 - step : step;
      const fromInput = (q: number): number => {
        let sum = at(b, direction, q);
        for (let i = 0; i < INPUT; i++) sum += at(x, t, n, i) * at(w, direction, q, i);
        return sum;
      };
      const fromState = (q: number, state: readonly number[] = h): number => {
        let sum = at(b, direction, rows + q);
        for (let k = 0; k < HIDDEN; k++) sum += state[k]! * at(r, direction, q, k);
        return sum;
      };
      const gate = (g: number, j: number): number => fromInput(g * HIDDEN + j) + fromState(g * HIDDEN + j);
      const units = Array.from({ length: HIDDEN }, (_, j) => j);
      const peep = (g: number, j: number): number => (p ? at(p, direction, g * HIDDEN + j) : 0);
      if (o.gates === 1) h = units.map((j) => Math.tanh(gate(0, j)));
      else if (o.gates === 3) {
        const reset = units.map((j) => sigmoid(gate(1, j)));
        const kept = units.map((j) => reset[j]! * h[j]!);
        h = units.map((j) => {
          const q = 2 * HIDDEN + j;
          const candidate = Math.tanh(
            fromInput(q) + (o.linear ? reset[j]! * fromState(q) : fromState(q, kept)),
          );
          const z = sigmoid(gate(0, j));
          return (1 - z) * candidate + z * h[j]!;
        });
      } else {
        const next = units.map((j) => {
          const input = sigmoid(gate(0, j) + peep(0, j) * c[j]!);
          const forget = sigmoid(gate(2, j) + peep(2, j) * c[j]!);
          return forget * c[j]! + input * Math.tanh(gate(3, j));
        });
        h = units.map((j) => sigmoid(gate(1, j) + peep(1, j) * next[j]!) * Math.tanh(next[j]!));
        c = next;
      }
      h.forEach((value, j) => (y[(t * BATCH + n) * HIDDEN + j] = value));
    }
  }
  return y;
}

const cases = (["RNN", "GRU", "LSTM"] as const).flatMap((op) =>
  (["forward", "reverse", "bidirectional"] as const).flatMap((direction) =>
    [false, true].flatMap((ragged) =>
      (op === "GRU" ? [false, true] : [false]).map((linear) => ({ op, direction, ragged, linear })),
    ),
  ),
);

describe.each(cases)(
  "$op $direction, ragged $ragged, linear before reset $linear",
  ({ op, direction, ragged, linear }) => {
    const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op];
    const directions = direction === "bidirectional" ? 2 : 1;
    const x = scattered([STEPS, BATCH, INPUT], 1);
    const w = scattered([directions, gates * HIDDEN, INPUT], 2);
    const r = scattered([directions, gates * HIDDEN, HIDDEN], 3);
    const b = scattered([directions, 2 * gates * HIDDEN], 4);
    const p = op === "LSTM" ? scattered([directions, 3 * HIDDEN], 5) : undefined;
    const lengths = ragged ? [2, 4] : [STEPS, STEPS];
    const inputs = [
      x,
      w,
      r,
      b,
      ragged ? tensor("int32", [BATCH], lengths) : undefined,
      undefined,
      undefined,
      p,
    ];
    const used = op === "LSTM" ? inputs : inputs.slice(0, 6);
    const attributes = { direction, hidden_size: HIDDEN, ...(linear ? { linear_before_reset: 1 } : {}) };

    it("matches the formulas", () => {
      const [y, last] = runOperator({ op, inputs: used, attributes, outputs: 2 });
      expect(y!.shape).toEqual([STEPS, directions, BATCH, HIDDEN]);
      for (let d = 0; d < directions; d++) {
        const reverse = direction === "reverse" || d === 1;
        const want = reference(x, w, r, b, p, d, { gates, reverse, lengths, linear });
        for (let t = 0; t < STEPS; t++) {
          for (let n = 0; n < BATCH; n++) {
            for (let j = 0; j < HIDDEN; j++) {
              const value = want[(t * BATCH + n) * HIDDEN + j]!;
              expect(Number(y!.data[((t * directions + d) * BATCH + n) * HIDDEN + j])).toBeCloseTo(value, 4);
              if (t === (reverse ? 0 : lengths[n]! - 1)) {
                expect(Number(last!.data[(d * BATCH + n) * HIDDEN + j])).toBeCloseTo(value, 4);
              }
            }
          }
        }
      }
    });
  },
);

it("layout 1 puts the batch first", () => {
  const w = scattered([1, HIDDEN, INPUT], 2);
  const r = scattered([1, HIDDEN, HIDDEN], 3);
  const x = scattered([1, STEPS, INPUT], 1);
  const [y, last] = runOperator({
    op: "RNN",
    inputs: [x, w, r],
    attributes: { layout: 1, hidden_size: HIDDEN },
    outputs: 2,
  });
  const other = { ...x, shape: [STEPS, 1, INPUT] };
  const [want] = runOperator({ op: "RNN", inputs: [other, w, r], attributes: { hidden_size: HIDDEN } });
  expect(y!.shape).toEqual([1, STEPS, 1, HIDDEN]);
  expect(last!.shape).toEqual([1, 1, HIDDEN]);
  expect([...(y!.data as Float32Array)]).toEqual([...(want!.data as Float32Array)]);
});
