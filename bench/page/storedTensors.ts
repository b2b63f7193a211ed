/**
 * Tensors that the driver put on the server (bench/storedTensors.ts). In: where they are. Out: tensors by name.
 * Invariant: numbers are views of the file, not copies.
 */
import { elementCount, type Tensor, viewOf } from "../../runtime/dtype.ts";
import { type Tensors } from "../agreement.ts";
import { type StoredTensor, type StoredTensors } from "../protocol.ts";

export async function fetchTensors(
  tensors: StoredTensors,
): Promise<{ readonly inputs: Tensors; readonly outputs: Tensors; readonly exact: Tensors }> {
  const response = await fetch(tensors.url);
  if (!response.ok) throw new Error(`${tensors.url}: ${response.status}`);
  const buffer = await response.arrayBuffer();
  const byName = (stored: readonly StoredTensor[]): Tensors =>
    Object.fromEntries(
      stored.map(({ name, dtype, shape, offset, strings }): [string, Tensor] => [
        name,
        { dtype, shape, data: strings ?? viewOf(dtype, buffer, offset, elementCount(shape)) },
      ]),
    );
  return { inputs: byName(tensors.inputs), outputs: byName(tensors.outputs), exact: byName(tensors.exact) };
}
