/**
 * Quantities for people. In: numbers in bytes, milliseconds or of nothing. Out: short texts with a unit. Invariant:
 * a text never claims more than three significant digits of what was measured, and never shows an exponent.
 */
const NARROW_SPACE = "\u202f";

/** A size; 1 KB is 1000 bytes, as networks count. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return withUnit(String(bytes), "B");
  if (bytes < 999_500) return withUnit(threeDigits(bytes / 1e3), "KB");
  if (bytes < 999_500_000) return withUnit(threeDigits(bytes / 1e6), "MB");
  return withUnit(threeDigits(bytes / 1e9), "GB");
}

/** A duration given in milliseconds: microseconds below one of them, seconds from ten seconds up. */
export function durationText(milliseconds: number): string {
  // Clocks of browsers have steps of 5 microseconds or more.
  if (milliseconds > 0 && milliseconds < 0.0001) return withUnit("<0.1", "µs");
  if (milliseconds < 0.00995) return withUnit((milliseconds * 1e3).toFixed(1), "µs");
  if (milliseconds < 0.9995) return withUnit((milliseconds * 1e3).toFixed(0), "µs");
  if (milliseconds < 9999.5) return withUnit(threeDigits(milliseconds), "ms");
  return withUnit(threeDigits(milliseconds / 1e3), "s");
}

/** A count, with thousands apart. */
export function countText(count: number): string {
  return count.toLocaleString("en-US");
}

/** A count in at most three digits: 1.46 M. */
export function roundedCountText(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_500) return withUnit(threeDigits(count / 1e3), "k");
  if (count < 999_500_000) return withUnit(threeDigits(count / 1e6), "M");
  return withUnit(threeDigits(count / 1e9), "G");
}

/** A share of one as percent. */
export function percentText(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return `<0.1${NARROW_SPACE}%`;
  if (percent < 100 && percent > 99.9) return `>99.9${NARROW_SPACE}%`;
  return `${percent < 10 ? percent.toFixed(1) : percent.toFixed(0)}${NARROW_SPACE}%`;
}

/** An element of a tensor, as JSON could bring it here: numbers in five digits, whole ones entirely. */
export function elementText(value: number | bigint | string): string {
  if (typeof value !== "number" || Number.isInteger(value) || !Number.isFinite(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}

/** `[1, 3, height, width]`; a dimension without a name is `?`. */
export function shapeText(shape: readonly (number | string)[]): string {
  return `[${shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}

/** The noun with its count: `1 kernel`, `2 kernels`. */
export function counted(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function withUnit(value: string, unit: string): string {
  return `${value}${NARROW_SPACE}${unit}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** How a GPU is called: as it describes itself, else by whoever made it. */
export function adapterText(info: {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
}): string {
  return (
    info.description || [info.vendor, info.architecture].filter(Boolean).join(" ") || "a GPU without a name"
  );
}
