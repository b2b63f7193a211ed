/**
 * Straight code: what stands between the loops that a backend writes as loops. In: statements of a nest. Out: calls of
 * a sink, in order: runs of leaves, each at one point of the unrolled loops around it, and the loops between them.
 * Invariant: an accumulator has one register for each point of the unrolled loops around its `init`, and a leaf at a
 * deeper point finds that of the point above it.
 */
import { InternalError } from "../diagnostic.ts";
import type { ComputeType } from "../ir/dtype.ts";
import type { Reduction } from "../ir/kernel.ts";
import type { BarrierStatement, ForStatement, Statement } from "../ir/nest.ts";
import type { Address, Point, Scope, Value } from "./values.ts";
import type { ValueTable } from "./valueTable.ts";

/** The vector loop that a leaf stands in. */
export interface Lanes {
  readonly variable: string;
  readonly lanes: number;
}

/** Where the register of an accumulator at a point is kept: none before its `init` is written. */
export interface Slot<Register> {
  register: Register | undefined;
}

/** One leaf statement at one point of the unrolled loops around it. */
export type Leaf<Register> =
  | {
      readonly kind: "init";
      readonly op: Reduction["op"];
      readonly type: ComputeType;
      readonly slot: Slot<Register>;
      readonly lanes: Lanes | undefined;
    }
  | {
      readonly kind: "update";
      readonly op: Reduction["op"];
      readonly accumulator: string;
      readonly slot: Slot<Register>;
      readonly body: Value;
      /** x of a maximum of `x >= x ? x : -Infinity`, which passes over NaN (`numberOrLeast` in ops/reduce.ts). */
      readonly number: Value | undefined;
      readonly lanes: Lanes | undefined;
    }
  | {
      readonly kind: "combine";
      readonly op: Reduction["op"];
      readonly slot: Slot<Register>;
      readonly over: "group" | "subgroup" | undefined;
    }
  | {
      readonly kind: "store";
      readonly buffer: number;
      readonly address: Address;
      readonly value: Value;
      readonly slot: Slot<Register> | undefined;
      readonly lanes: Lanes | undefined;
    };

/** A leaf of one kind. */
export type LeafOf<Register, Kind extends Leaf<Register>["kind"]> = Leaf<Register> & { readonly kind: Kind };

/** Who writes what is found. */
export interface StraightSink<Register> {
  straight(leaves: readonly Leaf<Register>[]): void;
  loop(statement: ForStatement, at: Point): void;
  /** Undefined where one thread does all of a workgroup's work in order: barriers and loops over it mean nothing. */
  readonly barrier: (() => void) | undefined;
}

/** The registers of one accumulator: one per point of the unrolled loops around its `init`. */
interface Registers<Register> {
  scope: Scope;
  readonly all: Map<Scope, Map<string, Slot<Register>>>;
}

export class StraightCode<Register> {
  private readonly values: ValueTable;
  private readonly sink: StraightSink<Register>;
  private readonly registers = new Map<string, Registers<Register>>();
  private readonly storeAddresses = new Map<Statement, Address>();

  constructor(values: ValueTable, sink: StraightSink<Register>) {
    this.values = values;
    this.sink = sink;
  }

  /** Accumulators of before are another function's. */
  forget(): void {
    this.registers.clear();
  }

  /** Goes through statements; runs of straight code are gathered so that they share common subexpressions. */
  write(list: readonly Statement[], outer: Point): void {
    const { sink } = this;
    let gathered: Leaf<Register>[] = [];
    const flush = (): void => {
      if (gathered.length) sink.straight(gathered);
      gathered = [];
    };
    const gather = (statements: readonly Statement[], at: Point, lanes: Lanes | undefined): void => {
      for (const s of statements) {
        if (s.kind === "barrier") {
          if (!sink.barrier) continue;
          flush();
          sink.barrier();
        } else if (s.kind !== "for") {
          gathered.push(this.leaf(s, at, lanes));
        } else if (s.extent <= 0) {
          // Nothing to do.
        } else if (s.mode === "vector") {
          gather(s.body, at, { variable: s.variable, lanes: s.lanes ?? s.extent });
        } else if (s.mode === "unroll" || (s.extent === 1 && !(isShared(s) && sink.barrier))) {
          const scope = at.scope.with(s.variable);
          for (let i = s.from; i < s.from + s.extent; i++)
            gather(s.body, { scope, values: [...at.values, i] }, lanes);
        } else {
          flush();
          sink.loop(s, at);
        }
      }
    };
    gather(list, outer, undefined);
    flush();
  }

  private leaf(
    s: Exclude<Statement, ForStatement | BarrierStatement>,
    at: Point,
    lanes: Lanes | undefined,
  ): Leaf<Register> {
    const { values } = this;
    switch (s.kind) {
      case "init": {
        const { op, type, accumulator } = s;
        const registers = this.registers.get(accumulator);
        if (registers) registers.scope = at.scope;
        else this.registers.set(accumulator, { scope: at.scope, all: new Map() });
        return { kind: "init", op, type, slot: this.slot(accumulator, at), lanes };
      }
      case "update": {
        const { op, accumulator } = s;
        const body = values.at(values.from(s.body), at);
        const number = op === "max" ? numberIn(body) : undefined;
        return { kind: "update", op, accumulator, slot: this.slot(accumulator, at), body, number, lanes };
      }
      case "combine":
        return { kind: "combine", op: s.op, slot: this.slot(s.accumulator, at), over: s.over };
      case "store": {
        const { buffer, accumulator } = s;
        let address = this.storeAddresses.get(s);
        if (!address) this.storeAddresses.set(s, (address = values.address(buffer, s.index)));
        return {
          kind: "store",
          buffer,
          address: values.addressAt(address, at),
          value: values.at(values.from(s.value), at),
          slot: accumulator === undefined ? undefined : this.slot(accumulator, at),
          lanes,
        };
      }
      default:
        return s satisfies never;
    }
  }

  private slot(name: string, at: Point): Slot<Register> {
    const registers = this.registers.get(name);
    if (!registers) throw new InternalError(`${name} is used before it is initialised`);
    const { scope, all } = registers;
    let table = all.get(scope);
    if (!table) all.set(scope, (table = new Map()));
    const { names } = at.scope;
    const { values } = at;
    const own = scope === at.scope ? values : scope.names.map((n) => values[names.indexOf(n)] ?? 0);
    const key = own.join(",");
    let slot = table.get(key);
    if (!slot) table.set(key, (slot = { register: undefined }));
    return slot;
  }
}

/** Whether a loop's iterations go to different invocations, so that even a single one is not everybody's. */
function isShared({ mode }: ForStatement): boolean {
  return mode === "group" || mode === "together";
}

/** The register of a slot whose `init` has been written. */
export function registerOf<Register>(slot: Slot<Register>): Register {
  if (slot.register === undefined) throw new InternalError("an accumulator is used before it is initialised");
  return slot.register;
}

/** x of a value that is x, or -Infinity where x is no number. */
function numberIn(value: Value): Value | undefined {
  if (value.kind !== "select" || value.type !== "f32") return undefined;
  const { condition, a, b } = value;
  const least = b.kind === "const" && b.value === -Infinity;
  return least && condition.kind === "binary" && condition.op === "ge" && condition.a === a && condition.b === b
    ? a
    : undefined;
} // prettier-ignore
