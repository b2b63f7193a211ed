/**
 * Writes a nest as one WGSL module. In: a nest whose buffers hold what lower/storage.ts leaves and whose mathematics is
 * primitive, and where each buffer is found. Out: text, with an entry point for each stage of the nest's outermost
 * level and the number of workgroups to start. Invariant: grid loops that stand around all else become workgroups, group
 * loops the invocations of one; what stands outside of group loops is computed by every invocation of a workgroup alike,
 * and stored by the first. Barriers stand in uniform control flow only.
 */
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement, computeType, elementCount, type ComputeType } from "../../ir/dtype.ts";
import { constant, type Expr } from "../../ir/expr.ts";
import { some } from "../../ir/walk.ts";
import type { Reduction } from "../../ir/kernel.ts";
import type { ForStatement, Nest, Statement } from "../../ir/nest.ts";
import { identityOf } from "../../lower/empty.ts";
import type { Address, Point, Value } from "../values.ts";
import { registerOf, StraightCode, type Leaf, type LeafOf } from "../straight.ts";
import { ExpressionWriter, narrowed, type Declared, type Register } from "./expression.ts";
import { BUILTINS, inSequence, together, type EmittedEntry, type Part } from "./entries.ts";
import { indented } from "./frames.ts";
import { joinSlices, sharedWord } from "./gather.ts";
import { intLiteral, wgslType, wgslVector } from "./literal.ts";
import { asWord, quadOf, wordBytes, wordOf, type Binding, type Operand, type Word } from "./memory.ts";
import { Library } from "./library.ts";
import { PACKED_DOTS } from "./packed.ts";
import { hasOwnCopies } from "./scratch.ts";
import { bySubgroups, combineBySubgroups, SUBGROUPS } from "./subgroups.ts";
import { wavesOf } from "./waves.ts";
import { chainOf, spread, type Chain, type Team } from "./grid.ts";

export interface EmittedNest {
  readonly text: string;
  readonly entries: readonly EmittedEntry[];
  /** The same for devices that have more, where that differs; what takes the most features stands first. */
  readonly better: readonly { readonly features: readonly string[]; readonly text: string }[];
}

type Written<Kind extends Leaf<Register>["kind"]> = LeafOf<Register, Kind>;

/** @param memory see {@link wavesOf} */
export function emitNest(
  nest: Nest,
  operands: readonly Operand[],
  bindings: readonly Binding[],
  memory?: readonly number[],
): EmittedNest {
  const waves = wavesOf(nest, memory);
  const written = (features: readonly string[]): Omit<EmittedNest, "better"> =>
    new Emitter(nest, operands, bindings, new Set(features)).run(waves);
  const useful = [
    ...(combinesBySubgroups(nest.body) ? [SUBGROUPS] : []),
    ...(hasDots(nest.body) ? [PACKED_DOTS] : []),
  ];
  const sets = useful.length > 1 ? [useful, ...useful.map((name) => [name])] : useful.length === 1 ? [useful] : []; // prettier-ignore
  return { ...written([]), better: sets.map((features) => ({ features, text: written(features).text })) };
}

function hasDots(body: readonly Statement[]): boolean {
  const isDot = (e: Expr): boolean => e.kind === "binary" && e.op === "dot4";
  return body.some((s) => {
    if (s.kind === "for") return hasDots(s.body);
    return (s.kind === "update" && some(s.body, isDot)) || (s.kind === "store" && some(s.value, isDot));
  });
}

function combinesBySubgroups(body: readonly Statement[]): boolean {
  return body.some((s) => (s.kind === "for" ? combinesBySubgroups(s.body) : s.kind === "combine" && s.over === "subgroup")); // prettier-ignore
}

