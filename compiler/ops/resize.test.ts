/** Resampling: ramps stay ramps, constants stay constant, and every sampler agrees with the formula of its mode. */
import { describe, expect, it } from "vitest";
import { besideOnnxruntime, fed, list, reals } from "../../test/besideOnnxruntime.ts";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { CompileError } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";
import type { AttributeLike } from "./define.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);
const floats = (...list: number[]): Tensor => tensor("float32", [list.length], list);
const ints = (...list: number[]): Tensor => tensor("int64", [list.length], list);

function bySize(x: Tensor, sizes: readonly number[], attributes: Record<string, AttributeLike>): Tensor {
  return runOperator({ op: "Resize", inputs: [x, undefined, undefined, ints(...sizes)], attributes })[0]!;
}

describe("Resize", () => {
  const modes = ["nearest", "linear", "cubic"];
  const transformations = [
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
  ];

  it("keeps a constant constant in every mode, growing and shrinking", () => {
    const x = tensor("float32", [1, 5, 4], new Array<number>(20).fill(3));
    for (const mode of modes) {
      for (const transformation of transformations) {
        for (const antialias of [0, 1]) {
          const y = bySize(x, [1, 3, 9], { mode, coordinate_transformation_mode: transformation, antialias });
          expect(y.shape).toEqual([1, 3, 9]);
          for (const value of values(y)) expect(value).toBeCloseTo(3, 5);
        }
      }
    }
  });

  it("takes symmetric places exactly, in the middle of elements and between two", () => {
    // Place i of `to` is ((2 i + 1) from - to) / 2 to, which integers decide.
    const nearest: Readonly<Record<string, (above: number, to: number) => number>> = {
      floor: (above, to) => Math.floor(above / (2 * to)),
      ceil: (above, to) => Math.ceil(above / (2 * to)),
      round_prefer_ceil: (above, to) => Math.floor((above + to) / (2 * to)),
      round_prefer_floor: (above, to) => Math.ceil((above - to) / (2 * to)),
    };
    for (const [nearest_mode, choose] of Object.entries(nearest)) {
      for (const from of [1, 3, 5, 6, 7, 9, 49]) {
        for (const to of [1, 2, 3, 7, 11]) {
          const expected = Array.from({ length: to }, (_, i) => {
            const place = choose((2 * i + 1) * from - to, to);
            return 1 + Math.min(Math.max(place, 0), from - 1);
          });
          const y = bySize(counting([from]), [to], { mode: "nearest", nearest_mode, coordinate_transformation_mode: "half_pixel_symmetric" });
          expect(values(y), `${from} to ${to}, ${nearest_mode}`).toEqual(expected);
        }
      }
    }
  }); // prettier-ignore

  it("with aligned corners a ramp stays a ramp", () => {
    const y = bySize(counting([5]), [9], { mode: "linear", coordinate_transformation_mode: "align_corners" });
    values(y).forEach((value, i) => expect(value).toBeCloseTo(1 + i / 2, 5));
  });

  it("nearest repeats by whole scales and rounds as asked", () => {
    const x = counting([3]);
    const up = runOperator({
      op: "Resize",
      inputs: [x, undefined, floats(2)],
      attributes: { mode: "nearest" },
    })[0]!;
    expect(values(up)).toEqual([1, 1, 2, 2, 3, 3]);
    const round = (nearest_mode: string): number[] =>
      values(
        bySize(x, [5], { mode: "nearest", nearest_mode, coordinate_transformation_mode: "align_corners" }),
      );
    expect(round("floor")).toEqual([1, 1, 2, 2, 3]);
    expect(round("ceil")).toEqual([1, 2, 2, 3, 3]);
    expect(round("round_prefer_floor")).toEqual([1, 1, 2, 2, 3]);
    expect(round("round_prefer_ceil")).toEqual([1, 2, 2, 3, 3]);
  });

  it("of sizes takes the element that whole numbers tell, however the scale would be rounded", () => {
    // The place of an output element as a fraction; nothing is rounded in it.
    const places: Readonly<Record<string, (at: number, from: number, to: number) => readonly [number, number]>> = {
      asymmetric: (at, from, to) => [at * from, to],
      half_pixel: (at, from, to) => [(2 * at + 1) * from - to, 2 * to],
      half_pixel_symmetric: (at, from, to) => [(2 * at + 1) * from - to, 2 * to],
      align_corners: (at, from, to) => (to === 1 ? [0, 1] : [at * (from - 1), to - 1]),
    };
    const nearest: Readonly<Record<string, (part: number, whole: number) => number>> = {
      floor: () => 0,
      ceil: (part) => (part > 0 ? 1 : 0),
      round_prefer_floor: (part, whole) => (2 * part > whole ? 1 : 0),
      round_prefer_ceil: (part, whole) => (2 * part >= whole ? 1 : 0),
    };
    const lengths = [1, 2, 3, 5, 7, 11, 13, 14, 18, 19, 20, 21, 22];
    for (const [transform, place] of Object.entries(places))
      for (const [rounding, up] of Object.entries(nearest))
        for (const from of lengths)
          for (const to of lengths) {
            const y = bySize(counting([from]), [to], { nearest_mode: rounding, coordinate_transformation_mode: transform });
            const expected = Array.from({ length: to }, (_, at) => {
              const [n, d] = place(at, from, to);
              const below = Math.floor(n / d);
              return 1 + Math.min(Math.max(below + up(n - below * d, d), 0), from - 1);
            });
            expect(values(y), `${transform} ${rounding} ${from} -> ${to}`).toEqual(expected);
          }
  }); // prettier-ignore

  it("names axes and keeps the aspect ratio", () => {
    const x = counting([1, 4, 8]);
    const attributes = { mode: "nearest", axes: [2, 1], keep_aspect_ratio_policy: "not_larger" };
    expect(bySize(x, [4, 4], attributes).shape).toEqual([1, 2, 4]);
    expect(bySize(x, [4, 4], { ...attributes, keep_aspect_ratio_policy: "not_smaller" }).shape).toEqual([
      1, 4, 8,
    ]);
  });

  it("crops a region and fills what lies outside it", () => {
    const y = runOperator({
      op: "Resize",
      inputs: [counting([4]), floats(0.5, 1.5), undefined, ints(3)],
      attributes: {
        mode: "linear",
        coordinate_transformation_mode: "tf_crop_and_resize",
        extrapolation_value: { float: -9 },
      },
    })[0]!;
    expect(values(y)).toEqual([2.5, 4, -9]);
  });

  it("blends integers in floats", () => {
    const x = tensor("uint8", [2], [0, 255]);
    const y = bySize(x, [4], { mode: "cubic" });
    expect(y.dtype).toBe("uint8");
    expect(values(y)[0]).toBe(0);
    expect(values(y)[3]).toBe(255);
  });

  it("refuses unknown modes and absurd scales", () => {
    expect(() => bySize(counting([2]), [4], { mode: "lanczos" })).toThrow(CompileError);
    expect(() => runOperator({ op: "Resize", inputs: [counting([2]), undefined, floats(-1)] })).toThrow(
      CompileError,
    );
  });
});

