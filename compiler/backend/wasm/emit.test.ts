/**
 * Emitted code against the interpreter: random kernels, each under the scheduler's own choice or a random legal
 * schedule, run as WebAssembly in both variants. fast-check prints seed and counterexample.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emittedKernel, hasRelaxedSimd, nestOf, runEmitted } from "../../../test/emitted.ts";
import { randomKernel } from "../../../test/randomIr.ts";
import { randomLegalSchedule } from "../../../test/randomSchedule.ts";
import { integers, randomContraction, randomConvolution, randomMovement, randomRecurrence, randomRows } from "../../../test/structuredKernels.ts"; // prettier-ignore
import type { NumericData, Tensor } from "../../ir/dtype.ts";
import { acc, binary, cast, load, unary, type Expr } from "../../ir/expr.ts";
import { rewrite } from "../../ir/walk.ts";
import { storesApart } from "../../lower/independent.ts";
import { runKernel } from "../../ir/interp.ts";
import { allocateBuffer } from "../../ir/interpExpr.ts";
import { runNest } from "../../ir/interpNest.ts";
import { coordinate, mapAssigns, type Buffer, type Kernel } from "../../ir/kernel.ts";
import { loadFunction } from "../../ir/numeric.ts";
import type { Program, ProgramValue } from "../../ir/program.ts";
import type { Schedule } from "../../ir/schedule.ts";
import { printKernel, printNest, printSchedule } from "../../ir/text/index.ts";
import { numberOrLeast } from "../../ops/reduce.ts";
import { lowerPads } from "../../lower/pad.ts";
import { lowerStorage } from "../../lower/storage.ts";
import { scheduleProgram } from "../../tune/scheduleProgram.ts";
import { chooseSchedule, orderAxes } from "../../tune/heuristic.ts";

/** Bits to numbers, so that NaN of one pattern equals NaN of another. */
function decoded(buffer: Buffer, data: NumericData): (number | bigint)[] {
  const decode = loadFunction(buffer.dtype) ?? ((x) => x);
  return Array.from<number | bigint, number | bigint>(data, (x) => decode(x));
}

function same(a: number | bigint, b: number | bigint): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** Runs `kernel` as it is, as a nest and as WebAssembly, and compares; returns the outputs. */
function check(
  kernel: Kernel,
  schedule: Schedule,
  fill: (buffer: Buffer, n: number) => NumericData,
  relaxed: boolean,
): NumericData[] {
  const lowered = lowerStorage(lowerPads(kernel));
  const nest = nestOf(lowered, schedule);
  const initial = kernel.buffers.map(fill);
  const expected = initial.map((data) => data.slice());
  runKernel(kernel, expected);
  const interpreted = initial.map((data) => data.slice());
  runNest(nest, interpreted);
  const emitted = runEmitted(nest, initial, relaxed);
  // In parts, which depend on nothing but their order, and not even on that where threads may share them.
  const parted = emittedKernel(nest, relaxed, true);
  const inOrder = parted(initial, 3);
  const [block] = kernel.body;
  const shareable = kernel.body.length === 1 && block!.kind === "assign" && storesApart(kernel, block);
  const backwards = shareable ? parted(initial, -5) : inOrder;
  kernel.buffers.forEach((buffer, n) => {
    if (buffer.role === "temp") return;
    const right = decoded(buffer, expected[n]!);
    for (const [who, data] of [
      ["interpreted nest", interpreted],
      ["WebAssembly", emitted],
      ["WebAssembly in parts", inOrder],
      ["WebAssembly in parts, backwards", backwards],
    ] as const) {
      const got = decoded(buffer, data[n]!);
      const at = got.findIndex((value, i) => !same(value, right[i]!));
      if (at < 0) continue;
      const shown = [printKernel(kernel), printSchedule(schedule), printNest(nest)].join("\n");
      throw new Error(`${who}: ${buffer.name}[${at}] is ${got[at]}, should be ${right[at]}; inputs ${initial.map((d) => `[${Array.from<number | bigint>(d).join(" ")}]`).join(" ")}\n${shown}`); // prettier-ignore
    }
  });
  return emitted.filter((_, n) => kernel.buffers[n]!.role === "out");
}

