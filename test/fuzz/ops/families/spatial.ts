/**
 * Samples of operators that look at positions: resizing, sampling grids, regions, Fourier transforms, windows, and
 * determinants. In: a sampler. Out: one operator each. Invariant: as in `elementwise.ts`.
 */
import type { DType } from "../../../../runtime/dtype.ts";
import type { Sampler } from "../sampler.ts";
import type { Sample, SampleTable } from "./elementwise.ts";

const real = (value: number) => ({ kind: "float" as const, value });

function resize(s: Sampler): void {
  s.since(11);
  const dims = s.pick([1, 2, 2, 3]);
  const x = s.any(["float32", "float32", "float64", "uint8", "int8", "float16"], {
    shape: [s.pick([1, 2]), s.dim(4), ...Array.from({ length: dims }, () => s.random.between(1, dims === 3 ? 4 : 7))],
    filled: true,
  }); // prettier-ignore
  const rank = x.shape.length;
  const float = x.dtype.startsWith("float");
  const mode = s.pick(float ? ["nearest", "linear", "cubic"] : ["nearest", "linear"]);
  s.decline(mode === "cubic" && dims !== 2);
  const transforms = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", ...(s.opset >= 19 ? ["half_pixel_symmetric"] : []), ...(float && mode !== "cubic" ? ["tf_crop_and_resize"] : [])]; // prettier-ignore
  const transform = s.maybe(...transforms);
  const crop = transform === "tf_crop_and_resize";
  const some = s.opset >= 18 && s.chance(0.3);
  const axes = some ? Array.from({ length: dims }, (_, i) => i + 2) : undefined;
  const spatial = x.shape.slice(2);
  const bySize = s.chance(0.5);
  const lead = some ? [] : [1, 1];
  const scales = bySize ? undefined : [...lead, ...spatial.map(() => s.pick([0.5, 1, 2, 1.5, 0.75, 3]))];
  s.decline(scales?.slice(lead.length).some((v, i) => Math.floor(v * spatial[i]!) < 1) ?? false);
  const sizes = bySize ? [...(some ? [] : x.shape.slice(0, 2)), ...spatial.map(() => s.random.between(1, 9))] : undefined; // prettier-ignore
  const count = some ? dims : rank;
  const roi = crop ? s.param("float32", [2 * count], [...new Array<number>(count).fill(0).map((_, i) => (i < lead.length ? 0 : s.pick([0, 0.25, 0.5]))), ...new Array<number>(count).fill(0).map((_, i) => (i < lead.length ? 1 : s.pick([0.6, 1, 1.25])))]) : s.opset < 13 ? s.param("float32", [0], [], true) : undefined; // prettier-ignore
  const scalesRef = scales ? s.param("float32", [scales.length], scales) : s.opset < 13 ? s.param("float32", [0], [], true) : undefined; // prettier-ignore
  const antialias = s.opset >= 18 && mode !== "nearest" && float && !crop ? s.maybe(0, 1) : undefined;
  s.node("Resize", [x, roi, scalesRef, sizes && s.ints(sizes)], {
    mode: mode === "nearest" && s.chance(0.4) ? undefined : mode,
    coordinate_transformation_mode: transform,
    nearest_mode:
      mode === "nearest" ? s.maybe("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") : undefined,
    cubic_coeff_a: mode === "cubic" ? s.maybe(-0.5, -0.75) : undefined,
    exclude_outside: mode === "cubic" ? s.maybe(0, 1) : undefined,
    extrapolation_value: crop ? s.maybe(1.5, 0) : undefined,
    antialias,
    axes,
    keep_aspect_ratio_policy:
      bySize && s.opset >= 18 ? s.maybe("stretch", "not_larger", "not_smaller") : undefined,
  });
}

function upsample(s: Sampler): void {
  s.decline(s.opset >= 10 || s.opset < 7);
  const x = s.any(["float32"], { shape: [1, s.dim(4), s.dim(5), s.dim(5)] });
  const scales = [1, 1, s.pick([1, 2, 3]), s.pick([1, 2])];
  const mode = s.pick(["nearest", "linear"]);
  if (s.opset >= 9) s.node("Upsample", [x, s.param("float32", [4], scales)], { mode });
  else s.node("Upsample", [x], { mode, scales });
}

