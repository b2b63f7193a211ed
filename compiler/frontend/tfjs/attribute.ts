/**
 * Attributes of TF nodes. In: an AttrValue in JSON form, where strings are base64 and 64-bit integers may be strings.
 * Out: one plain value. Invariant: a value of a kind that no operator here reads is kept as "other", not refused.
 */
import { bytesOfBase64 } from "../../base64.ts";
import { fail } from "../../diagnostic.ts";
import { list, object, type Json } from "./json.ts";

export type TfAttribute =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  /** A DataType, as "DT_FLOAT" or by its number. */
  | { readonly kind: "type"; readonly value: string }
  | { readonly kind: "shape"; readonly value: Json }
  | { readonly kind: "numbers"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  /** The name of a function. */
  | { readonly kind: "function"; readonly value: string }
  | { readonly kind: "other" };

/** @throws CompileError `model-malformed` */
export function attributeOf(given: Json, path: string): TfAttribute {
  const value = object(given, path);
  if (value["s"] !== undefined) return { kind: "string", value: text(value["s"], path) };
  if (value["i"] !== undefined) return { kind: "number", value: number(value["i"], path) };
  if (value["f"] !== undefined) return { kind: "number", value: number(value["f"], path) };
  if (value["b"] !== undefined) return { kind: "bool", value: value["b"] === true };
  if (value["type"] !== undefined) return { kind: "type", value: String(value["type"]) };
  if (value["shape"] !== undefined) return { kind: "shape", value: value["shape"] };
  if (value["func"] !== undefined)
    return { kind: "function", value: String(object(value["func"], path)["name"]) };
  if (value["list"] !== undefined) return listOf(object(value["list"], path), path);
  return { kind: "other" };
}

function listOf(value: Readonly<Record<string, Json>>, path: string): TfAttribute {
  const numbers = value["i"] ?? value["f"];
  if (numbers !== undefined)
    return { kind: "numbers", value: list(numbers, path).map((item) => number(item, path)) };
  if (value["s"] !== undefined)
    return { kind: "strings", value: list(value["s"], path).map((item) => text(item, path)) };
  return Object.keys(value).length === 0 ? { kind: "numbers", value: [] } : { kind: "other" };
}

function number(value: Json, path: string): number {
  const read = typeof value === "number" ? value : typeof value === "string" ? Number(value) : NaN;
  // Numbers that are not finite are written by name.
  if (Number.isNaN(read) && value !== "NaN") fail("model-malformed", `${path} should be a number`);
  return read;
}

function text(value: Json, path: string): string {
  if (typeof value !== "string") return fail("model-malformed", `${path} should be base64`);
  const bytes = bytesOfBase64(value);
  if (!bytes) return fail("model-malformed", `${path} should be base64`);
  return new TextDecoder().decode(bytes);
}
