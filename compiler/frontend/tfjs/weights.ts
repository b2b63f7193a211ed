/**
 * The weights of a TF.js model. In: its `weightsManifest` and the files that it names. Out: a tensor per weight, as it
 * is stored: quantized ones stay small and say how they are meant. Invariant: every tensor has as many elements as its
 * shape says; bytes that no weight claims, or that are missing, are an error. Source: tfjs-core/src/io/types.ts.
 */
import { fail } from "../../diagnostic.ts";
import { bytesPerElement, elementCount, viewOf, type DType, type Tensor } from "../../ir/dtype.ts";
import { extent, list, name, object, type Json } from "./json.ts";
import type { FileBeside } from "./model.ts";

export interface TfWeight {
  /** As stored. */
  readonly tensor: Tensor;
  /** The type in which the model computes with it. */
  readonly dtype: DType | "complex64";
  /** Stored value * scale + minimum is what is meant. */
  readonly quantization?: { readonly scale: number; readonly minimum: number };
}

/** No model is larger; a larger size is damage, and must not be allocated. */
const MOST_ELEMENTS = 2 ** 33;

/** @throws CompileError `model-malformed`, `external-data-missing`, `dtype-unsupported` */
export function readWeights(manifest: Json, fileBeside: FileBeside): Map<string, TfWeight> {
  const weights = new Map<string, TfWeight>();
  for (const [g, item] of list(manifest, "weightsManifest").entries()) {
    const at = `weightsManifest[${g}]`;
    const group = object(item, at);
    const paths = list(group["paths"], `${at}.paths`).map((path, i) => name(path, `${at}.paths[${i}]`));
    const bytes = joined(paths, fileBeside);
    let offset = 0;
    for (const [i, entry] of list(group["weights"], `${at}.weights`).entries()) {
      const { weight, own, size } = readWeight(entry, `${at}.weights[${i}]`, bytes, offset);
      weights.set(own, weight);
      offset += size;
    }
    if (offset !== bytes.length)
      fail(
        "model-malformed",
        `${paths.join(", ")}: ${bytes.length} bytes, where the weights take ${offset}`,
        {
          hint: "the weight files do not belong to this model.json, or are damaged",
        },
      );
  }
  return weights;
}

function joined(paths: readonly string[], fileBeside: FileBeside): Uint8Array {
  const files = paths.map((path) => fileBeside(path));
  const missing = paths.filter((_, i) => !files[i]);
  if (missing.length > 0)
    fail("external-data-missing", `weight files are missing: ${missing.join(", ")}`, {
      hint: "they lie beside model.json; in a page, give them with the option externalData",
    });
  const found = files as Uint8Array[];
  if (found.length === 1) return found[0]!;
  const bytes = new Uint8Array(found.reduce((sum, file) => sum + file.length, 0));
  let at = 0;
  for (const file of found) {
    bytes.set(file, at);
    at += file.length;
  }
  return bytes;
}

const storedTypes: Readonly<Record<string, DType>> = {
  float32: "float32",
  float16: "float16",
  int32: "int32",
  uint8: "uint8",
  uint16: "uint16",
  bool: "bool",
};

interface ReadWeight {
  readonly own: string;
  readonly weight: TfWeight;
  /** Bytes that it takes in the file. */
  readonly size: number;
}

function readWeight(entry: Json, path: string, bytes: Uint8Array, offset: number): ReadWeight {
  const { name: given, shape: dims, dtype: said, quantization } = object(entry, path);
  const own = name(given, `${path}.name`);
  const shape = list(dims, `${path}.shape`).map((dim, d) => extent(dim, `${path}.shape[${d}]`));
  const count = elementCount(shape);
  if (count > MOST_ELEMENTS) fail("model-malformed", `${path}: a weight of shape [${shape.join(", ")}]`);
  if (said === "string") return readStrings(own, shape, count, bytes, offset);
  const means = said === "complex64" ? "complex64" : storedTypes[String(said)];
  if (!means) fail("dtype-unsupported", `weight ${own} has element type ${String(said)}`);
  const quantized = quantization === undefined ? undefined : object(quantization, `${path}.quantization`);
  const stored = quantized
    ? storedTypes[String(quantized["dtype"])]
    : means === "complex64"
      ? "float32"
      : means;
  if (!stored) fail("dtype-unsupported", `weight ${own} is quantized to ${String(quantized?.["dtype"])}`);
  const elements = means === "complex64" ? [...shape, 2] : shape;
  const size = elementCount(elements) * bytesPerElement(stored);
  if (offset + size > bytes.length)
    fail("model-malformed", `weight ${own} ends after byte ${offset + size} of ${bytes.length}`, {
      hint: "a weight file is shorter than the manifest says",
    });
  const scale = quantized?.["scale"];
  const minimum = quantized?.["min"];
  // Half floats are a form of storage only.
  const affine = quantized !== undefined && stored !== "float16";
  if (affine && (typeof scale !== "number" || typeof minimum !== "number"))
    fail("model-malformed", `${path}.quantization should have a scale and a min`);
  return {
    own,
    size,
    weight: {
      tensor: { dtype: stored, shape: elements, data: view(stored, bytes, offset, size) },
      dtype: means,
      ...(affine ? { quantization: { scale: scale as number, minimum: minimum as number } } : {}),
    },
  };
}

/** The elements in place where their alignment allows it, else copied. */
function view(dtype: DType, bytes: Uint8Array, offset: number, size: number): Tensor["data"] {
  const aligned = (bytes.byteOffset + offset) % bytesPerElement(dtype) === 0;
  const part = bytes.subarray(offset, offset + size);
  // Not slice(), which copies nothing where the bytes are a Buffer of Node's.
  const own = aligned ? part : new Uint8Array(part);
  return viewOf(dtype, own.buffer as ArrayBuffer, own.byteOffset, size / bytesPerElement(dtype));
}

/** Strings stand one after the other, each after its length in four bytes. */
function readStrings(
  own: string,
  shape: readonly number[],
  count: number,
  bytes: Uint8Array,
  offset: number,
): ReadWeight {
  const strings: string[] = [];
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new TextDecoder();
  let at = offset;
  for (let i = 0; i < count; i++) {
    const length = at + 4 <= bytes.length ? data.getUint32(at, true) : Infinity;
    if (at + 4 + length > bytes.length) fail("model-malformed", `weight ${own} ends inside a string`);
    strings.push(decoder.decode(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return {
    own,
    size: at - offset,
    weight: { tensor: { dtype: "string", shape, data: strings }, dtype: "string" },
  };
}
