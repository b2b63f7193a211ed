/**
 * Writes a nest as one WGSL module. In: a nest whose buffers hold what lower/storage.ts leaves and whose mathematics is
 * primitive, and where each buffer is found. Out: text, with an entry point for each stage of the nest's outermost
 * level and the number of workgroups to start. Invariant: grid loops that stand around all else become workgroups, group
 * loops the invocations of one; what stands outside of group loops is computed by every invocation of a workgroup alike,
 * and stored by the first. Barriers stand in uniform control flow only. This file writes entry points, loops and stores;
 * what they are made of is in accumulators.ts, expression.ts, loads.ts and indices.ts, each of which stands on the next.
 */
import { InternalError } from "../../diagnostic.ts";
import { bytesPerElement, computeType } from "../../ir/dtype.ts";
import type { Expr } from "../../ir/expr.ts";
import type { ForStatement, Nest, Statement } from "../../ir/nest.ts";
import { some } from "../../ir/walk.ts";
import { registerOf, StraightCode, type Leaf } from "../straight.ts";
import type { Address, Point } from "../values.ts";
import { AccumulatorWriter, type Written } from "./accumulators.ts";
import { narrowed } from "./conversions.ts";
import { BUILTINS, inSequence, together, type EmittedEntry, type Part } from "./entries.ts";
import type { Register } from "./expression.ts";
import { indented, withoutIdle } from "./frames.ts";
import { chainOf, isAlone, spread, UNIT, type Team } from "./grid.ts";
import { intLiteral } from "./literal.ts";
import { asWord, wordBytes, wordOf, type Binding, type Operand } from "./memory.ts";
import { PACKED_DOTS } from "./packed.ts";
import { hasOwnCopies } from "./scratch.ts";
import { SUBGROUPS } from "./subgroups.ts";
import { wavesOf } from "./waves.ts";

export interface EmittedNest {
  readonly text: string;
  readonly entries: readonly EmittedEntry[];
  /** The same for devices that have more, where that differs; what takes the most features stands first. */
  readonly better: readonly { readonly features: readonly string[]; readonly text: string }[];
}

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

class Emitter extends AccumulatorWriter {
  private readonly bindings: readonly Binding[];
  private readonly straightCode = new StraightCode<Register>(this.values, {
    straight: (leaves) => this.straight(leaves),
    loop: (statement, at) => this.loop(statement, at),
    barrier: () => this.barrier(),
  });
  /** Those who have points of their own and meet, and what of it is dealt out here. */
  private team: Team | undefined;
  private sharing: "copy" | "reduction" | undefined;
  private stage: readonly Statement[] = [];
  /** By buffer: whether scratch in memory is another for each unit of the stage being written. */
  private ownCopies = new Map<number, boolean>();
  /** Whether something was stored since the last barrier. */
  private stored = false;

  constructor(
    nest: Nest,
    operands: readonly Operand[],
    bindings: readonly Binding[],
    features: ReadonlySet<string>,
  ) {
    super(nest, operands, bindings, features);
    this.bindings = bindings;
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
    const text = [
      ...(this.declarations.halves ? ["enable f16;"] : []),
      ...(this.subgroups ? [`enable ${SUBGROUPS};`] : []),
      ...this.declarations.bound(),
      ...this.bitVariables(),
      ...this.declarations.shared.values(),
      ...this.library.text(),
      ...functions,
    ];
    return { text: text.map((line) => `${line}\n`).join(""), entries };
  }

  // -------------------------------------------------------------------------------------------------------------
  // Entry points and loops

  private entry(name: string, stage: readonly Statement[]): Part {
    const { frames } = this;
    this.stage = stage;
    this.ownCopies = new Map();
    this.straightCode.forget();
    this.stored = false;
    const chain = chainOf(stage, this.nest.workgroup);
    this.size = chain.size;
    this.spreads = chain.own;
    this.team = chain.team;
    this.sharing = undefined;
    const root = frames.open();
    this.declarations.beginFunction(root.head);
    const { groups, guard } = spread(chain, root);
    this.straightCode.write(chain.body, { scope: this.values.root, values: [] });
    const lines = frames.close();
    const { size } = chain;
    return {
      name,
      size,
      alone: isAlone(chain),
      groups,
      lines: (parameters) => [
        `fn ${name}(${parameters}) {`,
        ...indented(withoutIdle([...guard, ...lines])),
        "}",
      ],
    };
  }

  protected override scratchBase(buffer: number): string | undefined {
    const operand = this.operands[buffer]!;
    if (operand.kind !== "scratch" || operand.stride === 0) return undefined;
    let own = this.ownCopies.get(buffer);
    if (own === undefined) this.ownCopies.set(buffer, (own = hasOwnCopies(this.nest, this.stage, buffer)));
    if (!own) return undefined;
    const { dtype } = this.nest.buffers[buffer]!;
    // Elements of 64 bits are two words where their binding is one of words.
    const words = wordBytes(wordOf(dtype, false)) / wordBytes(this.declarations.of(buffer).word);
    return this.frames.hoist(`${UNIT} * ${intLiteral(operand.stride * words)}`, 0);
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

  // -------------------------------------------------------------------------------------------------------------
  // Stores

  private store({ buffer, address, value, slot, lanes }: Written<"store">): void {
    const { frames } = this;
    this.beginStatement(value, slot && registerOf(slot));
    const { dtype } = this.nest.buffers[buffer]!;
    const operand = this.operands[buffer]!;
    if (operand.kind === "bound" && operand.packed && bytesPerElement(dtype) < 4 && dtype !== "float16")
      throw new InternalError(`${dtype} is stored in its ordinary bytes`);
    const declared = this.declarations.of(buffer);
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
        const index = this.sum(at.constant + this.offsetOf(buffer), at.terms, 0.5);
        const word = this.named(text);
        for (const [part, more] of [
          ["x", 0],
          ["y", 1],
        ] as const)
          // prettier-ignore
          lines.push(`${this.element(buffer, `${index} + ${more}`)} = ${asWord(`${word}.${part}`, "u32", declared.word)};`);
      } else lines.push(`${this.place(buffer, at)} = ${form(text, false)};`);
    };
    if (!lanes) single(address, this.text(value, false));
    else {
      const { variable } = lanes;
      const stride = address.terms.stride(variable);
      const first = stride === undefined ? undefined : this.values.addressAtLane(address, variable, 0);
      const aligned = first !== undefined && stride === 1 && declared.quads && lanes.lanes === 4 && (first.constant + this.offsetOf(buffer)) % 4 === 0; // prettier-ignore
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
}
