/**
 * Random values of the IRs for property tests. In: fast-check's seed. Out: expressions, kernels, schedules, nests
 * and graphs. Invariant: they pass their verifier, and kernels and nests can be run: every unpadded coordinate is
 * brought into its buffer, whatever it is computed from.
 */
import fc from "fast-check";
import { allocate, computeType, elementCount, isFloatCompute, type ComputeType, type DType, type Tensor } from "../compiler/ir/dtype.ts"; // prettier-ignore
import * as x from "../compiler/ir/expr.ts";
import type { BinaryOp, Expr, UnaryOp } from "../compiler/ir/expr.ts";
import type { Attribute, Dim, Graph, OpNode } from "../compiler/ir/graph.ts";
import { coordinate, rowMajorStrides, type Assign, type Axis, type Block, type Buffer, type Kernel } from "../compiler/ir/kernel.ts"; // prettier-ignore
import type { ForStatement, Nest, Statement } from "../compiler/ir/nest.ts";
import type { Schedule, Step } from "../compiler/ir/schedule.ts";

/** What a random expression may refer to. */
export interface RandomScope {
  readonly buffers: readonly Buffer[];
  readonly axes: readonly Axis[];
  readonly accumulator?: ComputeType;
}

const storageTypes: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32", "uint32", "int64", "uint64", "bool", "float8e5m2", "uint4"]; // prettier-ignore
const floatUnary: readonly UnaryOp[] = ["neg", "abs", "floor", "ceil", "round", "sqrt", "exp", "log", "sin", "tanh", "erf", "sigmoid"]; // prettier-ignore
const floatBinary: readonly BinaryOp[] = ["add", "sub", "mul", "div", "rem", "min", "max", "pow"];
const intBinary: readonly BinaryOp[] = [
  "add",
  "sub",
  "mul",
  "div",
  "rem",
  "min",
  "max",
  "and",
  "or",
  "xor",
  "shl",
  "shr",
];
const comparisons: readonly BinaryOp[] = ["eq", "ne", "lt", "le", "gt", "ge"];

/** Constants of a type, the awkward ones included. */
function randomConstant(type: ComputeType): fc.Arbitrary<Expr> {
  switch (type) {
    case "f32":
      return fc.oneof(fc.float(), fc.constantFrom(0, -0, 1, NaN, -Infinity)).map((v) => x.constant(type, v));
    case "f64":
      return fc.oneof(fc.double(), fc.constantFrom(-0, 1, NaN, Infinity)).map((v) => x.constant(type, v));
    case "i64":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((v) => x.constant(type, v));
    case "u64":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((v) => x.constant(type, v));
    case "u32":
      return fc.nat({ max: 2 ** 32 - 1 }).map((v) => x.constant(type, v));
    case "bool":
      return fc.boolean().map((v) => x.constant(type, v ? 1 : 0));
    case "index":
      return fc.integer({ min: -9, max: 9 }).map(x.int);
    default:
      return fc.integer().map((v) => x.constant(type, v));
  }
}

/** Makes the expressions of one scope, remembering the generator of each type and depth. */
class Expressions {
  private readonly scope: RandomScope;
  private readonly made = new Map<string, fc.Arbitrary<Expr>>();

  constructor(scope: RandomScope) {
    this.scope = scope;
  }

  of(type: ComputeType, depth: number): fc.Arbitrary<Expr> {
    const key = `${type} ${depth}`;
    const known = this.made.get(key);
    if (known) return known;
    const arbitrary = fc.oneof(...(type === "index" ? this.index(depth) : this.value(type, depth)));
    this.made.set(key, arbitrary);
    return arbitrary;
  }

