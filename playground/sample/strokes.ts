/**
 * Draws digits as people do on a canvas: a skeleton, bent and shaken, gone over with a round pen. In: a digit, a
 * source of random numbers and a set of skeletons. Out: a greyscale drawing, white on black, not yet
 * preprocessed. Invariant: the drawing is a function of its arguments alone (no canvas, no clock), so training,
 * held-out set and tests can be drawn again from their seeds.
 */
import type { Random } from "./random.ts";
import { TRAINED, type Point, type Skeleton, type Stroke } from "./skeletons.ts";

export interface Drawing {
  /** Grey levels 0..1, row by row. */
  readonly pixels: Float32Array;
  readonly width: number;
  readonly height: number;
}

export interface DrawingOptions {
  /** For each digit the skeletons to choose from. */
  readonly skeletons?: readonly (readonly Skeleton[])[];
  /** Side of the square canvas in pixels. */
  readonly size?: number;
  /** How much the hand departs from the skeleton; 1 is a hasty but readable hand. */
  readonly strength?: number;
}

/** A point of the pen's path, in pixels, with the pen's radius there. */
interface PenPoint extends Point {
  readonly radius: number;
}

/** Box of the skeletons. */
const BOX_WIDTH = 60;
const BOX_HEIGHT = 100;
/** Distance between the points of a flattened curve, in units of the box. */
const FLATTENING = 2.5;

/** One drawing of `digit`; all that varies comes from `random`. */
export function drawDigit(digit: number, random: Random, options: DrawingOptions = {}): Drawing {
  const { skeletons = TRAINED, size = 72, strength = 1 } = options;
  const ways = skeletons[digit];
  const skeleton = ways?.[random.below(ways.length)];
  if (skeleton === undefined) throw new RangeError(`there is no way to draw a ${digit}`);
  const jittered = jitter(skeleton, random, 2.2 * strength);
  const place = placement(random, size, strength);
  const pen = size * random.between(0.012, 0.075);
  const pressure = random.between(0, 0.3);
  // A mouse that is sampled seldom draws corners where the hand drew a curve.
  const keepEvery = random.chance(0.2) ? 2 + random.below(4) : 1;
  const paths = jittered.map((stroke) => {
    const line = trimEnds(keep(stroke.flatMap(flatten), keepEvery), random, strength);
    return shaken(line.map(place), random, size * 0.006 * strength).map((point, index) => ({
      ...point,
      radius: pen * (1 + pressure * Math.sin(index * 0.15 + digit)),
    }));
  });
  const pixels = new Float32Array(size * size);
  const gapChance = random.chance(0.12) ? 0.03 : 0;
  for (const path of paths) {
    for (let i = 0; i < path.length; i += 1) {
      if (random.chance(gapChance)) continue;
      inkCapsule(pixels, size, path[Math.max(0, i - 1)] as PenPoint, path[i] as PenPoint);
    }
  }
  wear(pixels, size, random);
  return { pixels, width: size, height: size };
}

/** Moves every anchor a little. A corner is one object in two pieces, and moves once. */
function jitter(skeleton: Skeleton, random: Random, deviation: number): Skeleton {
  const moved = new Map<Point, Point>();
  const move = (point: Point): Point => {
    const known = moved.get(point);
    if (known !== undefined) return known;
    const fresh = { x: point.x + random.normal(deviation), y: point.y + random.normal(deviation) };
    moved.set(point, fresh);
    return fresh;
  };
  return skeleton.map((stroke: Stroke) => stroke.map((piece) => piece.map(move)));
}

/**
 * Points along a centripetal Catmull-Rom curve through `points` (Yuksel, Schaefer and Keyser 2011: no loops
 * between unevenly spaced points), in its Hermite form.
 */
