/**
 * ImageDecoder: the bytes of an image file to its pixels, on the host, since its size follows from its contents. In:
 * a file of uint8, known while binding. Out: uint8 [height, width, channels]. Invariant: the same pixels on every
 * machine, since no decoder of the platform takes part; formats are told by their first bytes.
 * Source: ONNX operator ImageDecoder 20.
 */
import type { Tensor } from "../ir/dtype.ts";
import type { OpCall, OpDefinition } from "./define.ts";
import { ImageProblem, type Image } from "./image/image.ts";
import { decodeJpeg } from "./image/jpeg.ts";
import { decodeBmp, decodePnm } from "./image/plain.ts";
import { decodePng } from "./image/png.ts";
import { decodeTiff } from "./image/tiff.ts";

/** Formats by the characters that files begin with; those without a decoder are refused by name. */
const FORMATS: readonly (readonly [name: string, start: RegExp, decode?: (file: Uint8Array) => Image])[] = [
  ["PNG", /^\x89PNG\r\n[^]\n/, decodePng],
  ["JPEG", /^\xff\xd8\xff/, decodeJpeg],
  ["BMP", /^BM/, decodeBmp],
  ["PNM", /^P[1-6][\s#]/, decodePnm],
  ["TIFF", /^(II\*|MM[^]\*)/, decodeTiff],
  ["WebP", /^RIFF[^]{4}WEBP/],
  ["JPEG 2000", /^([^]{4}jP {2}|\xff\x4f\xff\x51)/],
  ["GIF", /^GIF8/],
  ["AVIF or HEIF", /^[^]{4}ftyp/],
];

const HINT = "decode it before it goes in (createImageBitmap, in a page), or convert it to PNG or JPEG";

function decode(call: OpCall, file: Uint8Array): Image {
  const start = String.fromCharCode(...file.subarray(0, 16));
  const found = FORMATS.find(([, pattern]) => pattern.test(start));
  if (!found) call.fail("dtype-unsupported", "the input is no image of a known format", HINT);
  const [name, , decoder] = found;
  if (!decoder) call.fail("dtype-unsupported", `images of the format ${name} are not decoded`, HINT);
  try {
    return decoder(file);
  } catch (error) {
    if (!(error instanceof ImageProblem)) throw error;
    return call.fail("dtype-unsupported", `the ${name} file cannot be decoded: ${error.message}`, HINT);
  }
}

/** Luminance by the weights of ITU-R BT.601 in 16-bit fixed point. */
function grey(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

function pixels(call: OpCall, [file]: readonly (Tensor | undefined)[]): Tensor[] {
  if (file?.dtype !== "uint8" || file.shape.length !== 1)
    call.fail("dtype-unsupported", "the input is not a tensor of uint8 with one dimension");
  const format = call.string("pixel_format", "RGB");
  if (!["RGB", "BGR", "Grayscale"].includes(format))
    call.fail("attribute-invalid", `pixel_format "${format}"`);
  const { width, height, channels, data } = decode(call, file.data as Uint8Array);
  const count = width * height;
  const wanted = format === "Grayscale" ? 1 : 3;
  const made = new Uint8Array(count * wanted);
  for (let i = 0; i < count; i++) {
    const [red, green, blue] = [0, 1, 2].map((c) => data[i * channels + Math.min(c, channels - 1)]!) as [number, number, number]; // prettier-ignore
    if (wanted === 1) made[i] = channels === 1 ? red : grey(red, green, blue);
    else made.set(format === "BGR" ? [blue, green, red] : [red, green, blue], 3 * i);
  }
  return [{ dtype: "uint8", shape: [height, width, wanted], data: made }];
}

export const imageOps: readonly OpDefinition[] = [
  { op: "ImageDecoder", implementation: { kind: "host", evaluate: pixels } },
];