function gridSample(s: Sampler): void {
  s.since(16);
  const dims = s.opset >= 20 ? s.pick([2, 2, 3]) : 2;
  const n = s.pick([1, 2]);
  const x = s.any(["float32", "float32", "float64"], { shape: [n, s.dim(3), ...Array.from({ length: dims }, () => s.dim(5))] }); // prettier-ignore
  const grid = s.tensor(x.dtype, [n, ...Array.from({ length: dims }, () => s.dim(4)), dims]);
  const old = s.opset < 20;
  const mode = s.maybe(...(old ? ["bilinear", "nearest", "bicubic"] : dims === 3 ? ["linear", "nearest"] : ["linear", "nearest", "cubic"])); // prettier-ignore
  s.node("GridSample", [x, grid], { mode, padding_mode: s.maybe("zeros", "border", "reflection"), align_corners: s.maybe(0, 1) }); // prettier-ignore
}

function roiAlign(s: Sampler): void {
  s.since(10);
  const [n, h, w, rois] = [s.dim(2), s.random.between(2, 9), s.random.between(2, 9), s.dim(4)];
  const x = s.any(["float32"], { shape: [n, s.dim(3), h, w] });
  const values = Array.from({ length: rois }, () => {
    const [a, b] = [s.random.between(0, w - 1), s.random.between(0, h - 1)];
    return [a, b, a + s.random.between(1, 5), b + s.random.between(1, 5)];
  }).flat();
  s.node("RoiAlign", [x, s.param("float32", [rois, 4], values), s.range("int64", [rois], 0, n - 1)], {
    output_height: s.maybe(2, 3),
    output_width: s.maybe(2, 1),
    sampling_ratio: s.maybe(2, 1, 0),
    spatial_scale: s.maybe(0.5, 1),
    mode: s.maybe("avg", "max"),
    coordinate_transformation_mode: s.opset >= 16 ? s.maybe("half_pixel", "output_half_pixel") : undefined,
  });
}

function dft(s: Sampler): void {
  s.since(17);
  const dtype = s.pick<DType>(["float32", "float32", "float64"]);
  const rank = s.random.between(1, 2);
  const shape = [s.dim(3), ...Array.from({ length: rank }, () => s.dim(9))];
  const form = s.random.below(4);
  const complex = s.chance(0.4) ? 2 : 1;
  const x = s.any([dtype], { shape: [...shape, form === 0 ? 2 : complex], filled: true });
  const axis = s.random.between(1, rank);
  const written = s.chance(0.3) ? axis - shape.length - 1 : axis;
  const length = s.chance(0.3) ? s.strictScalar("int64", s.random.between(1, 12)) : undefined;
  const attributes = {
    inverse: form === 0 ? 1 : s.maybe(0),
    onesided: form === 1 && complex === 1 ? 1 : undefined,
  };
  if (s.opset >= 20) s.node("DFT", [x, length, s.strictScalar("int64", written)], attributes);
  else s.node("DFT", [x, length], { ...attributes, axis: written });
}

function stft(s: Sampler): void {
  s.since(17);
  const [batch, length, frame] = [s.dim(3), s.random.between(8, 24), s.pick([4, 5, 8])];
  const dtype = s.pick<DType>(["float32", "float64"]);
  const x = s.any([dtype], { shape: [batch, length, 1] });
  const window = s.chance(0.5) ? s.tensor(dtype, [frame]) : undefined;
  const size = window === undefined || s.chance(0.5) ? s.strictScalar("int64", frame, true) : undefined;
  s.node("STFT", [x, s.strictScalar("int64", s.random.between(1, 4), true), window, size], { onesided: s.maybe(0, 1) }); // prettier-ignore
}

const window =
  (op: string): Sample =>
  (s) => {
    s.since(17);
    s.node(op, [s.param(s.pick<DType>(["int64", "int32"]), [], [s.random.between(2, 20)])], { periodic: s.maybe(0, 1), output_datatype: s.maybe(1, 11, 10) }); // prettier-ignore
  };

