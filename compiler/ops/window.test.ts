/** Convolutions and pools on small cases, against direct loops over the definition. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);

interface Plane {
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
  readonly group: number;
}

/** x [1, C, L] by w [M, C/g, K], straight from the formula. */
function conv1d(x: Tensor, w: Tensor, { stride, dilation, pad, group }: Plane): number[] {
  const [, channels, length] = x.shape as [number, number, number];
  const [m, perGroup, k] = w.shape as [number, number, number];
  const out = Math.floor((length + 2 * pad - dilation * (k - 1) - 1) / stride) + 1;
  const y: number[] = [];
  for (let co = 0; co < m; co++) {
    for (let o = 0; o < out; o++) {
      let sum = 0;
      for (let ci = 0; ci < perGroup; ci++) {
        for (let j = 0; j < k; j++) {
          const i = o * stride - pad + j * dilation;
          const c = Math.floor(co / (m / group)) * perGroup + ci;
          if (i < 0 || i >= length || c >= channels) continue;
          sum += Number(x.data[c * length + i]) * Number(w.data[(co * perGroup + ci) * k + j]);
        }
      }
      y.push(sum);
    }
  }
  return y;
}

/** The transposed form, by scattering. */
function convTranspose1d(x: Tensor, w: Tensor, { stride, dilation, pad, group }: Plane): number[] {
  const [, channels, length] = x.shape as [number, number, number];
  const [, perGroup, k] = w.shape as [number, number, number];
  const out = stride * (length - 1) + dilation * (k - 1) + 1 - 2 * pad;
  const y = new Array<number>(perGroup * group * out).fill(0);
  for (let ci = 0; ci < channels; ci++) {
    for (let co = 0; co < perGroup; co++) {
      for (let i = 0; i < length; i++) {
        for (let j = 0; j < k; j++) {
          const o = i * stride + j * dilation - pad;
          if (o < 0 || o >= out) continue;
          const channel = Math.floor(ci / (channels / group)) * perGroup + co;
          y[channel * out + o]! +=
            Number(x.data[ci * length + i]) * Number(w.data[(ci * perGroup + co) * k + j]);
        }
      }
    }
  }
  return y;
}

const planes: Plane[] = [];
for (const stride of [1, 2, 3]) {
  for (const dilation of [1, 2, 3]) {
    for (const pad of [0, 1]) for (const group of [1, 2, 4]) planes.push({ stride, dilation, pad, group });
  }
}

describe.each(planes)("stride $stride, dilation $dilation, pad $pad, $group groups", (plane) => {
  const attributes = {
    strides: [plane.stride],
    dilations: [plane.dilation],
    pads: [plane.pad, plane.pad],
    group: plane.group,
  };
  const x = counting([1, 4, 9]);

  it("Conv", () => {
    const w = counting([4, 4 / plane.group, 3], 0.5);
    const [y] = runOperator({ op: "Conv", inputs: [x, w], attributes });
    expect(values(y!)).toEqual(conv1d(x, w, plane));
  });

  it("ConvTranspose", () => {
    const w = counting([4, 3, 4], 0.5);
    const [y] = runOperator({ op: "ConvTranspose", inputs: [x, w], attributes });
    expect(values(y!)).toEqual(convTranspose1d(x, w, plane));
  });
});

describe("Conv", () => {
  it("adds the bias and keeps the size with SAME_UPPER", () => {
    const [y] = runOperator({
      op: "Conv",
      inputs: [
        counting([1, 1, 2, 2]),
        tensor("float32", [2, 1, 2, 2], new Array(8).fill(1)),
        counting([2], 100),
      ],
      attributes: { auto_pad: "SAME_UPPER" },
    });
    expect(y!.shape).toEqual([1, 2, 2, 2]);
    expect(values(y!)).toEqual([110, 106, 107, 104, 210, 206, 207, 204]);
  });

  it("of quantized tensors pads with the zero point", () => {
    const [y] = runOperator({
      op: "ConvInteger",
      inputs: [
        tensor("uint8", [1, 1, 3], [3, 4, 5]),
        tensor("uint8", [1, 1, 3], [1, 1, 1]),
        tensor("uint8", [], [2]),
      ],
      attributes: { pads: [1, 1] },
    });
    expect(values(y!)).toEqual([3, 6, 5]);
  });
});

it("ConvTranspose of a wide stride finds its phase by arithmetic", () => {
  const x = counting([1, 2, 3]);
  const w = counting([2, 2, 100], 0.25);
  const plane = { stride: 70, dilation: 1, pad: 3, group: 1 };
  const [y] = runOperator({
    op: "ConvTranspose",
    inputs: [x, w],
    attributes: { strides: [70], pads: [3, 3] },
  });
  expect(values(y!)).toEqual(convTranspose1d(x, w, plane));
});

describe("pools", () => {
  it("MaxPool passes over NaN unless it tells where maxima are", () => {
    const x = tensor("float32", [1, 1, 6], [1, NaN, -2, NaN, NaN, NaN]);
    const use = { op: "MaxPool", inputs: [x], attributes: { kernel_shape: [2], strides: [2] } };
    expect(values(runOperator(use)[0]!)).toEqual([1, -2, -Infinity]);
    expect(values(runOperator({ ...use, outputs: 2 })[0]!)).toEqual([NaN, NaN, NaN]);
  });

  it("MaxPool tells where its maxima are", () => {
    const x = tensor("float32", [1, 1, 3, 3], [1, 2, 3, 9, 5, 6, 7, 8, 4]);
    const use = { inputs: [x], attributes: { kernel_shape: [2, 2], pads: [0, 0, 1, 1] } };
    const [y, indices] = runOperator({ op: "MaxPool", ...use, outputs: 2 });
    expect(values(y!)).toEqual([9, 6, 6, 9, 8, 6, 8, 8, 4]);
    expect(values(indices!)).toEqual([3, 5, 5, 3, 7, 5, 7, 7, 8]);
    const columns = { kernel_shape: [2, 2], storage_order: 1 };
    const [alone] = runOperator({ op: "MaxPool", inputs: [x], attributes: columns, outputs: [false, true] });
    expect(values(alone!)).toEqual([1, 7, 1, 5]);
  });

  it("AveragePool divides by what it covers", () => {
    const x = counting([1, 1, 4]);
    const run = (attributes: Record<string, number | number[]>): number[] =>
      values(
        runOperator({ op: "AveragePool", inputs: [x], attributes: { kernel_shape: [3], ...attributes } })[0]!,
      );
    expect(run({ pads: [1, 1] })).toEqual([1.5, 2, 3, 3.5]);
    expect(run({ pads: [1, 1], count_include_pad: 1 })).toEqual([1, 2, 3, Math.fround(7 / 3)]);
    expect(run({ strides: [2], ceil_mode: 1 })).toEqual([2, 3.5]);
    expect(run({ strides: [2], ceil_mode: 1, count_include_pad: 1 })).toEqual([2, 3.5]);
    expect(run({ dilations: [2], pads: [1, 1] })).toEqual([3, 2]);
  });

  it("global pools cover all of space", () => {
    const x = counting([1, 2, 2, 2]);
    expect(values(runOperator({ op: "GlobalAveragePool", inputs: [x] })[0]!)).toEqual([2.5, 6.5]);
    expect(values(runOperator({ op: "GlobalMaxPool", inputs: [x] })[0]!)).toEqual([4, 8]);
    expect(values(runOperator({ op: "GlobalLpPool", inputs: [x], attributes: { p: 1 } })[0]!)).toEqual([
      10, 26,
    ]);
  });
});
