/**
 * The tensor of a Constant node. In: its attributes, of which exactly one says the value. Out: a tensor.
 * Invariant: all forms of Constant-1 to the newest are covered. Source: ONNX operator Constant.
 */
import { fail, type Diagnostic } from "../../diagnostic.ts";
import type { Tensor } from "../../ir/dtype.ts";
import type { OnnxAttribute } from "./model.ts";

const forms = [
  "value",
  "sparse_value",
  "value_float",
  "value_floats",
  "value_int",
  "value_ints",
  "value_string",
  "value_strings",
] as const;

/** Throws `attribute-invalid` when no form is present, or one of the wrong kind. */
export function constantOf(
  attributes: ReadonlyMap<string, OnnxAttribute>,
  where: Pick<Diagnostic, "node" | "op">,
): Tensor {
  const form = forms.find((name) => attributes.has(name));
  const attribute = form === undefined ? undefined : attributes.get(form);
  switch (attribute?.kind) {
    case "tensor":
      return attribute.value;
    case "float":
      return { dtype: "float32", shape: [], data: Float32Array.of(attribute.value) };
    case "floats":
      return { dtype: "float32", shape: [attribute.value.length], data: Float32Array.from(attribute.value) };
    case "int":
      return { dtype: "int64", shape: [], data: BigInt64Array.of(attribute.value) };
    case "ints":
      return { dtype: "int64", shape: [attribute.value.length], data: BigInt64Array.from(attribute.value) };
    case "string":
      return { dtype: "string", shape: [], data: [attribute.value] };
    case "strings":
      return { dtype: "string", shape: [attribute.value.length], data: attribute.value };
    default:
      return fail(
        "attribute-invalid",
        `one of the attributes ${forms.join(", ")} must hold the value`,
        where,
      );
  }
}