export function flatten(points: readonly Point[]): Point[] {
  const knots = points.slice(1).map((point, i) => Math.sqrt(distance(points[i] as Point, point)) || 1e-3);
  const tangents = points.map((point, i) => {
    const before = points[i - 1];
    const after = points[i + 1];
    const d0 = knots[i - 1] ?? 1;
    const d1 = knots[i] ?? 1;
    const slope = (axis: "x" | "y"): number => {
      if (before === undefined) return after === undefined ? 0 : (after[axis] - point[axis]) / d1;
      if (after === undefined) return (point[axis] - before[axis]) / d0;
      const across = (after[axis] - before[axis]) / (d0 + d1);
      return (point[axis] - before[axis]) / d0 - across + (after[axis] - point[axis]) / d1;
    };
    return { x: slope("x"), y: slope("y") };
  });
  const flattened: Point[] = [];
  for (let i = 0; i + 1 < points.length; i += 1) {
    const [from, to] = [points[i] as Point, points[i + 1] as Point];
    const [leave, arrive] = [tangents[i] as Point, tangents[i + 1] as Point];
    const span = knots[i] as number;
    const count = Math.max(1, Math.ceil(distance(from, to) / FLATTENING));
    for (let step = i === 0 ? 0 : 1; step <= count; step += 1) {
      const t = step / count;
      const at = (axis: "x" | "y"): number =>
        (1 + 2 * t) * (1 - t) ** 2 * from[axis] +
        t * (1 - t) ** 2 * span * leave[axis] +
        t * t * (3 - 2 * t) * to[axis] +
        t * t * (t - 1) * span * arrive[axis];
      flattened.push({ x: at("x"), y: at("y") });
    }
  }
  return flattened;
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** Every `every`th point, and always the last. */
function keep(points: readonly Point[], every: number): Point[] {
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

/** Strokes begin a little late and end a little early. */
function trimEnds(points: readonly Point[], random: Random, strength: number): readonly Point[] {
  const most = points.length * 0.06 * strength;
  return points.slice(
    Math.floor(random.between(0, most)),
    points.length - Math.floor(random.between(0, most)),
  );
}

/** From box units to pixels: proportions, slant, rotation, a smooth warp of the plane, size and place. */
function placement(random: Random, size: number, strength: number): (point: Point) => Point {
  const stretch = 1 + strength * random.between(-0.3, 0.35);
  const slant = strength * random.between(-0.35, 0.25);
  const angle = strength * random.between(-0.22, 0.22);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const scale = (size * random.between(0.5, 0.72)) / BOX_HEIGHT;
  const shiftX = size * random.between(0.45, 0.55);
  const shiftY = size * random.between(0.45, 0.55);
  const waves = Array.from({ length: 3 }, () => ({
    kx: random.between(-0.06, 0.06),
    ky: random.between(-0.06, 0.06),
    phase: random.between(0, 2 * Math.PI),
    dx: random.normal(2 * strength),
    dy: random.normal(2 * strength),
  }));
  return (point) => {
    let x = point.x - BOX_WIDTH / 2;
    let y = point.y - BOX_HEIGHT / 2;
    for (const wave of waves) {
      const height = Math.sin(wave.kx * point.x + wave.ky * point.y + wave.phase);
      x += wave.dx * height;
      y += wave.dy * height;
    }
    x = x * stretch - y * slant;
    return { x: (x * cos - y * sin) * scale + shiftX, y: (x * sin + y * cos) * scale + shiftY };
  };
}

/** The tremor of a hand on a mouse: noise that forgets itself within a few points. */
function shaken(points: readonly Point[], random: Random, deviation: number): Point[] {
  let dx = 0;
  let dy = 0;
  return points.map((point) => {
    dx = 0.7 * dx + random.normal(deviation);
    dy = 0.7 * dy + random.normal(deviation);
    return { x: point.x + dx, y: point.y + dy };
  });
}

/** Inks the line from `a` to `b` with round ends; a pixel's grey is how far it lies within the edge. */
function inkCapsule(pixels: Float32Array, size: number, a: PenPoint, b: PenPoint): void {
  const reach = Math.max(a.radius, b.radius) + 1;
  const left = Math.max(0, Math.floor(Math.min(a.x, b.x) - reach));
  const right = Math.min(size - 1, Math.ceil(Math.max(a.x, b.x) + reach));
  const top = Math.max(0, Math.floor(Math.min(a.y, b.y) - reach));
  const bottom = Math.min(size - 1, Math.ceil(Math.max(a.y, b.y) + reach));
  const [lineX, lineY] = [b.x - a.x, b.y - a.y];
  const squared = lineX * lineX + lineY * lineY || 1;
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const [px, py] = [x + 0.5 - a.x, y + 0.5 - a.y];
      const along = Math.min(1, Math.max(0, (px * lineX + py * lineY) / squared));
      const away = Math.hypot(px - along * lineX, py - along * lineY);
      const ink = b.radius - away + 0.5;
      const index = y * size + x;
      if (ink > (pixels[index] ?? 0)) pixels[index] = Math.min(1, ink);
    }
  }
}

/** What happens to a drawing after the pen: lost pixels, blur, grain, faint ink. */
export function wear(pixels: Float32Array, size: number, random: Random): void {
  if (random.chance(0.15)) {
    const loss = random.between(0.01, 0.08);
    for (let i = 0; i < pixels.length; i += 1) if (random.chance(loss)) pixels[i] = 0;
  }
  if (random.chance(0.3)) blur(pixels, size);
  const grain = random.chance(0.15) ? random.between(0.01, 0.06) : 0;
  const gain = random.between(0.6, 1);
  for (let i = 0; i < pixels.length; i += 1) {
    const noise = grain === 0 ? 0 : Math.abs(random.normal(grain));
    pixels[i] = Math.min(1, gain * (pixels[i] ?? 0) + noise);
  }
}

/** A 3x3 box blur, black outside. */
function blur(pixels: Float32Array, size: number): void {
  const sharp = pixels.slice();
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      let sum = 0;
      for (let row = Math.max(0, y - 1); row <= Math.min(size - 1, y + 1); row += 1) {
        for (let column = Math.max(0, x - 1); column <= Math.min(size - 1, x + 1); column += 1) {
          sum += sharp[row * size + column] ?? 0;
        }
      }
      pixels[y * size + x] = sum / 9;
    }
  }
}
