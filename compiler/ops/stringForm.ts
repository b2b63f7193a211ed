/**
 * What all operators on strings have in common. In: tensors that are known while binding. Out: their strings, and
 * definitions that compute on the host. Invariant: a tensor of another type where strings are needed is refused.
 */
import type { Tensor } from "../ir/dtype.ts";
import type { OpCall, OpDefinition } from "./define.ts";

/** The elements of a string input. */
export function stringsOf(call: OpCall, tensor: Tensor | undefined): readonly string[] {
  if (tensor?.dtype === "string") return tensor.data as readonly string[];
  return call.fail(
    "dtype-unsupported",
    `an input of type ${tensor?.dtype ?? "none"} where strings are needed`,
  );
}

export function stringTensor(shape: readonly number[], data: readonly string[]): Tensor {
  return { dtype: "string", shape, data };
}

/** A definition that computes on the host. */
export function hostOperator(
  op: string,
  evaluate: (call: OpCall, inputs: readonly (Tensor | undefined)[]) => readonly Tensor[],
  domain = "",
): OpDefinition {
  return { op, domain, implementation: { kind: "host", evaluate } };
}
