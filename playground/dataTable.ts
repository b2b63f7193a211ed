/**
 * Tables of figures. In: columns and rows. Out: a table that scrolls in its own frame, with a heading that stays and
 * columns that sort when their heading is pressed. Invariant: a table is readable without a pointer (headings are
 * buttons, the frame takes the focus), and never makes more rows than a page can bear.
 */
import { element, type Child } from "./element.ts";
import { countText } from "./quantity.ts";

export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => Child;
  /** What the column is sorted by; without it, it is not. Numbers start with the largest. */
  readonly by?: (row: Row) => number | string;
  /** Numbers stand to the right, code in a monospaced face, prose may break into several lines. */
  readonly style?: "number" | "code" | "prose";
}

/** More rows than these help nobody and make the page slow. */
const MOST_ROWS = 1500;

export function dataTable<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): HTMLElement {
  const body = element("tbody");
  const show = (sorted: readonly Row[]): void => {
    body.replaceChildren(
      ...sorted.slice(0, MOST_ROWS).map((row) =>
        element("tr", {}, ...columns.map(({ cell, style = "" }) => element("td", { className: style }, cell(row)))),
      ),
    ); // prettier-ignore
  };
  const headings = columns.map((column) => {
    const { heading, by, style = "" } = column;
    const cell = element("th", { className: style, scope: "col" });
    if (by === undefined) cell.textContent = heading;
    else {
      const button = element("button", { type: "button", className: "sort", textContent: heading });
      button.addEventListener("click", () => {
        const reversed = cell.getAttribute("aria-sort") === firstOrder(rows, by);
        for (const other of headings) other.removeAttribute("aria-sort");
        const order = reversed ? opposite(firstOrder(rows, by)) : firstOrder(rows, by);
        cell.setAttribute("aria-sort", order);
        show(sortedBy(rows, by, order));
      });
      cell.append(button);
    }
    return cell;
  });
  show(rows);
  const left = rows.length - MOST_ROWS;
  return element(
    "div",
    {
      className: "table-frame",
      tabIndex: 0,
      attributes: { role: "region", "aria-label": caption },
    },
    element(
      "table",
      {},
      element("caption", { className: "visually-hidden", textContent: caption }),
      element("thead", {}, element("tr", {}, ...headings)),
      body,
    ),
    left > 0 &&
      element("p", { className: "note", textContent: `${countText(left)} more rows are not shown.` }),
  );
}

type Order = "ascending" | "descending";

function opposite(order: Order): Order {
  return order === "ascending" ? "descending" : "ascending";
}

/** Numbers are looked at for the largest, names for the first. */
function firstOrder<Row>(rows: readonly Row[], by: (row: Row) => number | string): Order {
  return rows.length > 0 && typeof by(rows[0]!) === "number" ? "descending" : "ascending";
}

/** The rows in order; those that are equal stay as they were. */
export function sortedBy<Row>(
  rows: readonly Row[],
  by: (row: Row) => number | string,
  order: Order,
): readonly Row[] {
  const sign = order === "ascending" ? 1 : -1;
  return [...rows].sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    const difference = typeof x === "number" && typeof y === "number" ? x - y : compareNames(String(x), String(y));
    return sign * difference;
  }); // prettier-ignore
}

/** By language-independent rules, numbers inside of names by their value: conv2 before conv10. */
function compareNames(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** A bar beside its figure, for shares that are easier seen than read. */
export function shareCell(text: string, share: number): HTMLElement {
  return element(
    "span",
    { className: "share", variables: { "--share": Math.min(1, Math.max(0, share)).toFixed(4) } },
    text,
  );
}
