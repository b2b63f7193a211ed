/** What the parts of the extension say to each other; messages are JSON, so pictures are lists of numbers. */
export interface Question {
  /** The background opens the offscreen page and passes the question on; that page answers. */
  readonly to: "background" | "offscreen";
  readonly image: readonly number[];
}

export interface Answer {
  readonly digit: number;
}
