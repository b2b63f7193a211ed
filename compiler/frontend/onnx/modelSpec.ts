/**
 * The plain objects that the ONNX writer takes: a model is its opset imports, one graph, and model-local
 * functions; a tensor is a dtype, dims and values. In: numbers as a caller has them. Out: `OnnxModelSpec`
 * trees whose tensors already hold bytes in the element layout of the ONNX `TensorProto.raw_data` field.
 * Invariant: a tensor made by `tensor` has exactly as many elements as its dims say. Nothing here knows the
 * protobuf wire; that is `encode.ts`.
 */

import { isComplexType, ONNX_DATA_TYPE, type OnnxDataType } from "../../ir/dataType.ts";

export { ONNX_DATA_TYPE };
export type { OnnxDataType };

export type OnnxDim = number | string;

/** The type of a graph input or output. A tensor type without `shape` has an unknown rank. */
export type OnnxTypeSpec =
  | { readonly kind: "tensor"; readonly dtype: OnnxDataType; readonly shape?: readonly OnnxDim[] }
  | { readonly kind: "sequence"; readonly element: OnnxTypeSpec }
  | { readonly kind: "map"; readonly key: OnnxDataType; readonly value: OnnxTypeSpec }
  | { readonly kind: "optional"; readonly element: OnnxTypeSpec };

export interface OnnxValueSpec {
  readonly name: string;
  readonly type: OnnxTypeSpec;
}

/** Where the bytes of a tensor lie when they are not in the model file; `location` is relative to the model. */
export interface OnnxExternalData {
  readonly location: string;
  readonly offset?: number;
  readonly length?: number;
}

export interface OnnxTensorSpec {
  readonly kind: "tensor";
  readonly name?: string;
  readonly dtype: OnnxDataType;
  readonly dims: readonly number[];
  readonly content:
    | { readonly kind: "raw"; readonly bytes: Uint8Array }
    | { readonly kind: "strings"; readonly values: readonly string[] }
    | { readonly kind: "external"; readonly data: OnnxExternalData };
}

/** An attribute whose ONNX type is stated, for the cases that `attributeOf` cannot infer. */
export type OnnxAttributeSpec =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "string"; readonly value: string | Uint8Array }
  | { readonly kind: "tensorValue"; readonly value: OnnxTensorSpec }
  | { readonly kind: "graphValue"; readonly value: OnnxGraphSpec }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly (number | bigint)[] }
  | { readonly kind: "strings"; readonly value: readonly (string | Uint8Array)[] }
  | { readonly kind: "reference"; readonly attribute: string; readonly of: OnnxPlainAttributeKind };

export type OnnxPlainAttributeKind =
  "float" | "int" | "string" | "tensorValue" | "graphValue" | "floats" | "ints" | "strings";

export interface OnnxNodeSpec {
  readonly opType: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  /** An absent optional input is the empty string, as in ONNX. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttributeSpec>>;
}

export interface OnnxGraphSpec {
  readonly kind: "graph";
  readonly name: string;
  readonly inputs: readonly OnnxValueSpec[];
  readonly outputs: readonly OnnxValueSpec[];
  readonly initializers: readonly OnnxTensorSpec[];
  readonly nodes: readonly OnnxNodeSpec[];
  /** Types of inner values, where the file states them. */
  readonly values?: readonly OnnxValueSpec[];
}

export interface OnnxFunctionSpec {
  readonly domain: string;
  readonly name: string;
  readonly overload?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes that the caller must give. */
  readonly attributes?: readonly string[];
  /** Attributes with a default. */
  readonly attributeDefaults?: Readonly<Record<string, OnnxAttributeSpec>>;
  readonly nodes: readonly OnnxNodeSpec[];
  readonly opsetImports: Readonly<Record<string, number>>;
}

