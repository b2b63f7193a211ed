/**
 * Draws a digit on the pad as a hand would, for those who cannot or do not want to draw. In: a digit. Out: strokes
 * on the pad, over about half a second. Invariant: the lines come from the skeletons that the model was never
 * trained on, so what the page shows for them is a fair answer.
 */
import { type DrawingPad } from "./drawingPad.ts";
import { HELD_OUT, type Point } from "./sample/skeletons.ts";
import { flatten } from "./sample/strokes.ts";

/** Box of the skeletons, and how much of the pad's height it takes. */
const BOX = { width: 60, height: 100, share: 0.66 };
const MILLISECONDS = 550;

/** A point of the path, and whether the pen comes down or is lifted there. */
interface PathPoint extends Point {
  readonly first: boolean;
  readonly last: boolean;
}

/** @param finished stops the drawing when it is aborted */
export async function writeDigit(pad: DrawingPad, digit: number, finished: AbortSignal): Promise<void> {
  const ways = HELD_OUT[digit] ?? [];
  const skeleton = ways[Math.floor(Math.random() * ways.length)];
  if (skeleton === undefined) throw new RangeError(`there is no way to draw a ${digit}`);
  const path = skeleton.flatMap((stroke) =>
    stroke.flatMap(flatten).map((point, index, all) => ({
      ...place(point),
      first: index === 0,
      last: index === all.length - 1,
    })),
  );
  pad.clear();
  const slow = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const start = performance.now();
  for (let drawn = 0; drawn < path.length && !finished.aborted;) {
    const now = slow ? await nextFrame() : Infinity;
    const due = Math.min(path.length, Math.ceil(((now - start) / MILLISECONDS) * path.length));
    for (; drawn < due && !finished.aborted; drawn++) lead(pad, path[drawn]!);
  }
}

function lead(pad: DrawingPad, { x, y, first, last }: PathPoint): void {
  if (first) pad.begin(x, y);
  else pad.extend(x, y);
  if (last) pad.end();
}

function place({ x, y }: Point): Point {
  const scale = BOX.share / BOX.height;
  return { x: 0.5 + (x - BOX.width / 2) * scale, y: 0.5 + (y - BOX.height / 2) * scale };
}

function nextFrame(): Promise<number> {
  return new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())));
}
