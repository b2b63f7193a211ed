/**
 * The committed sample model against drawings that its training never saw, through onnxruntime-web; what the
 * page relies on in `preprocess`; and that drawings can be drawn again from their seeds.
 */
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-web";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGE_SIZE, preprocess } from "./preprocess.ts";
import { seededRandom } from "./random.ts";
import { HELD_OUT, TRAINED, type Skeleton } from "./skeletons.ts";
import { drawDigit } from "./strokes.ts";

/** Training takes its seeds from 1,000,000 up (see `train.ts`). */
const SEED = 77;
const PIXELS = IMAGE_SIZE * IMAGE_SIZE;

let session: InferenceSession;
beforeAll(async () => {
  session = await InferenceSession.create(readFileSync(new URL("./digits.onnx", import.meta.url)));
});
afterAll(async () => {
  await session.release();
});

async function probabilitiesOf(images: readonly Float32Array[]): Promise<Float32Array[]> {
  const data = new Float32Array(images.length * PIXELS);
  images.forEach((image, index) => data.set(image, index * PIXELS));
  const feed = new Tensor("float32", data, [images.length, 1, IMAGE_SIZE, IMAGE_SIZE]);
  const { probabilities } = await session.run({ image: feed });
  const all = probabilities?.data as Float32Array;
  return images.map((_, index) => all.subarray(index * 10, index * 10 + 10));
}

/** The digit seen in each image. */
async function classify(images: readonly Float32Array[]): Promise<number[]> {
  return (await probabilitiesOf(images)).map((row) => row.indexOf(Math.max(...row)));
}

function draw(count: number, skeletons: readonly (readonly Skeleton[])[], size: number): Float32Array[] {
  const random = seededRandom(SEED);
  return Array.from({ length: count }, (_, index) => {
    const { pixels, width, height } = drawDigit(index % 10, random, { skeletons, size });
    return preprocess(pixels, width, height);
  });
}

describe("the sample model", () => {
  it.each([
    { of: "drawings of another seed", skeletons: TRAINED, size: 72 },
    { of: "drawings of another hand", skeletons: HELD_OUT, size: 72 },
    { of: "drawings on a canvas as large as the page's", skeletons: HELD_OUT, size: 280 },
  ])("reads at least 97% of $of", async ({ skeletons, size }) => {
    const count = size > 100 ? 100 : 400;
    const seen = await classify(draw(count, skeletons, size));
    const wrong = seen.filter((digit, index) => digit !== index % 10);
    expect(1 - wrong.length / count).toBeGreaterThanOrEqual(0.97);
  });

  it("gives probabilities, whatever the batch", async () => {
    const images = draw(10, TRAINED, 72);
    const together = await probabilitiesOf(images);
    for (const row of together) {
      expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    }
    const [alone] = await probabilitiesOf(images.slice(3, 4));
    alone?.forEach((value, digit) => expect(value).toBeCloseTo(together[3]?.[digit] ?? NaN, 5));
  });
});

describe("preprocess", () => {
  it("gives the same image wherever and however brightly the digit is drawn", () => {
    const drawn = (left: number, top: number, grey: number): Float32Array => {
      const canvas = new Float32Array(60 * 90);
      for (let y = 0; y < 40; y += 1) {
        for (let x = 0; x < 12; x += 1) {
          if (x < 4 || y > 35) canvas[(top + y) * 60 + left + x] = grey;
        }
      }
      return preprocess(canvas, 60, 90);
    };
    const expected = drawn(0, 0, 1);
    for (const [index, value] of drawn(31, 47, 0.25).entries())
      expect(value).toBeCloseTo(expected[index] ?? NaN, 5);
  });

  it("scales a box to 20 pixels around the middle", () => {
    const canvas = new Float32Array(100 * 100);
    for (let y = 10; y < 50; y += 1) canvas.fill(0.5, y * 100 + 60, y * 100 + 70);
    const image = preprocess(canvas, 100, 100);
    const ink = [...image.keys()].filter((index) => (image[index] ?? 0) > 1e-6);
    const rows = ink.map((index) => Math.floor(index / IMAGE_SIZE));
    const columns = ink.map((index) => index % IMAGE_SIZE);
    expect([Math.min(...rows), Math.max(...rows)]).toEqual([4, 23]);
    expect([Math.min(...columns), Math.max(...columns)]).toEqual([11, 16]);
    expect(Math.max(...image)).toBe(1);
    expect(image[14 * IMAGE_SIZE + 11]).toBeCloseTo(0.5, 5);
  });

  it("gives zeros for an empty canvas, and refuses a wrong size", () => {
    expect(preprocess(new Float32Array(6), 2, 3)).toEqual(new Float32Array(PIXELS));
    expect(() => preprocess(new Float32Array(5), 2, 3)).toThrow(RangeError);
  });
});

describe("drawings", () => {
  it("are the same for the same seed and others for another", () => {
    const drawn = (seed: number) => drawDigit(5, seededRandom(seed)).pixels;
    expect(drawn(3)).toEqual(drawn(3));
    expect(drawn(3)).not.toEqual(drawn(4));
  });

  it("exist for each digit in both hands, with ink well inside the canvas", () => {
    for (const [digit, ways] of [...TRAINED.entries(), ...HELD_OUT.entries()]) {
      expect(ways.length).toBeGreaterThanOrEqual(2);
      for (const way of ways) {
        const skeletons = Array.from({ length: 10 }, () => [way]);
        const { pixels, width } = drawDigit(digit, seededRandom(1), { skeletons, strength: 0 });
        const ink = pixels.reduce((sum, value) => sum + value, 0);
        expect(ink).toBeGreaterThan(20);
        expect(ink).toBeLessThan((width * width) / 2);
      }
    }
  });
});
