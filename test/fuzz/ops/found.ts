/**
 * What the fuzzer has found over the table of operators, each as the smallest graph, so that it stays found. In:
 * graphs as the fuzzer prints them. Out: the list that `found.test.ts` runs on all oracles. Invariant: every one of
 * them failed once; its note says what was wrong. One list that only grows, so it may be as long as it gets.
 */
import type { FuzzGraph } from "./graph.ts";

export interface FoundGraph extends FuzzGraph {
  readonly note: string;
  /** Found by a program for several sizes: every size of an input that is `n` then is one of these. */
  readonly sizes?: Readonly<Record<"n" | "low" | "high" | "at", number>>;
}

export const foundGraphs: readonly FoundGraph[] = [
  {
    note: "erf of float64 was computed in float32",
    opset: 25,
    wrapping: "none",
    operands: [
      {
        name: "x",
        dtype: "float64",
        shape: [9],
        data: { kind: "values", values: [1, -0.5, 1e-9, 2, 1.999, 3, 7, -0, 5.5] },
        constant: false,
      },
    ],
    nodes: [
      { op: "Gelu", inputs: ["x"], outputs: ["y"], attributes: {} },
      { op: "Erf", inputs: ["x"], outputs: ["z"], attributes: {} },
    ],
    outputs: [
      { name: "y", type: { kind: "tensor", dtype: "float64", shape: [9] } },
      { name: "z", type: { kind: "tensor", dtype: "float64", shape: [9] } },
    ],
  },
  {
    note: "one query of MultiHeadAttention looks at all keys, also unidirectionally",
    opset: 20,
    wrapping: "none",
    operands: [
      { name: "q", dtype: "float32", shape: [1, 1, 4], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "k", dtype: "float32", shape: [1, 2, 4], data: { kind: "zeros", seed: 0 }, constant: false },
      {
        name: "v",
        dtype: "float32",
        shape: [1, 2, 4],
        data: { kind: "values", values: [0, 0, 0, 0, 0, 0, 0, 2] },
        constant: false,
      },
    ],
    nodes: [
      {
        op: "MultiHeadAttention",
        domain: "com.microsoft",
        inputs: ["q", "k", "v"],
        outputs: ["y"],
        attributes: { num_heads: 2, unidirectional: 1 },
      },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 4] } }],
  },
  {
    note: "the default of a float attribute is a float32, also for elements of float64",
    opset: 24,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float64", shape: [1, 2, 1], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "one", dtype: "float64", shape: [2], data: { kind: "ones", seed: 0 }, constant: false },
      { name: "zero", dtype: "float64", shape: [2], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [
      {
        op: "BatchNormalization",
        inputs: ["x", "one", "zero", "one", "zero"],
        outputs: ["y"],
        attributes: {},
      },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float64", shape: [1, 2, 1] } }],
  },
  {
    note: "points of the outer half pixels were pulled to the last centre before cubic interpolation",
    opset: 20,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 3, 3], data: { kind: "iota", seed: 0 }, constant: false },
      {
        name: "grid",
        dtype: "float32",
        shape: [1, 4, 1, 2],
        data: { kind: "values", values: [1, 1, 0.25, -0.5, 1.5, -1.5, -0.9, 0.95] },
        constant: false,
      },
    ],
    nodes: [
      {
        op: "GridSample",
        inputs: ["x", "grid"],
        outputs: ["y"],
        attributes: { mode: "cubic", padding_mode: "border" },
      },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 4, 1] } }],
  },
  {
    note: "of equal elements the first one's index is told, in whatever order indices count",
    opset: 18,
    wrapping: "none",
    operands: [
      {
        name: "x",
        dtype: "float32",
        shape: [1, 2, 4, 3],
        data: {
          kind: "values",
          values: [0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2, 2, 0, 0, 0, 3, 0, 3, 3],
        },
        constant: false,
      },
    ],
    nodes: [
      {
        op: "MaxPool",
        inputs: ["x"],
        outputs: ["y", "i"],
        attributes: { kernel_shape: [3, 3], storage_order: 1 },
      },
    ],
    outputs: [{ name: "i", type: { kind: "tensor", dtype: "int64", shape: [1, 2, 2, 1] } }],
  },
  {
    note: "samples of a region outside of the image are 0 where the largest is taken",
    opset: 20,
    wrapping: "none",
    operands: [
      {
        name: "x",
        dtype: "float32",
        shape: [1, 1, 3, 3],
        data: { kind: "values", values: [-1, -2, -1, -2, -1, -2, -1, -3, -1] },
        constant: false,
      },
      {
        name: "rois",
        dtype: "float32",
        shape: [2, 4],
        data: { kind: "values", values: [1, 1, 5, 5, 0, 0, 2, 2] },
        constant: false,
      },
      { name: "of", dtype: "int64", shape: [2], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [
      {
        op: "RoiAlign",
        inputs: ["x", "rois", "of"],
        outputs: ["y"],
        attributes: { output_height: 1, output_width: 1, sampling_ratio: 2, mode: "max" },
      },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [2, 1, 1, 1] } }],
  },
  {
    note: "what reads an accumulator more than once was written once for each use, and grew without bound",
    opset: 13,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float16", shape: [1, 9, 1], data: { kind: "positive", seed: 3 }, constant: false },
      { name: "y", dtype: "float16", shape: [9], data: { kind: "small", seed: 4 }, constant: false },
    ],
    nodes: [
      { op: "ReduceLogSum", inputs: ["x"], outputs: ["s"], attributes: { axes: [2, 0], keepdims: 0 } },
      { op: "Max", inputs: ["y", "s"], outputs: ["z"], attributes: {} },
    ],
    outputs: [{ name: "z", type: { kind: "tensor", dtype: "float16", shape: [9] } }],
  },
  {
    note: "what is returned and carried over to the next program had its size only once",
    opset: 20,
    wrapping: "if",
    operands: [
      { name: "x0", dtype: "float32", shape: [1, 1, 1], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "x1", dtype: "bool", shape: [1], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Compress", inputs: ["x0", "x1"], outputs: ["v2"], attributes: { axis: 1 } },
      { op: "Hardmax", inputs: ["v2"], outputs: ["v4"], attributes: { axis: 0 } },
    ],
    outputs: [
      { name: "v2", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 1] } },
      { name: "v4", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 1] } },
    ],
  },
  {
    note: "support vectors that cancel: what roundings of the weights do is allowed",
    opset: 22,
    wrapping: "none",
    operands: [
      {
        name: "x0",
        dtype: "float32",
        shape: [1, 3],
        data: { kind: "values", values: [-1000000000, 1000000, 3] },
        constant: false,
      },
    ],
    nodes: [
      {
        op: "SVMRegressor",
        domain: "ai.onnx.ml",
        inputs: ["x0"],
        outputs: ["v1"],
        attributes: {
          kernel_type: "LINEAR",
          kernel_params: { kind: "floats", value: [0.5, 0.25, 2] },
          coefficients: { kind: "floats", value: [0.5, 0.5] },
          support_vectors: { kind: "floats", value: [1.5, 0.5, 1, -1.5, 1, 0.75] },
          n_supports: 2,
          rho: { kind: "floats", value: [0] },
        },
      },
    ],
    outputs: [{ name: "v1", type: { kind: "tensor", dtype: "float32", shape: [1, 1] } }],
  },
  {
    note: "a table that a run's index reads was packed as if loops alone decided what is read",
    opset: 15,
    wrapping: "none",
    operands: [
      {
        name: "c0",
        dtype: "float32",
        shape: [1, 2, 1, 2],
        data: { kind: "values", values: [0, 1, 2, -1.5] },
        constant: true,
      },
      { name: "x1", dtype: "int64", shape: [], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Gather", inputs: ["c0", "x1"], outputs: ["v2"], attributes: { axis: -1 } },
      { op: "Softmax", inputs: ["v2"], outputs: ["v4"], attributes: { axis: -1 } },
    ],
    outputs: [{ name: "v4", type: { kind: "tensor", dtype: "float32", shape: [1, 2, 1] } }],
  },
  {
    note: "what packs a value that was itself joined with its maker read memory that nobody had written",
    opset: 18,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "int8", shape: [1, 6, 4, 5], data: { kind: "iota", seed: 0 }, constant: true },
      { name: "xs", dtype: "float32", shape: [], data: { kind: "values", values: [0.1] }, constant: true },
      { name: "xz", dtype: "int8", shape: [], data: { kind: "values", values: [5] }, constant: true },
      { name: "ys", dtype: "float32", shape: [], data: { kind: "values", values: [0.25] }, constant: true },
      { name: "yz", dtype: "int8", shape: [], data: { kind: "values", values: [5] }, constant: true },
    ],
    nodes: [
      {
        op: "QLinearAveragePool",
        domain: "com.microsoft",
        inputs: ["x", "xs", "xz", "ys", "yz"],
        outputs: ["y"],
        attributes: { kernel_shape: [3, 3], channels_last: 1 },
      },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "int8", shape: [1, 4, 2, 5] } }],
  },
  {
    note: "a Softmax over flattened dimensions, none of them with elements, was not given its shape back",
    opset: 8,
    wrapping: "none",
    operands: [
      { name: "x0", dtype: "float32", shape: [0, 1], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "x2", dtype: "float32", shape: [3, 0, 2], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Softmax", inputs: ["x0"], outputs: ["v1"], attributes: { axis: 0 } },
      { op: "Softmax", inputs: ["x2"], outputs: ["v3"], attributes: { axis: 1 } },
    ],
    outputs: [
      { name: "v1", type: { kind: "tensor", dtype: "float32" } },
      { name: "v3", type: { kind: "tensor", dtype: "float32" } },
    ],
  },
  {
    note: "a cast that does not saturate, fused into what reads its result, saturated",
    opset: 27,
    wrapping: "none",
    operands: [
      {
        name: "v4",
        dtype: "bfloat16",
        shape: [],
        data: { kind: "values", values: [999424] },
        constant: false,
      },
    ],
    nodes: [
      { op: "Cast", inputs: ["v4"], outputs: ["v5"], attributes: { to: 17, saturate: 0 } },
      { op: "Cast", inputs: ["v5"], outputs: ["v6"], attributes: { to: 16 } },
    ],
    outputs: [{ name: "v6", type: { kind: "tensor", dtype: "bfloat16", shape: [] } }],
  },
  {
    note: "the negative infinity to the power of a half was its root",
    opset: 22,
    wrapping: "none",
    operands: [
      {
        name: "x0",
        dtype: "float32",
        shape: [3],
        data: { kind: "values", values: [-Infinity, 4, Infinity] },
        constant: false,
      },
      { name: "c1", dtype: "float32", shape: [], data: { kind: "values", values: [0.5] }, constant: true },
    ],
    nodes: [{ op: "Pow", inputs: ["x0", "c1"], outputs: ["v2"], attributes: {} }],
    outputs: [{ name: "v2", type: { kind: "tensor", dtype: "float32", shape: [3] } }],
  },
  {
    note: "a scatter to a known place was taken for a concatenation, and overwrote what others read",
    opset: 11,
    wrapping: "none",
    operands: [
      { name: "x0", dtype: "float32", shape: [3], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "c3", dtype: "int64", shape: [1, 1], data: { kind: "zeros", seed: 0 }, constant: true },
      { name: "x4", dtype: "float32", shape: [1], data: { kind: "small", seed: 684385 }, constant: false },
      { name: "x6", dtype: "float32", shape: [1], data: { kind: "small", seed: 738846 }, constant: false },
    ],
    nodes: [
      {
        op: "Normalizer",
        domain: "ai.onnx.ml",
        inputs: ["x0"],
        outputs: ["v1"],
        attributes: { norm: "MAX" },
      },
      { op: "ScatterND", inputs: ["v1", "c3", "x4"], outputs: ["v5"], attributes: {} },
      { op: "Max", inputs: ["x6", "v5", "v1"], outputs: ["v7"], attributes: {} },
    ],
    outputs: [{ name: "v7", type: { kind: "tensor", dtype: "float32", shape: [3] } }],
  },
  {
    note: "weights of a cubic blend, rounded beside a large element, behind a compound operator",
    opset: 17,
    wrapping: "none",
    operands: [
      { name: "c0", dtype: "float32", shape: [1, 1, 2, 6], data: { kind: "values", values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1000000000] }, constant: false },
      { name: "c1", dtype: "int64", shape: [4], data: { kind: "values", values: [1, 1, 8, 9] }, constant: false },
      { name: "c5", dtype: "float32", shape: [9], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Resize", inputs: ["c0", "", "", "c1"], outputs: ["v2"], attributes: { mode: "cubic", coordinate_transformation_mode: "pytorch_half_pixel", cubic_coeff_a: -0.5 } },
      { op: "BiasGelu", domain: "com.microsoft", inputs: ["v2", "c5"], outputs: ["v6"], attributes: {} },
    ],
    outputs: [{ name: "v6", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 8, 9] } }],
  }, // prettier-ignore
  {
    note: "an infinity times a Gelu that a rounding takes to zero",
    opset: 28,
    wrapping: "none",
    operands: [
      { name: "c0", dtype: "float32", shape: [1, 1, 16], data: { kind: "values", values: [0, 0, -Infinity, 0, 0, 0, 0, 0, 0, 0, -3.5, 0, 0, 0, 0, 0] }, constant: false },
      { name: "x1", dtype: "float32", shape: [16], data: { kind: "values", values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -2, 0, 0, 0, 0, 0] }, constant: false },
    ],
    nodes: [{ op: "BiasSplitGelu", domain: "com.microsoft", inputs: ["c0", "x1"], outputs: ["v2"], attributes: {} }],
    outputs: [{ name: "v2", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 8] } }],
  }, // prettier-ignore
  {
    note: "onnxruntime refuses what follows a reduction of nothing, to which it gives another shape",
    opset: 13,
    wrapping: "none",
    operands: [
      { name: "x11", dtype: "int32", shape: [1, 2, 0, 3], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "c12", dtype: "int64", shape: [3], data: { kind: "values", values: [2, -3, 3] }, constant: false },
      { name: "c14", dtype: "int64", shape: [2], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "ReduceSum", inputs: ["x11", "c12"], outputs: ["v13"], attributes: { keepdims: 0, noop_with_empty_axes: 1 } },
      { op: "Reshape", inputs: ["v13", "c14"], outputs: ["v15"], attributes: {} },
    ],
    outputs: [{ name: "v15", type: { kind: "tensor", dtype: "int32", shape: [1, 1] } }],
  }, // prettier-ignore
  {
    note: "erf of a float64 lost the sign of -0",
    opset: 24,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float64", shape: [4], data: { kind: "values", values: [-0, 0, -1e-300, -3] }, constant: false }],
    nodes: [
      { op: "Erf", inputs: ["x"], outputs: ["a"], attributes: {} },
      { op: "Reciprocal", inputs: ["a"], outputs: ["b"], attributes: {} },
    ],
    outputs: [{ name: "b", type: { kind: "tensor", dtype: "float64", shape: [4] } }],
  }, // prettier-ignore
  {
    note: "Elu, which is x from 0 on, lost the sign of -0",
    opset: 24,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float32", shape: [4], data: { kind: "values", values: [-0, 0, -1, 2] }, constant: false }],
    nodes: [
      { op: "Elu", inputs: ["x"], outputs: ["a"], attributes: {} },
      { op: "Reciprocal", inputs: ["a"], outputs: ["b"], attributes: {} },
    ],
    outputs: [{ name: "b", type: { kind: "tensor", dtype: "float32", shape: [4] } }],
  }, // prettier-ignore
  {
    note: "scores that a mask forbids are -Infinity; onnxruntime tells the least number",
    opset: 23,
    wrapping: "none",
    operands: [
      { name: "q", dtype: "float32", shape: [1, 2, 2], data: { kind: "ones", seed: 0 }, constant: false },
      { name: "k", dtype: "float32", shape: [1, 2, 2], data: { kind: "ones", seed: 0 }, constant: false },
      { name: "v", dtype: "float32", shape: [1, 2, 2], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Attention", inputs: ["q", "k", "v"], outputs: ["a", "", "", "b"], attributes: { q_num_heads: 1, kv_num_heads: 1, is_causal: 1, softcap: 2, qk_matmul_output_mode: 2 } },
    ],
    outputs: [{ name: "b", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 2, 2] } }],
  }, // prettier-ignore
  {
    note: "onnxruntime keeps what no float16 holds for the next operator",
    opset: 24,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float16", shape: [4], data: { kind: "values", values: [-17, 1, Infinity, 20] }, constant: false }],
    nodes: [
      { op: "Cosh", inputs: ["x"], outputs: ["a"], attributes: {} },
      { op: "Log", inputs: ["a"], outputs: ["b"], attributes: {} },
    ],
    outputs: [{ name: "b", type: { kind: "tensor", dtype: "float16", shape: [4] } }],
  }, // prettier-ignore
  {
    note: "the factor of onnxruntime's inverse transform is a float32, however large the elements are",
    opset: 22,
    wrapping: "none",
    operands: [
      { name: "x0", dtype: "float64", shape: [1, 9, 1], data: { kind: "values", values: [0, 0, 0, 0, 0, 0, 1000000000, 0, 0] }, constant: false },
      { name: "c1", dtype: "int64", shape: [], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [{ op: "DFT", inputs: ["x0", "", "c1"], outputs: ["v2"], attributes: { inverse: 1 } }],
    outputs: [{ name: "v2", type: { kind: "tensor", dtype: "float64", shape: [1, 9, 2] } }],
  }, // prettier-ignore
  {
    note: "onnxruntime's Unique loses elements beside NaN, and refuses what follows",
    opset: 25,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float64", shape: [8], data: { kind: "values", values: [3, NaN, 1, 2, NaN, 3, 1, 0] }, constant: false },
      { name: "y", dtype: "float64", shape: [5], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Unique", inputs: ["x"], outputs: ["a", "", "", ""], attributes: {} },
      { op: "Mul", inputs: ["a", "y"], outputs: ["b"], attributes: {} },
    ],
    outputs: [{ name: "b", type: { kind: "tensor", dtype: "float64", shape: [5] } }],
  }, // prettier-ignore
  {
    note: "onnxruntime's Softplus of float64 overflows on the way",
    opset: 18,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float64", shape: [3], data: { kind: "values", values: [1000000, 600, -3] }, constant: false }],
    nodes: [{ op: "Softplus", inputs: ["x"], outputs: ["y"], attributes: {} }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float64", shape: [3] } }],
  }, // prettier-ignore
  {
    note: "a blend of integers that is a whole number but for its roundings, cut before a difference",
    opset: 27,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "int8", shape: [1, 1, 5, 3], data: { kind: "values", values: [127, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, constant: false },
      { name: "sizes", dtype: "int64", shape: [2], data: { kind: "values", values: [9, 0] }, constant: false },
      { name: "y", dtype: "int8", shape: [1, 1, 1, 1], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["a"], attributes: { mode: "linear", axes: [2, 3], keep_aspect_ratio_policy: "not_smaller" } },
      { op: "Sub", inputs: ["a", "y"], outputs: ["b"], attributes: {} },
    ],
    outputs: [{ name: "b", type: { kind: "tensor", dtype: "int8", shape: [1, 1, 9, 5] } }],
  }, // prettier-ignore
  {
    note: "onnxruntime's ParametricSoftplus takes the logarithm of one and nearly nothing",
    opset: 7,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float32", shape: [3], data: { kind: "values", values: [-104, -17.3, -29.3] }, constant: false }],
    nodes: [{ op: "ParametricSoftplus", inputs: ["x"], outputs: ["y"], attributes: { alpha: 2, beta: 0.5 } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [3] } }],
  }, // prettier-ignore
  {
    note: "so does its function body of Mish",
    opset: 18,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float64", shape: [2], data: { kind: "values", values: [-9.3, -21.3] }, constant: false }],
    nodes: [{ op: "Mish", inputs: ["x"], outputs: ["y"], attributes: {} }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float64", shape: [2] } }],
  }, // prettier-ignore
  {
    note: "a product of numbers of float16 between the least and none, rounded on the way",
    opset: 7,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float16", shape: [2], data: { kind: "values", values: [1e-6, -3.2e-7] }, constant: false }],
    nodes: [{ op: "ScaledTanh", inputs: ["x"], outputs: ["y"], attributes: { alpha: 2, beta: 0.5 } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float16", shape: [2] } }],
  }, // prettier-ignore
  {
    note: "a product that overflows only where it is rounded before it is added to an infinity",
    opset: 28,
    wrapping: "none",
    operands: [
      { name: "q", dtype: "float32", shape: [1, 2, 4], data: { kind: "values", values: [0, 0, 0, 0, 0, -1e9, 0, -1e9] }, constant: false },
      { name: "k", dtype: "float32", shape: [1, 2, 4], data: { kind: "values", values: [0, 1e6, 0, 0, 0, -1e9, 0, 1e6] }, constant: false },
      { name: "v", dtype: "float32", shape: [1, 2, 3], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "state", dtype: "float32", shape: [1, 1, 4, 3], data: { kind: "values", values: [0, 0, 0, 0, -1e9, 0, 0, 0, 0, 0, 0, 0] }, constant: false },
      { name: "decay", dtype: "float32", shape: [1, 2, 1], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "beta", dtype: "float32", shape: [1, 2, 1], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [{ op: "LinearAttention", inputs: ["q", "k", "v", "state", "decay", "beta"], outputs: ["y", "s"], attributes: { q_num_heads: 1, kv_num_heads: 1, update_rule: "gated_delta" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 2, 3] } }],
  }, // prettier-ignore
  {
    note: "a cast of float16 to itself, of which onnxruntime makes a graph that it refuses",
    opset: 26,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float16", shape: [], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "y", dtype: "float16", shape: [1], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [
      { op: "Sub", inputs: ["x", "y"], outputs: ["a"], attributes: {} },
      { op: "Cast", inputs: ["a"], outputs: ["b"], attributes: { to: 10 } },
      { op: "Relu", inputs: ["b"], outputs: ["c"], attributes: {} },
    ],
    outputs: [{ name: "c", type: { kind: "tensor", dtype: "float16", shape: [1] } }],
  }, // prettier-ignore
  {
    note: "what is left to 1 of a logistic function, which cancels if it is taken away",
    opset: 23,
    wrapping: "none",
    operands: [{ name: "x", dtype: "int64", shape: [1, 2], data: { kind: "normal", seed: 922368 }, constant: false }],
    nodes: [
      { op: "LinearClassifier", domain: "ai.onnx.ml", inputs: ["x"], outputs: ["label", "scores"], attributes: { coefficients: { kind: "floats", value: [-1.5, -1.75] }, intercepts: { kind: "floats", value: [1.25] }, post_transform: "LOGISTIC", classlabels_ints: [0, 3] } },
    ],
    outputs: [{ name: "scores", type: { kind: "tensor", dtype: "float32", shape: [1, 2] } }],
  }, // prettier-ignore
  {
    note: "symmetric places of a Resize in the middle of an element, where a rounding decides",
    opset: 26,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 9], data: { kind: "values", values: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, constant: false },
      { name: "sizes", dtype: "int64", shape: [3], data: { kind: "values", values: [1, 1, 3] }, constant: false },
    ],
    nodes: [
      { op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { coordinate_transformation_mode: "half_pixel_symmetric", nearest_mode: "floor" } },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 3] } }],
  }, // prettier-ignore
  {
    note: "an infinity divided by the infinite scale of its range, as an integer and back",
    opset: 26,
    wrapping: "none",
    operands: [{ name: "x", dtype: "float32", shape: [2, 4], data: { kind: "values", values: [0, 0, 0, 0, 0, 0, -Infinity, 0] }, constant: false }],
    nodes: [
      { op: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["q", "scale", "zero"], attributes: {} },
      { op: "Split", inputs: ["q"], outputs: ["part"], attributes: { axis: 1, num_outputs: 1 } },
      { op: "Cast", inputs: ["part"], outputs: ["y"], attributes: { to: 1 } },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [2, 4] } }],
  }, // prettier-ignore
  {
    note: "the middle of a grid, which is rounded as a number of the size of one before it is mapped",
    opset: 23,
    wrapping: "none",
    operands: [
      { name: "theta", dtype: "float64", shape: [3, 2, 3], data: { kind: "values", values: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1e9, 0] }, constant: false },
      { name: "size", dtype: "int64", shape: [4], data: { kind: "values", values: [3n, 0n, 3n, 2n] }, constant: false },
    ],
    nodes: [{ op: "AffineGrid", inputs: ["theta", "size"], outputs: ["y"], attributes: {} }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float64", shape: [3, 3, 2, 2] } }],
  }, // prettier-ignore
  {
    note: "a sine of 0 that a transform's factors round, times a large window",
    opset: 18,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 3, 1], data: { kind: "ones", seed: 0 }, constant: false },
      { name: "window", dtype: "float32", shape: [3], data: { kind: "values", values: [-1e9, 0, 0] }, constant: false },
      { name: "step", dtype: "int64", shape: [], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [{ op: "STFT", inputs: ["x", "step", "window", ""], outputs: ["y"], attributes: { onesided: 1 } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 2, 2] } }],
  }, // prettier-ignore
  {
    note: "a window of unknown rank, which onnxruntime's shape inference refuses; known, its transform has other roundings",
    opset: 19,
    wrapping: "unranked",
    operands: [
      { name: "x", dtype: "float64", shape: [1, 17, 1], data: { kind: "extreme", seed: 192837 }, constant: true },
      { name: "window", dtype: "float64", shape: [4], data: { kind: "small", seed: 842794 }, constant: false },
      { name: "step", dtype: "int64", shape: [], data: { kind: "values", values: [2] }, constant: true },
    ],
    nodes: [{ op: "STFT", inputs: ["x", "step", "window"], outputs: ["y"], attributes: { onesided: 1 } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float64", shape: [1, 7, 3, 2] } }],
  }, // prettier-ignore
  {
    note: "the logarithm of a sum next to 1, of which a rounding of 1 is left",
    opset: 16,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [3, 3, 3], data: { kind: "values", values: [0, 0, -0.12109375, 0, 0, 12.25, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, constant: false },
      { name: "labels", dtype: "int32", shape: [3, 3], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "weights", dtype: "float32", shape: [3], data: { kind: "zeros", seed: 0 }, constant: false },
    ],
    nodes: [{ op: "SoftmaxCrossEntropyLoss", inputs: ["x", "labels", "weights"], outputs: ["loss", "logarithms"], attributes: { reduction: "none", ignore_index: 0 } }],
    outputs: [{ name: "logarithms", type: { kind: "tensor", dtype: "float32", shape: [3, 3, 3] } }],
  }, // prettier-ignore
  {
    note: "corners aligned over a length that its scale leaves a fraction of",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 5, 7], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "scales", dtype: "float32", shape: [2], data: { kind: "values", values: [0.75, 1.5] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "scales"], outputs: ["y"], attributes: { mode: "linear", coordinate_transformation_mode: "align_corners", axes: [2, 3] } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 3, 10] } }],
  }, // prettier-ignore
  {
    note: "the same of lengths that keep their ratio",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 3, 4], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "sizes", dtype: "int64", shape: [2], data: { kind: "values", values: [8n, 4n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { coordinate_transformation_mode: "align_corners", keep_aspect_ratio_policy: "not_smaller", axes: [2, 3] } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 8, 11] } }],
  }, // prettier-ignore
  {
    note: "between two elements, which the rounding of a scale made the first",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 7], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "sizes", dtype: "int64", shape: [3], data: { kind: "values", values: [1n, 1n, 4n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { coordinate_transformation_mode: "asymmetric", nearest_mode: "round_prefer_ceil" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 4] } }],
  }, // prettier-ignore
  {
    note: "the same of aligned corners",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 13], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "sizes", dtype: "int64", shape: [3], data: { kind: "values", values: [1n, 1n, 7n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { coordinate_transformation_mode: "align_corners", nearest_mode: "floor" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 7] } }],
  }, // prettier-ignore
  {
    note: "the same of half a pixel",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 22], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "sizes", dtype: "int64", shape: [3], data: { kind: "values", values: [1n, 1n, 13n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { nearest_mode: "round_prefer_floor" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 13] } }],
  }, // prettier-ignore
  {
    note: "on an element, which onnxruntime's rounding of a scale takes from below",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 14], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "sizes", dtype: "int64", shape: [3], data: { kind: "values", values: [1n, 1n, 4n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 4] } }],
  }, // prettier-ignore
  {
    note: "a region whose bound is rounded, next to an element",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 6], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "roi", dtype: "float32", shape: [6], data: { kind: "values", values: [0, 0, 0, 1, 1, 0.6] }, constant: true },
      { name: "sizes", dtype: "int64", shape: [3], data: { kind: "values", values: [1n, 1n, 8n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "roi", "", "sizes"], outputs: ["y"], attributes: { coordinate_transformation_mode: "tf_crop_and_resize", nearest_mode: "ceil" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 8] } }],
  }, // prettier-ignore
  {
    note: "an axis that stays as long as it is though the scale is not 1, filtered",
    opset: 19,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 1, 6, 2], data: { kind: "iota", seed: 0 }, constant: false },
      { name: "sizes", dtype: "int64", shape: [2], data: { kind: "values", values: [5n, 7n] }, constant: true },
    ],
    nodes: [{ op: "Resize", inputs: ["x", "", "", "sizes"], outputs: ["y"], attributes: { mode: "linear", antialias: 1, axes: [2, 3], keep_aspect_ratio_policy: "not_larger" } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 5, 2] } }],
  }, // prettier-ignore
  {
    note: "a transform of a length that is no power of two, of one large element",
    opset: 25,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "float32", shape: [1, 8, 1], data: { kind: "values", values: [0, 0, 0, 0, 0, 0, 0, -1000000000] }, constant: false },
      { name: "length", dtype: "int64", shape: [], data: { kind: "values", values: [11] }, constant: false },
      { name: "axis", dtype: "int64", shape: [], data: { kind: "ones", seed: 0 }, constant: false },
    ],
    nodes: [{ op: "DFT", inputs: ["x", "length", "axis"], outputs: ["y"], attributes: { inverse: 0 } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 11, 2] } }],
  }, // prettier-ignore
  {
    note: "a mask of integers for fewer keys than there are",
    opset: 24,
    wrapping: "none",
    operands: [
      { name: "q", dtype: "float32", shape: [1, 1, 2, 4], data: { kind: "small", seed: 1 }, constant: false },
      { name: "k", dtype: "float32", shape: [1, 1, 5, 4], data: { kind: "small", seed: 2 }, constant: false },
      { name: "v", dtype: "float32", shape: [1, 1, 5, 4], data: { kind: "small", seed: 3 }, constant: false },
      { name: "mask", dtype: "int64", shape: [2, 3], data: { kind: "range", seed: 4, least: -2, most: 2 }, constant: false },
    ],
    nodes: [{ op: "Attention", inputs: ["q", "k", "v", "mask"], outputs: ["y"], attributes: {} }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "float32", shape: [1, 1, 2, 4] } }],
  }, // prettier-ignore
  {
    note: "panels of a window had zeros where its border holds a zero point",
    opset: 11,
    wrapping: "none",
    operands: [
      { name: "x", dtype: "int8", shape: [1, 8, 5, 3], data: { kind: "range", seed: 3, least: -9, most: 9 }, constant: false },
      { name: "one", dtype: "float32", shape: [], data: { kind: "ones", seed: 0 }, constant: true },
      { name: "zero", dtype: "int8", shape: [], data: { kind: "ones", seed: 0 }, constant: true },
      { name: "w", dtype: "int8", shape: [8, 8, 1, 3], data: { kind: "range", seed: 7, least: -9, most: 9 }, constant: false },
    ],
    nodes: [{ op: "QLinearConv", inputs: ["x", "one", "zero", "w", "one", "zero", "one", "zero"], outputs: ["y"], attributes: { pads: [1, 0, 0, 0] } }],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "int8", shape: [1, 8, 6, 1] } }],
  }, // prettier-ignore
  {
    note: "a constant that is another one for the least size only",
    sizes: { n: 2, low: 2, high: 11, at: 7 },
    opset: 17,
    wrapping: "dynamic",
    operands: [
      { name: "x", dtype: "float32", shape: [2, 1], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "k", dtype: "int64", shape: [1], data: { kind: "values", values: [2] }, constant: true },
    ],
    nodes: [
      { op: "EyeLike", inputs: ["x"], outputs: ["eye"], attributes: { k: -1, dtype: 1 } },
      { op: "TopK", inputs: ["eye", "k"], outputs: ["least", "y"], attributes: { axis: 0, largest: 0, sorted: 1 } },
    ],
    outputs: [{ name: "y", type: { kind: "tensor", dtype: "int64", shape: [2, 1] } }],
  }, // prettier-ignore
  {
    note: "zeros beyond the end of a constant that is cut were not written, and an earlier run had left something there",
    sizes: { n: 2, low: 2, high: 5, at: 3 },
    opset: 17,
    wrapping: "dynamic",
    operands: [
      { name: "x", dtype: "float64", shape: [2, 2, 2, 1], data: { kind: "zeros", seed: 0 }, constant: false },
      { name: "length", dtype: "int64", shape: [], data: { kind: "values", values: [9] }, constant: true },
    ],
    nodes: [
      { op: "DFT", inputs: ["x", "length"], outputs: ["y"], attributes: { onesided: 1, axis: 2 } },
      { op: "Max", inputs: ["x"], outputs: ["z"], attributes: {} },
    ],
    outputs: [
      { name: "y", type: { kind: "tensor", dtype: "float64", shape: [2, 2, 5, 2] } },
      { name: "z", type: { kind: "tensor", dtype: "float64", shape: [2, 2, 2, 1] } },
    ],
  }, // prettier-ignore
];