class Emitter extends ExpressionWriter {
  private readonly bindings: readonly Binding[];
  /** Whether subgroups combine what a schedule says they may. */
  private readonly subgroups: boolean;
  /** Registers that are never NaN. */
  private readonly numbers = new Set<string>();
  private readonly words: readonly { readonly word: Word; readonly quads: boolean }[];
  private readonly straightCode = new StraightCode<Register>(this.values, {
    straight: (leaves) => this.straight(leaves),
    loop: (statement, at) => this.loop(statement, at),
    barrier: () => this.barrier(),
  });
  /** Declarations of memory of a workgroup. */
  private readonly shared = new Map<string, string>();
  /** By buffer in memory of a workgroup: whether it is declared as vectors of four. */
  private readonly sharedQuads = new Map<number, boolean>();
  /** Buffers in memory of an invocation that the entry point being written has declared. */
  private owned = new Set<number>();
  /** Invocations of the workgroup of the entry point being written. */
  private size = 1;
  /** Whether each invocation works on points of its own here. */
  private spreads = false;
  /** Those who have points of their own and meet, and what of it is dealt out here. */
  private team: Team | undefined;
  private sharing: "copy" | "reduction" | undefined;
  private chain: Chain | undefined;
  private stage: readonly Statement[] = [];
  /** By buffer: whether scratch in memory is another for each unit of the stage being written. */
  private ownCopies = new Map<number, boolean>();
  /** Whether something was stored since the last barrier. */
  private stored = false;

  /** @param features what the device has, of those that a text may be written for */
  constructor(
    nest: Nest,
    operands: readonly Operand[],
    bindings: readonly Binding[],
    features: ReadonlySet<string>,
  ) {
    super(nest, operands, new Library(features.has(PACKED_DOTS)));
    this.bindings = bindings;
    this.subgroups = features.has(SUBGROUPS);
    this.words = bindings.map((_, i) => this.declare(i));
  }

  run(waves: readonly (readonly (readonly Statement[])[])[]): Omit<EmittedNest, "better"> {
    const entries: EmittedEntry[] = [];
    const functions: string[] = [];
    if (this.nest.sequence && waves.length > 1) {
      const phases = waves.map((wave, i) => wave.map((stage, j) => this.entry(`main${i}part${j}`, stage)));
      const parts = phases.flat();
      const size = Math.max(...parts.map((part) => part.size));
      for (const part of parts) functions.push(...part.lines("group: vec3u, index: u32"));
      functions.push(`@compute @workgroup_size(${size})`, ...inSequence("main", phases, size));
      entries.push({ name: "main", groups: [1, 1, 1] });
      waves = [];
    }
    for (const wave of waves) {
      const name = entries.length === 0 ? "main" : `main${entries.length}`;
      const parts = wave.map((stage, i) => this.entry(wave.length === 1 ? name : `${name}part${i}`, stage));
      const [only] = parts;
      if (parts.length === 1) {
        functions.push(`@compute @workgroup_size(${only!.size})`, ...only!.lines(BUILTINS));
        entries.push({ name, groups: only!.groups });
        continue;
      }
      const size = Math.max(...parts.map((part) => part.size));
      for (const part of parts) functions.push(...part.lines("group: vec3u, index: u32"));
      const { lines, groups } = together(name, parts, size);
      functions.push(`@compute @workgroup_size(${size})`, ...lines);
      entries.push({ name, groups });
    }
    const declarations = this.bindings.map(({ mode, bytes }, i) => {
      const { word, quads } = this.words[i]!;
      const count = bytes / (wordBytes(word) * (quads ? 4 : 1));
      const access = mode === "read" ? "read" : "read_write";
      return `@group(0) @binding(${i}) var<storage, ${access}> b${i}: array<${quads ? quadOf(word) : word}, ${count}>;`;
    });
    const halves = this.words.some(({ word }) => word === "f16");
    const text = [
      ...(halves ? ["enable f16;"] : []),
      ...(this.subgroups ? [`enable ${SUBGROUPS};`] : []),
      ...declarations,
      ...this.bitVariables(),
      ...this.shared.values(),
      ...this.library.text(),
      ...functions,
    ];
    return { text: text.map((line) => `${line}\n`).join(""), entries };
  }

