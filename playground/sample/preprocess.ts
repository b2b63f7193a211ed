/**
 * From a drawing to what the digit model reads; the page and the training use this same function. In: a
 * greyscale image of any size, white (1) on black (0). Out: 28x28 values in 0..1, row by row. Invariant: the
 * result does not depend on where, how large or how bright the digit was drawn: its bounding box is scaled to
 * 20 pixels on the longer side by area averaging, its centre of mass lies in the middle, its brightest pixel
 * is 1. An empty drawing gives zeros.
 */

/** Side of the model's input image, in pixels. */
export const IMAGE_SIZE = 28;
/** Longer side of the digit within it. */
const DIGIT_SIZE = 20;
/** Ink below this share of the brightest pixel does not count for the bounding box: antialiasing and noise. */
const INK_SHARE = 0.35;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * @param pixels `width * height` grey levels, row by row; 0 is paper, larger is ink.
 * @returns `IMAGE_SIZE * IMAGE_SIZE` values in 0..1.
 * @throws RangeError if `pixels` is not `width * height` long.
 */
export function preprocess(pixels: Float32Array, width: number, height: number): Float32Array {
  if (pixels.length !== width * height) {
    throw new RangeError(`${pixels.length} pixels are no ${width}x${height} image`);
  }
  const image = new Float32Array(IMAGE_SIZE * IMAGE_SIZE);
  let brightest = 0;
  for (const pixel of pixels) if (pixel > brightest) brightest = pixel;
  if (brightest === 0) return image;

  const box = inkBox(pixels, width, height, brightest * INK_SHARE);
  const scale = DIGIT_SIZE / Math.max(box.right - box.left, box.bottom - box.top);
  const centre = centreOfMass(pixels, width, box);
  // Pixel (x, y) of the drawing covers [x, x + 1) * scale + offset in the image.
  const offsetX = IMAGE_SIZE / 2 - centre.x * scale;
  const offsetY = IMAGE_SIZE / 2 - centre.y * scale;
  for (let y = box.top; y < box.bottom; y += 1) {
    for (let x = box.left; x < box.right; x += 1) {
      const ink = pixels[y * width + x] ?? 0;
      if (ink > 0) addArea(image, x * scale + offsetX, y * scale + offsetY, scale, ink);
    }
  }
  let peak = 0;
  for (const value of image) if (value > peak) peak = value;
  return peak === 0 ? image : image.map((value) => value / peak);
}

function inkBox(pixels: Float32Array, width: number, height: number, threshold: number): Box {
  let left = width;
  let top = height;
  let right = 0;
  let bottom = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if ((pixels[y * width + x] ?? 0) < threshold) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  return { left, top, right, bottom };
}

function centreOfMass(pixels: Float32Array, width: number, box: Box): { x: number; y: number } {
  let mass = 0;
  let momentX = 0;
  let momentY = 0;
  for (let y = box.top; y < box.bottom; y += 1) {
    for (let x = box.left; x < box.right; x += 1) {
      const ink = pixels[y * width + x] ?? 0;
      mass += ink;
      momentX += ink * (x + 0.5);
      momentY += ink * (y + 0.5);
    }
  }
  return { x: momentX / mass, y: momentY / mass };
}

/** Spreads the ink of a square (upper left corner and side in image pixels) over the pixels it covers. */
function addArea(image: Float32Array, x: number, y: number, side: number, ink: number): void {
  const lastRow = Math.min(IMAGE_SIZE, Math.ceil(y + side));
  const lastColumn = Math.min(IMAGE_SIZE, Math.ceil(x + side));
  for (let row = Math.max(0, Math.floor(y)); row < lastRow; row += 1) {
    const coveredY = Math.min(row + 1, y + side) - Math.max(row, y);
    for (let column = Math.max(0, Math.floor(x)); column < lastColumn; column += 1) {
      const coveredX = Math.min(column + 1, x + side) - Math.max(column, x);
      const index = row * IMAGE_SIZE + column;
      image[index] = (image[index] ?? 0) + ink * coveredX * coveredY;
    }
  }
}
