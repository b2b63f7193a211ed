/** Further operators of com.microsoft, against onnxruntime-web (those it has for other devices by parts), and MaxRoiPool. */
import { describe, expect, it } from "vitest";
import { besideOnnxruntime, fed, int64, reals, weight, wholes } from "../../test/besideOnnxruntime.ts";
import { runOperator } from "../../test/operator.ts";
import { tensorOf } from "../passes/evaluate.ts";

const float = (shape: readonly number[], seed = 1) => fed(reals(shape, seed));
const outputs = ["float32"] as const;

describe("other names and small ones", () => {
  it.each(["euclidean", "sqeuclidean"])("CDist, %s", async (metric) => {
    await besideOnnxruntime({
      op: "CDist",
      inputs: [float([4, 5]), float([3, 5], 2)],
      attributes: { metric },
      outputs,
    });
  });
  it("TransposeMatMul", async () => {
    const attributes = { transA: 1, transB: 0, alpha: 0.5 };
    await besideOnnxruntime({
      op: "TransposeMatMul",
      inputs: [float([5, 3]), float([5, 4], 2)],
      attributes,
      outputs,
    });
  });
  it("ExpandDims", async () => {
    await besideOnnxruntime({
      op: "ExpandDims",
      inputs: [float([2, 3]), weight(tensorOf("int32", [], [-1]))],
      outputs,
    });
  });
  it.each([[1], [2]])("BiasSoftmax from axis %s on", async (axis) => {
    const inputs = [float([2, 3, 4]), float([1, 3, 4], 2)];
    await besideOnnxruntime({
      op: "BiasSoftmax",
      inputs,
      attributes: { axis, is_inner_broadcast: 1 },
      outputs,
      beside(model, [x, y]) {
        const flat = model.node("Flatten", [model.node("Add", [x!, y!])], { axis });
        return model.node("Reshape", [model.node("Softmax", [flat], { axis: -1 }), model.int64s([2, 3, 4])]);
      },
    });
  });
});

describe("GroupNorm", () => {
  const inputs = [float([2, 3, 2, 8]), weight(reals([8], 2)), weight(reals([8], 3))];
  it.each([[0], [1]])("of channels last, with activation %s", async (activation) => {
    await besideOnnxruntime({
      op: "GroupNorm",
      inputs,
      attributes: { groups: 4, epsilon: 1e-5, activation },
      outputs,
      beside(model, [x, scale, bias]) {
        const first = model.node("Transpose", [x!], { perm: [0, 3, 1, 2] });
        const grouped = model.node("Reshape", [first, model.int64s([2, 4, -1])]);
        const ones = model.initializer("float32", [4], [1, 1, 1, 1]);
        const zeros = model.initializer("float32", [4], [0, 0, 0, 0]);
        const normal = model.node("InstanceNormalization", [grouped, ones, zeros], { epsilon: 1e-5 });
        const whole = model.node("Reshape", [normal, model.int64s([2, 8, 3, 2])]);
        const last = model.node("Transpose", [whole], { perm: [0, 2, 3, 1] });
        const y = model.node("Add", [model.node("Mul", [last, scale!]), bias!]);
        return activation ? model.node("Mul", [y, model.node("Sigmoid", [y])]) : y;
      },
    });
  });
});

describe("GatherBlockQuantized", () => {
  const indices = fed(int64([2, 0, 3]));
  it.each([[false], [true]])("of bytes, zero points: %s", async (points) => {
    const data = weight(wholes("uint8", [4, 32], 0, 255));
    const inputs = [data, indices, weight(reals([4, 2], 2)), ...(points ? [weight(wholes("uint8", [4, 2], 100, 150, 3))] : [])]; // prettier-ignore
    const attributes = { bits: 8, block_size: 16, gather_axis: 0, quantize_axis: 1 };
    await besideOnnxruntime({ op: "GatherBlockQuantized", inputs, attributes, outputs });
  });
  it.each([[false], [true]])("of two numbers in a byte, zero points: %s", async (points) => {
    const data = weight(wholes("uint8", [4, 32], 0, 255));
    const inputs = [data, indices, weight(reals([4, 4], 2)), ...(points ? [weight(wholes("uint8", [4, 2], 0, 255, 3))] : [])]; // prettier-ignore
    const attributes = { bits: 4, block_size: 16, gather_axis: 0, quantize_axis: 1 };
    await besideOnnxruntime({ op: "GatherBlockQuantized", inputs, attributes, outputs });
  });
});

describe("MaxRoiPool", () => {
  /** Maxima of cells, written out. */
  function expected(
    x: Float32Array,
    shape: readonly number[],
    roi: readonly number[],
    cells: readonly number[],
    scale: number,
  ): number[] {
    // prettier-ignore
    const [, channels, height, width] = shape as [number, number, number, number];
    const [image, left, top, right, bottom] = roi.map((v, i) => (i === 0 ? v : Math.round(v * scale))) as [number, number, number, number, number]; // prettier-ignore
    const edges = (
      start: number,
      end: number,
      cell: number,
      count: number,
      extent: number,
    ): [number, number] => {
      const size = Math.max(end - start + 1, 1) / count;
      const clamp = (v: number): number => Math.min(Math.max(v + start, 0), extent);
      return [clamp(Math.floor(cell * size)), clamp(Math.ceil((cell + 1) * size))];
    };
    const result: number[] = [];
    for (let c = 0; c < channels; c++)
      for (let row = 0; row < cells[0]!; row++)
        for (let column = 0; column < cells[1]!; column++) {
          const [y0, y1] = edges(top, bottom, row, cells[0]!, height);
          const [x0, x1] = edges(left, right, column, cells[1]!, width);
          let most = -Infinity;
          for (let y = y0; y < y1; y++)
            for (let at = x0; at < x1; at++)
              most = Math.max(most, x[((image * channels + c) * height + y) * width + at]!);
          result.push(most === -Infinity ? 0 : most);
        }
    return result;
  }

  it.each([[1], [0.5]])("takes the maxima of rounded cells, at scale %s", (spatial_scale) => {
    const rois = [[0, 0, 0, 7, 5], [1, 1.2, 2.6, 5.5, 4.4], [0, 6, 4, 20, 9], [1, 3, 3, 3, 3], [0, 30, 30, 40, 40]]; // prettier-ignore
    const x = reals([2, 3, 6, 8]);
    const attributes = { pooled_shape: [2, 3], spatial_scale: { float: spatial_scale } };
    const inputs = [x, tensorOf("float32", [rois.length, 5], rois.flat())];
    const [made] = runOperator({ op: "MaxRoiPool", inputs, attributes });
    expect(made!.shape).toEqual([rois.length, 3, 2, 3]);
    const values = rois.flatMap((roi) =>
      expected(x.data as Float32Array, x.shape, roi, [2, 3], spatial_scale),
    );
    expect([...(made!.data as Float32Array)]).toEqual(values);
  });
});
