/**
 * WebAssembly as text. In: the bytes of a module that we emitted. Out: the text format, which any WebAssembly tool
 * assembles back to the same instructions. Invariant: every byte is accounted for; what our emitter never writes is
 * an InternalError that says where. Source: WebAssembly core specification 2.0, chapters "Binary Format" and "Text
 * Format".
 */
import { InternalError } from "../../diagnostic.ts";
import { allInstructions } from "./opcodes.ts";

export interface DisassembleOptions {
  /** A word for the function with this number among those defined in the module (imports not counted). */
  readonly name?: (defined: number) => string | undefined;
  /** Functions whose code is printed; all, if not said. */
  readonly wanted?: (defined: number) => boolean;
}

interface FunctionType {
  readonly takes: readonly string[];
  readonly gives: readonly string[];
}

const valueTypes: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
};

type Immediates = "none" | "lane" | "memory" | "memoryLane";

/** Instructions by their opcode bytes, joined by dots. */
const instructions = new Map<string, { readonly name: string; readonly immediates: Immediates }>();
for (const { name, bytes, immediates } of allInstructions())
  instructions.set(bytes.join("."), { name, immediates });

/** Reads what the binary format is made of. */
class Reader {
  at: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new InternalError("the module ends too early");
    return byte;
  }
  unsigned(): number {
    return Number(BigInt.asUintN(32, this.leb(false)));
  }
  signed(): bigint {
    return this.leb(true);
  }
  private leb(signed: boolean): bigint {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte & 0x80) continue;
      return signed && byte & 0x40 ? value - (1n << shift) : value;
    }
  }
  float32(): number {
    this.at += 4;
    return this.view.getFloat32(this.at - 4, true);
  }
  float64(): number {
    this.at += 8;
    return this.view.getFloat64(this.at - 8, true);
  }
  take(count: number): Uint8Array {
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  text(): string {
    return String.fromCharCode(...this.take(this.unsigned()));
  }
  list<T>(one: (index: number) => T): T[] {
    const count = this.unsigned();
    return Array.from({ length: count }, (_, index) => one(index));
  }
  valueType(): string {
    const code = this.byte();
    return valueTypes[code] ?? unknown(`value type ${code}`, this.at - 1);
  }
}

function unknown(what: string, at: number): never {
  throw new InternalError(`the disassembler does not know ${what} at byte ${at}`);
}

/** A number as the text format spells it; decimals of JavaScript are exact both ways. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

function hex(bytes: Uint8Array): string {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .reverse()
    .join("")}`;
}

/** Opcodes with immediates of their own; 0xfd stands for 0xfd followed by the number after it. */
function special(code: string, reader: Reader, nameOf: (index: number) => string): string | undefined {
  switch (code) {
    case "0":
      return "unreachable";
    case "2":
    case "3":
    case "4":
      if (reader.byte() !== 0x40) unknown("a block with results", reader.at - 1);
      return { 2: "block", 3: "loop", 4: "if" }[code];
    case "11":
      return "end";
    case "12":
      return `br ${reader.unsigned()}`;
    case "15":
      return "return";
    case "13":
      return `br_if ${reader.unsigned()}`;
    case "16":
      return `call ${nameOf(reader.unsigned())}`;
    case "26":
      return "drop";
    case "28":
      return `select ${reader.list(() => `(result ${reader.valueType()})`).join(" ")}`;
    case "32":
      return `local.get ${reader.unsigned()}`;
    case "33":
      return `local.set ${reader.unsigned()}`;
    case "34":
      return `local.tee ${reader.unsigned()}`;
    case "65":
      return `i32.const ${reader.signed()}`;
    case "66":
      return `i64.const ${reader.signed()}`;
    case "67":
      return `f32.const ${floatText(reader.float32())}`;
    case "68":
      return `f64.const ${floatText(reader.float64())}`;
    case "253.12":
      return `v128.const i32x4 ${[0, 1, 2, 3].map(() => hex(reader.take(4))).join(" ")}`;
    case "253.13":
      return `i8x16.shuffle ${reader.take(16).join(" ")}`;
    default:
      return undefined;
  }
}

/** Reads one opcode as the key of {@link instructions}. */
function opcode(reader: Reader): string {
  const first = reader.byte();
  if (first < 0xfc) return String(first);
  const start = reader.at;
  reader.unsigned();
  const end = reader.at;
  reader.at = start;
  return [first, ...reader.take(end - start)].join(".");
}

