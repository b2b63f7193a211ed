/**
 * A canvas to draw on. In: pointers. Out: the drawing as the model wants it: 28 by 28 grey levels, white (1) on black
 * (0), the digit 20 pixels large with its centre of mass in the middle.
 */
const SIDE = 28;
const DIGIT = 20;

export class Pad {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #changed: () => void;
  #last: { readonly x: number; readonly y: number } | undefined;

  constructor(canvas: HTMLCanvasElement, changed: () => void) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true })!;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#at(event);
      this.#lineTo(this.#last);
    });
    canvas.addEventListener("pointermove", (event) => this.#last && this.#lineTo(this.#at(event)));
    canvas.addEventListener("pointerup", () => (this.#last = undefined));
    canvas.addEventListener("pointercancel", () => (this.#last = undefined));
  }

  clear(): void {
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  /** Draws lines, each a list of points from 0 to 1. */
  draw(lines: readonly (readonly (readonly [x: number, y: number])[])[]): void {
    const { width, height } = this.#canvas;
    for (const line of lines) {
      for (const [x, y] of line) this.#lineTo({ x: x * width, y: y * height });
      this.#last = undefined;
    }
  }

  /** What the model is given; undefined if nothing is drawn. */
  image(): Float32Array | undefined {
    const { width, height } = this.#canvas;
    const ink = this.#ink();
    if (ink === undefined) return undefined;
    const { left, top, right, bottom, x, y } = ink;
    const scale = DIGIT / Math.max(right - left, bottom - top);
    const small = new OffscreenCanvas(SIDE, SIDE).getContext("2d")!;
    small.imageSmoothingQuality = "high";
    small.drawImage(this.#canvas, SIDE / 2 - x * scale, SIDE / 2 - y * scale, width * scale, height * scale);
    const { data } = small.getImageData(0, 0, SIDE, SIDE);
    const levels = Float32Array.from({ length: SIDE * SIDE }, (_, at) => data[4 * at + 3]! / 255);
    const peak = Math.max(...levels);
    return levels.map((level) => level / peak);
  }

  /** Where ink is, and its centre of mass. */
  #ink(): { left: number; top: number; right: number; bottom: number; x: number; y: number } | undefined {
    const { width, height } = this.#canvas;
    const { data } = this.#context.getImageData(0, 0, width, height);
    let [left, top, right, bottom] = [width, height, 0, 0];
    let [mass, x, y] = [0, 0, 0];
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const level = data[4 * (row * width + column) + 3]!;
        if (level < 90) continue;
        left = Math.min(left, column);
        right = Math.max(right, column + 1);
        top = Math.min(top, row);
        bottom = Math.max(bottom, row + 1);
        mass += level;
        x += level * column;
        y += level * row;
      }
    }
    return mass === 0 ? undefined : { left, top, right, bottom, x: x / mass, y: y / mass };
  }

  #at({ offsetX, offsetY }: PointerEvent): { x: number; y: number } {
    const { width, height, clientWidth, clientHeight } = this.#canvas;
    return { x: (offsetX * width) / clientWidth, y: (offsetY * height) / clientHeight };
  }

  #lineTo(to: { readonly x: number; readonly y: number }): void {
    const from = this.#last ?? to;
    const context = this.#context;
    context.strokeStyle = getComputedStyle(this.#canvas).color;
    context.lineWidth = this.#canvas.width / 13;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    this.#last = to;
    this.#changed();
  }
}
