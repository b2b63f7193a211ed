/**
 * Code for engines without relaxed SIMD, made of code for those that have it. In: a module of the compiler's. Out: the
 * same with a multiplication and an addition for each relaxed multiply-add, which is one of the results that the
 * relaxed instruction may have. Invariant: all else stays as it is, byte for byte; what the compiler never writes is
 * refused. So an artifact holds its code once, and only engines that need this file download it. Source: WebAssembly
 * core specification 3.0, sections 5.4 (instructions) and 5.5 (modules).
 */
import { TilewrightError } from "./errors.ts";

const V128 = 0x7b;
/** f32x4.relaxed_madd: what follows 0xfd. */
const RELAXED_MADD = 0x105;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const F32X4_MUL = [0xfd, 0xe6, 0x01];
const F32X4_ADD = [0xfd, 0xe4, 0x01];

/**
 * The module without relaxed instructions.
 *
 * @throws TilewrightError `artifact-malformed`
 */
export function withoutRelaxedSimd(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const reader = new Reader(module);
  const out = new Writer(module.length * 2);
  out.copy(reader.take(8));
  /** How many parameters the types have, and the types of the functions. */
  let parameters: readonly number[] = [];
  let functions: readonly number[] = [];
  while (reader.at < module.length) {
    const id = reader.byte();
    const content = new Reader(reader.take(reader.unsigned()));
    if (id === 1) {
      parameters = content.list(() => {
        content.byte(); // 0x60, the only kind of type
        const count = content.take(content.unsigned()).length;
        content.take(content.unsigned());
        return count;
      });
    } else if (id === 3) functions = content.list(() => content.unsigned());
    out.copy([id]);
    if (id !== 10) {
      out.sized(content.bytes);
      continue;
    }
    const code = new Writer(content.bytes.length * 2);
    let index = 0;
    const bodies = content.list(() => content.take(content.unsigned()));
    code.unsigned(bodies.length);
    for (const body of bodies) code.sized(rewritten(body, parameters[functions[index++] ?? -1] ?? 0));
    out.sized(code.written());
  }
  return out.written().slice();
}

/** A function's body: its locals, then instructions. */
function rewritten(body: Uint8Array, parameters: number): Uint8Array {
  const reader = new Reader(body);
  const out = new Writer(body.length * 2);
  let spare = parameters;
  const groups = reader.list(() => {
    const count = reader.unsigned();
    spare += count;
    return { count, type: reader.byte() };
  });
  out.unsigned(groups.length + 1);
  for (const { count, type } of [...groups, { count: 1, type: V128 }]) {
    out.unsigned(count);
    out.copy([type]);
  }
  let copied = reader.at;
  let found = false;
  while (reader.at < body.length) {
    const start = reader.at;
    if (!skipInstruction(reader)) continue;
    found = true;
    // a b c: the addend waits in a local of its own.
    out.copy(body.subarray(copied, start));
    out.copy([LOCAL_SET]);
    out.unsigned(spare);
    out.copy(F32X4_MUL);
    out.copy([LOCAL_GET]);
    out.unsigned(spare);
    out.copy(F32X4_ADD);
    copied = reader.at;
  }
  if (!found) return body;
  out.copy(body.subarray(copied));
  return out.written();
}

/** Goes behind an instruction; whether it is a relaxed multiply-add. */
function skipInstruction(reader: Reader): boolean {
  const opcode = reader.byte();
  if (opcode === 0xfd) return skipVector(reader, reader.unsigned());
  if (opcode === 0xfc) {
    // Saturating conversions; what is above copies memory.
    if (reader.unsigned() > 7) throw malformed();
  } else if (opcode === 0xfe) {
    reader.unsigned();
    reader.leb(2);
  } else if (opcode >= 0x28 && opcode <= 0x3e) reader.leb(2);
  else if (opcode >= 0x02 && opcode <= 0x04) reader.leb(1);
  else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) reader.leb(1);
  else if (opcode >= 0x20 && opcode <= 0x24) reader.leb(1);
  else if (opcode === 0x41 || opcode === 0x42) reader.leb(1);
  else if (opcode === 0x43) reader.take(4);
  else if (opcode === 0x44) reader.take(8);
  else if (opcode === 0x1c) reader.take(reader.unsigned());
  else if (![0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b].includes(opcode) && (opcode < 0x45 || opcode > 0xc4))
    throw malformed();
  return false;
}

function skipVector(reader: Reader, opcode: number): boolean {
  if (opcode <= 11 || opcode === 92 || opcode === 93) reader.leb(2);
  else if (opcode === 12 || opcode === 13) reader.take(16);
  else if (opcode >= 21 && opcode <= 34) reader.byte();
  else if (opcode >= 84 && opcode <= 91) {
    reader.leb(2);
    reader.byte();
  } else if (opcode === RELAXED_MADD) return true;
  else if (opcode > 255) throw malformed();
  return false;
}

class Reader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw malformed();
    return byte;
  }
  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.at) throw malformed();
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  unsigned(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }
  /** Goes behind so many numbers of variable length. */
  leb(count: number): void {
    for (let i = 0; i < count; i++) while (this.byte() >= 0x80);
  }
  list<T>(one: () => T): T[] {
    const items: T[] = [];
    for (let left = this.unsigned(); left > 0; left--) items.push(one());
    return items;
  }
}

class Writer {
  private bytes: Uint8Array<ArrayBuffer>;
  private length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity + 16);
  }
  copy(bytes: ArrayLike<number>): void {
    const length = this.length + bytes.length;
    if (length > this.bytes.length) {
      const larger = new Uint8Array(length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(bytes, this.length);
    this.length = length;
  }
  unsigned(value: number): void {
    const bytes: number[] = [];
    for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
    this.copy([...bytes, value]);
  }
  sized(bytes: Uint8Array): void {
    this.unsigned(bytes.length);
    this.copy(bytes);
  }
  written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}

function malformed(): TilewrightError {
  return new TilewrightError("artifact-malformed", "a section of code is not what the compiler writes");
}
