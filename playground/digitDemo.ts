/**
 * The drawing and what the model makes of it. In: the built sample and the elements of the page. Out: bars that
 * follow the pen, the digit, and what it costs: time, download, code. Invariant: the model runs at most once a
 * frame, on the drawing as it is then, and no compiler is loaded here.
 */
import { runtimeGzip, tileGzip, tileUrl } from "virtual:sample";
import { load, TilewrightError, type Session } from "../runtime/index.ts";
import { DrawingPad } from "./drawingPad.ts";
import { byId, element } from "./element.ts";
import { writeDigit } from "./handwriting.ts";
import { bytesText, durationText, percentText } from "./quantity.ts";
import { RecentMedian } from "./recentMedian.ts";
import { IMAGE_SIZE, preprocess } from "./sample/preprocess.ts";

/** Runs that the median is of: about a second of drawing. */
const RUNS = 60;
const DIGITS = 10;
/** After this long without a change, what is seen is told to screen readers. */
const QUIET_MILLISECONDS = 700;

/** Downloads the sample and starts to answer; what goes wrong is told on the page. */
export async function startDigitDemo(): Promise<void> {
  const demo = new DigitDemo();
  try {
    demo.use(await load(tileUrl));
  } catch (error) {
    demo.fail(error);
  }
}

class DigitDemo {
  readonly #canvas = byId("pad", HTMLCanvasElement);
  readonly #pad = new DrawingPad(this.#canvas, () => this.#changed());
  readonly #bars = byId("bars", HTMLElement);
  readonly #answer = byId("answer", HTMLElement);
  readonly #certainty = byId("certainty", HTMLElement);
  readonly #latency = byId("latency", HTMLElement);
  readonly #seen = byId("seen", HTMLCanvasElement);
  readonly #median = new RecentMedian(RUNS);
  readonly #rows: readonly HTMLElement[];
  #session: Session | undefined;
  #waiting = false;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #writing = new AbortController();

  constructor() {
    this.#rows = Array.from({ length: DIGITS }, (_, digit) =>
      element(
        "li",
        { className: "bar" },
        element("span", { className: "bar-digit", textContent: String(digit) }),
        element(
          "span",
          { className: "bar-track", attributes: { "aria-hidden": "true" } },
          element("span", { className: "bar-fill" }),
        ),
        element("span", { className: "bar-share" }),
      ),
    );
    this.#bars.append(...this.#rows);
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    this.#canvas.addEventListener("pointerdown", () => this.#writing.abort());
    byId("clear", HTMLButtonElement).addEventListener("click", () => this.#clear());
    byId("write", HTMLButtonElement).addEventListener("click", () => {
      void this.#write(Math.floor(Math.random() * DIGITS));
    });
    byId("download", HTMLElement).textContent = bytesText(runtimeGzip + tileGzip);
    byId("download-parts", HTMLElement).textContent =
      `runtime ${bytesText(runtimeGzip)} + model ${bytesText(tileGzip)}, gzip`;
    this.#show(undefined);
  }

  /** From now on drawings are classified. */
  use(session: Session): void {
    this.#session = session;
    const relaxed = session.variant === "relaxed-simd";
    byId("variant", HTMLElement).textContent = relaxed ? "Relaxed SIMD" : "SIMD";
    byId("variant-note", HTMLElement).textContent = relaxed
      ? "with fused multiply-add"
      : "this browser has no relaxed SIMD";
    this.#changed();
  }

  fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const advice =
      error instanceof TilewrightError && error.code === "engine-unsupported"
        ? "It needs WebAssembly SIMD, which all browsers have since 2023."
        : "Reload the page to try again.";
    const text = `The sample model could not be loaded: ${reason}. ${advice}`;
    byId("demo-problem", HTMLElement).replaceChildren(element("p", { textContent: text }));
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^\d$/.test(event.key)) void this.#write(Number(event.key));
    else if (event.key === "Delete" || event.key === "Backspace" || event.key === "Escape") this.#clear();
    else return;
    event.preventDefault();
  }

  #clear(): void {
    this.#writing.abort();
    this.#pad.clear();
  }

  async #write(digit: number): Promise<void> {
    this.#writing.abort();
    this.#writing = new AbortController();
    await writeDigit(this.#pad, digit, this.#writing.signal);
  }

  #changed(): void {
    this.#canvas.classList.toggle("empty", this.#pad.isEmpty);
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#classify();
    });
  }

  #classify(): void {
    const { pixels, width, height } = this.#pad.ink();
    const image = preprocess(pixels, width, height);
    this.#showSeen(image);
    if (this.#session === undefined || this.#pad.isEmpty) {
      this.#show(undefined);
      return;
    }
    const start = performance.now();
    const { probabilities } = this.#session.runSync({ image });
    this.#median.add(performance.now() - start);
    this.#show(probabilities?.data as Float32Array);
    this.#latency.textContent = durationText(this.#median.value ?? 0);
  }

  /** Bars and digit; of an empty pad without probabilities. */
  #show(probabilities: Float32Array | undefined): void {
    const best = probabilities?.indexOf(Math.max(...probabilities));
    this.#rows.forEach((row, digit) => {
      const share = probabilities?.[digit] ?? 0;
      row.style.setProperty("--share", share.toFixed(4));
      row.classList.toggle("best", digit === best);
      row.lastElementChild!.textContent = probabilities === undefined ? "" : percentText(share);
    });
    this.#answer.textContent = best === undefined ? "?" : String(best);
    this.#answer.classList.toggle("empty", best === undefined);
    this.#certainty.textContent =
      best === undefined ? "Nothing drawn yet" : `${percentText(probabilities![best]!)} certain`;
    clearTimeout(this.#quiet);
    if (best === undefined) return;
    this.#quiet = setTimeout(() => {
      const spoken = `This looks like a ${best}, ${this.#certainty.textContent}.`;
      byId("spoken", HTMLElement).textContent = spoken;
    }, QUIET_MILLISECONDS);
  }

  /** The 28 by 28 image that the model is given, in the colours of the page. */
  #showSeen(image: Float32Array): void {
    const context = this.#seen.getContext("2d");
    if (context === null) return;
    const data = context.createImageData(IMAGE_SIZE, IMAGE_SIZE);
    for (let i = 0; i < image.length; i++) {
      data.data.fill(255, i * 4, i * 4 + 3);
      data.data[i * 4 + 3] = image[i]! * 255;
    }
    context.putImageData(data, 0, 0);
  }
}