  private index(depth: number): fc.Arbitrary<Expr>[] {
    const options: fc.Arbitrary<Expr>[] = [randomConstant("index")];
    const { axes } = this.scope;
    if (axes.length) options.push(fc.constantFrom(...axes).map(coordinate));
    if (depth === 0) return options;
    const a = this.of("index", depth - 1);
    const factor = fc.integer({ min: 1, max: 6 });
    options.push(
      fc
        .tuple(fc.constantFrom<BinaryOp>("add", "sub", "min", "max"), a, a)
        .map(([op, l, r]) => x.binary(op, l, r)),
      fc.tuple(a, fc.integer({ min: -4, max: 6 })).map(([l, k]) => x.mul(l, x.int(k))),
      fc.tuple(a, factor).map(([l, k]) => x.floordiv(l, k)),
      fc.tuple(a, factor).map(([l, k]) => x.floormod(l, k)),
      fc.tuple(this.of("bool", depth - 1), a, a).map(([c, l, r]) => x.select(c, l, r)),
      // Positions that would overflow are no programs: their bounds are computed without wrapping.
      this.of("i32", depth - 1).map((e) => x.floormod(x.cast(e, "index"), 4096)),
    );
    return options;
  }

  private value(type: ComputeType, depth: number): fc.Arbitrary<Expr>[] {
    const options = [randomConstant(type)];
    if (this.scope.accumulator === type) options.push(fc.constant(x.acc(type)));
    this.scope.buffers.forEach((buffer, n) => {
      if (computeType(buffer.dtype) === type && buffer.role === "in")
        options.push(this.load(buffer, n, depth));
    });
    if (depth === 0) return options;
    const a = this.of(type, depth - 1);
    options.push(fc.tuple(this.of("bool", depth - 1), a, a).map(([c, l, r]) => x.select(c, l, r)));
    if (type === "bool") {
      const other = fc.constantFrom<ComputeType>("f32", "i32", "i64", "index").chain((t) => fc.tuple(this.of(t, depth - 1), this.of(t, depth - 1))); // prettier-ignore
      options.push(
        fc.tuple(fc.constantFrom(...comparisons), other).map(([op, [l, r]]) => x.binary(op, l, r)),
        fc.tuple(fc.constantFrom<BinaryOp>("and", "or", "xor"), a, a).map(([op, l, r]) => x.binary(op, l, r)),
        a.map(x.not),
      );
      return options;
    }
    const from = fc
      .constantFrom<ComputeType>("f32", "i32", "i64", "bool", "index")
      .chain((t) => this.of(t, depth - 1));
    const targets = storageTypes.filter((dtype) => computeType(dtype) === type);
    options.push(
      fc.tuple(from, fc.constantFrom(...targets)).map(([e, to]) => x.cast(e, to)),
      fc.tuple(fc.constantFrom(...(isFloatCompute(type) ? floatBinary : intBinary)), a, a).map(([op, l, r]) => x.binary(op, l, r)), // prettier-ignore
      fc.tuple(fc.constantFrom(...(isFloatCompute(type) ? floatUnary : (["neg", "bitnot"] as const))), a).map(([op, l]) => x.unary(op, l)), // prettier-ignore
    );
    if (type === "i32") {
      options.push(this.of("f32", depth - 1).map((e) => x.bitcast(e, "i32")));
      options.push(fc.tuple(a, a).map(([l, r]) => x.binary("dot4", l, r)));
    }
    return options;
  }

  private load(buffer: Buffer, number: number, depth: number): fc.Arbitrary<Expr> {
    const index = fc.tuple(...buffer.shape.map(() => this.of("index", Math.max(0, depth - 1))));
    const pad = fc.option(fc.constantFrom(0, -0, 1), { nil: undefined });
    return fc.tuple(index, pad).map(([at, value]) => {
      const inside = value === undefined ? at.map((e, d) => within(e, buffer.shape[d]!)) : at;
      return x.load(number, buffer.dtype, inside, value);
    });
  }
}

/** `e` brought into 0..extent-1. */
function within(e: Expr, extent: number): Expr {
  return x.min(x.max(e, x.int(0)), x.int(Math.max(0, extent - 1)));
}

