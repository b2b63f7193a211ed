/**
 * PNG. In: a file. Out: pixels. Invariant: every colour type, depth and interlacing of the specification; samples of
 * 16 bits keep their high byte, alpha and transparency are dropped. Source: PNG specification, third edition.
 */
import { ByteView, checkSize, fromPalette, ImageProblem, type Image } from "./image.ts";
import { inflate } from "./inflate.ts";

/** Samples of a pixel by colour type. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Where the pixels of each pass lie: first column and row, then steps. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

export function decodePng(file: Uint8Array): Image {
  const view = new ByteView(file);
  const [width, height] = [view.u32(16), view.u32(20)];
  const [depth, type, interlaced] = [view.u8(24), view.u8(25), view.u8(28)];
  const samples = SAMPLES[type];
  if (samples === undefined || ![1, 2, 4, 8, 16].includes(depth))
    throw new ImageProblem(`its colour type is ${type} with ${depth} bits`);
  checkSize(width, height);
  let palette = new Uint8Array(0);
  const parts: Uint8Array[] = [];
  for (let at = 8; ;) {
    const length = view.u32(at);
    const name = String.fromCharCode(...view.slice(at + 4, 4));
    const content = view.slice(at + 8, length);
    if (name === "PLTE") palette = new Uint8Array(content);
    if (name === "IDAT") parts.push(content);
    if (name === "IEND") break;
    at += length + 12;
  }
  const compressed = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    compressed.set(part, end);
    end += part.length;
  }
  const passes = interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const);
  const sizes = passes.map(([x, y, dx, dy]) => [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)] as const); // prettier-ignore
  const bits = samples * depth;
  const rowBytes = (columns: number): number => Math.ceil((columns * bits) / 8);
  const total = sizes.reduce((sum, [w, h]) => (w > 0 && h > 0 ? sum + h * (1 + rowBytes(w)) : sum), 0);
  const raw = new ByteView(inflate(compressed, total));

  const pixels = new Uint8Array(width * height * samples);
  let at = 0;
  passes.forEach(([x0, y0, dx, dy], pass) => {
    const [columns, rows] = sizes[pass]!;
    if (columns <= 0 || rows <= 0) return;
    const stride = rowBytes(columns);
    let above = new Uint8Array(stride);
    for (let y = 0; y < rows; y++) {
      const row = raw.slice(at + 1, stride).slice();
      unfilter(raw.u8(at), row, above, Math.max(1, bits >> 3));
      at += stride + 1;
      for (let x = 0; x < columns; x++) {
        const to = ((y0 + y * dy) * width + x0 + x * dx) * samples;
        for (let s = 0; s < samples; s++) pixels[to + s] = sampleAt(row, x * samples + s, depth, type !== 3);
      }
      above = row;
    }
  });
  if (type === 3) {
    const whole = new Uint8Array(768);
    whole.set(palette.subarray(0, 768));
    return fromPalette({ width, height }, whole, pixels);
  }
  const channels = samples < 3 ? 1 : 3;
  if (samples === channels) return { width, height, channels, data: pixels };
  const data = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++)
    data.set(pixels.subarray(i * samples, i * samples + channels), i * channels);
  return { width, height, channels, data };
}

/** A sample as 8 bits; stretched to 0..255 unless it is a number into a palette. */
function sampleAt(row: Uint8Array, index: number, depth: number, stretch: boolean): number {
  if (depth === 8) return row[index]!;
  if (depth === 16) return row[2 * index]!;
  const bit = index * depth;
  const most = (1 << depth) - 1;
  const value = (row[bit >> 3]! >> (8 - depth - (bit & 7))) & most;
  return stretch ? (value * 255) / most : value;
}

/** Undoes a row's filter in place; `by` bytes make a pixel. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, by: number): void {
  if (filter > 4) throw new ImageProblem(`a row has filter ${filter}`);
  for (let i = 0; i < row.length; i++) {
    const left = i < by ? 0 : row[i - by]!;
    const up = above[i]!;
    if (filter === 1) row[i]! += left;
    else if (filter === 2) row[i]! += up;
    else if (filter === 3) row[i]! += (left + up) >> 1;
    else if (filter === 4) row[i]! += paeth(left, up, i < by ? 0 : above[i - by]!);
  }
}

/** Of the three neighbours the one nearest to left + up - corner. */
function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