  // -------------------------------------------------------------------------------------------------------------
  // Memory

  protected declared(buffer: number): Declared {
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
      this.frames.stack[0]!.head.push(`var ${name}: ${type};`);
    }
    return { word, quads: false, name };
  }

  protected scratchBase(buffer: number): string | undefined {
    const operand = this.operands[buffer]!;
    if (operand.kind !== "scratch" || operand.stride === 0) return undefined;
    let own = this.ownCopies.get(buffer);
    if (own === undefined) this.ownCopies.set(buffer, (own = hasOwnCopies(this.nest, this.stage, buffer)));
    if (!own) return undefined;
    return this.frames.hoist(`${this.chain!.unit} * ${intLiteral(operand.stride)}`, 0);
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

  // -------------------------------------------------------------------------------------------------------------
  // Entry points and loops

  private entry(name: string, stage: readonly Statement[]): Part {
    const { frames } = this;
    this.owned = new Set();
    this.stage = stage;
    this.ownCopies = new Map();
    this.straightCode.forget();
    this.stored = false;
    const chain = chainOf(stage, this.nest.workgroup);
    this.chain = chain;
    this.size = chain.size;
    this.spreads = chain.own;
    this.team = chain.team;
    this.sharing = undefined;
    const root = frames.open();
    const { groups, guard } = spread(chain, root);
    this.straightCode.write(chain.body, { scope: this.values.root, values: [] });
    const lines = frames.close();
    const { size } = chain;
    return {
      name,
      size,
      alone: (chain.own && !chain.team) || size === 1,
      groups,
      lines: (parameters) => [
        `fn ${name}(${parameters}) {`,
        ...indented(withoutIdle([...guard, ...lines])),
        "}",
      ],
    };
  }

  private barrier(): void {
    if (this.size === 1 || (this.spreads && !this.team) || !this.stored) return;
    this.stored = false;
    this.frames.line("workgroupBarrier();");
    // What a team shares is in memory of the workgroup.
    if (this.team) return;
    const storage = this.operands.some((o) => o.kind === "scratch" || (o.kind === "bound" && this.bindings[o.binding]!.mode === "write")); // prettier-ignore
    if (storage) this.frames.line("storageBarrier();");
  }

  private loop(s: ForStatement, at: Point): void {
    const { frames } = this;
    const { from, extent } = s;
    const name = frames.fresh("k");
    const end = intLiteral(from + extent);
    const shared = this.sharingOf(s);
    const group = shared !== undefined;
    const frame = frames.open();
    frame.variables.set(s.variable, name);
    const [before, sharing] = [this.spreads, this.sharing];
    const stored = this.stored;
    this.spreads ||= group;
    this.sharing = shared?.sharing ?? sharing;
    // What the iteration before has stored.
    if (!group) this.stored = true;
    this.straightCode.write(s.body, at);
    [this.spreads, this.sharing] = [before, sharing];
    if (!group) this.stored ||= stored;
    const body = indented(frames.close());
    if (!shared) frames.line(`for (var ${name} = ${intLiteral(from)}; ${name} < ${end}; ${name}++) {`);
    else {
      const { by, among } = shared;
      const first = from === 0 ? by : `${by} + ${from}`;
      if (extent > among)
        frames.line(`for (var ${name} = ${first}; ${name} < ${end}; ${name} += ${among}) {`);
      else {
        frames.line(extent === among ? "{" : `if (${by} < ${extent}) {`);
        body.unshift(` let ${name} = ${first};`);
      }
    }
    for (const line of body) frames.line(line);
    frames.line("}");
  }

  /** How a loop's iterations are dealt out here; undefined where each invocation runs all of them. */
  private sharingOf({
    mode,
  }: ForStatement):
    | { readonly by: "lane" | "slice"; readonly among: number; readonly sharing?: "copy" | "reduction" }
    | undefined {
    if (mode !== "group" && mode !== "together") return undefined;
    const { team } = this;
    if (!team) return this.size > 1 && !this.spreads ? { by: "lane", among: this.size } : undefined;
    if (mode === "together")
      return this.size > 1 ? { by: "lane", among: this.size, sharing: "copy" } : undefined;
    if (team.slices === 1 || this.sharing === "reduction") return undefined;
    return { by: "slice", among: team.slices, sharing: "reduction" };
  }

  // -------------------------------------------------------------------------------------------------------------
  // Straight code

  private straight(leaves: readonly Leaf<Register>[]): void {
    this.openRegion();
    for (const leaf of leaves) {
      if (leaf.kind === "update") this.count(leaf.number ?? leaf.body, leaf.lanes);
      else if (leaf.kind === "store") this.count(leaf.value, leaf.lanes);
    }
    const joined = this.team
      ? leaves.filter((leaf) => leaf.kind === "combine" && leaf.over !== undefined)
      : [];
    for (const leaf of leaves) {
      this.lanes = "lanes" in leaf ? leaf.lanes : undefined;
      if (leaf === joined[0]) this.join(joined as Written<"combine">[], this.team!);
      if (joined.includes(leaf)) continue;
      switch (leaf.kind) {
        case "init":
          this.init(leaf);
          break;
        case "update":
          this.update(leaf);
          break;
        case "combine":
          this.combine(leaf);
          break;
        case "store":
          this.store(leaf);
          break;
        default:
          leaf satisfies never;
      }
    }
    this.lanes = undefined;
  }

  private identity(op: Reduction["op"], type: ComputeType, vector: boolean): string {
    return this.text(this.values.from(constant(type, identityOf(op, type))), vector);
  }

  private init({ op, type, slot, lanes }: Written<"init">): void {
    const register: Register = { name: this.frames.fresh("r"), vector: lanes !== undefined, type };
    slot.register = register;
    const form = register.vector ? wgslVector(type) : wgslType(type);
    this.frames.line(`var ${register.name}: ${form} = ${this.identity(op, type, register.vector)};`);
  }

  private update({ op, slot, body: given, number, lanes }: Written<"update">): void {
    const body = number ?? given;
    const register = registerOf(slot);
    const { name, vector } = register;
    if (lanes && !vector) throw new InternalError("a vector updates a scalar accumulator");
    this.beginStatement(body, register);
    if (number !== undefined) this.numbers.add(name);
    let text = this.text(body, vector);
    if (lanes && lanes.lanes < 4) {
      const mask = [0, 1, 2, 3].map((lane) => lane < lanes.lanes).join(", ");
      text = `select(${this.identity(op, body.type, true)}, ${text}, vec4<bool>(${mask}))`;
    }
    this.frames.line(`${this.accumulated(op, name, text, body.type, vector, number !== undefined)};`);
  }

  /** `name = name op text`. */
  private accumulated(
    op: string,
    name: string,
    text: string,
    type: ComputeType,
    vector: boolean,
    skipsNaN: boolean,
  ): string {
    const wide = type === "i64" || type === "u64";
    const sign = type === "u64" ? "U" : "I";
    switch (op) {
      case "sum":
        return wide ? `${name} = ${this.library.use("add64")}(${name}, ${text})` : `${name} += ${text}`;
      case "prod":
        return wide ? `${name} = ${this.library.use("mul64")}(${name}, ${text})` : `${name} *= ${text}`;
      default: {
        const more = op === "max";
        if (type === "bool") return `${name} = ${name} ${more ? "|" : "&"} ${text}`;
        if (wide) {
          const x = this.named(text);
          const less = this.library.use(`lt${sign}64`);
          return `${name} = select(${name}, ${x}, ${more ? `${less}(${name}, ${x})` : `${less}(${x}, ${name})`})`;
        }
        if (type !== "f32") return `${name} = ${op}(${name}, ${text})`;
        if (!skipsNaN)
          return `${name} = ${this.library.use(more ? "maxF" : "minF", vector)}(${name}, ${text})`;
        const x = this.named(text);
        return `${name} = select(${name}, ${x}, ${x} ${more ? ">" : "<"} ${name})`;
      }
    }
  }

  private named(text: string): string {
    if (/^\w+(\.\w)?$/.test(text)) return text;
    const name = this.frames.fresh("v");
    this.frames.line(`let ${name} = ${text};`);
    return name;
  }

  private combine({ op, slot, over }: Written<"combine">): void {
    const register = registerOf(slot);
    const { name, type } = register;
    if (over === undefined) {
      const total = this.frames.fresh("r");
      this.frames.line(`var ${total}: ${wgslType(type)} = ${name}.x;`);
      for (const lane of ["y", "z", "w"])
        this.frames.line(`${this.accumulated(op, total, `${name}.${lane}`, type, false, false)};`);
      slot.register = { name: total, vector: false, type };
      return;
    }
    const { size } = this;
    if (size === 1) return;
    if (this.spreads) throw new InternalError("invocations combine what they do not share");
    const { vector } = register;
    const word = sharedWord(register);
    const memory = `s_${word.replace(/\W/g, "")}`;
    this.shared.set(memory, `var<workgroup> ${memory}: array<${word}, ${size}>;`);
    const { frames } = this;
    if (over === "subgroup" && this.subgroups && !vector && bySubgroups(type)) {
      const constantText = (value: number): string => this.text(this.values.from(constant("f32", value)), false); // prettier-ignore
      const mayBeNaN = type === "f32" && !this.numbers.has(name);
      combineBySubgroups(frames, {
        ...{ name, op, type, size, memory },
        identity: this.identity(op, type, false),
        nan: mayBeNaN ? constantText(NaN) : "",
        isNan: mayBeNaN ? this.library.use("isNan", false) : undefined,
        accumulated: (text) => this.accumulated(op, name, text, type, false, !mayBeNaN),
      });
      return;
    }
    const read = (at: string): string => (type === "bool" ? `(${memory}[${at}] != 0u)` : `${memory}[${at}]`);
    const written = (text: string): string => (type === "bool" ? `u32(${text})` : text);
    if (type === "bool" && vector) throw new InternalError("lanes are combined before invocations");
    frames.line(`${memory}[lane] = ${written(name)};`);
    frames.line("workgroupBarrier();");
    if (size <= 8 || !Number.isInteger(Math.log2(size))) {
      frames.line(`${name} = ${read("0")};`);
      for (let i = 1; i < size; i++)
        frames.line(`${this.accumulated(op, name, read(`${i}`), type, vector, false)};`);
    } else {
      const half = frames.fresh("h");
      frames.line(`for (var ${half} = ${size / 2}; ${half} > 0; ${half} >>= 1u) {`);
      frames.open();
      frames.line(`${name} = ${read("lane")};`);
      frames.line(`${this.accumulated(op, name, read(`lane + ${half}`), type, vector, false)};`);
      frames.line(`${memory}[lane] = ${written(name)};`);
      const inside = indented(frames.close());
      for (const line of [`if (lane < ${half}) {`, ...inside, "}", "workgroupBarrier();"])
        frames.line(` ${line}`);
      frames.line("}");
      frames.line(`${name} = ${read("0")};`);
    }
    frames.line("workgroupBarrier();");
  }

  private join(leaves: readonly Written<"combine">[], team: Team): void {
    const gathered = leaves.map(({ op, slot }) => ({ op, register: registerOf(slot) }));
    joinSlices(gathered, team, this.frames, this.shared, (...given) => this.accumulated(...given, false));
  }

  // -------------------------------------------------------------------------------------------------------------
  // Stores

  private store({ buffer, address, value, slot, lanes }: Written<"store">): void {
    const { frames } = this;
    this.beginStatement(value, slot && registerOf(slot));
    const { dtype } = this.nest.buffers[buffer]!;
    const operand = this.operands[buffer]!;
    if (operand.kind === "bound" && operand.packed && bytesPerElement(dtype) < 4 && dtype !== "float16")
      throw new InternalError(`${dtype} is stored in its ordinary bytes`);
    const declared = this.declared(buffer);
    const own = wordOf(dtype, false);
    const form = (text: string, vector: boolean): string => {
      const type = computeType(dtype);
      if (own === "f16") return `${vector ? "vec4h" : "f16"}(${text})`;
      const stored = type === "bool" ? `${vector ? "vec4i" : "i32"}(${text})` : type === "i32" ? narrowed(text, dtype, vector) : text; // prettier-ignore
      return asWord(stored, own, declared.word, vector);
    };
    const lines: string[] = [];
    const single = (at: Address, text: string): void => {
      if (own === "vec2u" && declared.word !== "vec2u") {
        const index = this.index64(buffer, at);
        const word = this.named(text);
        for (const [part, more] of [
          ["x", 0],
          ["y", 1],
        ] as const)
          // prettier-ignore
          lines.push(`${declared.name}[${index} + ${more}] = ${asWord(`${word}.${part}`, "u32", declared.word)};`);
      } else lines.push(`${this.place(buffer, at)} = ${form(text, false)};`);
    };
    if (!lanes) single(address, this.text(value, false));
    else {
      const { variable } = lanes;
      const stride = address.terms.stride(variable);
      const first = stride === undefined ? undefined : this.values.addressAtLane(address, variable, 0);
      const aligned = first !== undefined && stride === 1 && declared.quads && lanes.lanes === 4 && (first.constant + this.firstOf(buffer)) % 4 === 0; // prettier-ignore
      if (aligned) {
        const text = this.place(buffer, first);
        lines.push(`${text.slice(0, text.lastIndexOf("."))} = ${form(this.text(value, true), true)};`);
      } else {
        const whole = this.named(this.text(value, true));
        for (let lane = 0; lane < lanes.lanes; lane++)
          single(this.values.addressAtLane(address, variable, lane), `${whole}.${"xyzw"[lane]}`);
      }
    }
    const alone = this.size > 1 && !this.spreads && operand.kind !== "private";
    if (this.team && this.team.slices > 1 && this.sharing !== "copy")
      lines.splice(0, lines.length, "if (slice == 0) {", ...indented(lines), "}");
    if (alone) lines.splice(0, lines.length, "if (lane == 0) {", ...indented(lines), "}");
    for (const line of lines) frames.line(line);
    this.stored = true;
    this.forget(buffer);
  }

  private firstOf(buffer: number): number {
    const operand = this.operands[buffer]!;
    return operand.kind === "bound" || operand.kind === "scratch" ? operand.offset : 0;
  }

  private index64(buffer: number, at: Address): string {
    return this.sum(at.constant + this.firstOf(buffer), at.terms, 0.5);
  }
}

/** Lines without names that nobody uses. */
function withoutIdle(lines: readonly string[]): string[] {
  const uses = new Map<string, number>();
  const wordsOf = (line: string): readonly string[] => line.match(/[A-Za-z_]\w*/g) ?? [];
  for (const line of lines) for (const word of wordsOf(line)) uses.set(word, (uses.get(word) ?? 0) + 1);
  const kept: string[] = [];
  // From the last to the first, since names stand before what uses them.
  for (const line of lines.toReversed()) {
    const name = /^\s*let (\w+) =/.exec(line)?.[1];
    if (name !== undefined && uses.get(name) === 1) {
      for (const word of wordsOf(line)) uses.set(word, uses.get(word)! - 1);
    } else kept.push(line);
  }
  return kept.reverse();
}
