/** Readers of JSON of unknown origin: each gives the value in the form it must have, or fails and names the field. */
import { fail } from "../../diagnostic.ts";

export type Json = unknown;

function malformed(path: string, expected: string): never {
  return fail("model-malformed", `${path} should be ${expected}`);
}

export function object(value: Json, path: string): Readonly<Record<string, Json>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return malformed(path, "an object");
  return value as Record<string, Json>;
}

export function list(value: Json, path: string): readonly Json[] {
  return Array.isArray(value) ? value : malformed(path, "a list");
}

export function name(value: Json, path: string): string {
  return typeof value === "string" ? value : malformed(path, "a string");
}

export function extent(value: Json, path: string): number {
  const ok = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  return ok ? value : malformed(path, "an integer from 0");
}

export function optional<T>(value: Json, read: (value: Json) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}
