/**
 * Readers of single fields of a header. In: any JSON value and the path at which it stands. Out: the value, of the type
 * that the reader's name says, or a `TilewrightError` `artifact-malformed` that names the path. Invariant: what comes
 * out was looked at; nothing is converted.
 */
import { dtypes, type DType } from "../dtype.ts";
import { TilewrightError } from "../errors.ts";

export function malformed(path: string, expected: string): TilewrightError {
  return new TilewrightError("artifact-malformed", `header of the artifact: ${path} should be ${expected}`);
}

export function object(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(path, "an object");
  return value as Record<string, unknown>;
}

export function list<T>(value: unknown, path: string, read: (item: unknown, path: string) => T): T[] {
  if (!Array.isArray(value)) throw malformed(path, "a list");
  return value.map((item, index) => read(item, `${path}[${index}]`));
}

export function text(value: unknown, path: string): string {
  if (typeof value !== "string") throw malformed(path, "a string");
  return value;
}

export function integer(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
    throw malformed(path, `an integer from ${least} to ${most}`);
  }
  return value;
}

export function dtype(value: unknown, path: string): DType {
  const found = dtypes.find((name) => name === value);
  if (found === undefined) throw malformed(path, "an element type");
  return found;
}
