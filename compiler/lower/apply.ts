/**
 * Arranges a kernel's loops. In: a kernel and a schedule. Out: a nest of explicit loops that computes the same.
 * Invariant: every point of every axis is covered exactly once, whatever the extents: where a split does not
 * divide, the rest follows as code of its own (`peel`) or as a vector with idle lanes (`pad`). Illegal steps are
 * refused with InternalError, because schedules are made by us.
 */
import { InternalError } from "../diagnostic.ts";
import { axis, floordiv, floormod, int, add, loadTyped, min, mul, type Expr } from "../ir/expr.ts";
import { rewrite, substituteAxes, visit } from "../ir/walk.ts";
import { layoutOf, type Assign, type Block, type Buffer, type Kernel } from "../ir/kernel.ts";
import { LANES, type ForStatement, type Nest, type Statement } from "../ir/nest.ts";
import type { Binding, Schedule, Tail } from "../ir/schedule.ts";
import { storesApart } from "./independent.ts";
import { soleLoad } from "./pack.ts";
import { fillTile, placeInTile, tileOf, type Tile } from "./stage.ts";

export function apply(kernel: Kernel, schedule: Schedule): Nest {
  let accumulators = 0;
  const buffers = [...kernel.buffers];
  const groups = new Set(schedule.flatMap((s) => (s.kind === "bind" && isShared(s.to) ? [s.axis] : [])));
  const workgroup = schedule.find((step) => step.kind === "workgroup")?.size;
  const walk = (blocks: readonly Block[], independent: boolean, inLoop: boolean): Statement[] =>
    blocks.flatMap((block): Statement[] => {
      // Assignments of an iteration see what those before them have stored, whoever stored it.
      const barrier: Statement[] = groups.size > 0 && inLoop ? [{ kind: "barrier" }] : [];
      if (block.kind === "assign")
        return [
          ...barrier,
          ...new Arrangement(
            block,
            buffers,
            schedule,
            `acc${accumulators++}`,
            independent && storesApart(kernel, block),
          ).build(),
        ];
      if (block.axis.extent === 0) return [];
      const free = independent && !block.carried;
      const [inner] = block.body;
      return [
        ...barrier,
        {
          kind: "for",
          mode: groups.has(block.axis.name) && !block.carried ? "group" : free ? "grid" : "serial",
          variable: block.axis.name,
          from: 0,
          extent: block.axis.extent,
          // What runs inside is cut only where it is loops: assignments of an iteration use its scratch.
          body: walk(block.body, free && block.body.length === 1 && inner?.kind === "loop", true),
        },
      ];
    });
  const body = walk(kernel.body, true, false);
  return {
    name: kernel.name,
    buffers,
    body,
    ...(workgroup === undefined ? {} : { workgroup }),
    ...(schedule.some(({ kind }) => kind === "sequence") ? { sequence: true } : {}),
  };
}

/** How one loop variable came to be. */
type Origin =
  | { readonly kind: "axis"; readonly extent: number; readonly reduced: boolean }
  | { readonly kind: "merged"; readonly outer: string; readonly inner: string; readonly reduced: boolean }
  | { readonly kind: "outer" | "inner"; readonly of: string; readonly by: number; readonly reduced: boolean };

/** What became of a variable that a step consumed. */
type Fate =
  | { readonly kind: "split"; readonly by: number; readonly tail: Tail }
  | { readonly kind: "mergedOuter" | "mergedInner"; readonly into: string; readonly innerOf: string };

/** Values and extents of variables in the region of the iteration space that is being written. */
interface Region {
  readonly values: ReadonlyMap<string, Expr>;
  readonly extents: ReadonlyMap<string, number>;
  readonly lanes: ReadonlyMap<string, number>;
}

