/**
 * Checks that a value of an IR keeps the invariants its module states. In: a graph, kernel, schedule or nest. Out:
 * nothing, or InternalError saying where and what is wrong. Invariant: these run between stages in tests and under
 * `verify: true`, so a stage may trust its input and a bug shows at the stage that made it.
 */
import { InternalError } from "../diagnostic.ts";
import { allocate, computeType, elementCount, type ComputeType, type Tensor } from "./dtype.ts";
import type { Attribute, Graph, ValueId } from "./graph.ts";
import type { Assign, Axis, Block, Buffer, Kernel, Reduction } from "./kernel.ts";
import type { ForStatement, Nest, Statement } from "./nest.ts";
import type { Schedule } from "./schedule.ts";
import { verifyExpr, verifyIndex, type Scope } from "./verifyExpr.ts";

function reject(where: string, message: string): never {
  throw new InternalError(`${where}: ${message}`);
}

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

// ---------------------------------------------------------------------------------------------------------------
// Kernels

/** Throws {@link InternalError} unless `kernel` keeps the invariants of the Kernel IR. */
export function verifyKernel(kernel: Kernel): void {
  const where = `kernel ${kernel.name}`;
  verifyBuffers(where, kernel.buffers);
  const extents = new Map<string, number>();
  const declare = (axes: readonly Axis[], scope: ReadonlyMap<string, number>): Map<string, number> => {
    const inner = new Map(scope);
    for (const { name, extent } of axes) {
      if (inner.has(name)) reject(where, `axis ${name} is declared within its own scope`);
      if (!isCount(extent)) reject(where, `axis ${name} has extent ${extent}`);
      // Assignments side by side may run over the same axis; a schedule addresses it by name, so it must be alike.
      const known = extents.get(name);
      if (known !== undefined && known !== extent)
        reject(where, `axis ${name} has extents ${known} and ${extent}`);
      extents.set(name, extent);
      inner.set(name, extent);
    }
    return inner;
  };
  const walk = (blocks: readonly Block[], scope: ReadonlyMap<string, number>): void => {
    for (const block of blocks) {
      if (block.kind === "loop") walk(block.body, declare([block.axis], scope));
      else verifyAssign(where, kernel.buffers, block, declare(block.axes, scope), declare);
    }
  };
  walk(kernel.body, new Map());
}

function verifyAssign(
  where: string,
  buffers: readonly Buffer[],
  assign: Assign,
  axes: ReadonlyMap<string, number>,
  declare: (axes: readonly Axis[], scope: ReadonlyMap<string, number>) => Map<string, number>,
): void {
  const target = storeTarget(where, buffers, assign.out);
  const scope: Scope = { where: `${where}, ${target.name}`, buffers, axes, exact: true };
  verifyIndex(target, assign.index, scope);
  for (const e of assign.index) verifyExpr(e, "index", scope);
  const { reduce } = assign;
  if (reduce) {
    const { type } = reduce.body;
    verifyReduction(scope.where, reduce.op, type);
    verifyExpr(reduce.body, type, { ...scope, axes: declare(reduce.axes, axes) });
    verifyExpr(assign.value, computeType(target.dtype), { ...scope, accumulator: type });
  } else verifyExpr(assign.value, computeType(target.dtype), scope);
}

function verifyReduction(where: string, op: Reduction["op"], type: ComputeType): void {
  if (type === "index") reject(where, `${op} over index values`);
  if (type === "bool" && (op === "sum" || op === "prod")) reject(where, `${op} over bool values`);
}

function storeTarget(where: string, buffers: readonly Buffer[], out: number): Buffer {
  const target = buffers[out];
  if (!target) reject(where, `store to buffer ${out} of ${buffers.length}`);
  if (target.role === "in") reject(where, `store to the input ${target.name}`);
  return target;
}

const roles = ["in", "out", "temp"];

