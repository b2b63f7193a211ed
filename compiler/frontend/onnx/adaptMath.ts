/**
 * Old forms of arithmetic, reductions and normalisations. In and out: as in `adaptForm.ts`. Invariant: as in
 * `adaptMovement.ts`, no entry needs to know a shape, but a known rank or dtype gives a shorter result.
 */
import { EVERY_VERSION, type FormTable, type OldForm, type OldNode } from "./adaptForm.ts";
import { ONNX_DATA_TYPE } from "../../ir/dataType.ts";

/** Add-1, Add-6 and their like: one-directional broadcast from an axis, before numpy's rules came in opset 7. */
const axisBroadcast: readonly OldForm[] = [
  {
    until: 7,
    adapt: (old) => {
      const [a, b] = [old.input(0), old.input(1)];
      const axis = old.int("axis");
      // Without an axis the trailing dimensions are matched, as numpy does.
      const second = old.int("broadcast") && axis !== undefined ? alignFrom(old, a, b, axis) : b;
      old.become(old.node.op, [a, second], old.without("broadcast", "axis"));
    },
  },
];

/** Appends ones to the shape of `b` so that its first dimension meets dimension `axis` of `a`. */
function alignFrom(old: OldNode, a: string, b: string, axis: number): string {
  const [rankA, rankB] = [old.facts.rank(a), old.facts.rank(b)];
  if (rankA !== undefined && rankB !== undefined) {
    const trailing = rankA - (axis < 0 ? axis + rankA : axis) - rankB;
    if (trailing < 0) old.refuse(`attribute axis is ${axis}, which leaves no room for the second input`);
    if (trailing === 0) return b;
    const axes = Array.from({ length: trailing }, (_, i) => rankB + i);
    return old.add("Unsqueeze", [b, old.integers(axes)]);
  }
  const room = axis < 0 ? old.integers(-axis) : old.add("Sub", [old.rankValue(a), old.integers(axis)]);
  const trailing = old.add("Sub", [room, old.rankValue(b)]);
  const one = {
    kind: "tensor",
    value: { dtype: "int64", shape: [1], data: new BigInt64Array([1n]) },
  } as const;
  const ones = old.add("ConstantOfShape", [old.add("Reshape", [trailing, old.integers([1])])], {
    value: one,
  });
  const shape = old.add("Concat", [old.add("Shape", [b]), ones], { axis: 0 });
  return old.add("Reshape", [b, shape]);
}

const LARGEST_FLOAT = 3.4028234663852886e38;

/** Clip with bounds as attributes, of which those that are not given have a default. */
function clipBetween(old: OldNode, least: number | undefined, most: number | undefined): void {
  const x = old.input(0);
  // As numbers of 16 bits the ends of float32 are infinities, which bound nothing.
  const ends = !["float16", "bfloat16"].includes(old.facts.dtype(x) ?? "");
  const bound = (name: string, otherwise: number | undefined): string => {
    const value = old.float(name) ?? (ends ? otherwise : undefined);
    return value === undefined ? "" : old.floatsLike(value, x);
  };
  old.become("Clip", [x, bound("min", least), bound("max", most)]);
}

/** Reductions took their axes as an attribute. */
function reduceUntil(until: number): readonly OldForm[] {
  return [
    {
      until,
      adapt: (old) => {
        const axes = old.ints("axes");
        const input = axes === undefined || axes.length === 0 ? "" : old.integers(axes);
        old.become(old.node.op, [old.input(0), input], old.without("axes"));
      },
    },
  ];
}

/** Before opset 13 these saw a matrix: all dimensions from `axis` on were one. */
const overFlattened: readonly OldForm[] = [
  {
    until: 13,
    adapt: (old) => {
      const x = old.input(0);
      const axis = old.int("axis") ?? 1;
      const rank = old.facts.rank(x);
      const { op } = old.node;
      if (axis === -1 || (rank !== undefined && axis === rank - 1)) {
        old.become(op, [x], { axis: -1 });
        return;
      }
      const flat = old.add(op, [old.add("Flatten", [x], { axis })], { axis: -1 });
      // A 0 is an extent of x here, and not one to be copied from the flat one.
      old.become("Reshape", [flat, old.add("Shape", [x])], { allowzero: 1 });
    },
  },
];