class Arrangement {
  private readonly assign: Assign;
  private readonly accumulator: string;
  /** Whether iterations of the loops around all else are independent, and may go to different threads. */
  private readonly independent: boolean;
  private readonly origins = new Map<string, Origin>();
  private readonly fates = new Map<string, Fate>();
  private readonly binds = new Map<string, Binding>();
  /** Loops outside everything that is copied out or reduced. */
  private readonly grid = new Set<string>();
  /** The nest's buffers; copies of operands are added. */
  private readonly buffers: Buffer[];
  /** By loop: buffers that are copied in each of its iterations. */
  private readonly stages = new Map<string, number[]>();
  /** By loop, once it is written: the copies. */
  private readonly tiles = new Map<string, readonly Tile[]>();
  /** What is reduced, reading copies: the place of a point in one is an axis with the copy's name. */
  private staged: Expr | undefined;
  private order: string[];

  constructor(
    assign: Assign,
    buffers: Buffer[],
    schedule: Schedule,
    accumulator: string,
    independent: boolean,
  ) {
    this.assign = assign;
    this.buffers = buffers;
    this.accumulator = accumulator;
    this.independent = independent;
    for (const a of assign.axes) this.origins.set(a.name, { kind: "axis", extent: a.extent, reduced: false });
    for (const a of assign.reduce?.axes ?? [])
      this.origins.set(a.name, { kind: "axis", extent: a.extent, reduced: true });
    this.order = [...this.origins.keys()];
    for (const step of schedule) this.take(step);
  }

  private take(step: Schedule[number]): void {
    switch (step.kind) {
      case "split": {
        const origin = this.origins.get(step.axis);
        if (!origin) return;
        if (this.fates.has(step.axis))
          throw new InternalError(`axis ${step.axis} was already split or merged`);
        this.fates.set(step.axis, { kind: "split", by: step.by, tail: step.tail });
        const { reduced } = origin;
        if (step.tail === "overlap" && reduced) throw new InternalError(`tiles of ${step.axis} overlap`);
        this.origins.set(`${step.axis}.o`, { kind: "outer", of: step.axis, by: step.by, reduced });
        this.origins.set(`${step.axis}.i`, { kind: "inner", of: step.axis, by: step.by, reduced });
        this.order = this.order.flatMap((name) => (name === step.axis ? [`${name}.o`, `${name}.i`] : [name]));
        return;
      }
      case "merge": {
        const outer = this.origins.get(step.outer);
        const inner = this.origins.get(step.inner);
        if (!outer || !inner) return;
        if (outer.reduced !== inner.reduced)
          throw new InternalError(`merge of ${step.outer} and ${step.inner}`);
        const name = `${step.outer}*${step.inner}`;
        this.origins.set(name, {
          kind: "merged",
          outer: step.outer,
          inner: step.inner,
          reduced: outer.reduced,
        });
        this.fates.set(step.outer, { kind: "mergedOuter", into: name, innerOf: step.inner });
        this.fates.set(step.inner, { kind: "mergedInner", into: name, innerOf: step.inner });
        this.order = this.order.flatMap((n) => (n === step.outer ? [name] : n === step.inner ? [] : [n]));
        return;
      }
      case "order":
        if (!step.axes.every((name) => this.order.includes(name))) return;
        if (step.axes.length !== this.order.length) throw new InternalError(`order names ${step.axes.join(" ")}, loops are ${this.order.join(" ")}`); // prettier-ignore
        this.order = [...step.axes];
        return;
      case "bind":
        if (this.origins.has(step.axis)) this.binds.set(step.axis, step.to);
        return;
      case "stage":
        if (this.origins.has(step.at))
          this.stages.set(step.at, [...(this.stages.get(step.at) ?? []), step.buffer]);
        return;
      case "workgroup":
      case "sequence":
        return;
      case "pack":
      case "cut":
        throw new InternalError(`${step.kind} steps are taken before apply()`);
      default:
        step satisfies never;
    }
  }