/** Expressions of `type` over `scope`. */
export function randomExpr(type: ComputeType, scope: RandomScope, depth = 3): fc.Arbitrary<Expr> {
  return new Expressions(scope).of(type, depth);
}

const randomName = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "a",
      "b",
      "x.o",
      "out",
      "acc",
      "in",
      "sum",
      "node/1:0",
      "_",
      "strides",
      "name",
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }) },
);

const randomShape = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });

function randomLayout(shape: readonly number[]): fc.Arbitrary<Pick<Buffer, "layout">> {
  const dense = { strides: rowMajorStrides(shape), offset: 0 };
  const border = shape.map(() => 1);
  const strides = rowMajorStrides(shape.map((dim) => dim + 2));
  const offset = strides.reduce((sum, stride) => sum + stride, 0);
  const halo = { before: border, after: border, value: -Infinity };
  return fc.constantFrom({}, { layout: dense }, { layout: { strides, offset, halo } });
}

/** Buffers: one to three inputs, one or two outputs, maybe a temp; names are unique. */
export const randomBuffers: fc.Arbitrary<readonly Buffer[]> = fc
  .tuple(
    fc.uniqueArray(randomName, { minLength: 6, maxLength: 6 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 2 }),
    fc.integer({ min: 0, max: 1 }),
  )
  .chain(([names, ins, outs, temps]) => {
    const roles = [
      ...Array<"in">(ins).fill("in"),
      ...Array<"out">(outs).fill("out"),
      ...Array<"temp">(temps).fill("temp"),
    ];
    return fc.tuple(
      ...roles.map(
        (role, n) =>
        fc
          .tuple(fc.constantFrom(...storageTypes), randomShape)
          .chain(([dtype, shape]) => randomLayout(shape).map((layout): Buffer => ({ name: names[n]!, role, dtype, shape, ...layout }))), // prettier-ignore
      ),
    );
  });

/** Kernels of a few assignments, some of them reductions, some inside a loop. */
export const randomKernel: fc.Arbitrary<Kernel> = randomBuffers.chain((buffers) => {
  const outs = buffers.flatMap((buffer, n) => (buffer.role === "in" ? [] : [n]));
  const assign = (n: number, outer: readonly Axis[]): fc.Arbitrary<Assign> =>
    fc.constantFrom(...outs).chain((out) => {
      const buffer = buffers[out]!;
      const axes = buffer.shape.map((extent, d) => ({ name: `p${n}.i${d}`, extent }));
      const reduced = [{ name: `k${n}`, extent: 3 }];
      const scope: RandomScope = { buffers, axes: [...outer, ...axes] };
      const type = computeType(buffer.dtype);
      const index = axes.map(coordinate);
      const plain = randomExpr(type, scope).map((value): Assign => ({
        kind: "assign",
        axes,
        out,
        index,
        value,
      }));
      if (type === "bool") return plain;
      const reduction = fc
        .tuple(
          fc.constantFrom("sum", "max", "min", "prod"),
          randomExpr(type, { buffers, axes: [...scope.axes, ...reduced] }),
          fc.oneof(fc.constant(x.acc(type)), randomExpr(type, { ...scope, accumulator: type }, 2)),
        )
        .map(([op, body, value]): Assign => ({
          kind: "assign",
          axes,
          reduce: { op, axes: reduced, body },
          out,
          index,
          value,
        }));
      return fc.oneof(plain, reduction);
    });
  const block = (n: number): fc.Arbitrary<Block> => {
    const axis = { name: `loop${n}`, extent: 2 };
    const loop = fc.tuple(fc.boolean(), assign(n, [axis]), assign(n + 10, [axis])).map(([carried, a, b]): Block => ({ kind: "loop", axis, carried, body: [a, b] })); // prettier-ignore
    return fc.oneof({ weight: 3, arbitrary: assign(n, []) }, { weight: 1, arbitrary: loop });
  };
  return fc
    .tuple(randomName, block(0), fc.option(block(1), { nil: undefined }))
    .map(([name, first, second]): Kernel => ({
      name,
      buffers,
      body: second ? [first, second] : [first],
    }));
});

