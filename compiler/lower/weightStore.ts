/**
 * Section "weights": constants one after the other. In: tensors, as those who place them come to them. Out: where each lies.
 * Invariant: a tensor is stored once, whoever asks for it.
 */
import type { NumericData, Tensor } from "../ir/dtype.ts";

export class WeightStore {
  readonly parts: Uint8Array[] = [];
  private readonly offsets = new Map<Tensor, number>();
  private end = 0;
  private readonly alignment: number;

  /** @param alignment offsets are multiples of it; buffers of a GPU want 4 */
  constructor(alignment = 1) {
    this.alignment = alignment;
  }

  /** The place of a tensor's bytes in the section. */
  put(tensor: Tensor): { readonly offset: number; readonly bytes: number } {
    const view = tensor.data as NumericData;
    let offset = this.offsets.get(tensor);
    if (offset === undefined) {
      const gap = -this.end & (this.alignment - 1);
      if (gap > 0) this.parts.push(new Uint8Array(gap));
      offset = this.end += gap;
      this.offsets.set(tensor, offset);
      if (view.byteLength > 0) this.parts.push(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      this.end += view.byteLength;
    }
    return { offset, bytes: view.byteLength };
  }
}
