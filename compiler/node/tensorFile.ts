/**
 * Tensors in files: `.pb` (ONNX TensorProto), `.npy` (NumPy) and `.json`. In: a path and the input that the file is
 * for. Out: a tensor of that input's element type. Invariant: JSON numbers and NumPy's default types (float64,
 * int64) are converted only where nothing but float precision is lost; everything else must fit as it is.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, extname } from "node:path";
import { readTensor } from "../frontend/onnx/tensor.ts";
import { convertNumbers, type PlainNumber } from "../../runtime/convert.ts";
import { dtypes, elementCount, type DType, type Tensor } from "../../runtime/dtype.ts";
import type { Port } from "../../runtime/format.ts";
import { usage } from "./commandLine.ts";
import { externalDataIn } from "./modelFile.ts";
import { readNpy } from "../tensors/npy.ts";
import { shapeText } from "../tensors/table.ts";

/**
 * Reads a tensor for an input.
 *
 * @throws UsageError when the file is missing or of no known form; NpyError, CompileError for its content
 */
export function readTensorFile(path: string, port: Port): Tensor {
  if (!existsSync(path)) usage(`there is no file ${path} for the input "${port.name}"`);
  const bytes = readFileSync(path);
  switch (extname(path).toLowerCase()) {
    case ".pb":
      return readTensor(bytes, externalDataIn(dirname(path)));
    case ".npy":
      return convertedTo(port.dtype, readNpy(bytes), path);
    case ".json":
      return fromJson(path, new TextDecoder().decode(bytes), port);
    default:
      return usage(`${path} is none of .pb (TensorProto), .npy (NumPy), .json`);
  }
}

/** float64 and int64, which NumPy makes of plain numbers, as what the model takes. */
function convertedTo(dtype: DType, tensor: Tensor, path: string): Tensor {
  const plain = tensor.dtype === "float64" || tensor.dtype === "int64";
  if (!plain || tensor.dtype === dtype) return tensor;
  return {
    dtype,
    shape: tensor.shape,
    data: converted(dtype, Array.from(tensor.data as Iterable<PlainNumber>), path),
  };
}

function converted(dtype: DType, values: readonly PlainNumber[], path: string): Tensor["data"] {
  try {
    return convertNumbers(dtype, values);
  } catch (error) {
    if (error instanceof RangeError) usage(`${path}: ${error.message}`);
    throw error;
  }
}

function fromJson(path: string, text: string, port: Port): Tensor {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    usage(`${path} is not JSON: ${(error as Error).message}`);
  }
  const given = isRecord(value) ? value : { data: value };
  const dtype = given["dtype"] === undefined ? port.dtype : dtypeNamed(given["dtype"], path);
  const nested = flatten(given["data"], path);
  const shape = given["shape"] === undefined ? shapeFor(nested, port, path) : shapeIn(given["shape"], path);
  if (elementCount(shape) !== nested.values.length) {
    usage(
      `${path} has ${nested.values.length} elements, a shape of ${shapeText(shape)} takes ${elementCount(shape)}`,
    );
  }
  if (dtype === "string") return { dtype, shape, data: nested.values.map(String) };
  return {
    dtype,
    shape,
    data: converted(
      dtype,
      nested.values.map((element) => numberOf(element, dtype, path)),
      path,
    ),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function dtypeNamed(name: unknown, path: string): DType {
  return (
    dtypes.find((dtype) => dtype === name) ?? usage(`${path} names the unknown dtype ${JSON.stringify(name)}`)
  );
}

function shapeIn(value: unknown, path: string): number[] {
  const valid = Array.isArray(value) && value.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  return valid ? (value as number[]) : usage(`${path} has a shape that is no list of whole numbers`);
}

interface Nested {
  readonly values: readonly unknown[];
  readonly shape: readonly number[];
}

/** Nested lists to one list; all lists of a level must be equally long. */
function flatten(value: unknown, path: string): Nested {
  if (!Array.isArray(value)) return { values: [value], shape: [] };
  const parts = value.map((part) => flatten(part, path));
  const inner = parts[0]?.shape ?? [];
  for (const part of parts) {
    if (part.shape.length !== inner.length || part.shape.some((dim, axis) => dim !== inner[axis])) {
      usage(`${path} holds lists of different lengths`);
    }
  }
  return { values: parts.flatMap(({ values }) => values), shape: [value.length, ...inner] };
}

/** A flat list takes the shape of its input where that is known; nested lists say their own. */
function shapeFor({ values, shape }: Nested, port: Port, path: string): readonly number[] {
  if (shape.length !== 1 || port.shape.length === 1) return shape;
  const open = port.shape.filter((dim) => typeof dim === "string").length;
  const known = port.shape.reduce<number>((product, dim) => product * (typeof dim === "string" ? 1 : dim), 1);
  if (open === 0) return port.shape as number[];
  if (open === 1 && known > 0 && values.length % known === 0) {
    return port.shape.map((dim) => (typeof dim === "string" ? values.length / known : dim));
  }
  return usage(`${path} is a flat list: say its shape, as {"shape": [...], "data": [...]}`);
}

/** JSON has no NaN, no infinities and no exact 64-bit integers, so these may be given as text. */
function numberOf(element: unknown, dtype: DType, path: string): PlainNumber {
  if (typeof element === "number" || typeof element === "boolean") return element;
  if (typeof element === "string" && /^[+-]?\d+$/.test(element)) return dtype.endsWith("int64") ? BigInt(element) : Number(element); // prettier-ignore
  if (typeof element === "string" && /^([+-]?Infinity|NaN|[+-]?[\d.]+(e[+-]?\d+)?)$/i.test(element)) return Number(element); // prettier-ignore
  return usage(`${path} holds ${JSON.stringify(element)} where a number is needed`);
}