/** Steps that name any axes; legal for no kernel in particular. */
export const randomSchedule: fc.Arbitrary<Schedule> = fc.array(
  fc.oneof(
    fc.record<Step & { kind: "split" }>({ kind: fc.constant("split"), axis: randomName, by: fc.integer({ min: 1, max: 64 }), tail: fc.constantFrom("peel", "pad") }),
    fc.record<Step & { kind: "merge" }>({ kind: fc.constant("merge"), outer: randomName, inner: randomName }),
    fc.record<Step & { kind: "order" }>({ kind: fc.constant("order"), axes: fc.array(randomName, { maxLength: 4 }) }),
    fc.record<Step & { kind: "bind" }>({ kind: fc.constant("bind"), axis: randomName, to: fc.constantFrom("grid", "vector", "unroll") }),
    fc.record<Step & { kind: "workgroup" }>({ kind: fc.constant("workgroup"), size: fc.integer({ min: 1, max: 256 }) }),
    fc.record<Step & { kind: "sequence" }>({ kind: fc.constant("sequence") }),
    fc.record<Step & { kind: "pack" }>({ kind: fc.constant("pack"), buffer: fc.nat(5), panels: fc.array(fc.tuple(randomName, fc.integer({ min: 1, max: 16 })), { maxLength: 3 }) }),
  ),
  { maxLength: 6 },
); // prettier-ignore

/** Nests with tiles of accumulators, peeled starts and idle lanes. */
export const randomNest: fc.Arbitrary<Nest> = randomBuffers.chain((buffers) => {
  const out = buffers.findIndex(({ role }) => role === "out");
  const buffer = buffers[out]!;
  const type = computeType(buffer.dtype);
  const axes = buffer.shape.map((extent, d) => ({ name: `i${d}`, extent }));
  const index = axes.map(coordinate);
  const k = { name: "k.o", extent: 3 };
  const mode = fc.constantFrom<ForStatement["mode"]>("serial", "grid");
  const around = (modes: readonly ForStatement["mode"][], body: readonly Statement[]): readonly Statement[] =>
    axes.reduceRight<readonly Statement[]>((inner, { name, extent }, d) => [{ kind: "for", mode: modes[d]!, variable: name, from: 0, extent, body: inner }], body); // prettier-ignore
  const store = randomExpr(type, { buffers, axes }).map((value): Statement[] => [
    { kind: "store", buffer: out, index, value },
  ]);
  const op =
    type === "bool"
      ? fc.constantFrom("max" as const, "min" as const)
      : fc.constantFrom("sum", "max", "min", "prod");
  const reduction = fc
    .tuple(op, fc.integer({ min: 0, max: 2 }), fc.boolean(), randomExpr(type, { buffers, axes: [...axes, k] }), randomExpr(type, { buffers, axes, accumulator: type }, 2))
    .map(([op, from, lanes, body, value]): Statement[] => {
      const loop: ForStatement = { kind: "for", mode: lanes ? "vector" : "serial", variable: k.name, from, extent: 3 - from, body: [], ...(lanes ? { lanes: 1 } : {}) };
      const init: Statement = { kind: "init", accumulator: "s", type, op };
      return [
        ...(lanes ? [{ ...loop, body: [init] }] : [init]),
        { ...loop, body: [{ kind: "update", accumulator: "s", op, body }] },
        ...(lanes ? [{ kind: "combine" as const, accumulator: "s", op }] : []),
        { kind: "store", buffer: out, index, value, accumulator: "s" },
      ];
    }); // prettier-ignore
  return fc
    .tuple(randomName, fc.array(mode, { minLength: 3, maxLength: 3 }), fc.oneof(store, reduction))
    .map(([name, modes, body]): Nest => ({ name, buffers, body: around(modes, body) }));
});

