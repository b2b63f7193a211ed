/**
 * Draws a digit on the pad as a hand would, for those who cannot or do not want to draw. In: a digit. Out: strokes
 * on the pad, over about half a second. Invariant: the lines come from the skeletons that the model was never
 * trained on, so what the page shows for them is a fair answer.
 */
import { type DrawingPad } from "./drawingPad.ts";
import { HELD_OUT, type Point } from "./sample/skeletons.ts";

/** Box of the skeletons, and how much of the pad's height it takes. */
const BOX = { width: 60, height: 100, share: 0.66 };
const MILLISECONDS = 550;

/** A point of the path; `lifted` where the pen comes down anew. */
interface PathPoint extends Point {
  readonly lifted: boolean;
}

/** @param finished stops the drawing when it is aborted */
export async function writeDigit(pad: DrawingPad, digit: number, finished: AbortSignal): Promise<void> {
  const ways = HELD_OUT[digit] ?? [];
  const skeleton = ways[Math.floor(Math.random() * ways.length)];
  if (skeleton === undefined) throw new RangeError(`there is no way to draw a ${digit}`);
  // A corner is a point where the pen stands still: twice the same point keeps the pad from rounding it.
  const path = skeleton.flatMap((stroke) =>
    stroke
      .flatMap((piece) => densely(piece))
      .map((point, index) => ({ ...place(point), lifted: index === 0 })),
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

function lead(pad: DrawingPad, { x, y, lifted }: PathPoint): void {
  if (lifted) pad.begin(x, y);
  else pad.extend(x, y);
}

/** Points between the points of a piece, so that the pen moves evenly; straight, since the pad smooths. */
function densely(piece: readonly Point[]): Point[] {
  const points: Point[] = [];
  piece.forEach((point, index) => {
    const before = piece[index - 1];
    if (before !== undefined) points.push({ x: (before.x + point.x) / 2, y: (before.y + point.y) / 2 });
    points.push(point);
  });
  const last = piece.at(-1);
  return last === undefined ? points : [...points, last];
}

function place({ x, y }: Point): Point {
  const scale = BOX.share / BOX.height;
  return { x: 0.5 + (x - BOX.width / 2) * scale, y: 0.5 + (y - BOX.height / 2) * scale };
}

function nextFrame(): Promise<number> {
  return new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())));
}
