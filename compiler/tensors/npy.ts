/**
 * NumPy's `.npy` files, to exchange tensors with everything else. In: bytes of format 1.0, 2.0 or 3.0, or a tensor.
 * Out: a tensor in row-major order, or bytes of format 1.0. Invariant: what NumPy has a type for survives the way
 * there and back bit by bit; bfloat16 and the 8-bit and 4-bit floats, which NumPy lacks, are written as float32,
 * sub-byte integers as int8 or uint8. Source: NumPy enhancement proposal 1 ("A simple file format for arrays").
 */
import { loadFunction } from "../ir/numeric.ts";
import {
  allocate,
  bytesPerElement,
  elementCount,
  type DType,
  type NumericData,
  type Tensor,
  viewOf,
} from "../../runtime/dtype.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/** NumPy's type strings without the byte order. */
const dtypeOfCode: Readonly<Record<string, DType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

const codeOfDtype = new Map(Object.entries(dtypeOfCode).map(([code, dtype]) => [dtype, code]));

/** The bytes are not a `.npy` file, or one whose type has no tensor. */
export class NpyError extends Error {
  override readonly name = "NpyError";
}

function refuse(message: string): never {
  throw new NpyError(`this is not a usable .npy file: ${message}`);
}

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly offset: number;
}

function readHeader(bytes: Uint8Array): Header {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte))
    refuse("it does not begin with \\x93NUMPY");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6]!;
  if (major < 1 || major > 3) refuse(`its format version is ${major}`);
  const start = major === 1 ? 10 : 12;
  const length =
    major === 1
      ? view.getUint16(8, true)
      : bytes.length < 12
        ? refuse("it ends in its header")
        : view.getUint32(8, true);
  const offset = start + length;
  if (offset > bytes.length) refuse("it ends in its header");
  const text = new TextDecoder().decode(bytes.subarray(start, offset));
  const descr =
    /'descr'\s*:\s*'([^']+)'/.exec(text)?.[1] ?? refuse("its elements are records, or it names no type");
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1] ?? refuse("it names no order");
  const dims = /'shape'\s*:\s*\(([^)]*)\)/.exec(text)?.[1] ?? refuse("it names no shape");
  const shape = dims
    .split(",")
    .map((dim) => dim.trim())
    .filter((dim) => dim !== "")
    .map((dim) =>
      /^\d{1,15}L?$/.test(dim) ? Number.parseInt(dim, 10) : refuse(`its shape has the dimension ${dim}`),
    );
  return { descr, fortranOrder: order === "True", shape, offset };
}

/**
 * Reads a `.npy` file. Big-endian and column-major files are brought into our form; `<U` text becomes strings.
 *
 * @throws NpyError
 * @example const image = readNpy(readFileSync("image.npy"));
 */
export function readNpy(bytes: Uint8Array): Tensor {
  const { descr, fortranOrder, shape, offset } = readHeader(bytes);
  const count = elementCount(shape);
  const content = bytes.subarray(offset);
  const order = descr.charAt(0);
  const code = descr.slice(1);
  const size = code.startsWith("U") ? 4 * Number(code.slice(1)) : bytesPerElement(dtypeOfCode[code] ?? refuse(`elements of type ${descr} have no tensor`)); // prettier-ignore
  if (content.length !== count * size) {
    refuse(`a shape of [${shape.join(", ")}] takes ${count * size} bytes, ${content.length} are there`);
  }
  if (code.startsWith("U")) {
    const strings = readStrings(content, count, size, order === ">");
    return { dtype: "string", shape, data: fortranOrder ? rowMajor(strings, shape) : strings };
  }
  const dtype = dtypeOfCode[code]!;
  // A copy of its own, aligned; `slice` of a Node Buffer would be a view of a pool.
  const copy = new Uint8Array(content);
  if (order === ">") reverseBytes(copy, size);
  const data = viewOf(dtype, copy.buffer, 0, count);
  if (!fortranOrder || shape.length < 2) return { dtype, shape, data };
  return { dtype, shape, data: intoRowMajor(dtype, data, shape) };
}

function readStrings(bytes: Uint8Array, count: number, size: number, bigEndian: boolean): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const points: number[] = [];
    for (let at = i * size; at < (i + 1) * size; at += 4) points.push(view.getUint32(at, !bigEndian));
    return String.fromCodePoint(...points).replace(/\0+$/, "");
  });
}

function reverseBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** For each element in row-major order, where it stands in column-major order. */
function* columnMajorPositions(shape: readonly number[]): Generator<number> {
  const strides: number[] = [];
  let stride = 1;
  for (const dim of shape) {
    strides.push(stride);
    stride *= dim;
  }
  const index = shape.map(() => 0);
  for (let i = 0; i < stride; i++) {
    yield index.reduce((sum, coordinate, axis) => sum + coordinate * strides[axis]!, 0);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
}

function rowMajor(strings: readonly string[], shape: readonly number[]): string[] {
  return Array.from(columnMajorPositions(shape), (position) => strings[position]!);
}

function intoRowMajor(dtype: DType, source: NumericData, shape: readonly number[]): NumericData {
  const target = allocate(dtype, source.length);
  let i = 0;
  for (const position of columnMajorPositions(shape)) target[i++] = source[position]!;
  return target;
}

/**
 * The bytes of a `.npy` file with the tensor's elements; little-endian, row-major, format 1.0.
 *
 * @example writeFileSync("scores.npy", writeNpy(outputs.scores));
 */
export function writeNpy(tensor: Tensor): Uint8Array {
  const { code, bytes } = elementBytes(tensor);
  const order = code === "b1" || code.endsWith("1") ? "|" : "<";
  const shape = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(", ");
  const fields = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${shape}), }`;
  // The elements begin at a multiple of 64, and the header ends in a line feed.
  const length = Math.ceil((10 + fields.length + 1) / 64) * 64 - 10;
  const header = new TextEncoder().encode(`${fields.padEnd(length - 1)}\n`);
  const file = new Uint8Array(10 + length + bytes.length);
  file.set([...MAGIC, 1, 0, length & 0xff, length >> 8]);
  file.set(header, 10);
  file.set(bytes, 10 + length);
  return file;
}

function elementBytes({ dtype, data }: Tensor): { code: string; bytes: Uint8Array } {
  if (!ArrayBuffer.isView(data)) return stringBytes(data);
  const asBytes = (view: NumericData): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const code = codeOfDtype.get(dtype);
  if (code !== undefined) return { code, bytes: asBytes(data) };
  if (dtype === "int4" || dtype === "int2") return { code: "i1", bytes: asBytes(data) };
  if (dtype === "uint4" || dtype === "uint2") return { code: "u1", bytes: asBytes(data) };
  const decode = loadFunction(dtype) ?? Number;
  return {
    code: "f4",
    bytes: asBytes(Float32Array.from(data as Uint8Array, (bits) => Number(decode(bits)))),
  };
}

function stringBytes(strings: readonly string[]): { code: string; bytes: Uint8Array } {
  const points = strings.map((text) => Array.from(text, (character) => character.codePointAt(0)!));
  const longest = Math.max(1, ...points.map(({ length }) => length));
  const words = new Uint32Array(strings.length * longest);
  points.forEach((text, i) => words.set(text, i * longest));
  return { code: `U${longest}`, bytes: new Uint8Array(words.buffer) };
}
