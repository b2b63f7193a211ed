/** Fourier transforms against the sums of their definition; windows and mel filters at known points. */
import { describe, expect, it } from "vitest";
import { runOperator, tensor } from "../../test/operator.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const scattered = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + 1));
const scalar = (value: number): Tensor => tensor("int64", [], [value]);

/** Complex DFT of [re, im] pairs. */
function transform(
  signal: readonly (readonly [number, number])[],
  length: number,
  sign: number,
): [number, number][] {
  return Array.from({ length }, (_, k) => {
    let [re, im] = [0, 0];
    for (let n = 0; n < length; n++) {
      const [a, b] = signal[n] ?? [0, 0];
      const angle = (sign * 2 * Math.PI * n * k) / length;
      re += a * Math.cos(angle) - b * Math.sin(angle);
      im += a * Math.sin(angle) + b * Math.cos(angle);
    }
    return [re, im];
  });
}

function expectClose(got: Tensor, want: readonly number[]): void {
  const numbers = values(got);
  expect(numbers.length).toBe(want.length);
  numbers.forEach((value, i) => expect(Math.abs(value - want[i]!)).toBeLessThan(2e-5));
}

describe("DFT", () => {
  const real = scattered(6);
  const x = tensor("float32", [1, 6, 1], real);
  const pairs = real.map((v): [number, number] => [v, 0]);

  it.each([6, 4, 9])("of a real signal at length %i", (length) => {
    const [y] = runOperator({ op: "DFT", inputs: [x, scalar(length), scalar(1)] });
    expect(y!.shape).toEqual([1, length, 2]);
    expectClose(y!, transform(pairs.slice(0, length), length, -1).flat());
  });

  it("keeps half of the spectrum on request, and comes back from it", () => {
    const [half] = runOperator({
      op: "DFT",
      inputs: [x, undefined, scalar(-2)],
      attributes: { onesided: 1 },
    });
    expect(half!.shape).toEqual([1, 4, 2]);
    expectClose(half!, transform(pairs, 6, -1).slice(0, 4).flat());
    const back = { onesided: 1, inverse: 1 };
    const [again] = runOperator({ op: "DFT", inputs: [half, undefined, scalar(1)], attributes: back });
    expect(again!.shape).toEqual([1, 6, 1]);
    expectClose(again!, real);
  });

  it("back from an odd length", () => {
    const odd = tensor("float32", [1, 5, 1], real.slice(0, 5));
    const [half] = runOperator({
      op: "DFT",
      inputs: [odd, undefined, scalar(1)],
      attributes: { onesided: 1 },
    });
    const back = { onesided: 1, inverse: 1 };
    const [again] = runOperator({ op: "DFT", inputs: [half, scalar(5), scalar(1)], attributes: back });
    expectClose(again!, real.slice(0, 5));
  });

  it("of complex numbers, inverse and along another axis", () => {
    const signal = scattered(8);
    const z = tensor("float32", [4, 1, 2], signal);
    const [y] = runOperator({ op: "DFT", inputs: [z, undefined, scalar(0)], attributes: { inverse: 1 } });
    const want = transform(
      [0, 1, 2, 3].map((i): [number, number] => [signal[2 * i]!, signal[2 * i + 1]!]),
      4,
      1,
    );
    expectClose(y!, want.flat().map((v) => v / 4)); // prettier-ignore
  });

  it("has exact zeros where the sum is zero", () => {
    const [y] = runOperator({
      op: "DFT",
      inputs: [tensor("float32", [1, 4, 1], [1, 1, 1, 1]), undefined, scalar(1)],
    });
    expect(values(y!).map(Math.abs)).toEqual([4, 0, 0, 0, 0, 0, 0, 0]);
  });
});

it("STFT transforms windowed frames", () => {
  const signal = scattered(12);
  const window = [0.5, 1, 2, 0.25];
  const inputs = [tensor("float32", [1, 12, 1], signal), scalar(3), tensor("float32", [4], window)];
  const [y] = runOperator({ op: "STFT", inputs });
  expect(y!.shape).toEqual([1, 3, 3, 2]);
  const want = [0, 3, 6].flatMap((start) => {
    const frame = window.map((w, i): [number, number] => [w * signal[start + i]!, 0]);
    return transform(frame, 4, -1).slice(0, 3).flat();
  });
  expectClose(y!, want);
});

it("windows, periodic and symmetric", () => {
  expectClose(runOperator({ op: "HannWindow", inputs: [scalar(4)] })[0]!, [0, 0.5, 1, 0.5]);
  const symmetric = { periodic: 0 };
  expectClose(runOperator({ op: "HannWindow", inputs: [scalar(3)], attributes: symmetric })[0]!, [0, 1, 0]);
  expectClose(runOperator({ op: "HammingWindow", inputs: [scalar(2)] })[0]!, [4 / 46, 1]);
  expectClose(runOperator({ op: "BlackmanWindow", inputs: [scalar(2)] })[0]!, [0, 1]);
});

it("MelWeightMatrix has triangles that rise and fall", () => {
  const hertz = (value: number): Tensor => tensor("float32", [], [value]);
  const [y] = runOperator({
    op: "MelWeightMatrix",
    inputs: [scalar(2), scalar(16), scalar(8192), hertz(0), hertz(4096)],
  });
  expect(y!.shape).toEqual([9, 2]);
  for (let bin = 0; bin < 2; bin++) {
    const column = values(y!).filter((_, i) => i % 2 === bin);
    const peak = column.indexOf(1);
    expect(peak).toBeGreaterThanOrEqual(0);
    for (let i = 1; i < 9; i++) {
      if (i <= peak) expect(column[i]).toBeGreaterThanOrEqual(column[i - 1]!);
      else expect(column[i]).toBeLessThanOrEqual(column[i - 1]!);
    }
  }
});

it.each([
  [2 ** 40, 16],
  [8, 2 ** 45],
  [2 ** 13, 2 ** 13],
])("MelWeightMatrix of %s bins and length %s is refused", (bins, length) => {
  const inputs = [scalar(bins), scalar(length), scalar(8000), tensor("float32", [], [0]), tensor("float32", [], [4000])]; // prettier-ignore
  expect(() => runOperator({ op: "MelWeightMatrix", inputs })).toThrow(/at most/);
});

it("MelWeightMatrix of frequencies far beyond the spectrum ends, in time that follows its size", () => {
  const inputs = [scalar(4), scalar(16), scalar(1), tensor("float32", [], [0]), tensor("float32", [], [1e30])]; // prettier-ignore
  const [made] = runOperator({ op: "MelWeightMatrix", inputs });
  expect(made!.shape).toEqual([9, 4]);
});

it.each(["HannWindow", "HammingWindow", "BlackmanWindow"])("%s of absurd length is refused", (op) => {
  expect(() => runOperator({ op, inputs: [scalar(2 ** 30)] })).toThrow(/at most/);
});
