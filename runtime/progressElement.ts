/**
 * The entry `tilewright/progress`: an element that shows a load. In: reports of `load`. Out: a `<progress>` with a line
 * of text, both of which assistive technology reads. Invariant: no styles of its own but a few custom properties, no
 * evaluation of text; importing it defines nothing, `define` does.
 *
 * @example
 * import { load } from "tilewright";
 * import { defineProgress } from "tilewright/progress";
 * defineProgress();
 * const bar = document.querySelector("tilewright-progress")!;
 * const session = await load("/model.tile", { progress: bar.show });
 */
import { type Progress } from "./progress.ts";

export type { Progress };

/** What the element says; to be replaced by other languages through its property `words`. */
export interface ProgressWords {
  readonly download: string;
  readonly compile: string;
  readonly run: string;
  readonly ready: string;
  readonly failed: string;
}

const ENGLISH: ProgressWords = {
  download: "Downloading the model",
  compile: "Preparing the model",
  run: "First run",
  ready: "Ready",
  failed: "The model could not be loaded",
};

/** The element; `T` is the base class that a page has and Node has not. */
export interface ProgressElement extends HTMLElement {
  words: ProgressWords;
  /** Takes a report; may be passed to `load` as it is. */
  readonly show: (progress: Progress) => void;
  /** Says that it failed. */
  fail(error: unknown): void;
}

/**
 * Defines the element, once.
 *
 * @param name how it is called in the page
 */
export function defineProgress(name = "tilewright-progress"): void {
  if (customElements.get(name) !== undefined) return;
  customElements.define(
    name,
    class extends HTMLElement implements ProgressElement {
      words = ENGLISH;
      readonly #bar = document.createElement("progress");
      readonly #text = document.createElement("span");

      connectedCallback(): void {
        if (this.#bar.isConnected) return;
        this.#bar.max = 1;
        this.#text.setAttribute("part", "text");
        this.#text.setAttribute("role", "status");
        this.#bar.setAttribute("part", "bar");
        this.append(this.#bar, " ", this.#text);
      }

      readonly show = ({ phase, loaded, total, fraction }: Progress): void => {
        if (fraction === undefined) this.#bar.removeAttribute("value");
        else this.#bar.value = fraction;
        const sizes = total === undefined ? megabytes(loaded) : `${megabytes(loaded)} of ${megabytes(total)}`;
        this.#say(phase === "download" ? `${this.words.download}, ${sizes}` : this.words[phase], phase);
        if (phase === "ready") this.dispatchEvent(new Event("ready"));
      };

      fail(error: unknown): void {
        this.#bar.value = 0;
        this.#say(
          `${this.words.failed}: ${error instanceof Error ? error.message : String(error)}`,
          "failed",
        );
      }

      /** The state is an attribute, so that styles can ask for it. */
      #say(text: string, state: string): void {
        this.#text.textContent = text;
        this.setAttribute("state", state);
      }
    },
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

declare global {
  interface HTMLElementTagNameMap {
    "tilewright-progress": ProgressElement;
  }
}