  build(): Statement[] {
    const firstReduced = this.order.findIndex((name) => this.origins.get(name)!.reduced);
    const start: Region = { values: new Map(), extents: new Map(), lanes: new Map() };
    const outer = firstReduced < 0 ? this.order : this.order.slice(0, firstReduced);
    if (this.independent) {
      for (const name of outer) {
        const bind = this.binds.get(name);
        if (bind !== undefined && bind !== "grid") break;
        this.grid.add(name);
      }
    }
    if (!this.assign.reduce) return this.loops(this.order, start, (region) => [this.store(region)]);
    const inner = firstReduced < 0 ? [] : this.order.slice(firstReduced);
    const tile = inner.filter((name) => !this.origins.get(name)!.reduced);
    for (const name of tile) {
      if (!this.binds.has(name))
        throw new InternalError(`axis ${name} inside a reduction is neither unrolled nor a vector`);
    }
    const lanesOfReduction = inner.filter(
      (n) => this.origins.get(n)!.reduced && this.binds.get(n) === "vector",
    );
    const shared = inner
      .filter((n) => this.origins.get(n)!.reduced)
      .map((n) => this.binds.get(n))
      .find((to) => to === "group" || to === "subgroup");
    return this.loops(outer, start, (region) =>
      this.reduction(region, tile, inner, lanesOfReduction, shared),
    );
  }

  private reduction(
    region: Region,
    tile: readonly string[],
    inner: readonly string[],
    lanes: readonly string[],
    shared: "group" | "subgroup" | undefined,
  ): Statement[] {
    const { op, body } = this.assign.reduce!;
    const { accumulator } = this;
    const type = body.type;
    const acrossLanes = (statements: Statement[]): Statement[] =>
      lanes.length
        ? [
            {
              kind: "for",
              mode: "vector",
              variable: lanes[0]!,
              from: 0,
              extent: LANES,
              lanes: LANES,
              body: statements,
            },
          ]
        : statements;
    return [
      ...this.loops(tile, region, () => acrossLanes([{ kind: "init", accumulator, type, op }])),
      ...this.loops(inner, region, (at) => [
        { kind: "update", accumulator, op, body: this.bound(this.staged ?? body, at, true) },
      ]),
      ...(lanes.length
        ? this.loops(tile, region, (): Statement[] => [{ kind: "combine", accumulator, op }])
        : []),
      ...(shared
        ? this.loops(tile, region, (): Statement[] => [{ kind: "combine", accumulator, op, over: shared }])
        : []),
      ...this.loops(tile, region, (at) => [{ ...this.store(at), accumulator }]),
    ];
  }

  private store(region: Region): Statement & { kind: "store" } {
    return {
      kind: "store",
      buffer: this.assign.out,
      index: this.assign.index.map((e) => this.bound(e, region)),
      value: this.bound(this.assign.value, region),
    };
  }

  private readonly memos = new WeakMap<Region, { by: Map<string, Expr>; memo: Map<Expr, Expr> }>();

  /** `e` with the kernel's axes replaced by the region's loop variables. */
  private bound(e: Expr, region: Region, reduced = false): Expr {
    let state = this.memos.get(region);
    if (!state) {
      const by = new Map<string, Expr>();
      for (const a of this.assign.axes) by.set(a.name, this.valueOf(a.name, region));
      if (reduced) for (const a of this.assign.reduce!.axes) by.set(a.name, this.valueOf(a.name, region));
      for (const tile of [...this.tiles.values()].flat())
        if (reduced && tile.sides.every(({ name }) => region.values.has(name)))
          by.set(
            tile.name,
            placeInTile(tile, (name) => region.values.get(name)!),
          );
      state = { by, memo: new Map() };
      this.memos.set(region, state);
    }
    return substituteAxes(e, state.by, state.memo);
  }

  private valueOf(name: string, region: Region): Expr {
    const set = region.values.get(name);
    if (set) return set;
    const fate = this.fates.get(name);
    switch (fate?.kind) {
      case "split": {
        const start = mul(this.valueOf(`${name}.o`, region), int(fate.by));
        const last = int(this.extentOf(name, region) - fate.by);
        const at = fate.tail === "overlap" ? min(start, last) : start;
        return add(at, this.valueOf(`${name}.i`, region));
      }
      // Where the inner axis is empty the loop never runs, so any divisor will do.
      case "mergedOuter":
        return floordiv(this.valueOf(fate.into, region), Math.max(1, this.extentOf(fate.innerOf, region)));
      case "mergedInner":
        return floormod(this.valueOf(fate.into, region), Math.max(1, this.extentOf(fate.innerOf, region)));
      default:
        throw new InternalError(`axis ${name} has no loop`);
    }
  }