export const mathForms: FormTable = {
  Add: axisBroadcast,
  And: axisBroadcast,
  Div: axisBroadcast,
  Equal: axisBroadcast,
  Greater: axisBroadcast,
  Less: axisBroadcast,
  Mul: axisBroadcast,
  Or: axisBroadcast,
  Pow: axisBroadcast,
  Sub: axisBroadcast,
  Xor: axisBroadcast,

  ReduceL1: reduceUntil(18),
  ReduceL2: reduceUntil(18),
  ReduceLogSum: reduceUntil(18),
  ReduceLogSumExp: reduceUntil(18),
  ReduceMax: reduceUntil(18),
  ReduceMean: reduceUntil(18),
  ReduceMin: reduceUntil(18),
  ReduceProd: reduceUntil(18),
  ReduceSum: reduceUntil(13),
  ReduceSumSquare: reduceUntil(18),

  Hardmax: overFlattened,
  LogSoftmax: overFlattened,
  Softmax: overFlattened,

  BatchNormalization: [{ until: 14, adapt: batchNormalization }],

  Cast: [
    {
      until: 6,
      adapt: (old) => {
        const name = old.string("to") ?? old.refuse("attribute to is missing");
        const key = name
          .toLowerCase()
          .replace(/^float$/, "float32")
          .replace(/^double$/, "float64");
        if (!Object.hasOwn(ONNX_DATA_TYPE, key))
          old.refuse(`attribute to is "${name}", which is no data type`);
        old.become("Cast", old.inputs, { to: ONNX_DATA_TYPE[key as keyof typeof ONNX_DATA_TYPE] });
      },
    },
  ],

  // An attribute that was not given did not bound, then stood for the end of float32, and an absent input does not bound.
  Clip: [
    { until: 6, adapt: (old) => clipBetween(old, undefined, undefined) },
    { until: 11, adapt: (old) => clipBetween(old, -LARGEST_FLOAT, LARGEST_FLOAT) },
  ],

  // Training was a matter of the runtime then, and is not ours: the ratio has no effect.
  Dropout: [
    {
      until: 10,
      adapt: (old) => {
        const x = old.input(0);
        const [y = "", mask = ""] = old.node.outputs;
        if (mask === "") {
          old.become("Dropout", [x], {}, [y]);
          return;
        }
        // The mask had the type of the input.
        const kept = old.addNode("Dropout", [x], 2);
        old.become("Identity", [kept[0]!], {}, [y]);
        old.become("CastLike", [kept[1]!, x], {}, [mask]);
      },
    },
    { until: 12, adapt: (old) => old.become("Dropout", [old.input(0)]) },
  ],

  Gemm: [{ until: 7, adapt: (old) => old.become("Gemm", old.inputs, old.without("broadcast")) }],

  GroupNormalization: [{ until: 21, adapt: groupNormalization }],

  MeanVarianceNormalization: [
    {
      until: 9,
      adapt: (old) => {
        const x = old.input(0);
        const axes = old.int("across_channels") ? [0, 1, 2, 3] : [0, 2, 3];
        if (old.int("normalize_variance") === 0) {
          old.become("Sub", [x, old.add("ReduceMean", [x, old.integers(axes)])]);
        } else {
          old.become("MeanVarianceNormalization", [x], { axes });
        }
      },
    },
  ],

  PRelu: [
    {
      until: 7,
      adapt: (old) => {
        const [x, slope] = [old.input(0), old.input(1)];
        // One slope per channel; a single one stretches over everything all the same.
        const perChannel = old.facts.rank(x) === 1 ? slope : alignFrom(old, x, slope, 1);
        old.become("PRelu", [x, perChannel]);
      },
    },
  ],

  Selu: [
    {
      until: 6,
      adapt: (old) =>
        old.become("Selu", [old.input(0)], {
          alpha: { float: old.float("alpha") ?? 1.6732 },
          gamma: { float: old.float("gamma") ?? 1.0507 },
        }),
    },
  ],

  // Experimental operators of opsets before 10.
  Affine: [
    {
      until: EVERY_VERSION,
      adapt: (old) => scaleAndShift(old, old.float("alpha") ?? 1, old.float("beta") ?? 0),
    },
  ],
  Scale: [{ until: EVERY_VERSION, adapt: (old) => scaleAndShift(old, old.float("scale") ?? 1, 0) }],
  ScaledTanh: [
    {
      until: EVERY_VERSION,
      adapt: (old) => {
        const x = old.input(0);
        const inner = old.add("Mul", [x, old.floatsLike(old.float("beta") ?? 1, x)]);
        old.become("Mul", [old.add("Tanh", [inner]), old.floatsLike(old.float("alpha") ?? 1, x)]);
      },
    },
  ],
  ParametricSoftplus: [
    {
      until: EVERY_VERSION,
      adapt: (old) => {
        const x = old.input(0);
        const inner = old.add("Mul", [x, old.floatsLike(old.float("beta") ?? 1, x)]);
        old.become("Mul", [old.add("Softplus", [inner]), old.floatsLike(old.float("alpha") ?? 1, x)]);
      },
    },
  ],
  ImageScaler: [
    {
      until: EVERY_VERSION,
      adapt: (old) => {
        const x = old.input(0);
        const scaled = old.add("Mul", [x, old.floatsLike(old.float("scale") ?? 1, x)]);
        const bias = old.floatsLike(old.floats("bias") ?? [0], x);
        old.become("Add", [scaled, old.add("Reshape", [bias, old.integers([1, -1, 1, 1])])]);
      },
    },
  ],
};