export const spatialSamples: SampleTable = {
  Resize: resize,
  Upsample: upsample,
  GridSample: gridSample,
  AffineGrid: (s) => {
    s.since(20);
    const dims = s.pick([2, 2, 3]);
    const n = s.dim(3);
    const theta = s.tensor(s.pick<DType>(["float32", "float64"]), [n, dims, dims + 1]);
    s.node("AffineGrid", [theta, s.ints([n, s.dim(3), ...Array.from({ length: dims }, () => s.dim(5))])], { align_corners: s.maybe(0, 1) }); // prettier-ignore
  },
  RoiAlign: roiAlign,
  DFT: dft,
  STFT: stft,
  HannWindow: window("HannWindow"),
  HammingWindow: window("HammingWindow"),
  BlackmanWindow: window("BlackmanWindow"),
  MelWeightMatrix: (s) => {
    s.since(17);
    const one = (dtype: DType, value: number) => s.strictScalar(dtype, value, true);
    s.node("MelWeightMatrix", [one("int64", s.random.between(1, 8)), one("int64", s.pick([16, 32])), one("int64", 8192), one("float32", 0), one("float32", 4096)], { output_datatype: s.maybe(1, 11) }); // prettier-ignore
  },
  Det: (s) => {
    s.since(11);
    const n = s.dim(5);
    s.node("Det", [s.any(["float32", "float64", "float16"], { shape: [...s.shape(0, 2, 6), n, n] })]);
  },
  RotaryEmbedding: (s) => {
    s.since(23);
    const [batch, heads, length, size] = [s.dim(3), s.dim(3), s.dim(5), s.pick([4, 6, 8])];
    const rotated = s.chance(0.3) ? size - 2 : 0;
    const half = (rotated || size) / 2;
    const four = s.chance(0.5);
    const x = s.any(["float32", "float16"], { shape: four ? [batch, heads, length, size] : [batch, length, heads * size] }); // prettier-ignore
    const positions = s.chance(0.6);
    const table = () => s.tensor(x.dtype, positions ? [length + 3, half] : [batch, length, half]);
    s.node("RotaryEmbedding", [x, table(), table(), positions ? s.range("int64", [batch, length], 0, length + 2) : undefined], { num_heads: four ? undefined : heads, interleaved: s.maybe(0, 1), rotary_embedding_dim: rotated || undefined }); // prettier-ignore
  },
  Bernoulli: (s) => {
    s.since(15);
    // Certain outcomes only: the numbers themselves are anyone's.
    const x = s.range("float32", s.shape(0, 3), 0, 1);
    s.node("Bernoulli", [x], { seed: s.maybe(real(3)), dtype: s.maybe(1, 7, 9) });
  },
  RandomUniformLike: (s) => {
    const x = s.any(["float32"]);
    const [r] = s.hidden("RandomUniformLike", [x], { low: real(2), high: real(2.0000002), dtype: 1, seed: s.maybe(real(3)) }); // prettier-ignore
    s.node("Floor", [r!]);
  },
  RandomUniform: (s) => {
    const [r] = s.hidden("RandomUniform", [], { shape: s.shape(1, 3), low: real(2.25), high: real(2.75), seed: s.maybe(real(3)) }); // prettier-ignore
    s.node("Floor", [r!]);
  },
  RandomNormal: (s) => {
    const [r] = s.hidden("RandomNormal", [], { shape: s.shape(1, 3), mean: real(2.5), scale: real(1e-3) });
    s.node("Floor", [r!]);
  },
  RandomNormalLike: (s) => {
    const [r] = s.hidden("RandomNormalLike", [s.any(["float32"])], {
      mean: real(2.5),
      scale: real(1e-3),
      dtype: 1,
    });
    s.node("Floor", [r!]);
  },
  Multinomial: (s) => {
    // One class has all the weight.
    const batch = s.dim(3);
    const x = s.param(
      "float32",
      [batch, 3],
      Array.from({ length: batch * 3 }, (_, i) => (i % 3 === 1 ? 0 : -200)),
    );
    s.node("Multinomial", [x], { sample_size: s.pick([1, 3]), dtype: s.maybe(6, 7), seed: s.maybe(real(3)) });
  },
};
