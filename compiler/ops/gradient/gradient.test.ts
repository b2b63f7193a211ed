/**
 * Derivatives against finite differences. Every case of test/gradients is a small graph between x (and perhaps more) and
 * one value, in float64; the operator Gradient's results are compared with central differences, on the interpreter and as
 * WebAssembly.
 */
import { describe, expect, it } from "vitest";
import { load } from "../../../runtime/index.ts";
import { onnxModel } from "../../frontend/onnx/write.ts";
import type { Tensor } from "../../ir/dtype.ts";
import { compoundCases } from "../../../test/gradients/compound.ts";
import { contractCases } from "../../../test/gradients/contract.ts";
import { elementwiseCases } from "../../../test/gradients/elementwise.ts";
import { linearCases } from "../../../test/gradients/linear.ts";
import { movementCases } from "../../../test/gradients/movement.ts";
import { normaliseCases } from "../../../test/gradients/normalise.ts";
import { reduceCases } from "../../../test/gradients/reduce.ts";
import { regionsCases } from "../../../test/gradients/regions.ts";
import { samplingCases } from "../../../test/gradients/sampling.ts";
import { windowCases } from "../../../test/gradients/window.ts";
import { DOMAIN, modelOf, type Built, type Formula, type Operand } from "../../../test/gradients/formula.ts";
import { CompileError, compile, interpret } from "../../whole.ts";
import { gradients } from "./table.ts";

/** The slope of y along one element, by a central difference. */
function slope(bytes: Uint8Array, inputs: Built["inputs"], name: string, at: number): number {
  const step = 1e-6;
  const moved = (by: number): number => {
    const tensor = inputs[name]!;
    const data = (tensor.data as Float64Array).slice();
    data[at]! += by;
    const { y } = interpret(bytes, { ...inputs, [name]: { ...tensor, data } });
    return Number(y!.data[0]);
  };
  return (moved(step) - moved(-step)) / (2 * step);
}

async function check(formula: Formula, operands: readonly Operand[], opset?: number): Promise<void> {
  const { model, inputs } = modelOf(formula, operands, opset);
  const bytes = model.toBytes();
  const forward = modelOf(formula, operands, opset, false).model.toBytes();
  const interpreted = interpret(bytes, inputs);
  const session = await load(compile(bytes).artifact);
  const ran = await session.run(inputs as Parameters<typeof session.run>[0]);
  session.dispose();
  operands.forEach((_, i) => {
    const [a, b] = [interpreted[`d${i}`]!, ran[`d${i}`]!].map(({ data }) => [...(data as Float64Array)]);
    const expected = a!.map((_, at) => slope(forward, inputs, `x${i}`, at));
    a!.forEach((value, at) => {
      const allowed = 1e-6 + 1e-6 * Math.abs(expected[at]!);
      expect(Math.abs(value - expected[at]!), `d${i}[${at}] is ${value}, not ${expected[at]}`).toBeLessThan(allowed); // prettier-ignore
      expect(Math.abs(b![at]! - value), `wasm: d${i}[${at}]`).toBeLessThan(1e-7 + 1e-7 * Math.abs(value));
    });
  });
}

const cases = [
  ...elementwiseCases,
  ...reduceCases,
  ...contractCases,
  ...windowCases,
  ...movementCases,
  ...normaliseCases,
  ...samplingCases,
  ...linearCases,
  ...regionsCases,
  ...compoundCases,
];

describe("derivatives agree with finite differences", () => {
  for (const [name, formula, operands, opset] of cases) it(name, () => check(formula, operands, opset));

  it("is tested for every operator that has one", () => {
    const tested = new Set(cases.map(([name]) => name.split(/[ ,]/)[0]!));
    const through = [
      "CastLike",
      "EyeLike",
      "RandomNormalLike",
      "RandomUniformLike",
      "SimplifiedLayerNormalization",
      "Hardmax",
      "tilewright:ScaleShift",
    ];
    expect([...gradients.keys()].filter((name) => !tested.has(name) && !through.includes(name))).toEqual([]);
  });
});

describe("Gradient", () => {
  it("goes through branches, loops, sequences and functions", async () => {
    await check(
      (b, [x]) => {
        const body = b.subgraph("body", (g) => {
          const i = g.input("i", "int64", []);
          const cond = g.input("cond", "bool", []);
          const state = g.input("state", "float64");
          const branch = (name: string, op: string) =>
            b.subgraph(name, (h) => h.output(h.node(op, [state]), "float64"));
          const even = g.node("Equal", [g.node("Mod", [i, g.scalar("int64", 2)]), g.scalar("int64", 0)]);
          const next = g.node("If", [even], {
            then_branch: branch("t", "Sin"),
            else_branch: branch("e", "Exp"),
          });
          g.output(g.node("Identity", [cond]), "bool");
          g.output(g.node("Mul", [next, x!]), "float64");
        });
        return b.node("Loop", [b.scalar("int64", 11), "", x!], { body });
      },
      [{ shape: [3], range: [0.2, 0.9] }],
    );
  });

  it("is zero for what y does not follow from, and is taken again for second derivatives", () => {
    const b = onnxModel("second", { opset: 22 });
    b.importOpset(DOMAIN, 1);
    const x = b.input("x", "float64", [2]);
    const z = b.input("z", "float64", [3]);
    const y = b.node("Mul", [b.node("Mul", [x, x]), x]);
    b.output(y, "float64", [2], "y");
    const [first, none] = b.nodeWithOutputs("Gradient", [x, z], 2, { xs: [x, z], y }, { domain: DOMAIN });
    const second = b.node("Gradient", [x], { xs: [x], y: first! }, { domain: DOMAIN });
    for (const [value, name] of [[first, "first"], [none, "none"], [second, "second"]] as const) b.output(value!, "float64", undefined, name); // prettier-ignore
    const tensor = (values: number[]): Tensor => ({ dtype: "float64", shape: [values.length], data: Float64Array.from(values) }); // prettier-ignore
    const made = interpret(b.toBytes(), { x: tensor([2, -3]), z: tensor([1, 1, 1]) });
    expect(Object.entries(made).map(([name, { data }]) => [name, ...(data as Float64Array)])).toEqual([
      ["y", 8, -27],
      ["first", 12, 27],
      ["none", 0, 0, 0],
      ["second", 12, -18],
    ]);
  });

  it("differentiates at values other than those that it names", () => {
    const b = onnxModel("elsewhere", { opset: 22 });
    b.importOpset(DOMAIN, 1);
    const x = b.input("x", "float32", []);
    const z = b.input("z", "float32", []);
    const y = b.node("Mul", [b.node("Mul", [x, x]), z]);
    b.output(y, "float32", [], "y");
    const there = [b.scalar("float32", 5), b.scalar("float32", 7)];
    b.output(b.node("Gradient", there, { xs: [x], zs: [z], y }, { domain: DOMAIN }), "float32", [], "dx");
    const one: Tensor = { dtype: "float32", shape: [], data: Float32Array.of(1) };
    expect(interpret(b.toBytes(), { x: one, z: one })["dx"]!.data[0]).toBe(70);
  });

  it("refuses by name what has no derivative", () => {
    const { model } = modelOf(
      (b, [x]) =>
        b.node("MaxRoiPool", [x!, b.initializer("float64", [1, 5], [0, 0, 0, 1, 1])], {
          pooled_shape: [1, 1],
        }),
      [{ shape: [1, 1, 2, 2] }],
    );
    expect(() => compile(model.toBytes())).toThrow(CompileError);
    expect(() => compile(model.toBytes())).toThrow(/no derivative of MaxRoiPool/);
  });
});
