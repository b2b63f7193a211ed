/**
 * Variables that hold a nest's buffers. In: buffers, where each is found, and all accesses of the nest. Out: the name and
 * the form of each, and the declarations of a module and of its functions. Invariant: a binding has one type, that of all
 * buffers in it or else plain words; it is declared four words at once only where every access goes along with that.
 */
import { bytesPerElement, elementCount } from "../../ir/dtype.ts";
import type { Nest, Statement } from "../../ir/nest.ts";
import type { Address, Value } from "../values.ts";
import type { ValueTable } from "../valueTable.ts";
import { quadOf, wordBytes, wordOf, type Binding, type Operand, type Word } from "./memory.ts";

/** How the words of a buffer's variable are declared. */
export interface Declared {
  readonly word: Word;
  /** Four words to an element of the array. */
  readonly quads: boolean;
  readonly name: string;
}

export class Declarations {
  /** Declarations of memory of a workgroup, by name. */
  readonly shared = new Map<string, string>();
  private readonly nest: Nest;
  private readonly operands: readonly Operand[];
  private readonly bindings: readonly Binding[];
  private readonly values: ValueTable;
  private readonly words: readonly { readonly word: Word; readonly quads: boolean }[];
  /** By buffer in memory of a workgroup: whether it is declared as vectors of four. */
  private readonly sharedQuads = new Map<number, boolean>();
  /** Buffers in memory of an invocation that the function being written has declared, and where it does so. */
  private owned = new Set<number>();
  private head: string[] = [];

  constructor(nest: Nest, operands: readonly Operand[], bindings: readonly Binding[], values: ValueTable) {
    this.nest = nest;
    this.operands = operands;
    this.bindings = bindings;
    this.values = values;
    this.words = bindings.map((_, i) => this.declare(i));
  }

  /** @param head of the function that is written next */
  beginFunction(head: string[]): void {
    this.owned = new Set();
    this.head = head;
  }

  /** Whether a binding holds floats of 16 bits as such. */
  get halves(): boolean {
    return this.words.some(({ word }) => word === "f16");
  }

  /** Of the module: bindings. */
  bound(): string[] {
    return this.bindings.map(({ mode, bytes }, i) => {
      const { word, quads } = this.words[i]!;
      const count = bytes / (wordBytes(word) * (quads ? 4 : 1));
      const access = mode === "read" ? "read" : "read_write";
      return `@group(0) @binding(${i}) var<storage, ${access}> b${i}: array<${quads ? quadOf(word) : word}, ${count}>;`;
    });
  }

  /** Where a buffer is found. */
  of(buffer: number): Declared {
    const operand = this.operands[buffer]!;
    if (operand.kind === "bound" || operand.kind === "scratch")
      return { ...this.words[operand.binding]!, name: `b${operand.binding}` };
    const { dtype, shape } = this.nest.buffers[buffer]!;
    const word = wordOf(dtype, false);
    const name = `t${buffer}`;
    const count = Math.max(1, elementCount(shape));
    if (operand.kind === "workgroup") {
      let quads = this.sharedQuads.get(buffer);
      if (quads === undefined) {
        quads =
          count % 4 === 0 && word !== "vec2u" && this.inQuads(this.nest.body, new Set([buffer]), new Set());
        this.sharedQuads.set(buffer, quads);
        const type = quads ? `array<${quadOf(word)}, ${count / 4}>` : `array<${word}, ${count}>`;
        this.shared.set(name, `var<workgroup> ${name}: ${type};`);
      }
      return { word, quads, name };
    }
    const type = `array<${word}, ${count}>`;
    if (!this.owned.has(buffer)) {
      this.owned.add(buffer);
      this.head.push(`var ${name}: ${type};`);
    }
    return { word, quads: false, name };
  }

  /** The type of a binding: that of all buffers in it, else plain words; four at once where all accesses allow it. */
  private declare(binding: number): { word: Word; quads: boolean } {
    const words = new Set<Word>();
    const here = new Set<number>();
    let quads = true;
    this.operands.forEach((operand, i) => {
      if ((operand.kind !== "bound" && operand.kind !== "scratch") || operand.binding !== binding) return;
      const { dtype } = this.nest.buffers[i]!;
      const packed = operand.kind === "bound" && operand.packed;
      words.add(wordOf(dtype, packed));
      here.add(i);
      const narrow = packed && bytesPerElement(dtype) < 4 && dtype !== "float16";
      if (operand.kind === "scratch" || narrow || wordOf(dtype, packed) === "vec2u") quads = false;
    });
    const [only] = words;
    const word = words.size === 1 ? only! : "u32";
    if (this.bindings[binding]!.bytes % 16 !== 0) quads = false;
    return { word, quads: quads && this.inQuads(this.nest.body, here, new Set()) };
  }

  /** Whether all accesses to buffers move by multiples of four, but for what is unrolled. */
  private inQuads(
    body: readonly Statement[],
    buffers: ReadonlySet<number>,
    copied: ReadonlySet<string>,
  ): boolean {
    const moves = ({ terms }: Address): boolean =>
      terms.loops.every(([name, c]) => copied.has(name) || c % 4 === 0) &&
      terms.rest.every(([, c]) => c % 4 === 0);
    const seen = new Set<Value>();
    const loads = (value: Value): boolean => {
      if (seen.has(value)) return true;
      seen.add(value);
      switch (value.kind) {
        case "load":
          return (
            (!buffers.has(value.buffer) || moves(value.address)) &&
            value.address.terms.rest.every(([term]) => loads(term))
          );
        case "unary":
        case "cast":
        case "bitcast":
          return loads(value.a);
        case "binary":
          return loads(value.a) && loads(value.b);
        case "select":
          return loads(value.condition) && loads(value.a) && loads(value.b);
        default:
          return true;
      }
    };
    return body.every((s) => {
      switch (s.kind) {
        case "for": {
          const straight = s.mode === "unroll" || s.mode === "vector" || s.extent === 1;
          return this.inQuads(s.body, buffers, straight ? new Set([...copied, s.variable]) : copied);
        }
        case "update":
          return loads(this.values.from(s.body));
        case "store":
          return (
            loads(this.values.from(s.value)) &&
            (!buffers.has(s.buffer) || moves(this.values.address(s.buffer, s.index)))
          );
        default:
          return true;
      }
    });
  }
}