function scaleAndShift(old: OldNode, scale: number, shift: number): void {
  const x = old.input(0);
  const scaled = old.add("Mul", [x, old.floatsLike(scale, x)]);
  old.become("Add", [scaled, old.floatsLike(shift, x)]);
}

/**
 * Before opset 14: training was told by the number of outputs (and, before 7, by is_test), and until 9 `spatial=0`
 * asked for statistics per element instead of per channel.
 */
function batchNormalization(old: OldNode): void {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((position) => old.input(position)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const training = old.wants(1) || old.wants(2);
  if (old.wants(3) || old.wants(4) || (training && old.int("is_test") === 1)) {
    old.unsupported("the statistics that BatchNormalization gave out before opset 14 are not computed");
  }
  if (old.version < 9 && old.int("spatial") === 0) {
    if (training) old.unsupported("training with spatial=0 is not supported");
    const epsilon = old.floatsLike(old.float("epsilon") ?? 1e-5, x);
    const deviation = old.add("Sqrt", [old.add("Add", [variance, epsilon])]);
    const normal = old.add("Div", [old.add("Sub", [x, mean]), deviation]);
    const [y = ""] = old.node.outputs;
    old.become("Add", [old.add("Mul", [normal, scale]), bias], {}, [y]);
    return;
  }
  const attributes = old.without("is_test", "spatial");
  if (training) attributes.set("training_mode", { kind: "int", value: 1 });
  const outputs = old.node.outputs.slice(0, training ? 3 : 1);
  old.become("BatchNormalization", [x, scale, bias, mean, variance], attributes, outputs);
}

/** GroupNormalization-18 had one scale and bias per group; since 21 there is one per channel. */
function groupNormalization(old: OldNode): void {
  const x = old.input(0);
  const groups = old.int("num_groups") ?? old.refuse("attribute num_groups is missing");
  const channels = old.add("Shape", [x], { start: 1, end: 2 });
  const perGroup = old.add("Div", [channels, old.integers([groups])]);
  const spread = old.add("Concat", [old.integers([groups]), perGroup], { axis: 0 });
  const perChannel = (id: string): string => {
    const column = old.add("Reshape", [id, old.integers([groups, 1])]);
    return old.add("Reshape", [old.add("Expand", [column, spread]), old.integers([-1])]);
  };
  old.become(
    "GroupNormalization",
    [x, perChannel(old.input(1)), perChannel(old.input(2))],
    old.node.attributes,
  );
}