  /** Whether the last tile of an axis begins earlier. */
  private overlaps(name: string): boolean {
    const fate = this.fates.get(name);
    return fate?.kind === "split" && fate.tail === "overlap";
  }

  private extentOf(name: string, region: Region): number {
    const set = region.extents.get(name);
    if (set !== undefined) return set;
    const origin = this.origins.get(name)!;
    switch (origin.kind) {
      case "axis":
        return origin.extent;
      case "merged":
        return this.extentOf(origin.outer, region) * this.extentOf(origin.inner, region);
      case "outer":
        return this.overlaps(origin.of)
          ? Math.ceil(this.extentOf(origin.of, region) / origin.by)
          : Math.floor(this.extentOf(origin.of, region) / origin.by);
      case "inner":
        return origin.by;
      default:
        return origin satisfies never;
    }
  }

  /** The loops `names`, outermost first, around what `leaf` writes for each region. */
  private loops(
    names: readonly string[],
    region: Region,
    leaf: (region: Region) => Statement[],
  ): Statement[] {
    const [name, ...rest] = names;
    if (name === undefined) return leaf(region);
    const origin = this.origins.get(name)!;
    const inside = (at: Region): Statement[] => this.loops(rest, at, leaf);
    if (origin.kind === "outer" && !region.values.has(name) && !this.overlaps(origin.of)) {
      const whole = this.extentOf(origin.of, region);
      const count = Math.floor(whole / origin.by);
      const left = whole % origin.by;
      const fate = this.fates.get(origin.of) as Fate & { kind: "split" };
      const inner = `${origin.of}.i`;
      const out: Statement[] = [];
      if (left > 0 && fate.tail === "pad" && (this.binds.get(inner) !== "vector" || origin.by !== LANES)) {
        throw new InternalError(`the last tile of ${origin.of} is padded, but ${inner} is not a vector`);
      }
      if (count > 0)
        out.push(...this.loop(name, 0, count, restricted(region, inner, origin.by, LANES), inside));
      if (left > 0) {
        const tail =
          fate.tail === "pad"
            ? restricted(region, inner, origin.by, left)
            : restricted(region, inner, left, left);
        out.push(...this.loop(name, count, 1, tail, inside));
      }
      return out;
    }
    this.requireOuter(name, region);
    return this.loop(name, 0, this.extentOf(name, region), region, inside);
  }

  /** How far an inner axis goes is known inside its outer one only, unless all tiles are whole. */
  private requireOuter(name: string, region: Region): void {
    const origin = this.origins.get(name)!;
    if (origin.kind === "merged") {
      this.requireOuter(origin.outer, region);
      this.requireOuter(origin.inner, region);
    } else if (origin.kind === "inner") {
      this.requireOuter(origin.of, region);
      if (this.overlaps(origin.of)) return;
      if (region.values.has(`${origin.of}.o`) || this.extentOf(origin.of, region) % origin.by === 0) return;
      throw new InternalError(`${name} stands outside ${origin.of}.o, whose last tile is not whole`);
    } else if (origin.kind === "outer") this.requireOuter(origin.of, region);
  }

  private loop(
    name: string,
    from: number,
    extent: number,
    region: Region,
    inside: (region: Region) => Statement[],
  ): Statement[] {
    const bind = this.binds.get(name);
    const value = extent === 1 && bind !== "vector" ? int(from) : axis(name, from + extent);
    const at: Region = { ...region, values: new Map(region.values).set(name, value), extents: new Map(region.extents).set(name, extent) }; // prettier-ignore
    // Before the loop's body is made, which reads the copies.
    const copies = extent > 0 ? this.copies(name, at) : [];
    const body = [...copies, ...inside(at)];
    if (extent === 0) return [];
    if (bind === "vector") {
      if (extent !== LANES) throw new InternalError(`vector axis ${name} has extent ${extent}`);
      return [
        {
          kind: "for",
          mode: "vector",
          variable: name,
          from,
          extent,
          lanes: region.lanes.get(name) ?? LANES,
          body,
        },
      ];
    }
    const mode: ForStatement["mode"] =
      bind === "unroll" ? bind : isShared(bind) ? "group" : this.grid.has(name) ? "grid" : "serial";
    return [{ kind: "for", mode, variable: name, from, extent, body }];
  }

