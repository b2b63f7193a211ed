/** Attention and its like against their formulas. */
import { describe, expect, it } from "vitest";
import { runOperator, tensor } from "../../test/operator.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);

function scattered(shape: readonly number[], seed: number): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return tensor(
    "float32",
    shape,
    Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + seed * 78.233)),
  );
}

function expectClose(got: Tensor, want: readonly number[]): void {
  const numbers = values(got);
  expect(numbers.length).toBe(want.length);
  numbers.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, 4));
}

type Allowed = (head: number, s: number, t: number) => boolean;

/** One batch of 4-D attention; `heads` query heads share the key heads evenly. */
function reference(q: Tensor, k: Tensor, v: Tensor, allowed: Allowed = () => true): number[] {
  const [, heads, queries, size] = q.shape as [number, number, number, number];
  const [, keyHeads, keys] = k.shape as [number, number, number];
  const width = v.shape[3]!;
  const y: number[] = [];
  for (let h = 0; h < heads; h++) {
    const kh = Math.floor(h / (heads / keyHeads));
    for (let s = 0; s < queries; s++) {
      const powers = Array.from({ length: keys }, (_, t) => {
        if (!allowed(h, s, t)) return 0;
        let score = 0;
        for (let d = 0; d < size; d++) {
          score += Number(q.data[(h * queries + s) * size + d]) * Number(k.data[(kh * keys + t) * size + d]);
        }
        return Math.exp(score / Math.sqrt(size));
      });
      const total = powers.reduce((a, b) => a + b, 0);
      for (let d = 0; d < width; d++) {
        let sum = 0;
        for (let t = 0; t < keys; t++)
          sum += (powers[t]! / (total || 1)) * Number(v.data[(kh * keys + t) * width + d]);
        y.push(sum);
      }
    }
  }
  return y;
}

describe("Attention", () => {
  const q = scattered([1, 4, 3, 2], 1);
  const k = scattered([1, 2, 5, 2], 2);
  const v = scattered([1, 2, 5, 3], 3);

  it("shares keys between grouped heads", () => {
    const [y] = runOperator({ op: "Attention", inputs: [q, k, v] });
    expect(y!.shape).toEqual([1, 4, 3, 3]);
    expectClose(y!, reference(q, k, v));
  });

  it("hides what a mask and causality hide, and gives zeros where nothing is left", () => {
    const mask = tensor("bool", [3, 5], [1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1]);
    const [y] = runOperator({ op: "Attention", inputs: [q, k, v, mask], attributes: { is_causal: 1 } });
    const want = reference(q, k, v, (_, s, t) => t <= s && Number(mask.data[s * 5 + t]) === 1);
    expectClose(y!, want);
    expect(want.slice(3, 6)).toEqual([0, 0, 0]);
  });

  it.each([
    [{ left_window_size: 1 }, (s: number, t: number) => t >= s - 1],
    [{ right_window_size: 0 }, (s: number, t: number) => t <= s],
    [{ left_window_size: 0, right_window_size: 2 }, (s: number, t: number) => t >= s && t <= s + 2],
    [{ left_window_size: 1, right_window_size: 2, is_causal: 1 }, (s: number, t: number) => t >= s - 1 && t <= s],
    [{ left_window_size: 2 ** 62, right_window_size: -1 }, () => true],
  ])("sees the keys within a window: %o", (attributes, allowed) => {
    const [y] = runOperator({ op: "Attention", inputs: [q, k, v], attributes });
    expectClose(y!, reference(q, k, v, (_, s, t) => allowed(s, t)));
  }); // prettier-ignore

  it("counts the window from where the query stands behind a past, or at the end of what is valid", () => {
    const [pastKey, pastValue] = [scattered([1, 2, 2, 2], 4), scattered([1, 2, 2, 3], 5)];
    const attributes = { left_window_size: 1, right_window_size: 1 };
    const [y, key, value] = runOperator({
      op: "Attention",
      inputs: [q, k, v, undefined, pastKey, pastValue],
      attributes,
      outputs: 3,
    });
    expectClose(y!, reference(q, key!, value!, (_, s, t) => Math.abs(t - (s + 2)) <= 1)); // prettier-ignore
    const valid = tensor("int64", [1], [4]);
    const inputs = [q, k, v, undefined, undefined, undefined, valid];
    const [z] = runOperator({ op: "Attention", inputs, attributes });
    expectClose(z!, reference(q, k, v, (_, s, t) => Math.abs(t - (s + 1)) <= 1 && t < 4)); // prettier-ignore
  });

  it("refuses a window of less than nothing", () => {
    const run = () =>
      runOperator({ op: "Attention", inputs: [q, k, v], attributes: { left_window_size: -2 } });
    expect(run).toThrow("left_window_size is -2");
  });

  it("takes heads within the last dimension", () => {
    // The same numbers, [batch, position, head, element].
    const flat = (t: Tensor): Tensor => {
      const [, heads, length, size] = t.shape as [number, number, number, number];
      const data = new Float32Array(t.data.length);
      for (let h = 0; h < heads; h++)
        for (let s = 0; s < length; s++)
          for (let d = 0; d < size; d++)
            data[(s * heads + h) * size + d] = Number(t.data[(h * length + s) * size + d]);
      return { dtype: "float32", shape: [1, length, heads * size], data };
    };
    const [y] = runOperator({
      op: "Attention",
      inputs: [flat(q), flat(k), flat(v)],
      attributes: { q_num_heads: 4, kv_num_heads: 2 },
    });
    const want = {
      dtype: "float32",
      shape: [1, 4, 3, 3],
      data: Float32Array.from(reference(q, k, v)),
    } as const;
    expectClose(y!, values(flat(want)));
  });

  it("puts the past before the present", () => {
    const [pastKey, pastValue] = [scattered([1, 2, 2, 2], 4), scattered([1, 2, 2, 3], 5)];
    const [y, key, value] = runOperator({
      op: "Attention",
      inputs: [q, k, v, undefined, pastKey, pastValue],
      attributes: { is_causal: 1 },
      outputs: 3,
    });
    expect(key!.shape).toEqual([1, 2, 7, 2]);
    expect(values(key!).slice(0, 4)).toEqual(values(pastKey).slice(0, 4));
    expectClose(
      y!,
      reference(q, key!, value!, (_, s, t) => t <= s + 2),
    );
  });
});