/** Elements of an input from a list of awkward and ordinary ones. */
function elements(buffer: Buffer, seed: number): NumericData {
  const data = allocateBuffer(buffer);
  if (buffer.role !== "in") return data;
  const halo = data.slice();
  for (let n = 0; n < data.length; n++) {
    const pick = (n * 7919 + seed * 104729) >>> 3;
    if (data instanceof BigInt64Array || data instanceof BigUint64Array)
      data[n] = [0n, 1n, 2n, 3n, -1n, 2n ** 63n, 12345678901n][pick % 7]!; // prettier-ignore
    else if (data instanceof Float32Array || data instanceof Float64Array)
      data[n] = [0, 1, -2.5, 3.75, -0, Infinity, NaN, 1e-40, 2 ** 31, -7][pick % 10]!; // prettier-ignore
    else if (buffer.dtype === "bool") data[n] = pick & 1;
    else if (buffer.dtype === "uint4") data[n] = pick & 15;
    else data[n] = [0, 1, 2, 3, -1, 2 ** 31, 127, 0x3c00][pick % 8]!;
  }
  // What surrounds the elements of a buffer with a halo stays as it was.
  return buffer.layout?.halo ? halo : data;
}

/** Without functions and orders of addition whose rounding is not determined, and without bits of NaN. */
function determined(kernel: Kernel): Kernel {
  const change = (e: Expr): Expr =>
    rewrite(e, (x) => {
      if (x.kind === "unary" && ["exp", "log", "sin", "tanh", "erf", "sigmoid"].includes(x.op))
        return unary("abs", x.a);
      if (x.kind === "binary" && x.op === "pow") return binary("min", x.a, x.b);
      if (x.kind === "bitcast" && x.a.type === "f32" && x.type === "i32") return cast(x.a, "int32");
      return undefined;
    });
  const body = mapAssigns(kernel.body, (assign) => {
    const { reduce } = assign;
    const float = reduce !== undefined && (reduce.body.type === "f32" || reduce.body.type === "f64");
    const op = reduce && float && reduce.op !== "min" ? "max" : reduce?.op;
    return {
      ...assign,
      value: change(assign.value),
      ...(reduce ? { reduce: { ...reduce, op: op!, body: change(reduce.body) } } : {}),
    };
  });
  return { ...kernel, body };
}

describe("emitted code computes what the kernel means", () => {
  it("with any types, operators and awkward values, under any schedule", () => {
    const arbitrary = randomKernel
      .map(determined)
      .chain((kernel) => fc.tuple(fc.constant(kernel), randomLegalSchedule(kernel), fc.nat(1000)));
    fc.assert(
      fc.property(arbitrary, ([kernel, schedule, seed]) => void check(kernel, schedule, (buffer, n) => elements(buffer, seed + n), false)),
      { numRuns: 500 },
    ); // prettier-ignore
  });

  it("under the schedule that the heuristic chooses", () => {
    fc.assert(
      fc.property(randomKernel.map(determined), fc.nat(1000), (kernel, seed) => {
        const ordered = orderAxes(kernel);
        const chosen = chooseSchedule(orderAxes(lowerStorage(lowerPads(ordered))), { constants: new Set() });
        check(ordered, chosen.filter((step) => step.kind !== "pack"), (buffer, n) => elements(buffer, seed + n), false); // prettier-ignore
      }),
      { numRuns: 200 },
    );
  });

  const forms = { randomConvolution, randomContraction, randomRows, randomRecurrence, randomMovement };
  const variants = hasRelaxedSimd() ? [false, true] : [false];
  for (const [name, kernels] of Object.entries(forms)) {
    for (const relaxed of variants) {
      const variant = relaxed ? "relaxed SIMD" : "SIMD";
      it(`${name} under any schedule, ${variant}`, () => {
        const arbitrary = kernels.chain((kernel) => fc.tuple(fc.constant(kernel), randomLegalSchedule(kernel), fc.nat(1000)));
        fc.assert(
          fc.property(arbitrary, ([kernel, schedule, seed]) => void check(kernel, schedule, (buffer, n) => integers(buffer, seed + n), relaxed)),
          { numRuns: 60 },
        );
      }); // prettier-ignore

      it(`${name} as the heuristic schedules it, operands in panels, ${variant}`, () => {
        fc.assert(
          fc.property(kernels, fc.nat(1000), fc.boolean(), (kernel, seed, constant) => checkScheduled(kernel, seed, constant, relaxed)),
          { numRuns: 60 },
        );
      }); // prettier-ignore
    }
  }
});

