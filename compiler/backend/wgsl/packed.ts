/**
 * Dot products of four bytes by the instruction that GPUs have for it. In: nothing. Out: functions for the library of a
 * module. Invariant: the same integers as the library's own text by shifts, which stays in the module for devices
 * without the feature.
 *
 * Source: the WGSL specification, section 17.9 (packed integer dot product), and the list of language extensions. The
 * feature is one of the language (`navigator.gpu.wgslLanguageFeatures`), so nothing has to be enabled.
 */

/** The name of the feature in WGSL. */
export const PACKED_DOTS = "packed_4x8_integer_dot_product";

/** The name of the library's function: of the expression too. */
export const DOT = "dot4";

/** `name` is the function's; for four lanes where `vector`. */
export function packedDot(name: string, vector: boolean): string {
  if (!vector)
    return `fn ${name}(a: i32, b: i32) -> i32 { return dot4I8Packed(bitcast<u32>(a), bitcast<u32>(b)); }`;
  const lanes = [..."xyzw"].map((lane) => `dot4I8Packed(x.${lane}, y.${lane})`);
  return `fn ${name}(a: vec4i, b: vec4i) -> vec4i {
 let x = bitcast<vec4u>(a); let y = bitcast<vec4u>(b);
 return vec4i(${lanes.join(", ")});
}`;
}
