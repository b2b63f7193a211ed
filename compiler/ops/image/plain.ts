/**
 * Formats without much of a code: BMP and PNM. In: a file. Out: pixels. Invariant: what is not understood is refused.
 * Sources: Microsoft's BITMAPINFOHEADER; the Netpbm pages of pbm, pgm and ppm.
 */
import { ByteView, checkSize, fromPalette, ImageProblem, type Image } from "./image.ts";

/** BMP: 1, 4, 8 bits with a palette, 16 (5 bits each), 24 and 32 bits. */
export function decodeBmp(file: Uint8Array): Image {
  const view = new ByteView(file, true);
  const [start, header] = [view.u32(10), view.u32(14)];
  if (header < 40) throw new ImageProblem("its header is that of OS/2");
  const width = view.i32(18);
  const tall = view.i32(22);
  const height = Math.abs(tall);
  const bits = view.u16(28);
  const compression = view.u32(30);
  checkSize(width, height);
  // 3: channels by masks, of which only those of plain 32 bits are taken.
  const plainMasks = compression === 3 && bits === 32 && view.u32(54) === 0xff0000 && view.u32(58) === 0xff00;
  if (compression !== 0 && !plainMasks) throw new ImageProblem(`its compression is ${compression}`);
  const stride = 4 * Math.ceil((width * bits) / 32);
  const row = (y: number): Uint8Array => view.slice(start + (tall < 0 ? y : height - 1 - y) * stride, stride);
  if (bits <= 8) {
    const indices = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) {
      const from = row(y);
      for (let x = 0; x < width; x++) {
        const at = x * bits;
        indices[y * width + x] = (from[at >> 3]! >> (8 - bits - (at & 7))) & ((1 << bits) - 1);
      }
    }
    const palette = new Uint8Array(3 << bits);
    const count = view.u32(46) || 1 << bits;
    for (let i = 0; i < Math.min(count, 1 << bits); i++) {
      const colour = view.slice(14 + header + 4 * i, 4);
      palette.set([colour[2]!, colour[1]!, colour[0]!], 3 * i);
    }
    return fromPalette({ width, height }, palette, indices);
  }
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = row(y);
    for (let x = 0; x < width; x++) {
      const to = 3 * (y * width + x);
      if (bits === 16) {
        const word = from[2 * x]! | (from[2 * x + 1]! << 8);
        for (let c = 0; c < 3; c++) data[to + c] = Math.round((((word >> (10 - 5 * c)) & 31) * 255) / 31);
      } else {
        for (let c = 0; c < 3; c++) data[to + c] = from[(x * bits) / 8 + 2 - c]!;
      }
    }
  }
  return { width, height, channels: 3, data };
}

/** PBM, PGM and PPM, as text or binary. */
export function decodePnm(file: Uint8Array): Image {
  let at = 2;
  const isSpace = (byte: number | undefined): boolean => byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13); // prettier-ignore
  const number = (digits = Infinity): number => {
    for (;;) {
      if (isSpace(file[at])) at++;
      else if (file[at] === 35) while (at < file.length && file[at] !== 10) at++;
      else break;
    }
    let value = 0;
    const start = at;
    for (; at < file.length && at - start < digits && file[at]! >= 48 && file[at]! <= 57; at++)
      value = value * 10 + file[at]! - 48;
    if (at === start) throw new ImageProblem("a number is missing");
    return value;
  };
  const kind = file[1]! - 48;
  const [width, height] = [number(), number()];
  checkSize(width, height);
  const isBits = kind === 1 || kind === 4;
  const most = isBits ? 1 : number();
  if (most < 1 || most > 65535) throw new ImageProblem(`its largest value is ${most}`);
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const count = width * height * channels;
  const data = new Uint8Array(count);
  const scaled = (value: number): number => (most === 255 ? value : Math.round((Math.min(value, most) * 255) / most));
  if (kind <= 3) {
    for (let i = 0; i < count; i++) data[i] = isBits ? 255 * (1 - number(1)) : scaled(number());
    return { width, height, channels, data };
  }
  const view = new ByteView(file.subarray(at + 1));
  const stride = Math.ceil(width / 8);
  for (let i = 0; i < count; i++) {
    if (isBits) {
      const x = i % width;
      const byte = view.u8(((i - x) / width) * stride + (x >> 3));
      data[i] = (byte >> (7 - (x & 7))) & 1 ? 0 : 255;
    } else data[i] = scaled(most > 255 ? view.u16(2 * i) : view.u8(i));
  }
  return { width, height, channels, data };
} // prettier-ignore
