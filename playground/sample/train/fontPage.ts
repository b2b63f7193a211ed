/**
 * Runs inside the browser that `fonts.ts` starts: draws digits with system fonts on a canvas. In: families,
 * a seed, how many. Out: preprocessed images as bytes in base64 (a page can hand back only JSON). Invariant:
 * image `i` shows the digit `i % 10`. Bundled to one script whose global name is `fontPage`.
 */
import { preprocess } from "../preprocess.ts";
import { seededRandom, type Random } from "../random.ts";
import { wear } from "../strokes.ts";

const SIZE = 72;

export interface FontRequest {
  readonly families: readonly string[];
  readonly seed: number;
  readonly count: number;
}

/** `count` images of 28x28 bytes, one after the other, in base64. */
export function drawFontDigits({ families, seed, count }: FontRequest): string {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no 2D canvas in this browser");
  const random = seededRandom(seed);
  let bytes = "";
  for (let index = 0; index < count; index += 1) {
    const pixels = drawGlyph(context, index % 10, families, random);
    wear(pixels, SIZE, random);
    for (const value of preprocess(pixels, SIZE, SIZE)) bytes += String.fromCharCode(Math.round(value * 255));
  }
  return btoa(bytes);
}

/** Which of the families the browser really has: an absent one is drawn with the fallback, and measures alike. */
export function presentFamilies(families: readonly string[]): string[] {
  const context = document.createElement("canvas").getContext("2d");
  if (context === null) throw new Error("no 2D canvas in this browser");
  const widthWith = (font: string): number => {
    context.font = `40px ${font}`;
    return context.measureText("0123456789 mil WIM").width;
  };
  return families.filter((family) =>
    ["monospace", "serif", "sans-serif"].some(
      (fallback) => widthWith(`"${family}", ${fallback}`) !== widthWith(fallback),
    ),
  );
}

function drawGlyph(
  context: CanvasRenderingContext2D,
  digit: number,
  families: readonly string[],
  random: Random,
): Float32Array {
  const style = random.chance(0.3) ? "italic" : "normal";
  const weight = ["200", "400", "700"][random.below(3)] ?? "400";
  const family = families[random.below(families.length)] ?? "serif";
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "black";
  context.fillRect(0, 0, SIZE, SIZE);
  context.translate(SIZE / 2, SIZE / 2);
  context.rotate(random.between(-0.2, 0.2));
  context.transform(random.between(0.75, 1.3), 0, random.between(-0.25, 0.25), 1, 0, 0);
  context.font = `${style} ${weight} ${Math.round(random.between(38, 52))}px "${family}"`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = context.strokeStyle = "white";
  if (random.chance(0.15)) {
    // An outline alone, as of a hollow pen, is still the digit when it is thick enough to close.
    context.lineWidth = random.between(3, 5);
    context.strokeText(String(digit), 0, 0);
  } else {
    context.fillText(String(digit), 0, 0);
    if (random.chance(0.4)) {
      context.lineWidth = random.between(0.5, 3);
      context.strokeText(String(digit), 0, 0);
    }
  }
  const { data } = context.getImageData(0, 0, SIZE, SIZE);
  return Float32Array.from({ length: SIZE * SIZE }, (_, pixel) => (data[4 * pixel] ?? 0) / 255);
}
