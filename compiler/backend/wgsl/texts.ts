/**
 * The section of WGSL. In: modules, each perhaps in several texts. Out: one range of bytes for each text, and all of them
 * together. Invariant: equal texts are stored once, whichever variants of a program they are part of.
 */
import type { GpuModule } from "../../../runtime/format/gpu.ts";
import type { ModuleText } from "./program.ts";

/** Module texts one after the other, equal ones once, and where each lies. */
export class ModuleTexts {
  private readonly parts: Uint8Array[] = [];
  private readonly places = new Map<string, { readonly offset: number; readonly bytes: number }>();
  private end = 0;

  put(text: string): { readonly offset: number; readonly bytes: number } {
    const known = this.places.get(text);
    if (known) return known;
    const part = new TextEncoder().encode(text);
    const place = { offset: this.end, bytes: part.length };
    this.parts.push(part);
    this.places.set(text, place);
    this.end += part.length;
    return place;
  }

  module({ text, better }: ModuleText): GpuModule {
    const place = this.put(text);
    if (better.length === 0) return place;
    return { ...place, better: better.map((one) => ({ features: one.features, ...this.put(one.text) })) };
  }

  bytes(): Uint8Array {
    const joined = new Uint8Array(this.end);
    let at = 0;
    for (const part of this.parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }
}