function instructionText(reader: Reader, nameOf: (index: number) => string): string {
  const start = reader.at;
  const code = opcode(reader);
  const text = special(code, reader, nameOf);
  if (text !== undefined) return text;
  const known = instructions.get(code) ?? unknown(`opcode ${code}`, start);
  switch (known.immediates) {
    case "none":
      return known.name;
    case "lane":
      return `${known.name} ${reader.byte()}`;
    case "memory":
    case "memoryLane": {
      const align = reader.unsigned();
      const offset = reader.unsigned();
      const lane = known.immediates === "memoryLane" ? ` ${reader.byte()}` : "";
      return `${known.name}${offset ? ` offset=${offset}` : ""} align=${2 ** align}${lane}`;
    }
    default:
      known.immediates satisfies never;
      return unknown(known.name, start);
  }
}

/** The lines of a function's body, indented by its loops, without the last `end`. */
function bodyLines(reader: Reader, end: number, nameOf: (index: number) => string): string[] {
  const lines: string[] = [];
  const locals = reader.list(() => ({ count: reader.unsigned(), type: reader.valueType() }));
  const declared = locals.flatMap(({ count, type }) => new Array<string>(count).fill(type));
  if (declared.length) lines.push(`    (local ${declared.join(" ")})`);
  let depth = 0;
  while (reader.at < end) {
    const text = instructionText(reader, nameOf);
    if (text === "end") depth--;
    if (depth < 0) break;
    lines.push("    " + "  ".repeat(depth) + text);
    if (text === "loop" || text === "block" || text === "if") depth++;
  }
  if (reader.at !== end)
    throw new InternalError(`a function's body ends at byte ${reader.at}, not at ${end}`);
  return lines;
}

function signatureText({ takes, gives }: FunctionType): string {
  return `${takes.length ? ` (param ${takes.join(" ")})` : ""}${gives.length ? ` (result ${gives.join(" ")})` : ""}`;
}

/** Names may hold only letters, digits and some signs; the number makes them unique. */
function identifier(word: string | undefined, index: number): string {
  return word === undefined ? `$${index}` : `$${word.replace(/[^\w.+*/:<>=?!@#%&|~^'\\-]/g, "_")}.${index}`;
}

/** Prints a module. */
export function disassemble(module: Uint8Array, options: DisassembleOptions = {}): string {
  const reader = new Reader(module, 8);
  let types: FunctionType[] = [];
  const names: string[] = [];
  let definedTypes: number[] = [];
  const exported = new Map<number, string>();
  const lines: string[] = ["(module"];
  let imported = 0;
  const nameOf = (index: number): string => names[index] ?? String(index);
  while (reader.at < module.length) {
    const id = reader.byte();
    const length = reader.unsigned();
    const end = reader.at + length;
    switch (id) {
      case 1:
        types = reader.list(() => {
          if (reader.byte() !== 0x60) unknown("a type that is no function", reader.at - 1);
          return {
            takes: reader.list(() => reader.valueType()),
            gives: reader.list(() => reader.valueType()),
          };
        });
        break;
      case 2:
        reader.list(() => {
          const [from, name] = [reader.text(), reader.text()];
          const head = ["  (import", JSON.stringify(from), JSON.stringify(name)].join(" ");
          const kind = reader.byte();
          if (kind === 2) {
            const limited = reader.byte();
            const pages = reader.unsigned();
            lines.push(`${head} (memory ${pages}${limited & 1 ? ` ${reader.unsigned()}` : ""}))`);
            return;
          }
          if (kind !== 0) unknown(`import kind ${kind}`, reader.at - 1);
          const type = types[reader.unsigned()]!;
          names.push(identifier(name, imported));
          lines.push(`${head} (func ${names[imported]}${signatureText(type)}))`);
          imported++;
        });
        break;
      case 3:
        definedTypes = reader.list((index) => {
          names.push(identifier(options.name?.(index), imported + index));
          return reader.unsigned();
        });
        break;
      case 7:
        reader.list(() => {
          const name = reader.text();
          if (reader.byte() !== 0) unknown("an export that is no function", reader.at - 1);
          exported.set(reader.unsigned(), name);
        });
        break;
      case 10:
        reader.list((index) => {
          const stop = reader.unsigned() + reader.at;
          if (options.wanted?.(index) === false) {
            reader.at = stop;
            return;
          }
          const name = exported.get(imported + index);
          const head = `  (func ${names[imported + index]}${name === undefined ? "" : ` (export "${name}")`}`;
          lines.push(
            `${head}${signatureText(types[definedTypes[index]!]!)}`,
            ...bodyLines(reader, stop, nameOf),
            "  )",
          );
        });
        break;
      default:
        unknown(`section ${id}`, reader.at);
    }
    if (reader.at !== end) throw new InternalError(`section ${id} ends at byte ${reader.at}, not at ${end}`);
  }
  lines.push(")");
  return lines.join("\n");
}
