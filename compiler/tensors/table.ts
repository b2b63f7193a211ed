/**
 * Text tables and quantities for people. In: rows of cells. Out: lines with aligned columns. Invariant: what looks
 * like a number is aligned right, everything else left; no line ends in a blank.
 */

const NUMBER = /^[<~]?-?[\d.,]+(e[+-]?\d+)?( ?(B|KB|MB|GB|ms|s|us|%|x))?$/;

/**
 * Aligned columns; the first row may be a heading.
 *
 * @example console.log(table([["name", "bytes"], ["conv1", "1,024"]], { heading: true }));
 */
export function table(
  rows: readonly (readonly string[])[],
  options: { readonly heading?: boolean; readonly indent?: number } = {},
): string {
  const { heading = false, indent = 0 } = options;
  const columns = Math.max(0, ...rows.map(({ length }) => length));
  const widths = Array.from({ length: columns }, (_, c) =>
    Math.max(...rows.map((row) => (row[c] ?? "").length)),
  );
  const body = heading ? rows.slice(1) : rows;
  const rightAligned = widths.map((_, c) => c > 0 && body.some((row) => row[c]) && body.every((row) => NUMBER.test(row[c] || "0"))); // prettier-ignore
  const line = (row: readonly string[]): string =>
    (
      " ".repeat(indent) +
      widths
        .map((width, c) => (rightAligned[c] ? (row[c] ?? "").padStart(width) : (row[c] ?? "").padEnd(width)))
        .join("  ")
    ).trimEnd();
  const lines = rows.map(line);
  if (heading && lines.length > 0) {
    const rule = " ".repeat(indent) + widths.map((width) => "-".repeat(width)).join("  ");
    lines.splice(1, 0, rule);
  }
  return lines.join("\n");
}

/** A whole number with thousands apart. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** Bytes for people; 1 KB is 1000 bytes. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, "KB"] : bytes < 1e9 ? [bytes / 1e6, "MB"] : [bytes / 1e9, "GB"];
  return `${value.toFixed(1)} ${unit}`;
}

/** A duration for people, from milliseconds. */
export function millisecondsText(milliseconds: number): string {
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds.toPrecision(milliseconds >= 100 ? 4 : 3).replace(/\.0+$/, "")} ms`;
}

/** A number in few characters: integers whole, the rest with `digits` significant digits. */
export function numberText(value: number | bigint, digits = 5): string {
  if (typeof value === "bigint" || Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

/** A shape as it is written everywhere: `[1, 3, 224, 224]`. */
export function shapeText(shape: readonly (number | string)[]): string {
  return `[${shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}
