/**
 * Cases of derivatives of maps: functions, activations and arithmetic on operands that are broadcast. In: nothing.
 * Out: formulas with their operands. Invariant: a name begins with the operator whose rule is tested.
 */
import { above, any, op, wide, type Case } from "./formula.ts";

const unary: readonly Case[] = [
  ...[
    "Neg",
    "Abs",
    "Exp",
    "Erf",
    "Sin",
    "Cos",
    "Tan",
    "Atan",
    "Sinh",
    "Cosh",
    "Tanh",
    "Asinh",
    "Sign",
    "Floor",
  ],
  ...[
    "Ceil",
    "Round",
    "Sigmoid",
    "Relu",
    "Softplus",
    "Softsign",
    "Mish",
    "HardSwish",
    "Identity",
    "LeakyRelu",
  ],
  ...["Elu", "Celu", "Selu", "Gelu", "Shrink", "HardSigmoid", "ThresholdedRelu", "Dropout"],
].map((name): Case => [name, op(name), [name === "Tan" ? any : wide]]);

const domains: readonly Case[] = [
  ["Sqrt", op("Sqrt"), [above(0.3, 2)]],
  ["Log", op("Log"), [above(0.3, 2)]],
  ["Reciprocal", op("Reciprocal"), [above(0.3, 2)]],
  ["Asin", op("Asin"), [above(-0.8, 0.8)]],
  ["Acos", op("Acos"), [above(-0.8, 0.8)]],
  ["Atanh", op("Atanh"), [above(-0.8, 0.8)]],
  ["Acosh", op("Acosh"), [above(1.2, 3)]],
  ["Gelu with tanh", op("Gelu", { approximate: "tanh" }), [wide]],
  ["Swish", op("Swish", { alpha: 1.5 }), [wide], 24],
  ["Elu with alpha", op("Elu", { alpha: 0.7 }), [wide]],
  ["Celu with alpha", op("Celu", { alpha: 0.7 }), [wide]],
  ["Clip", op("Clip"), [{ shape: [7], range: [-2, 2], apart: true }, { shape: [], range: [-1, -0.9] }, { shape: [], range: [0.9, 1] }]], // prettier-ignore
  ["Cast", (b, [x]) => b.node("Cast", [b.node("Cast", [x!], { to: 11 })], { to: 11 }), [any]],
];

const binary: readonly Case[] = [
  ["Add, broadcast", op("Add"), [{ shape: [2, 3] }, { shape: [4, 1, 3] }]],
  ["Sub, broadcast", op("Sub"), [{ shape: [2, 3] }, { shape: [3] }]],
  ["Mul, broadcast", op("Mul"), [{ shape: [2, 1] }, { shape: [1, 3] }]],
  ["Mul of a value by itself", (b, [x]) => b.node("Mul", [x!, x!]), [any]],
  ["Div, broadcast", op("Div"), [{ shape: [2, 3] }, { shape: [2, 1], range: [0.5, 2] }]],
  [
    "Mod",
    op("Mod", { fmod: 1 }),
    [
      { shape: [4], range: [3.1, 3.9] },
      { shape: [1], range: [1.1, 1.2] },
    ],
  ],
  [
    "Pow",
    op("Pow"),
    [
      { shape: [2, 3], range: [0.3, 2] },
      { shape: [3], range: [-2, 3] },
    ],
  ],
  ["Pow by a constant", (b, [x]) => b.node("Pow", [x!, b.scalar("float64", 3)]), [wide]],
  ["Sum", op("Sum"), [{ shape: [2, 3] }, { shape: [3] }, { shape: [] }]],
  ["Mean", op("Mean"), [{ shape: [2, 3] }, { shape: [3] }, { shape: [2, 1] }]],
  [
    "Max",
    op("Max"),
    [
      { shape: [2, 3], apart: true },
      { shape: [3], range: [-0.9, 1.1], apart: true },
    ],
  ],
  [
    "Min",
    op("Min"),
    [
      { shape: [2, 3], apart: true },
      { shape: [3], range: [-0.9, 1.1], apart: true },
    ],
  ],
  ["PRelu", op("PRelu"), [wide, { shape: [4] }]],
  ["SwiGLU", op("SwiGLU"), [wide, { shape: [3, 4] }], 27],
  ["Where", (b, [x, y]) => b.node("Where", [b.node("Less", [x!, y!]), x!, y!]), [wide, { shape: [4], range: [-5, 5] }]], // prettier-ignore
];

export const elementwiseCases: readonly Case[] = [...unary, ...domains, ...binary];