export interface OnnxModelSpec {
  readonly irVersion: number;
  /** Domain to version; the standard domain is the empty string. */
  readonly opsetImports: Readonly<Record<string, number>>;
  readonly producerName?: string;
  readonly graph: OnnxGraphSpec;
  readonly functions?: readonly OnnxFunctionSpec[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Values of a tensor: numbers in logical order, or a typed array in the element layout of the dtype. */
export type OnnxTensorValues =
  | readonly (number | bigint | boolean)[]
  | readonly string[]
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * Makes a tensor. Numbers are converted to the dtype: integers wrap, float16 and bfloat16 round to nearest
 * even, types narrower than a byte come one a value and are packed, the first in the low bits. A typed array
 * of the dtype's own element size is taken as it is, so float16 may come as the `Uint16Array` of its bits;
 * float8 and float4 always come as their bits.
 *
 * @example tensor("int64", [3], [2, 0, -1]); tensor("float32", [2, 2], new Float32Array(4))
 * @throws RangeError if the number of values is not the product of `dims`, or the dtype cannot hold them.
 */
export function tensor(
  dtype: OnnxDataType,
  dims: readonly number[],
  values: OnnxTensorValues,
  name?: string,
): OnnxTensorSpec {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const given = isComplexType(dtype) ? values.length / 2 : values.length;
  if (given !== count) {
    throw new RangeError(
      `tensor ${name ?? dtype}: dims [${dims.join(", ")}] need ${count} elements, ${given} were given`,
    );
  }
  const head = { kind: "tensor", dtype, dims, ...(name === undefined ? {} : { name }) } as const;
  if (dtype === "string") {
    return { ...head, content: { kind: "strings", values: Array.from(values as readonly string[], String) } };
  }
  return { ...head, content: { kind: "raw", bytes: elementBytes(dtype, values) } };
}

/** A tensor whose bytes lie in another file; nothing checks that they do. */
export function externalTensor(
  dtype: OnnxDataType,
  dims: readonly number[],
  data: OnnxExternalData,
  name?: string,
): OnnxTensorSpec {
  return {
    kind: "tensor",
    dtype,
    dims,
    ...(name === undefined ? {} : { name }),
    content: { kind: "external", data },
  };
}

/** For the types narrower than a byte; 8 for all others, whose width the typed arrays know. */
function bitsPerElement(dtype: OnnxDataType): number {
  switch (dtype) {
    case "uint4":
    case "int4":
    case "float4e2m1":
      return 4;
    case "uint2":
    case "int2":
      return 2;
    default:
      return 8;
  }
}

/** Little-endian bytes, which is the order of every host with a WebAssembly engine that we target. */
function elementBytes(dtype: OnnxDataType, values: OnnxTensorValues): Uint8Array {
  switch (dtype) {
    case "float32":
    case "complex64":
      return bytesOf(
        values instanceof Float32Array ? values : Float32Array.from(values as readonly number[], Number),
      );
    case "float64":
    case "complex128":
      return bytesOf(
        values instanceof Float64Array ? values : Float64Array.from(values as readonly number[], Number),
      );
    case "int8":
      return bytesOf(
        values instanceof Int8Array ? values : Int8Array.from(values as readonly number[], Number),
      );
    case "uint8":
      return bytesOf(
        values instanceof Uint8Array ? values : Uint8Array.from(values as readonly number[], Number),
      );
    case "bool":
      return bytesOf(
        values instanceof Uint8Array
          ? values
          : Uint8Array.from(values as readonly number[], (v) => (v ? 1 : 0)),
      );
    case "int16":
      return bytesOf(
        values instanceof Int16Array ? values : Int16Array.from(values as readonly number[], Number),
      );
    case "uint16":
      return bytesOf(
        values instanceof Uint16Array ? values : Uint16Array.from(values as readonly number[], Number),
      );
    case "int32":
      return bytesOf(
        values instanceof Int32Array ? values : Int32Array.from(values as readonly number[], Number),
      );
    case "uint32":
      return bytesOf(
        values instanceof Uint32Array ? values : Uint32Array.from(values as readonly number[], Number),
      );
    case "int64":
      return bytesOf(
        values instanceof BigInt64Array ? values : BigInt64Array.from(Array.from(values, toBigInt)),
      );
    case "uint64":
      return bytesOf(
        values instanceof BigUint64Array ? values : BigUint64Array.from(Array.from(values, toBigInt)),
      );
    case "float16":
      return bytesOf(
        values instanceof Uint16Array
          ? values
          : Uint16Array.from(values as readonly number[], (v) => float16Bits(Number(v))),
      );
    case "bfloat16":
      return bytesOf(
        values instanceof Uint16Array
          ? values
          : Uint16Array.from(values as readonly number[], (v) => bfloat16Bits(Number(v))),
      );
    case "int4":
    case "uint4":
    case "int2":
    case "uint2":
    case "float4e2m1":
      return packBits(Array.from(values as readonly number[], Number), bitsPerElement(dtype));
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0":
      if (!(values instanceof Uint8Array)) {
        throw new RangeError(`${dtype} values are given as the Uint8Array of their bits`);
      }
      return values;
    case "string":
      throw new RangeError("strings have no raw bytes");
    default:
      return dtype satisfies never;
  }
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function toBigInt(value: number | bigint | boolean | string): bigint {
  return typeof value === "bigint" ? value : BigInt(value);
}

function packBits(values: readonly number[], bits: number): Uint8Array {
  const perByte = 8 / bits;
  const bytes = new Uint8Array(Math.ceil(values.length / perByte));
  values.forEach((value, index) => {
    const byte = Math.floor(index / perByte);
    bytes[byte] = (bytes[byte] ?? 0) | ((value & ((1 << bits) - 1)) << ((index % perByte) * bits));
  });
  return bytes;
}

/**
 * IEEE 754 binary16 bits, rounded to nearest even straight from the double, so nothing is rounded twice.
 * The significand is scaled so that one unit is the last place of the result; JavaScript's own arithmetic
 * is exact there, and only the tie needs a decision.
 */
export function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude === 0) return sign;
  const exponent = Math.max(-14, floorLog2(magnitude));
  const units = roundHalfToEven(magnitude * 2 ** (10 - exponent));
  // A significand of 1024 or more is normal, and its leading one adds itself to the exponent field; a
  // carry out of rounding does the same.
  return sign | (units + (exponent + 14) * 1024);
}

/** bfloat16 bits: the upper half of the float32, rounded to nearest even. */
export function bfloat16Bits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function floorLog2(value: number): number {
  let exponent = Math.floor(Math.log2(value));
  if (2 ** exponent > value) exponent -= 1;
  if (2 ** (exponent + 1) <= value) exponent += 1;
  return exponent;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
