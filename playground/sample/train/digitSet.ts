/**
 * Sets of labelled, preprocessed digits. In: seeds and skeletons, or sets to join. Out: images and labels in
 * two flat arrays. Invariant: image `i` is `images[784 i .. 784 (i + 1)]` and shows the digit `labels[i]`.
 */
import { IMAGE_SIZE, preprocess } from "../preprocess.ts";
import { seededRandom } from "../random.ts";
import { drawDigit, type DrawingOptions } from "../strokes.ts";

export const PIXELS = IMAGE_SIZE * IMAGE_SIZE;

export interface DigitSet {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
}

/** `count` drawings, the digits in turn. */
export function drawStrokes(seed: number, count: number, options: DrawingOptions = {}): DigitSet {
  const random = seededRandom(seed);
  const images = new Float32Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let index = 0; index < count; index += 1) {
    const digit = index % 10;
    const drawing = drawDigit(digit, random, options);
    images.set(preprocess(drawing.pixels, drawing.width, drawing.height), index * PIXELS);
    labels[index] = digit;
  }
  return { images, labels };
}

export function joinSets(sets: readonly DigitSet[]): DigitSet {
  const count = sets.reduce((sum, set) => sum + set.labels.length, 0);
  const joined = { images: new Float32Array(count * PIXELS), labels: new Uint8Array(count) };
  let at = 0;
  for (const set of sets) {
    joined.images.set(set.images, at * PIXELS);
    joined.labels.set(set.labels, at);
    at += set.labels.length;
  }
  return joined;
}

/** The set in another order, so that a batch mixes its sources. */
export function shuffled(set: DigitSet, seed: number): DigitSet {
  const random = seededRandom(seed);
  const order = Array.from(set.labels, (_, index) => index);
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  const images = new Float32Array(set.images.length);
  order.forEach((from, to) =>
    images.set(set.images.subarray(from * PIXELS, (from + 1) * PIXELS), to * PIXELS),
  );
  return { images, labels: Uint8Array.from(order, (from) => set.labels[from] as number) };
}

/** The share of images whose largest of ten probabilities is their label's. */
export function accuracyOf(probabilities: Float32Array, labels: Uint8Array): number {
  let right = 0;
  labels.forEach((label, index) => {
    const row = probabilities.subarray(index * 10, index * 10 + 10);
    if (row.indexOf(Math.max(...row)) === label) right += 1;
  });
  return right / labels.length;
}
