/**
 * Text tables for the terminal. In: lines of cells, the first of them the headings. Out: text with columns of equal
 * width. Invariant: every line has as many cells as the first one.
 */

/** The first `left` columns are flush left, the others flush right; nothing trails a line. */
export function aligned(lines: readonly (readonly string[])[], left: number): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const cellText = (cell: string, column: number): string =>
    column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return lines.map((line) => line.map(cellText).join("  ").trimEnd()).join("\n");
}
