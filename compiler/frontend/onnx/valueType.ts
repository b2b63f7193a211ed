/**
 * Types of values as an ONNX file declares them. In: a `TypeProto`. Out: an OnnxType, and its text for messages.
 * Invariant: a type that nothing here can compute with (complex, map, opaque) is still read, as it may be declared
 * and never used.
 */
import type { Container } from "../../../runtime/format.ts";
import type { DType } from "../../ir/dtype.ts";
import type { Dim } from "../../ir/graph.ts";
import { dtypeOfCode } from "./elements.ts";
import { FIELD } from "./fields.ts";
import type { Fields, WireReader } from "./wire.ts";

/** The type of a value as the file declares it. */
export type OnnxType =
  | {
      readonly kind: "tensor" | "sparseTensor";
      /** `undefined`: not stated, or one that no tensor here can have (complex). */
      readonly dtype: DType | undefined;
      /** `undefined`: unknown rank. A dimension "" is unknown and has no name. */
      readonly shape: readonly Dim[] | undefined;
    }
  | { readonly kind: "sequence" | "optional"; readonly element: OnnxType }
  | { readonly kind: "map"; readonly key: DType | undefined; readonly value: OnnxType }
  | { readonly kind: "opaque" | "unknown" };

const elementFields: Fields<{ element: OnnxType }> = {
  [FIELD.containerType.element]: (wire, type) => (type.element = readType(wire)),
};

/** Reads the `TypeProto` field at hand. */
export function readType(wire: WireReader): OnnxType {
  const read: { type: OnnxType } = { type: { kind: "unknown" } };
  const container = (kind: "sequence" | "optional") => (inner: WireReader) => {
    read.type = { kind, ...inner.message(elementFields, { element: { kind: "unknown" } }) };
  };
  const tensor = (kind: "tensor" | "sparseTensor") => (inner: WireReader) => {
    read.type = { kind, ...inner.message(tensorTypeFields, { dtype: undefined, shape: undefined }) };
  };
  const map = (inner: WireReader): void => {
    read.type = {
      kind: "map",
      ...inner.message(mapTypeFields, { key: undefined, value: { kind: "unknown" } }),
    };
  };
  const opaque = (inner: WireReader): void => {
    inner.bytes();
    read.type = { kind: "opaque" };
  };
  const fields: Fields<typeof read> = {
    [FIELD.type.tensor]: tensor("tensor"),
    [FIELD.type.sparseTensor]: tensor("sparseTensor"),
    [FIELD.type.sequence]: container("sequence"),
    [FIELD.type.optional]: container("optional"),
    [FIELD.type.map]: map,
    [FIELD.type.opaque]: opaque,
  };
  return wire.message(fields, read).type;
}

const mapTypeFields: Fields<{ key: DType | undefined; value: OnnxType }> = {
  [FIELD.mapType.key]: (wire, type) => (type.key = dtypeOfCode(wire.int(), "a declared map")),
  [FIELD.mapType.value]: (wire, type) => (type.value = readType(wire)),
};

interface TensorTypeBeingRead {
  dtype: DType | undefined;
  shape: Dim[] | undefined;
}

const tensorTypeFields: Fields<TensorTypeBeingRead> = {
  [FIELD.tensorType.elementType]: (wire, type) => {
    const code = wire.int();
    // Complex types are refused where such a value is used, not where it is only declared.
    type.dtype = code === 0 || code === 14 || code === 15 ? undefined : dtypeOfCode(code, "a declared value");
  },
  [FIELD.tensorType.shape]: (wire, type) => (type.shape = wire.message(shapeFields, [])),
};

const shapeFields: Fields<Dim[]> = {
  [FIELD.shape.dim]: (wire, shape) => {
    shape.push(wire.message(dimFields, { dim: "" }).dim);
  },
};

const dimFields: Fields<{ dim: Dim }> = {
  [FIELD.dim.value]: (wire, read) => {
    const value = wire.int();
    // Exporters write -1 for a dimension that they do not know.
    read.dim = value < 0 ? "" : value;
  },
  [FIELD.dim.param]: (wire, read) => (read.dim = wire.string()),
};

/** Whether values of the type are dense tensors. */
export function isTensor(type: OnnxType): type is Extract<OnnxType, { kind: "tensor" | "sparseTensor" }> {
  return type.kind === "tensor";
}

/** What is inside a sequence or optional of tensors; any other type is returned as it is. */
export function contained(type: OnnxType): { readonly element: OnnxType; readonly container?: Container } {
  if (type.kind !== "sequence" && type.kind !== "optional") return { element: type };
  const { element } = type;
  if (isTensor(element)) return { element, container: type.kind };
  if (type.kind === "optional" && element.kind === "sequence" && isTensor(element.element)) {
    return { element: element.element, container: "optional sequence" };
  }
  return { element: type };
}

/** The dtype of the tensors that values of the type are or hold. */
export function elementDType(type: OnnxType): DType | undefined {
  if (type.kind === "sequence" || type.kind === "optional") return elementDType(type.element);
  return type.kind === "tensor" || type.kind === "sparseTensor" ? type.dtype : undefined;
}

/** A type as ONNX writes it in text, such as "seq(tensor(float32))". */
export function typeText(type: OnnxType): string {
  switch (type.kind) {
    case "tensor":
      return `tensor(${type.dtype ?? "unknown"})`;
    case "sparseTensor":
      return `sparse_tensor(${type.dtype ?? "unknown"})`;
    case "sequence":
      return `seq(${typeText(type.element)})`;
    case "optional":
      return `optional(${typeText(type.element)})`;
    case "map":
      return `map(${type.key ?? "unknown"}, ${typeText(type.value)})`;
    default:
      return type.kind;
  }
}