describe("GridSample", () => {
  const image = counting([1, 1, 2, 2]); // 1 2 / 3 4
  const sample = (x: number, y: number, attributes: Record<string, AttributeLike>): number => {
    const grid = tensor("float32", [1, 1, 1, 2], [x, y]);
    return values(runOperator({ op: "GridSample", inputs: [image, grid], attributes })[0]!)[0]!;
  };

  it("reads corners and centre when aligned", () => {
    const attributes = { mode: "linear", align_corners: 1 };
    expect(sample(-1, -1, attributes)).toBe(1);
    expect(sample(1, -1, attributes)).toBe(2);
    expect(sample(0, 0, attributes)).toBe(2.5);
  });

  it("outside: zeros, border, reflection; NaN and infinity read inside", () => {
    expect(sample(9, 9, { mode: "nearest" })).toBe(0);
    expect(sample(9, 9, { mode: "nearest", padding_mode: "border" })).toBe(4);
    expect(sample(-3, -1, { mode: "linear", align_corners: 1, padding_mode: "reflection" })).toBe(2);
    for (const mode of ["nearest", "linear", "cubic"]) {
      for (const padding_mode of ["zeros", "border", "reflection"]) {
        for (const at of [NaN, Infinity, -Infinity, 1e30])
          expect(() => sample(at, at, { mode, padding_mode })).not.toThrow();
      }
    }
  });

  it("AffineGrid of the identity gives the identity", () => {
    const theta = tensor("float32", [1, 2, 3], [1, 0, 0, 0, 1, 0]);
    const [grid] = runOperator({ op: "AffineGrid", inputs: [theta, ints(1, 1, 2, 2)] });
    expect(values(grid!)).toEqual([-0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5]);
    const [same] = runOperator({ op: "GridSample", inputs: [image, grid!] });
    values(same!).forEach((value, i) => expect(value).toBeCloseTo(i + 1, 5));
  });
});

describe("RoiAlign", () => {
  const inputs = (box: readonly number[]): Tensor[] => [
    counting([1, 1, 4, 4]),
    tensor("float32", [1, 4], box),
    ints(0),
  ];

  it("averages bins; the number of samples may follow from the region", () => {
    for (const sampling_ratio of [0, 2]) {
      const attributes = { output_height: 1, output_width: 1, sampling_ratio };
      const [y] = runOperator({ op: "RoiAlign", inputs: inputs([0, 0, 4, 4]), attributes });
      expect(values(y!)[0]).toBeCloseTo(8.5, 1);
    }
  });

  // Regions in the image, around it, far larger, above and left of it, and without extent.
  const regions = [
    [1.2, 0.7, 5.9, 4.1], [-2, -3, 9, 8], [-40, -60, 70, 80.5], [3, 2, 100, 2.5], [-9, -7, -3, -2], [2, 2, 2, 2], [6, 4, 1, 1],
  ]; // prettier-ignore
  it.each(
    ["avg", "max"].flatMap((mode) =>
      ["half_pixel", "output_half_pixel"].map((transformation) => [mode, transformation] as const),
    ),
  )("agrees with onnxruntime on fed regions of any size: %s, %s", async (mode, transformation) => {
    const boxes = tensor("float32", [regions.length, 4], regions.flat());
    await besideOnnxruntime({
      op: "RoiAlign",
      domain: "",
      inputs: [fed(reals([2, 1, 3, 5])), fed(boxes), fed(list("int64", [0, 1, 1, 0, 1, 0, 1]))],
      attributes: {
        mode,
        output_height: 2,
        output_width: 1,
        spatial_scale: { kind: "float", value: 0.75 },
        coordinate_transformation_mode: transformation,
      },
      outputs: ["float32"],
      absolute: 1e-5,
    });
  });

  it("takes the largest weighted neighbour in max mode", () => {
    const attributes = { mode: "max", output_height: 1, output_width: 1, sampling_ratio: 1 };
    const [y] = runOperator({ op: "RoiAlign", inputs: inputs([0.5, 0.5, 2.5, 2.5]), attributes });
    expect(values(y!)).toEqual([6]);
  });
});
