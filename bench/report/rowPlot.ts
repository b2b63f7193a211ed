/**
 * Plots with one row per model or kernel. In: rows of marks (bars, dots, stacks) on one horizontal scale. Out: SVG that
 * takes its colours from the page. Invariant: nothing is left out: a value beyond the scale is drawn at its end and
 * its label says what it is; every mark tells its value when the pointer rests on it.
 */
import { html, type Markup } from "./markup.ts";

export interface Mark {
  readonly kind: "bar" | "dot";
  /** A class of the page's style, which gives the colour. */
  readonly series: string;
  readonly value: number;
  /** Beside the end of a bar. */
  readonly label?: string;
  readonly title: string;
  /** Where a bar starts: the sum of those before it in a stack, or what it is compared with. */
  readonly from?: number;
}

export interface Row {
  readonly label: string;
  /** Rows of one group stand together under its name. */
  readonly group?: string;
  /** Each list of marks has a line of its own. */
  readonly lines: readonly (readonly Mark[])[];
}

export interface RowPlot {
  readonly rows: readonly Row[];
  readonly scale: "linear" | "log";
  readonly range: readonly [number, number];
  readonly ticks: readonly number[];
  readonly tickText: (value: number) => string;
  /** Values that matter: equal speed, a goal. */
  readonly guides: readonly { readonly value: number; readonly label: string }[];
  readonly title: string;
}

const WIDTH = 860;
const LEFT = 215;
const RIGHT = 70;
const TOP = 30;
const LINE = 13;
const BAR = 10;
const GAP = 7;
const GROUP = 24;

export function rowPlot(plot: RowPlot): Markup {
  const { rows, guides, ticks, tickText, title } = plot;
  const at = positions(plot);
  let y = TOP;
  let group: string | undefined;
  const drawn: Markup[] = [];
  for (const row of rows) {
    if (row.group !== undefined && row.group !== group) {
      y += GROUP;
      drawn.push(html`<text class="group" x="0" y="${y - 6}">${row.group}</text>`);
    }
    group = row.group;
    const height = row.lines.length * LINE;
    drawn.push(html`<text class="label" x="${LEFT - 10}" y="${y + height / 2 + 4}">${row.label}</text>`);
    row.lines.forEach((marks, i) => drawn.push(...lineOf(marks, at, y + i * LINE)));
    y += height + GAP;
  }
  const bottom = y;
  const grid = ticks.map(
    (tick) =>
      html`<line class="tick" x1="${at(tick)}" x2="${at(tick)}" y1="${TOP - 6}" y2="${bottom}" /><text
          class="axis"
          x="${at(tick)}"
          y="${bottom + 14}"
          >${tickText(tick)}</text
        >`,
  );
  const lines = guides.map(
    ({ value, label }) =>
      html`<line class="guide" x1="${at(value)}" x2="${at(value)}" y1="${TOP - 10}" y2="${bottom}" /><text
          class="guideLabel"
          x="${at(value)}"
          y="${TOP - 15}"
          >${label}</text
        >`,
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${bottom + 22}" role="img" aria-label="${title}">
    ${grid}${lines}${drawn}
  </svg>`;
}

function positions({ scale, range: [least, most] }: RowPlot): (value: number) => number {
  const along = scale === "log" ? Math.log : (value: number): number => value;
  const width = WIDTH - LEFT - RIGHT;
  return (value) => {
    const inside = Math.min(most, Math.max(least, value));
    return LEFT + (width * (along(inside) - along(least))) / (along(most) - along(least));
  };
}

/** The marks of one line; labels stand beyond all of them. */
function lineOf(marks: readonly Mark[], at: (value: number) => number, y: number): readonly Markup[] {
  const end = Math.max(...marks.map(({ value, from = value }) => Math.max(at(value), at(from))));
  return marks.map((mark) => markOf(mark, at, y, end));
}

function markOf(mark: Mark, at: (value: number) => number, y: number, end: number): Markup {
  const { kind, series, value, label, title, from } = mark;
  const x = at(value);
  if (kind === "dot") {
    return html`<circle class="${series}" cx="${x}" cy="${y + LINE / 2}" r="4"
      ><title>${title}</title></circle
    >`;
  }
  // Without a start of its own a bar begins at the left end of the scale.
  const start = from === undefined ? LEFT : at(from);
  const [left, right] = [Math.min(x, start), Math.max(x, start)];
  const text =
    label === undefined ? [] : html`<text class="value" x="${end + 6}" y="${y + BAR}">${label}</text>`;
  return html`<rect
      class="${series}"
      x="${left}"
      y="${y + (LINE - BAR) / 2}"
      width="${Math.max(1, right - left)}"
      height="${BAR}"
      rx="1.5"
      ><title>${title}</title></rect
    >${text}`;
}