function verifyBuffers(where: string, buffers: readonly Buffer[]): void {
  const names = new Set<string>();
  let role = 0;
  for (const buffer of buffers) {
    const at = `${where}, buffer ${buffer.name}`;
    if (names.has(buffer.name)) reject(at, "the name is taken");
    names.add(buffer.name);
    if (buffer.dtype === "string") reject(at, "holds strings");
    if (!buffer.shape.every(isCount)) reject(at, `shape [${buffer.shape.join(", ")}]`);
    if (roles.indexOf(buffer.role) < role) reject(at, "inputs come first, then outputs, then temps");
    role = roles.indexOf(buffer.role);
    const { layout } = buffer;
    if (!layout) continue;
    const rank = buffer.shape.length;
    if (layout.strides.length !== rank) reject(at, `${layout.strides.length} strides for rank ${rank}`);
    if (!layout.strides.every(isCount) || !isCount(layout.offset))
      reject(at, "strides and offset are not counts");
    const { halo } = layout;
    if (!halo) continue;
    if (halo.before.length !== rank || halo.after.length !== rank)
      reject(at, `halo of another rank than ${rank}`);
    if (![...halo.before, ...halo.after].every(isCount)) reject(at, "a halo of negative width");
    const first = halo.before.reduce((at, width, d) => at - width * layout.strides[d]!, layout.offset);
    if (first < 0) reject(at, "its halo begins before its memory");
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Schedules

/** Throws {@link InternalError} unless every step of `schedule` refers to axes and buffers that `kernel` has then. */
export function verifySchedule(schedule: Schedule, kernel: Kernel): void {
  const where = `schedule of ${kernel.name}`;
  /** Axes that later steps may name. */
  const live = new Set<string>();
  const collect = (blocks: readonly Block[]): void => {
    for (const block of blocks) {
      if (block.kind === "loop") {
        live.add(block.axis.name);
        collect(block.body);
      } else for (const { name } of [...block.axes, ...(block.reduce?.axes ?? [])]) live.add(name);
    }
  };
  collect(kernel.body);
  const need = (step: string, name: string): void => {
    if (!live.has(name)) reject(where, `${step} of ${name}, which is no axis at that point`);
  };
  const needFactor = (step: string, by: number): void => {
    if (!Number.isSafeInteger(by) || by < 1) reject(where, `${step} by ${by}`);
  };
  const bound = new Map<string, string>();
  for (const step of schedule) {
    switch (step.kind) {
      case "split":
        need("split", step.axis);
        needFactor(`split of ${step.axis}`, step.by);
        live.delete(step.axis);
        live.add(`${step.axis}.o`).add(`${step.axis}.i`);
        break;
      case "merge":
        need("merge", step.outer);
        need("merge", step.inner);
        if (step.outer === step.inner) reject(where, `merge of ${step.outer} with itself`);
        live.delete(step.outer);
        live.delete(step.inner);
        live.add(`${step.outer}*${step.inner}`);
        break;
      case "order":
        for (const name of step.axes) need("order", name);
        if (new Set(step.axes).size < step.axes.length)
          reject(where, `order names an axis twice: ${step.axes.join(" ")}`);
        break;
      case "bind":
        need("bind", step.axis);
        if (bound.has(step.axis)) reject(where, `${step.axis} is bound to ${bound.get(step.axis)} already`);
        bound.set(step.axis, step.to);
        break;
      case "stage":
        need("stage", step.at);
        if (kernel.buffers[step.buffer]?.role !== "in")
          reject(where, `stage of buffer ${step.buffer}, which is no input`);
        break;
      case "cut": {
        need("cut", step.axis);
        needFactor(`cut of ${step.axis}`, step.by);
        const results = kernel.body.find((b): b is Assign => b.kind === "assign" && b.reduce?.axes.some((a) => a.name === step.axis) === true); // prettier-ignore
        if (!results) reject(where, `cut of ${step.axis}, which no assignment reduces by itself`);
        live.delete(step.axis);
        live.add(`${step.axis}.p`).add(`${step.axis}.r`).add(`${step.axis}.p.s`);
        for (const { name } of results.axes) live.add(`${name}.s`);
        break;
      }
      case "workgroup":
        needFactor("workgroup", step.size);
        break;
      case "sequence":
        break;
      case "pack":
        if (!kernel.buffers[step.buffer])
          reject(where, `pack of buffer ${step.buffer} of ${kernel.buffers.length}`);
        for (const [axis, by] of step.panels) needFactor(`panel of ${axis}`, by);
        break;
      default:
        reject(where, `unknown step ${(step satisfies never as Schedule[number]).kind}`);
    }
  }
  for (const name of bound.keys())
    if (!live.has(name)) reject(where, `${name} is bound and then split or merged`);
}

// ---------------------------------------------------------------------------------------------------------------
// Nests

/** What is known of an accumulator while walking a nest in program order. */
interface Accumulator {
  readonly type: ComputeType;
  readonly op: string;
  /** Variables that each have registers of their own. */
  readonly loops: ReadonlySet<string>;
}

/** Throws {@link InternalError} unless `nest` keeps the invariants of the Nest IR. */
export function verifyNest(nest: Nest): void {
  const where = `nest ${nest.name}`;
  verifyBuffers(where, nest.buffers);
  const accumulators = new Map<string, Accumulator>();
  const find = (name: string): Accumulator =>
    accumulators.get(name) ?? reject(where, `accumulator ${name} is used before it is initialised`);

  const walk = (body: readonly Statement[], loops: readonly ForStatement[]): void => {
    const axes = new Map(loops.map((loop) => [loop.variable, loop.from + loop.extent]));
    for (const statement of body) {
      switch (statement.kind) {
        case "for":
          verifyFor(where, statement, loops);
          walk(statement.body, [...loops, statement]);
          break;
        case "init": {
          verifyReduction(where, statement.op, statement.type);
          const own = loops.filter(({ mode }) => mode === "unroll" || mode === "vector");
          accumulators.set(statement.accumulator, {
            ...statement,
            loops: new Set(own.map((loop) => loop.variable)),
          });
          break;
        }
        case "update": {
          const { type, op, loops: own } = find(statement.accumulator);
          const at = `${where}, ${statement.accumulator}`;
          if (op !== statement.op) reject(at, `holds a ${op}, updated by ${statement.op}`);
          for (const name of own) if (!axes.has(name)) reject(at, `updated outside the loop over ${name}`);
          verifyExpr(statement.body, type, { where: at, buffers: nest.buffers, axes, exact: false });
          break;
        }
        case "combine": {
          const found = find(statement.accumulator);
          if (found.op !== statement.op) reject(where, `${statement.accumulator} holds a ${found.op}, combined by ${statement.op}`); // prettier-ignore
          accumulators.set(statement.accumulator, {
            ...found,
            loops: new Set([...found.loops].filter((v) => axes.has(v))),
          });
          break;
        }
        case "barrier":
          break;
        case "store": {
          const target = storeTarget(where, nest.buffers, statement.buffer);
          const at = `${where}, ${target.name}`;
          const read = statement.accumulator === undefined ? undefined : find(statement.accumulator);
          for (const name of read?.loops ?? []) {
            if (!axes.has(name)) reject(at, `${statement.accumulator} is read outside the loop over ${name}`);
          }
          const scope: Scope = { where: at, buffers: nest.buffers, axes, exact: false };
          verifyIndex(target, statement.index, scope);
          for (const e of statement.index) verifyExpr(e, "index", scope);
          const inner = read ? { ...scope, accumulator: read.type } : scope;
          verifyExpr(statement.value, computeType(target.dtype), inner);
          break;
        }
        default:
          reject(where, `unknown statement ${(statement satisfies never as Statement).kind}`);
      }
    }
  };
  walk(nest.body, []);
}

function verifyFor(where: string, loop: ForStatement, loops: readonly ForStatement[]): void {
  const at = `${where}, loop ${loop.variable}`;
  if (loops.some(({ variable }) => variable === loop.variable))
    reject(at, "stands within a loop over the same variable");
  if (!isCount(loop.extent) || !isCount(loop.from)) reject(at, `runs from ${loop.from} over ${loop.extent}`);
  if (loops.some(({ mode }) => mode === "vector")) reject(at, "stands within a vector loop");
  if (loop.mode === "grid" && loops.some(({ mode }) => mode === "unroll")) reject(at, "is a grid loop within an unrolled one"); // prettier-ignore
  if (loop.mode === "together" && loops.some(({ mode }) => mode === "unroll")) reject(at, "is shared within an unrolled one"); // prettier-ignore
  if (loop.lanes === undefined) return;
  if (loop.mode !== "vector") reject(at, `has lanes, and is ${loop.mode}`);
  if (!isCount(loop.lanes) || loop.lanes > loop.extent) reject(at, `${loop.lanes} lanes of ${loop.extent}`);
}

// ---------------------------------------------------------------------------------------------------------------
// Graphs

/** Throws {@link InternalError} unless `graph` and its subgraphs keep the invariants of the Graph IR. */
export function verifyGraph(graph: Graph): void {
  verifyGraphIn(graph, new Set(), new Set());
}

/** `outer`: values that subgraphs may capture. `produced`: all ids so far, anywhere in the graph. */
function verifyGraphIn(graph: Graph, outer: ReadonlySet<ValueId>, produced: Set<ValueId>): void {
  const where = `graph ${graph.name}`;
  const visible = new Set(outer);
  const produce = (id: ValueId, by: string): void => {
    if (id === "") reject(where, `${by} has no name`);
    if (produced.has(id)) reject(where, `${id} has two producers, one of them ${by}`);
    produced.add(id);
    visible.add(id);
  };
  for (const { id } of graph.inputs) produce(id, `input ${id}`);
  for (const [id, tensor] of graph.constants) {
    produce(id, `constant ${id}`);
    verifyTensor(`${where}, constant ${id}`, tensor);
  }
  for (const node of graph.nodes) {
    const at = `${where}, ${node.op} ${node.name}`;
    if (node.op === "") reject(at, "no operator");
    if (!isCount(node.version)) reject(at, `version ${node.version}`);
    for (const id of node.inputs) {
      if (id !== "" && !visible.has(id)) reject(at, `input ${id} is not defined before it`);
    }
    for (const [name, attribute] of node.attributes)
      verifyAttribute(`${at}, attribute ${name}`, attribute, visible, produced);
    for (const id of node.outputs) if (id !== "") produce(id, `${node.op} ${node.name}`);
  }
  for (const { id } of graph.outputs) if (!visible.has(id)) reject(where, `output ${id} is not defined`);
}

function verifyAttribute(
  where: string,
  attribute: Attribute,
  visible: ReadonlySet<ValueId>,
  produced: Set<ValueId>,
): void {
  switch (attribute.kind) {
    case "int":
      if (!Number.isInteger(attribute.value)) reject(where, `${attribute.value} is no integer`);
      return;
    case "ints":
      for (const value of attribute.value)
        if (!Number.isInteger(value)) reject(where, `${value} is no integer`);
      return;
    case "tensor":
      return verifyTensor(where, attribute.value);
    case "graph":
      return verifyGraphIn(attribute.value, visible, produced);
    default:
  }
}

/** Throws {@link InternalError} unless a tensor's elements are as many and of the array type that its type says. */
function verifyTensor(where: string, { dtype, shape, data }: Tensor): void {
  if (!shape.every(isCount)) reject(where, `shape [${shape.join(", ")}]`);
  if (data.length !== elementCount(shape))
    reject(where, `${data.length} elements for shape [${shape.join(", ")}]`);
  if (dtype === "string") {
    if (!Array.isArray(data)) reject(where, "strings are not an array");
  } else if (data.constructor !== allocate(dtype, 0).constructor)
    reject(where, `${dtype} is held in another type of array`);
}
