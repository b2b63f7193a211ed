/**
 * TIFF: its first image. In: a file. Out: pixels. Invariant: strips of 8-bit samples, grey, RGB or with a palette, plain
 * or compressed by PackBits, LZW or DEFLATE, with or without horizontal differences; all else is refused by name.
 * Source: TIFF revision 6.0.
 */
import { ByteView, checkSize, fromPalette, ImageProblem, type Image } from "./image.ts";
import { inflate } from "./inflate.ts";

/** Numbers of tags. */
const TAG = { width: 256, height: 257, bits: 258, compression: 259, photometric: 262, offsets: 273, samples: 277, rows: 278, counts: 279, planar: 284, predictor: 317, palette: 320, tiles: 322 } as const; // prettier-ignore

export function decodeTiff(file: Uint8Array): Image {
  const view = new ByteView(file, file[0] === 0x49);
  const directory = view.u32(4);
  const tags = new Map<number, number[]>();
  for (let i = 0, count = view.u16(directory); i < count; i++) {
    const at = directory + 2 + 12 * i;
    const bytes = { 1: 1, 3: 2, 4: 4 }[view.u16(at + 2)];
    if (bytes === undefined) continue;
    const length = view.u32(at + 4);
    const from = length * bytes <= 4 ? at + 8 : view.u32(at + 8);
    view.slice(from, length * bytes);
    const read = (k: number): number => bytes === 1 ? view.u8(from + k) : bytes === 2 ? view.u16(from + 2 * k) : view.u32(from + 4 * k); // prettier-ignore
    tags.set(
      view.u16(at),
      Array.from({ length }, (_, k) => read(k)),
    );
  }
  const one = (tag: number, otherwise: number): number => tags.get(tag)?.[0] ?? otherwise;
  const [width, height] = [one(TAG.width, 0), one(TAG.height, 0)];
  checkSize(width, height);
  const samples = one(TAG.samples, 1);
  const photometric = one(TAG.photometric, 1);
  const refuse = (what: string): never => {
    throw new ImageProblem(what);
  };
  if (tags.has(TAG.tiles)) refuse("it is made of tiles");
  if (one(TAG.planar, 1) !== 1) refuse("its channels are apart");
  if ((tags.get(TAG.bits) ?? [1]).some((bits) => bits !== 8)) refuse("its samples are not of 8 bits");
  if (photometric > 3 || samples < (photometric === 2 ? 3 : 1)) refuse(`its photometric is ${photometric}`);

  const stride = width * samples;
  const pixels = new Uint8Array(height * stride);
  const rows = one(TAG.rows, height);
  const compression = one(TAG.compression, 1);
  const counts = tags.get(TAG.counts) ?? [];
  (tags.get(TAG.offsets) ?? refuse("it has no strips")).forEach((offset, strip) => {
    const start = strip * rows * stride;
    const size = Math.min(rows * stride, pixels.length - start);
    if (size <= 0) return;
    const bytes = view.slice(offset, counts[strip] ?? size);
    pixels.set(expanded(compression, bytes, size).subarray(0, size), start);
  });
  if (one(TAG.predictor, 1) === 2) {
    for (let at = 0; at < pixels.length; at++)
      if (at % stride >= samples) pixels[at]! += pixels[at - samples]!;
  } else if (one(TAG.predictor, 1) !== 1) refuse(`its predictor is ${one(TAG.predictor, 1)}`);

  const channels = photometric === 2 ? 3 : 1;
  const data = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < channels; c++) data[i * channels + c] = pixels[i * samples + c]!;
  if (photometric === 0) data.forEach((value, i) => (data[i] = 255 - value));
  if (photometric !== 3) return { width, height, channels, data };
  // A palette has all reds first, of 16 bits.
  const colours = tags.get(TAG.palette) ?? [];
  const palette = Uint8Array.from({ length: 768 }, (_, i) => (colours[(i % 3) * 256 + Math.floor(i / 3)] ?? 0) >> 8); // prettier-ignore
  return fromPalette({ width, height }, palette, data);
}

/** A strip of `size` bytes. */
function expanded(compression: number, bytes: Uint8Array, size: number): Uint8Array {
  switch (compression) {
    case 1:
      return bytes;
    case 5:
      return unLzw(bytes, size);
    case 8:
    case 32946:
      return inflate(bytes, size);
    case 32773:
      return unPack(bytes, size);
    default:
      throw new ImageProblem(`its compression is ${compression}`);
  }
}

function unPack(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (let at = 0, to = 0; at < bytes.length && to < size;) {
    const head = bytes[at++]!;
    if (head === 128) continue;
    const count = head < 128 ? head + 1 : 257 - head;
    for (let i = 0; i < count && to < size; i++) out[to++] = bytes[head < 128 ? at + i : at] ?? 0;
    at += head < 128 ? count : 1;
  }
  return out;
}

/** LZW with codes of 9 to 12 bits, the high bit first; codes grow one entry before they must. */
function unLzw(bytes: Uint8Array, size: number): Uint8Array {
  const [CLEAR, END] = [256, 257];
  const out = new Uint8Array(size);
  // Each entry is a range of what has been written: what its code stood for, and one byte more.
  let entries: [start: number, end: number][] = [];
  let written = 0;
  let width = 9;
  let previous: [number, number] | undefined;
  const put = (byte: number): void => {
    if (written < size) out[written++] = byte;
  };
  for (let bit = 0; bit + width <= 8 * bytes.length && written < size;) {
    let code = 0;
    for (let i = 0; i < width; i++, bit++) code = (code << 1) | ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
    if (code === END) break;
    if (code === CLEAR) {
      entries = [];
      width = 9;
      previous = undefined;
      continue;
    }
    if (previous) entries.push([previous[0], previous[1] + 1]);
    const start = written;
    if (code < 256) put(code);
    else {
      const entry = entries[code - 258];
      if (!entry) throw new ImageProblem("its LZW codes are broken");
      for (let at = entry[0]; at < entry[1]; at++) put(out[at]!);
    }
    previous = [start, written];
    const next = 258 + entries.length;
    width = next >= 2047 ? 12 : next >= 1023 ? 11 : next >= 511 ? 10 : 9;
  }
  return out;
}