describe("RotaryEmbedding", () => {
  const x = tensor("float32", [1, 1, 1, 4], [1, 2, 3, 4]);
  const [cosines, sines] = [tensor("float32", [2, 1], [0.6, 0]), tensor("float32", [2, 1], [0.8, 1])];
  const run = (position: number, attributes: Record<string, number>): Tensor => {
    const positions = tensor("int64", [1, 1], [position]);
    return runOperator({ op: "RotaryEmbedding", inputs: [x, cosines, sines, positions], attributes })[0]!;
  };

  it("turns pairs and leaves the rest", () => {
    const attributes = { rotary_embedding_dim: 2 };
    expectClose(run(0, attributes), [0.6 - 1.6, 0.8 + 1.2, 3, 4]);
    expectClose(run(1, { ...attributes, interleaved: 1 }), [-2, 1, 3, 4]);
  });

  it("keeps positions from data within the table", () => {
    expectClose(run(100, { rotary_embedding_dim: 2 }), values(run(1, { rotary_embedding_dim: 2 })));
  });
});

it("LinearAttention carries its state from call to call", () => {
  const attributes = { q_num_heads: 2, kv_num_heads: 1, update_rule: "gated_delta" };
  const all = [scattered([1, 4, 4], 1), scattered([1, 4, 2], 2), scattered([1, 4, 3], 3)];
  const more = [scattered([1, 4, 2], 4), scattered([1, 4, 1], 5)];
  const part = (t: Tensor, from: number, to: number): Tensor => {
    const width = t.shape[2]!;
    return tensor("float32", [1, to - from, width], values(t).slice(from * width, to * width));
  };
  const run = (from: number, to: number, past?: Tensor): Tensor[] =>
    runOperator({
      op: "LinearAttention",
      inputs: [...all.map((t) => part(t, from, to)), past, ...more.map((t) => part(t, from, to))],
      attributes,
      outputs: 2,
    });
  const [whole, state] = run(0, 4);
  const [first, middle] = run(0, 3);
  const [last, end] = run(3, 4, middle);
  expectClose(whole!, [...values(first!), ...values(last!)]);
  expectClose(state!, values(end!));
});

it("CausalConvWithState sees only the past", () => {
  const x = tensor("float32", [1, 1, 3], [1, 2, 3]);
  const w = tensor("float32", [1, 1, 3], [1, 10, 100]);
  const [y, state] = runOperator({ op: "CausalConvWithState", inputs: [x, w], outputs: 2 });
  expect(values(y!)).toEqual([100, 210, 321]);
  expect(values(state!)).toEqual([2, 3]);
  const [z] = runOperator({ op: "CausalConvWithState", inputs: [x, w, undefined, state] });
  expect(values(z!)).toEqual([132, 213, 321]);
});
