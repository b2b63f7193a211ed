/**
 * Tensors as one file for the page. In: the tensors of a data set. Out: bytes, and where in them each lies. Invariant:
 * each starts at a multiple of 8 bytes, so that the page can view them where they lie; strings are in the list itself.
 */
import { type NamedTensor } from "./models.ts";
import { type StoredTensor, type StoredTensors } from "./protocol.ts";

export type TensorSets = Readonly<Record<keyof Omit<StoredTensors, "url">, readonly NamedTensor[]>>;

const ALIGNMENT = 8;

export function storeTensors({ inputs, outputs, exact }: TensorSets): {
  readonly tensors: Omit<StoredTensors, "url">;
  readonly bytes: Uint8Array;
} {
  const parts: { offset: number; bytes: Uint8Array }[] = [];
  let length = 0;
  const store = ({ name, tensor: { dtype, shape, data } }: NamedTensor): StoredTensor => {
    if (!ArrayBuffer.isView(data)) return { name, dtype, shape, offset: 0, strings: data };
    const offset = length;
    parts.push({ offset, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
    length = Math.ceil((offset + data.byteLength) / ALIGNMENT) * ALIGNMENT;
    return { name, dtype, shape, offset };
  };
  const tensors = { inputs: inputs.map(store), outputs: outputs.map(store), exact: exact.map(store) };
  const bytes = new Uint8Array(length);
  for (const part of parts) bytes.set(part.bytes, part.offset);
  return { tensors, bytes };
}