const tensorTypes: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "int8",
  "int64",
  "uint64",
  "bool",
  "string",
];

const randomTensor: fc.Arbitrary<Tensor> = fc
  .tuple(fc.constantFrom(...tensorTypes), randomShape)
  .chain(([dtype, shape]): fc.Arbitrary<Tensor> => {
    const count = elementCount(shape);
    const size = { minLength: count, maxLength: count };
    if (dtype === "string") return fc.array(fc.string(), size).map((data) => ({ dtype, shape, data }));
    const element = (): fc.Arbitrary<number | bigint> => {
      if (dtype === "float32") return fc.oneof(fc.float(), fc.constantFrom(NaN, -0));
      if (dtype === "float64") return fc.oneof(fc.double(), fc.constantFrom(NaN, -0));
      if (dtype === "int64") return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
      if (dtype === "uint64") return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
      return fc.nat({ max: dtype === "bool" ? 1 : 100 });
    };
    return fc.array(element(), size).map((elements) => {
      const data = allocate(dtype, count);
      elements.forEach((value, n) => (data[n] = value));
      return { dtype, shape, data };
    });
  });

function randomAttribute(depth: number): fc.Arbitrary<Attribute> {
  const simple: fc.Arbitrary<Attribute>[] = [
    fc.maxSafeInteger().map((value) => ({ kind: "int", value })),
    fc
      .oneof(fc.double(), fc.constantFrom(0, -0, 2, 1e21, NaN, Infinity))
      .map((value) => ({ kind: "float", value })),
    fc.string().map((value) => ({ kind: "string", value })),
    fc.array(fc.integer(), { maxLength: 3 }).map((value) => ({ kind: "ints", value })),
    fc
      .array(fc.oneof(fc.double(), fc.constant(1)), { maxLength: 3 })
      .map((value) => ({ kind: "floats", value })),
    fc.array(fc.string(), { maxLength: 3 }).map((value) => ({ kind: "strings", value })),
    randomTensor.map((value) => ({ kind: "tensor", value })),
  ];
  if (depth > 0) simple.push(randomGraphOf(depth - 1).map((value) => ({ kind: "graph", value })));
  return fc.oneof(...simple);
}

function randomGraphOf(depth: number): fc.Arbitrary<Graph> {
  const dim: fc.Arbitrary<Dim> = fc.oneof(fc.nat(9), randomName);
  const type = fc.record({ dtype: fc.constantFrom(...tensorTypes), shape: fc.option(fc.array(dim, { maxLength: 3 }), { nil: undefined }) }); // prettier-ignore
  const value = fc.oneof(randomName, fc.constant(""));
  const node: fc.Arbitrary<OpNode> = fc.record({
    name: randomName,
    op: fc.constantFrom("Add", "Conv", "Odd-Op"),
    domain: fc.constantFrom("", "com.example", "ai.onnx.ml"),
    inputs: fc.array(value, { maxLength: 3 }),
    outputs: fc.array(value, { minLength: 1, maxLength: 2 }),
    attributes: fc
      .array(fc.tuple(randomName, randomAttribute(depth)), { maxLength: 3 })
      .map((pairs) => new Map(pairs)),
    version: fc.integer({ min: 1, max: 25 }),
  });
  return fc.record({
    name: randomName,
    inputs: fc.array(fc.record({ id: randomName, type }), { maxLength: 2 }),
    outputs: fc.array(fc.record({ id: randomName, name: randomName }), { maxLength: 2 }),
    nodes: fc.array(node, { maxLength: 3 }),
    constants: fc.array(fc.tuple(randomName, randomTensor), { maxLength: 2 }).map((pairs) => new Map(pairs)),
  });
}

/** Graphs of any names and attributes, subgraphs included; they need not make sense. */
export const randomGraph: fc.Arbitrary<Graph> = randomGraphOf(1);