  /** What fills the copies that are made in each iteration of a loop, between meetings of those who share them. */
  private copies(loop: string, at: Region): Statement[] {
    const staged = this.stages.get(loop);
    if (!staged) return [];
    const { order } = this;
    const inside = order.slice(order.indexOf(loop) + 1);
    const around = order.slice(0, order.indexOf(loop)).filter((name) => this.binds.get(name) === "group");
    const extentOf = (name: string): number => this.extentOf(name, at);
    // Loops inside have no values yet: each stands for itself.
    const values = new Map(at.values);
    for (const name of inside) values.set(name, axis(name, extentOf(name)));
    let tiles = this.tiles.get(loop);
    if (!tiles) {
      if (!this.origins.get(loop)!.reduced || this.binds.has(loop))
        throw new InternalError(`operands are copied in ${loop}, which is no serial loop of a reduction`);
      const whole: Region = { values: new Map(), extents: new Map(), lanes: new Map() };
      const covered = [...around, ...inside].map((name) => ({
        name,
        extent: this.extentOf(name, whole),
        as: this.formOf(name),
      }));
      tiles = staged.map((buffer) => this.tile(buffer, { ...at, values }, covered));
      this.tiles.set(loop, tiles);
    }
    for (const name of inside) {
      const origin = this.origins.get(name)!;
      if (origin.kind === "outer" && extentOf(origin.of) % origin.by !== 0)
        throw new InternalError(`copies in ${loop} cover ${origin.of}, whose tiles are not whole`);
    }
    const filled = tiles.map((tile) =>
      fillTile(tile, extentOf, (point) =>
        this.bound(tile.load, { ...at, values: new Map([...values, ...point]) }, true),
      ),
    );
    return [{ kind: "barrier" }, ...filled, { kind: "barrier" }];
  }

  private formOf(name: string): "group" | "vector" | undefined {
    const bind = this.binds.get(name);
    return bind === "group" || bind === "vector" ? bind : undefined;
  }

  /** The copy of what the reduction reads of a buffer, which it is made to read instead. */
  private tile(buffer: number, at: Region, covered: Parameters<typeof tileOf>[3]): Tile {
    const { body } = this.assign.reduce!;
    const load = soleLoad({ ...this.assign, value: int(0) }, buffer);
    const { dtype } = this.buffers[buffer]!;
    if (!load || load.pad !== undefined) throw new InternalError(`buffer ${buffer} is not read by one plain load`); // prettier-ignore
    for (const e of load.index) visit(e, (x) => { if (x.kind === "load") throw new InternalError(`buffer ${buffer} is read where buffer ${x.buffer} says`); }); // prettier-ignore
    const index = load.index.map((e) => this.bound(e, at, true));
    const number = this.buffers.length;
    const name = `stage${number}`;
    const tile = tileOf(load, layoutOf(this.buffers[buffer]!), index, covered, number, name);
    this.buffers.push({ name, dtype, shape: [tile.elements], role: "temp" });
    const place = axis(name, Math.max(2, tile.elements));
    this.staged = rewrite(this.staged ?? body, (x) => (x === load ? loadTyped(number, load.type, [place]) : undefined)); // prettier-ignore
    return tile;
  }
}

/** Whether the points of an axis go to different invocations of a workgroup. */
function isShared(to: Binding | undefined): boolean {
  return to === "group" || to === "subgroup";
}

function restricted(region: Region, inner: string, extent: number, lanes: number): Region {
  return {
    values: region.values,
    extents: new Map(region.extents).set(inner, extent),
    lanes: new Map(region.lanes).set(inner, lanes),
  };
}
