/**
 * From the coefficients of a JPEG to its pixels, with the integers of the Independent JPEG Group's decoder: the "slow"
 * inverse transform, triangle filters between samples, colours by 16-bit fixed point. In: components with
 * coefficients. Out: pixels. Invariant: the same bytes as that decoder gives, which is what ONNX's reference uses.
 * Source: C. Loeffler, A. Ligtenberg, G. Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications".
 */
import type { Image } from "./image.ts";

/** A component: quantized coefficients in blocks of 64, row by row, in natural order. */
export interface Component {
  readonly id: number;
  /** Samples to a unit of the image in each direction, 1 to 4. */
  readonly h: number;
  readonly v: number;
  readonly blocksAcross: number;
  readonly blocksDown: number;
  readonly coefficients: Int16Array;
  /** Number of its quantization table. */
  readonly table: number;
  /** The table itself, in natural order; undefined until a scan has the component. */
  quantization: Uint16Array | undefined;
}

/** A plane of samples. */
interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const clamp = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : value);

// Constants of the transform, times 2^13.
const [C0_298, C0_390, C0_541, C0_765, C0_899, C1_175] = [2446, 3196, 4433, 6270, 7373, 9633] as const;
const [C1_501, C1_847, C1_961, C2_053, C2_562, C3_072] = [12299, 15137, 16069, 16819, 20995, 25172] as const;

/** One pass over eight values at `step` apart; the results are shifted right by `shift`, rounded. */
function transform(from: Int32Array, at: number, step: number, shift: number): void {
  const v = (k: number): number => from[at + k * step]!;
  const z1 = (v(2) + v(6)) * C0_541;
  const even2 = z1 - v(6) * C1_847;
  const even3 = z1 + v(2) * C0_765;
  const even0 = (v(0) + v(4)) * 8192;
  const even1 = (v(0) - v(4)) * 8192;
  const t = [even0 + even3, even1 + even2, even1 - even2, even0 - even3] as const;

  const [a, b, c, d] = [v(7), v(5), v(3), v(1)];
  const z5 = (a + c + b + d) * C1_175;
  const za = (a + d) * -C0_899;
  const zb = (b + c) * -C2_562;
  const zc = (a + c) * -C1_961 + z5;
  const zd = (b + d) * -C0_390 + z5;
  const odd = [
    d * C1_501 + za + zd,
    c * C3_072 + zb + zc,
    b * C2_053 + zb + zd,
    a * C0_298 + za + zc,
  ] as const;

  const half = 1 << (shift - 1);
  for (let k = 0; k < 4; k++) {
    from[at + k * step] = (t[k]! + odd[k]! + half) >> shift;
    from[at + (7 - k) * step] = (t[k]! - odd[k]! + half) >> shift;
  }
}

/** The samples of a component: `width` by `height` of the blocks that hold it. */
function samplesOf(component: Component, width: number, height: number): Plane {
  const { blocksAcross, blocksDown, coefficients, quantization } = component;
  const data = new Uint8Array(width * height);
  const block = new Int32Array(64);
  for (let by = 0; by < blocksDown; by++) {
    for (let bx = 0; bx < blocksAcross; bx++) {
      const first = 64 * (by * blocksAcross + bx);
      for (let i = 0; i < 64; i++) block[i] = coefficients[first + i]! * (quantization?.[i] ?? 1);
      for (let x = 0; x < 8; x++) transform(block, x, 8, 11);
      for (let y = 0; y < 8; y++) transform(block, 8 * y, 1, 18);
      for (let y = 0; y < 8 && by * 8 + y < height; y++)
        for (let x = 0; x < 8 && bx * 8 + x < width; x++)
          data[(by * 8 + y) * width + bx * 8 + x] = clamp(block[8 * y + x]! + 128);
    }
  }
  return { width, height, data };
}

/** Twice as wide: each sample 3 parts of the nearer and 1 part of the farther of its neighbours. */
function widened({ width, height, data }: Plane): Plane {
  const out = new Uint8Array(2 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const near = data[at]!;
      out[2 * at] = x === 0 ? near : (3 * near + data[at - 1]! + 1) >> 2;
      out[2 * at + 1] = x === width - 1 ? near : (3 * near + data[at + 1]! + 2) >> 2;
    }
  }
  return { width: 2 * width, height, data: out };
}

/** Twice as high, and twice as wide if `wide`, by triangles in both directions with one rounding. */
function heightened({ width, height, data }: Plane, wide: boolean): Plane {
  const across = wide ? 2 * width : width;
  const out = new Uint8Array(2 * height * across);
  const sums = new Int32Array(width);
  for (let y = 0; y < 2 * height; y++) {
    const near = (y >> 1) * width;
    const far = Math.min(height - 1, Math.max(0, (y >> 1) + (y & 1 ? 1 : -1))) * width;
    for (let x = 0; x < width; x++) sums[x] = 3 * data[near + x]! + data[far + x]!;
    for (let x = 0; x < width; x++) {
      const sum = sums[x]!;
      if (!wide) {
        out[y * across + x] = (sum + (y & 1 ? 2 : 1)) >> 2;
        continue;
      }
      out[y * across + 2 * x] = x === 0 ? (4 * sum + 8) >> 4 : (3 * sum + sums[x - 1]! + 8) >> 4;
      out[y * across + 2 * x + 1] = x === width - 1 ? (4 * sum + 7) >> 4 : (3 * sum + sums[x + 1]! + 7) >> 4;
    }
  }
  return { width: across, height: 2 * height, data: out };
}

/** Each sample as often as it takes. */
function repeated({ width, height, data }: Plane, across: number, down: number): Plane {
  const out = new Uint8Array(width * across * height * down);
  const stride = width * across;
  for (let i = 0; i < out.length; i++) {
    const y = Math.floor(i / stride);
    out[i] = data[Math.floor(y / down) * width + Math.floor((i - y * stride) / across)]!;
  }
  return { width: stride, height: height * down, data: out };
}

function upsampled(plane: Plane, across: number, down: number): Plane {
  if (across === 1 && down === 1) return plane;
  // So narrow a plane has no neighbours worth the name.
  if (across === 2 && plane.width > 2 && down === 1) return widened(plane);
  if (across === 2 && plane.width > 2 && down === 2) return heightened(plane, true);
  if (across === 1 && down === 2) return heightened(plane, false);
  return repeated(plane, across, down);
}

/** @param yCbCr whether three components are luminance and chrominance */
export function pixelsOf(
  { width, height }: { readonly width: number; readonly height: number },
  components: readonly Component[],
  yCbCr: boolean,
): Image {
  const most = { h: Math.max(...components.map((c) => c.h)), v: Math.max(...components.map((c) => c.v)) };
  const planes = components.map((component) => {
    const own = samplesOf(
      component,
      Math.ceil((width * component.h) / most.h),
      Math.ceil((height * component.v) / most.v),
    );
    return upsampled(own, most.h / component.h, most.v / component.v);
  });
  const channels = planes.length === 1 ? 1 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * channels;
      const [a, b, c] = planes.map((plane) => plane.data[y * plane.width + x]!) as [number, number, number];
      if (channels === 1 || !yCbCr) {
        data[to] = a;
        if (channels === 3) [data[to + 1], data[to + 2]] = [b, c];
        continue;
      }
      const [blue, red] = [b - 128, c - 128];
      data[to] = clamp(a + ((91881 * red + 32768) >> 16));
      data[to + 1] = clamp(a + ((-22554 * blue - 46802 * red + 32768) >> 16));
      data[to + 2] = clamp(a + ((116130 * blue + 32768) >> 16));
    }
  }
  return { width, height, channels, data };
}
