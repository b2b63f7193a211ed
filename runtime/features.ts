/**
 * What this WebAssembly engine can do. In: a feature that a variant of the code requires. Out: whether it is there,
 * found out by validating a module of a few bytes that uses it; the user agent is never asked. Invariant: the
 * answer never changes within a realm, so it is kept. Source: WebAssembly core specification 3.0, section 5.5.
 */
import { type Feature } from "./format.ts";

/** A module with one function of type [] -> [v128] made of these instructions. */
function moduleOf(...instructions: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0x00, ...instructions, 0x0b];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x0a, body.length + 2, 0x01, body.length, ...body],
  );
}

const ZERO_VECTOR = [0x41, 0x00, 0xfd, 0x11]; // i32.const 0; i32x4.splat
const RELAXED_MADD = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd

const PROBES: Readonly<Record<Feature, readonly number[]>> = {
  simd: ZERO_VECTOR,
  "relaxed-simd": [...ZERO_VECTOR, ...ZERO_VECTOR, ...ZERO_VECTOR, ...RELAXED_MADD],
};

const known = new Map<Feature, boolean>();

/**
 * Whether this engine has the feature.
 *
 * @example
 * if (!supports("simd")) showThatTheBrowserIsTooOld();
 */
export function supports(feature: Feature): boolean {
  let supported = known.get(feature);
  if (supported === undefined) {
    supported = typeof WebAssembly === "object" && WebAssembly.validate(moduleOf(...PROBES[feature]));
    known.set(feature, supported);
  }
  return supported;
}
