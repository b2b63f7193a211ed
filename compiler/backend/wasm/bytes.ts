/** A growing run of bytes, with the number formats of the WebAssembly binary format (LEB128). */
import { InternalError } from "../../diagnostic.ts";

export class Bytes {
  private buffer = new Uint8Array(256);
  length = 0;

  private reserve(extra: number): void {
    if (this.length + extra <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + extra));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }
  bytes(values: ArrayLike<number>): void {
    const { length } = values;
    this.reserve(length);
    // Most pieces are opcodes of one to three bytes, where a loop beats a call.
    if (length < 8) for (let i = 0; i < length; i++) this.buffer[this.length + i] = values[i]!;
    else this.buffer.set(values, this.length);
    this.length += length;
  }
  /** Bytes `from` to `to` of another. */
  copy(source: Bytes, from: number, to: number): void {
    this.reserve(to - from);
    for (let i = from; i < to; i++) this.buffer[this.length + i - from] = source.buffer[i]!;
    this.length += to - from;
  }
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }
  /** A signed 32-bit number. */
  signed32(value: number): void {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }
  signed(value: bigint): void {
    let rest = value;
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && !(low & 0x40)) || (rest === -1n && low & 0x40)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }
  name(text: string): void {
    const encoded = Array.from(text, (c) => c.charCodeAt(0));
    if (encoded.some((c) => c > 0x7f)) throw new InternalError(`name ${text} is not ASCII`);
    this.unsigned(encoded.length);
    this.bytes(encoded);
  }
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }
}
