/**
 * A canvas to draw on with mouse, finger or pen. In: pointer events, or strokes from a program. Out: what is seen
 * on the canvas, and the same lines as grey levels for the model. Invariant: the grey levels depend on the strokes
 * alone, not on the size of the canvas, the screen's density or the colours of the page.
 */
export interface PadPoint {
  /** 0 to 1 from left to right. */
  readonly x: number;
  /** 0 to 1 from top to bottom. */
  readonly y: number;
  /** Radius of the pen as a share of the side. */
  readonly radius: number;
}

export interface Ink {
  /** 0 is paper, 1 is ink, row by row. */
  readonly pixels: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** Side of the grey image: twice the size of the drawings that the model was trained on (`sample/strokes.ts`). */
const INK_SIDE = 144;
/** Radius of mouse and finger; the middle of those trained on. */
const RADIUS = 0.04;

export class DrawingPad {
  readonly #canvas: HTMLCanvasElement;
  readonly #visible: CanvasRenderingContext2D;
  readonly #ink: CanvasRenderingContext2D;
  readonly #changed: () => void;
  #strokes: PadPoint[][] = [];
  #pointer: number | undefined;

  /** @param changed called after every change of the drawing, several times a frame when a pen moves fast */
  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    this.#canvas = canvas;
    this.#changed = changed;
    this.#visible = contextOf(canvas, {});
    const ink = document.createElement("canvas");
    ink.width = ink.height = INK_SIDE;
    this.#ink = contextOf(ink, { willReadFrequently: true });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    // On the window: a stroke goes on where the pointer leaves the canvas.
    window.addEventListener("pointermove", (event) => this.#move(event));
    window.addEventListener("pointerup", (event) => this.#up(event));
    window.addEventListener("pointercancel", (event) => this.#up(event));
    new ResizeObserver(() => this.#render()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#render());
  }

  get isEmpty(): boolean {
    return this.#strokes.length === 0;
  }

  /** Whether a pointer is down. */
  get isDrawing(): boolean {
    return this.#pointer !== undefined;
  }

  clear(): void {
    this.#strokes = [];
    this.#pointer = undefined;
    this.#render();
    this.#changed();
  }

  /** Begins a stroke; with `extend` and `end`, what a pointer does. */
  begin(x: number, y: number, radius = RADIUS): void {
    this.#strokes.push([{ x, y, radius }]);
    this.#inkLast();
    this.#changed();
  }

  extend(x: number, y: number, radius = RADIUS): void {
    this.#strokes.at(-1)?.push({ x, y, radius });
    this.#inkLast();
    this.#changed();
  }

  /** Ends the stroke. */
  end(): void {
    const stroke = this.#strokes.at(-1);
    if (stroke !== undefined) this.#tail(stroke);
    this.#changed();
  }

  /** The drawing as the model's preprocessing takes it. */
  ink(): Ink {
    const { data } = this.#ink.getImageData(0, 0, INK_SIDE, INK_SIDE);
    const pixels = new Float32Array(INK_SIDE * INK_SIDE);
    // The ink is opaque white on nothing, so its alpha is its coverage.
    for (let i = 0; i < pixels.length; i++) pixels[i] = data[i * 4 + 3]! / 255;
    return { pixels, width: INK_SIDE, height: INK_SIDE };
  }

  #down(event: PointerEvent): void {
    if (this.#pointer !== undefined || event.button !== 0) return;
    this.#pointer = event.pointerId;
    const { x, y, radius } = this.#pointOf(event);
    this.begin(x, y, radius);
  }

  #move(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    // Between two frames a pen reports more points than one event carries.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length > 0 ? events : [event]) {
      const { x, y, radius } = this.#pointOf(one);
      this.extend(x, y, radius);
    }
  }

  #up(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = undefined;
    this.end();
  }

  #pointOf(event: PointerEvent): PadPoint {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const pressed = event.pointerType === "pen" && event.pressure > 0 ? 0.6 + 0.8 * event.pressure : 1;
    return {
      x: (event.clientX - left) / width,
      y: (event.clientY - top) / height,
      radius: RADIUS * pressed,
    };
  }

  /** Draws everything again: the canvas has a new size or new colours. */
  #render(): void {
    const { width } = this.#canvas.getBoundingClientRect();
    const side = Math.max(1, Math.round(width * devicePixelRatio));
    this.#canvas.width = this.#canvas.height = side; // clears it
    this.#visible.strokeStyle = this.#visible.fillStyle = getComputedStyle(this.#canvas).color;
    this.#ink.clearRect(0, 0, INK_SIDE, INK_SIDE);
    this.#ink.strokeStyle = this.#ink.fillStyle = "#fff";
    for (const stroke of this.#strokes) {
      for (let last = 0; last < stroke.length; last++) this.#segment(stroke, last);
      this.#tail(stroke);
    }
  }

  #inkLast(): void {
    const stroke = this.#strokes.at(-1);
    if (stroke !== undefined) this.#segment(stroke, stroke.length - 1);
  }

  #segment(stroke: readonly PadPoint[], last: number): void {
    drawSegment(this.#visible, this.#canvas.width, stroke, last);
    drawSegment(this.#ink, INK_SIDE, stroke, last);
  }

  #tail(stroke: readonly PadPoint[]): void {
    drawTail(this.#visible, this.#canvas.width, stroke);
    drawTail(this.#ink, INK_SIDE, stroke);
  }
}

/**
 * The part of a stroke that its point `last` adds: a dot, or a quadratic curve through the middles between points,
 * which keeps the line smooth where the pointer is sampled seldom.
 */
function drawSegment(
  context: CanvasRenderingContext2D,
  side: number,
  stroke: readonly PadPoint[],
  last: number,
): void {
  const to = stroke[last]!;
  const through = stroke[last - 1];
  if (through === undefined) {
    context.beginPath();
    context.arc(to.x * side, to.y * side, to.radius * side, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  const from = stroke[last - 2] ?? through;
  startLine(context, side, from, through, to.radius);
  context.quadraticCurveTo(
    through.x * side,
    through.y * side,
    ((through.x + to.x) / 2) * side,
    ((through.y + to.y) / 2) * side,
  );
  context.stroke();
}

/** What the curves leave out: from the last middle to the last point. */
function drawTail(context: CanvasRenderingContext2D, side: number, stroke: readonly PadPoint[]): void {
  const [before, last] = stroke.slice(-2);
  if (before === undefined || last === undefined) return;
  startLine(context, side, before, last, last.radius);
  context.lineTo(last.x * side, last.y * side);
  context.stroke();
}

/** A line that starts in the middle between two points. */
function startLine(
  context: CanvasRenderingContext2D,
  side: number,
  a: PadPoint,
  b: PadPoint,
  radius: number,
): void {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = 2 * radius * side;
  context.beginPath();
  context.moveTo(((a.x + b.x) / 2) * side, ((a.y + b.y) / 2) * side);
}

function contextOf(
  canvas: HTMLCanvasElement,
  options: CanvasRenderingContext2DSettings,
): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", options);
  if (context === null) throw new Error("this browser has no 2D canvas");
  return context;
}
