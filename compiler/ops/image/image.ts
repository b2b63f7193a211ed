/** What decoders of images give, and how they refuse. Data only; all decoders give rows from the top, without alpha. */

/** Pixels of 8 bits, [height, width, channels]: 1 is grey, 3 are red, green and blue. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** Why a file is no image that can be decoded here; its message ends a sentence. */
export class ImageProblem extends Error {}

/** Most pixels of an image: a header may promise anything. */
const MOST_PIXELS = 2 ** 27;

/** @throws ImageProblem */
export function checkSize(width: number, height: number): void {
  if (width >= 1 && height >= 1 && width * height <= MOST_PIXELS) return;
  throw new ImageProblem(`it is ${width} by ${height} pixels`);
}

/** An image whose pixels are numbers into a palette of colours. */
export function fromPalette(
  size: { readonly width: number; readonly height: number },
  palette: Uint8Array,
  indices: Uint8Array,
): Image {
  const data = new Uint8Array(3 * indices.length);
  indices.forEach((index, i) => data.set(palette.subarray(3 * index, 3 * index + 3), 3 * i));
  return { ...size, channels: 3, data };
}

/** Bytes in one order, with a bound: reading past the end is the file's fault. */
export class ByteView {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly little: boolean;

  constructor(bytes: Uint8Array, little = false) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.little = little;
  }
  u8(at: number): number {
    return this.checked(at, 1).getUint8(at);
  }
  u16(at: number): number {
    return this.checked(at, 2).getUint16(at, this.little);
  }
  u32(at: number): number {
    return this.checked(at, 4).getUint32(at, this.little);
  }
  i32(at: number): number {
    return this.checked(at, 4).getInt32(at, this.little);
  }
  slice(at: number, count: number): Uint8Array {
    this.checked(at, count);
    return this.bytes.subarray(at, at + count);
  }
  private checked(at: number, count: number): DataView {
    if (!(at >= 0 && at + count <= this.bytes.length)) throw new ImageProblem("it ends too early");
    return this.view;
  }
}
