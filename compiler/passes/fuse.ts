/**
 * Fusion: fewer kernels, less memory traffic. In: a Program with one call per node. Out: one where producers that
 * only move or cheaply compute were written into their consumers (prologues, chains), and elementwise consumers into
 * the reduction that they follow (epilogues). Invariant: what a value holds never changes, only whether it is
 * stored. The rules do not know operators: they see maps, reductions and how often each element is read. Which calls are
 * tried is said here; fuse/ holds the rules and what they work on.
 */
import { elementCount, type Tensor } from "../ir/dtype.ts";
import { constant, type Expr } from "../ir/expr.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Call, Program } from "../ir/program.ts";
import { rewrite } from "../ir/walk.ts";
import { costOf } from "./cost.ts";
import { OpenCalls, unique, type FuseTrace } from "./fuse/calls.ts";
import { withEpilogue } from "./fuse/epilogue.ts";
import { inlined } from "./fuse/inline.ts";
import { shareEqual } from "./fuse/share.ts";
import { choices } from "./guards.ts";
import { asStored, closeCall, mapAssignment, mapBody, type OpenCall, type OpenKernel } from "./open.ts";
import { inOrder } from "./order.ts";

/**
 * An epilogue is written out once per accumulator of the tile. Beyond this cost (a transcendental function is 12)
 * that is more code than registers and the instruction cache hold: measured on yolox-nano (Zen 4, 2026-11-21), SiLU as
 * an epilogue makes the model 5% slower, with three times the code, than a pass of its own over the result, which
 * still is in cache.
 */
const MAX_EPILOGUE_COST = 11;

/** @param epilogueCost the most that an epilogue may cost for each result; WebAssembly's own where left out */
export function fuse(
  program: Program,
  trace: FuseTrace = () => undefined,
  epilogueCost = MAX_EPILOGUE_COST,
): Program {
  return new Fusion(program, trace, epilogueCost).run();
}

class Fusion {
  private readonly program: Program;
  private readonly trace: FuseTrace;
  private readonly epilogueCost: number;
  private readonly calls: OpenCalls;
  /** What must stay apart from the branches that it chooses from. */
  private readonly choices: ReadonlySet<ValueId>;

  constructor(program: Program, trace: FuseTrace, epilogueCost: number) {
    this.program = program;
    this.trace = trace;
    this.epilogueCost = epilogueCost;
    this.calls = new OpenCalls(program);
    this.choices = choices(program);
  }

  run(): Program {
    this.inlineScalars();
    shareEqual(this.calls, this.trace);
    for (let round = 0; round < 8; round++) {
      let changed = false;
      for (let at = 0; at < this.calls.list.length; at++) {
        const call = this.calls.list[at];
        if (!call) continue;
        if (this.calls.dropDead(call, at)) {
          changed = true;
          continue;
        }
        if (this.tryInline(call, at) || this.tryEpilogue(call, at)) changed = true;
      }
      if (!changed) break;
    }
    shareEqual(this.calls, this.trace);
    const calls = this.calls.list.flatMap((call): Call[] =>
      call ? [closeCall(call, this.calls.numbers)] : [],
    );
    return { ...this.program, calls: inOrder(calls) };
  }

  private chooses(call: OpenCall): boolean {
    return this.choices.size > 0 && call.outputs.some((id) => this.choices.has(id));
  }

  /** Constants of one element become part of the code. */
  private inlineScalars(): void {
    const scalars = new Map<number, Tensor>();
    for (const [id, tensor] of this.program.constants) {
      if (tensor.dtype === "string" || elementCount(tensor.shape) !== 1) continue;
      if (!["float32", "float64", "int32", "uint32", "int64", "uint64", "bool", "int8", "uint8", "int16", "uint16"].includes(tensor.dtype)) continue; // prettier-ignore
      scalars.set(this.calls.numbers.numberOf(id), tensor);
    }
    this.calls.list.forEach((call, at) => {
      if (call?.kind !== "kernel") return;
      const memo = new Map<Expr, Expr>();
      const body = mapBody(call.body, (e) =>
        rewrite(
          e,
          (x) => {
            if (x.kind !== "load" || x.pad !== undefined) return undefined;
            const tensor = scalars.get(x.buffer);
            return tensor && constant(x.type, tensor.data[0] as number | bigint);
          },
          memo,
        ),
      );
      this.calls.replace(at, { ...call, body });
    });
  }

  /** Writes map `call` into all kernels that read it, when that does not compute more than it saves. */
  private tryInline(call: OpenCall, at: number): boolean {
    const assign = mapAssignment(call);
    const [output] = call.outputs;
    if (!assign || call.kind !== "kernel" || call.outputs.length !== 1 || this.calls.outputs.has(output!))
      return false;
    if (this.chooses(call)) return false;
    const readers = this.calls.readersOf(output!);
    if (!readers.length) return false;
    const { numbers } = this.calls;
    const number = numbers.numberOf(output!);
    const { dtype } = numbers.at(number);
    const value = asStored(assign.value, dtype);
    const weight = costOf(value);
    const moves = weight === 0;
    if (!moves && readers.length > 1 && weight > 1) return false;
    const replacements: { at: number; call: OpenKernel }[] = [];
    for (const reader of readers) {
      const consumer = this.calls.list[reader]!;
      if (consumer.kind !== "kernel" || (!moves && this.chooses(consumer))) {
        if (moves) continue; // It stays for the library call, and others may still read through it.
        return false;
      }
      const fused = inlined(consumer, number, assign, value, weight, this.calls);
      if (fused) replacements.push({ at: reader, call: fused });
      else if (!moves) return false;
    }
    if (!replacements.length) return false;
    for (const r of replacements) {
      const consumer = this.calls.list[r.at]!;
      this.trace("inline", call.nodes.join("+"), consumer.nodes.join("+"));
      this.calls.replace(r.at, { ...r.call, nodes: unique([...call.nodes, ...consumer.nodes]) });
    }
    this.calls.dropDead(call, at);
    return true;
  }

  /** Writes map `call` into the kernel whose last assignment makes one of its inputs, point for point. */
  private tryEpilogue(call: OpenCall, at: number): boolean {
    const { calls } = this;
    const assign = mapAssignment(call);
    if (!assign || call.kind !== "kernel" || call.outputs.length !== 1 || this.chooses(call)) return false;
    for (const input of calls.inputsOf(call)) {
      const from = calls.makerOf(input);
      const producer = from === undefined ? undefined : calls.list[from];
      if (from === undefined || producer?.kind !== "kernel" || calls.outputs.has(input)) continue;
      if (this.chooses(producer)) continue;
      if (calls.readersOf(input).length !== 1) continue;
      const fused = withEpilogue(producer, input, assign, call, calls, this.epilogueCost);
      if (!fused) continue;
      // The fused call stands where the later of the two stood: all its inputs are made by then.
      this.trace("epilogue", call.nodes.join("+"), producer.nodes.join("+"));
      calls.replace(from, undefined);
      calls.replace(at, fused);
      return true;
    }
    return false;
  }
}