/** Runs a kernel as scheduleProgram arranges it, packing kernels included, each checked by itself. */
function checkScheduled(kernel: Kernel, seed: number, constant: boolean, relaxed: boolean): void {
  const ids = kernel.buffers.flatMap((b) => (b.role === "temp" ? [] : [b.name]));
  const inputs = kernel.buffers.flatMap((b) => (b.role === "in" ? [b.name] : []));
  const outputs = kernel.buffers.flatMap((b) => (b.role === "out" ? [b.name] : []));
  const values = new Map<string, ProgramValue>(
    kernel.buffers.map((b) => [
      b.name,
      { dtype: b.dtype, shape: b.shape, ...(b.layout ? { layout: b.layout } : {}) },
    ]),
  );
  const constants = new Map<string, Tensor>();
  // Which inputs are constants decides which of them are read in panels.
  if (constant)
    constants.set(inputs[1] ?? inputs[0]!, { dtype: "float32", shape: [0], data: new Float32Array(0) });
  const program: Program = {
    name: "test",
    values,
    constants,
    calls: [{ kind: "kernel", nodes: [], kernel, inputs, outputs }],
    inputs: inputs.filter((id) => !constants.has(id)),
    outputs: outputs.map((id) => ({ id, name: id })),
  };
  const scheduled = scheduleProgram(program);
  const held = new Map(ids.map((id, n) => [id, integers(kernel.buffers[n]!, seed + n)]));
  for (const call of [...scheduled.init, ...scheduled.run]) {
    if (call.kind !== "kernel") throw new TypeError("a library call");
    const names = [...call.inputs, ...call.outputs];
    const fill = (buffer: Buffer, n: number): NumericData =>
      held.get(names[n] ?? "")?.slice() ?? allocateBuffer(buffer);
    const [output] = check(call.kernel, call.schedule, fill, relaxed);
    held.set(call.outputs[0]!, output!);
  }
  const expected = kernel.buffers.map((b, n) => integers(b, seed + n));
  runKernel(kernel, expected);
  const out = kernel.buffers.findIndex((b) => b.role === "out");
  expect(decoded(kernel.buffers[out]!, held.get(outputs[0]!)!)).toEqual(
    decoded(kernel.buffers[out]!, expected[out]!),
  );
}

it.each([
  ["rows", (i: Expr, k: Expr) => [i, k]],
  ["columns", (i: Expr, k: Expr) => [k, i]],
] as const)("a maximum that passes over NaN, of %s", (_, place) => {
  const [i, k] = [
    { name: "i", extent: 9 },
    { name: "k", extent: 11 },
  ];
  const index = place(coordinate(i), coordinate(k));
  const shape = index.map((e) => (e.kind === "axis" ? e.extent : 1));
  const x = load(0, "float32", index);
  const kernel: Kernel = {
    name: "maximum",
    buffers: [
      { name: "x", role: "in", dtype: "float32", shape },
      { name: "y", role: "out", dtype: "float32", shape: [9] },
    ],
    body: [
      {
        kind: "assign",
        axes: [i],
        reduce: { op: "max", axes: [k], body: numberOrLeast(x) },
        value: acc("f32"),
        out: 1,
        index: [coordinate(i)],
      },
    ],
  };
  const schedule = chooseSchedule(orderAxes(kernel), { constants: new Set() });
  expect(schedule.some((step) => step.kind === "bind" && step.to === "vector")).toBe(true);
  for (const relaxed of [false, ...(hasRelaxedSimd() ? [true] : [])])
    for (let seed = 0; seed < 8; seed++) {
      const [y] = check(orderAxes(kernel), schedule, (buffer) => elements(buffer, seed), relaxed);
      expect([...(y as Float32Array)].some(Number.isNaN)).toBe(false);
    }
});
