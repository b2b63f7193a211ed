/**
 * A checked reader of protobuf messages over the `pbf` package, which trusts its input. In: bytes of unknown
 * origin. Out: fields, handed to the table of the message at hand. Invariant: no read goes past the end of the
 * message it belongs to, every step consumes at least one byte, and nesting is bounded, so any input is read or
 * refused (CompileError `model-malformed`) in time linear in its length. Source: the protobuf encoding guide.
 */
import { PbfReader } from "pbf";
import { fail } from "../../diagnostic.ts";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Messages inside messages; protobuf's own readers stop at 100. */
const MAX_DEPTH = 100;

/** What to do with each field of a message; other fields are skipped. */
export type Fields<T> = Readonly<Record<number, (wire: WireReader, target: T) => void>>;

/** Reads the fields of one message after another; a field's handler takes exactly one value. */
export class WireReader {
  private readonly pbf: PbfReader;
  private end: number;
  private depth = 0;

  constructor(bytes: Uint8Array) {
    // A plain view, so that parts of a Node Buffer are not Buffers.
    this.pbf = new PbfReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.end = bytes.byteLength;
  }

  /** Reads all remaining fields of the current message into `target`. */
  read<T>(fields: Fields<T>, target: T): T {
    const { pbf } = this;
    while (pbf.pos < this.end) {
      const start = pbf.pos;
      const tag = this.varint();
      const field = Math.floor(tag / 8);
      pbf.type = tag % 8;
      if (field === 0) this.malformed(`field number 0 at byte ${start}`);
      const handler = fields[field];
      if (handler) handler(this, target);
      else this.skip();
    }
    return target;
  }

  /** A nested message. */
  message<T>(fields: Fields<T>, target: T): T {
    const outerEnd = this.end;
    this.end = this.takeLength();
    if (++this.depth > MAX_DEPTH) this.malformed(`messages are nested deeper than ${MAX_DEPTH}`);
    this.read(fields, target);
    this.depth--;
    this.end = outerEnd;
    return target;
  }

  /** Bytes of a length-delimited field, as a view of the input. */
  bytes(): Uint8Array {
    const end = this.takeLength();
    const view = this.pbf.buf.subarray(this.pbf.pos, end);
    this.pbf.pos = end;
    return view;
  }

  /** Text; invalid UTF-8 becomes U+FFFD. */
  string(): string {
    const start = this.pbf.pos;
    const end = this.takeLength();
    this.pbf.pos = start;
    const text = this.pbf.readString();
    this.pbf.pos = end;
    return text;
  }

  /** An int64 or enum; exact only within the safe integers. */
  int(): number {
    this.expect(VARINT);
    return this.varint(true);
  }

  int64(): bigint {
    this.expect(VARINT);
    return this.bigVarint();
  }

  float(): number {
    this.expect(FIXED32);
    this.need(4);
    return this.pbf.readFloat();
  }

  /** One value, or a packed run of them. */
  ints(into: number[]): void {
    this.repeated(VARINT, () => into.push(this.varint(true)));
  }

  int64s(into: bigint[]): void {
    this.repeated(VARINT, () => into.push(this.bigVarint()));
  }

  floats(into: number[]): void {
    this.repeated(FIXED32, () => {
      this.need(4);
      into.push(this.pbf.readFloat());
    });
  }

  doubles(into: number[]): void {
    this.repeated(FIXED64, () => {
      this.need(8);
      into.push(this.pbf.readDouble());
    });
  }

  /** Whether the field at hand is length-delimited (for a repeated scalar: packed). */
  get packed(): boolean {
    return this.pbf.type === BYTES;
  }

  malformed(reason: string): never {
    fail("model-malformed", `the file is not valid protobuf: ${reason}`, {
      hint: "check that the file is a whole .onnx file and was copied in binary form",
    });
  }

  private repeated(type: number, one: () => void): void {
    if (!this.packed) {
      this.expect(type);
      one();
      return;
    }
    const outerEnd = this.end;
    this.end = this.takeLength();
    while (this.pbf.pos < this.end) one();
    this.end = outerEnd;
  }

  /** Reads a length and returns the position where the field ends. */
  private takeLength(): number {
    this.expect(BYTES);
    const length = this.varint();
    this.need(length);
    return this.pbf.pos + length;
  }

  private expect(type: number): void {
    const found = this.pbf.type;
    if (found !== type) this.malformed(`wire type ${found} instead of ${type} at byte ${this.pbf.pos}`);
  }

  private need(length: number): void {
    const { pos } = this.pbf;
    if (length > this.end - pos) {
      this.malformed(`${length} bytes are announced at byte ${pos} where ${this.end - pos} are left`);
    }
  }

  private skip(): void {
    switch (this.pbf.type) {
      case VARINT:
        this.varint();
        break;
      case BYTES:
        this.pbf.pos = this.takeLength();
        break;
      case FIXED32:
        this.need(4);
        this.pbf.pos += 4;
        break;
      case FIXED64:
        this.need(8);
        this.pbf.pos += 8;
        break;
      default:
        this.malformed(`wire type ${this.pbf.type} at byte ${this.pbf.pos}`);
    }
  }

  private varint(signed = false): number {
    const { pbf } = this;
    const start = pbf.pos;
    let value: number;
    try {
      value = pbf.readVarint(signed);
    } catch {
      return this.malformed(`a number longer than ten bytes at byte ${start}`);
    }
    if (pbf.pos > this.end) this.malformed(`a number runs past its message at byte ${start}`);
    return value;
  }

  /** `pbf` gives numbers as doubles; what a double cannot hold is read again, seven bits at a time. */
  private bigVarint(): bigint {
    const start = this.pbf.pos;
    const value = this.varint(true);
    if (Number.isSafeInteger(value)) return BigInt(value);
    let bits = 0n;
    for (let i = start; i < this.pbf.pos; i++) {
      bits |= BigInt(this.pbf.buf[i]! & 0x7f) << BigInt(7 * (i - start));
    }
    return BigInt.asIntN(64, bits);
  }
}
