/**
 * TF.js graphs of several nodes against TF.js itself: control flow in both forms, lists, arrays, functions, complex
 * numbers, quantized weights, tables, dilated convolutions, and what is refused. Invariant: the same model bytes and
 * inputs go to both; ours is compiled and run, and interpreted.
 */
import { describe, expect, it } from "vitest";
import { CompileError, compile, interpret, openSource } from "../../compiler/whole.ts";
import { importGraphModel } from "../../compiler/frontend/tfjs/import.ts";
import { readGraphModel } from "../../compiler/frontend/tfjs/model.ts";
import { compareTensors } from "../../compiler/tensors/compare.ts";
import { load, type Tensor } from "../../runtime/index.ts";
import {
  attribute as a,
  buildModel,
  nodeDef,
  tensor,
  type ModelSpec,
  type NodeSpec,
  type Weight,
} from "./graphModel.ts";
import { referenceOutputs } from "./reference.ts";

const FLOAT = a.type("DT_FLOAT");
const INT = a.type("DT_INT32");

function floats(shape: readonly number[], ...values: number[]): Weight {
  return { shape, dtype: "float32", values };
}
function ints(shape: readonly number[], ...values: number[]): Weight {
  return { shape, dtype: "int32", values };
}
function node(
  name: string,
  op: string,
  input: readonly string[] = [],
  attr: Readonly<Record<string, unknown>> = {},
): NodeSpec {
  return { name, op, input, attr };
}
function placeholder(name: string, shape: readonly number[], dtype = FLOAT): NodeSpec {
  return node(name, "Placeholder", [], { dtype, shape: a.shape(shape) });
}
function constants(weights: Readonly<Record<string, Weight>>): NodeSpec[] {
  const types = { float32: FLOAT, int32: INT, bool: a.type("DT_BOOL"), string: a.type("DT_STRING"), complex64: a.type("DT_COMPLEX64") }; // prettier-ignore
  return Object.entries(weights).map(([name, { dtype }]) => node(name, "Const", [], { dtype: types[dtype] }));
}

/** Runs a model on both sides and compares all outputs. */
async function agree(
  spec: ModelSpec,
  inputs: Readonly<Record<string, Tensor>>,
  outputs: readonly string[],
): Promise<Record<string, Tensor>> {
  const model = buildModel({ ...spec, nodes: [...constants(spec.weights ?? {}), ...spec.nodes] });
  const expected = await referenceOutputs(model, inputs, outputs);
  const options = { externalData: () => model.weightBytes };
  const interpreted = interpret(model.modelBytes, inputs, options);
  const session = await load(model.modelBytes, {
    compiler: () => ({ openSource: (bytes) => openSource(bytes, options) }),
  });
  const run = await session.run(inputs);
  session.dispose();
  for (const name of outputs)
    for (const actual of [interpreted[name]!, run[name]!])
      expect(
        compareTensors(actual, expected.get(name)!, { relative: 1e-5, absolute: 1e-6 }).reason,
      ).toBeUndefined();
  return run;
}

/** y = x < limit ? 2x : x + 100, and a second result of the same branches. */
function conditional(): ModelSpec {
  const weights = { limit: floats([], 3), two: floats([], 2), hundred: floats([], 100) };
  const nodes = [
    placeholder("x", []),
    node("less", "Less", ["x", "limit"], { T: FLOAT }),
    node("switch", "Switch", ["x", "less"], { T: FLOAT }),
    node("pivot_t", "Identity", ["switchp:1"]),
    node("pivot_f", "Identity", ["switchp"]),
    node("switchp", "Switch", ["less", "less"], { T: a.type("DT_BOOL") }),
    node("small", "Mul", ["switch:1", "two"], { T: FLOAT }),
    node("large", "Add", ["switch", "hundred"], { T: FLOAT }),
    node("smaller", "Neg", ["small"], { T: FLOAT }),
    node("one", "Identity", ["large", "^pivot_f"], { T: FLOAT }),
    node("merge", "Merge", ["large", "small"], { T: FLOAT }),
    node("merge2", "Merge", ["one", "smaller"], { T: FLOAT }),
    node("y", "Identity", ["merge"]),
    node("z", "Identity", ["merge2"]),
  ];
  return { nodes, weights };
}

/** Doubles x while a counter is below n, in the form of frames. */
function counted(): ModelSpec {
  const enter = (name: string, from: string, type: object, constant = false): NodeSpec =>
    node(name, "Enter", [from], { T: type, frame_name: a.text("loop"), is_constant: a.bool(constant) });
  const weights = { zero: ints([], 0), one: ints([], 1) };
  const nodes = [
    placeholder("x", [3]),
    placeholder("n", [], INT),
    enter("e_i", "zero", INT),
    enter("e_x", "x", FLOAT),
    enter("e_n", "n", INT, true),
    node("m_i", "Merge", ["e_i", "next_i"], { T: INT }),
    node("m_x", "Merge", ["e_x", "next_x"], { T: FLOAT }),
    node("less", "Less", ["m_i", "e_n"], { T: INT }),
    node("cond", "LoopCond", ["less"]),
    node("s_i", "Switch", ["m_i", "cond"], { T: INT }),
    node("s_x", "Switch", ["m_x", "cond"], { T: FLOAT }),
    node("i1", "AddV2", ["s_i:1", "one"], { T: INT }),
    node("x1", "AddV2", ["s_x:1", "s_x:1"], { T: FLOAT }),
    node("next_i", "NextIteration", ["i1"], { T: INT }),
    node("next_x", "NextIteration", ["x1"], { T: FLOAT }),
    node("exit_i", "Exit", ["s_i"], { T: INT }),
    node("exit_x", "Exit", ["s_x"], { T: FLOAT }),
    node("count", "Identity", ["exit_i"]),
    node("y", "Neg", ["exit_x"], { T: FLOAT }),
  ];
  return { nodes, weights };
}

describe("control flow of TF.js graphs", () => {
  it.each([1, 5])("as Switch and Merge, with %d", async (x) => {
    await agree(conditional(), { x: tensor("float32", [], [x]) }, ["y", "z"]);
  });

  it("as Switch and Merge is one If for all results of the same branches", () => {
    const model = buildModel({
      ...conditional(),
      nodes: [...constants(conditional().weights!), ...conditional().nodes],
    });
    const graph = importGraphModel(readGraphModel(model.modelBytes, () => model.weightBytes));
    expect(graph.nodes.filter(({ op }) => op === "If").length).toBe(1);
  });

  it.each([0, 1, 4])("as frames, with %d iterations", async (n) => {
    const inputs = { x: tensor("float32", [3], [1, -2, 0.5]), n: tensor("int32", [], [n]) };
    const { y, count } = await agree(counted(), inputs, ["y", "count"]);
    expect(Array.from(y!.data as Float32Array)).toEqual([1, -2, 0.5].map((value) => -value * 2 ** n));
    expect(Array.from(count!.data as Int32Array)).toEqual([n]);
  });

  it.each([2, 9])("as functions, with %d", async (x) => {
    const scalar = (name: string): object => ({ name, type: "DT_FLOAT" });
    const fn = (name: string, op: string, result: string, type = "DT_FLOAT"): object => ({
      signature: { name, inputArg: [scalar("v")], outputArg: [{ name: "out", type }] },
      nodeDef: [nodeDef(node("k", "Const", [], { dtype: FLOAT })), nodeDef(node("r", op, ["v", "k:output:0"], { T: FLOAT }))],
      ret: { out: result },
    }); // prettier-ignore
    const functions = [fn("test", "Less", "r:z:0", "DT_BOOL"), fn("step", "AddV2", "r:z:0"), fn("double", "Mul", "r:z:0"), fn("less", "Sub", "r:z:0")]; // prettier-ignore
    const spec: ModelSpec = {
      functions,
      weights: { k: floats([], 3), five: floats([], 5) },
      nodes: [
        placeholder("x", []),
        node("loop", "StatelessWhile", ["x"], { cond: a.func("test"), body: a.func("step"), T: { list: { type: ["DT_FLOAT"] } } }), // prettier-ignore
        node("large", "Greater", ["loop", "five"], { T: FLOAT }),
        node("if", "StatelessIf", ["large", "loop"], { then_branch: a.func("double"), else_branch: a.func("less"), Tcond: a.type("DT_BOOL") }), // prettier-ignore
        node("y", "Identity", ["if"]),
      ],
    };
    await agree(spec, { x: tensor("float32", [], [x]) }, ["y"]);
  });
});

describe("lists of TF.js graphs", () => {
  const weights = {
    shape: ints([1], 2),
    three: ints([], 3),
    zero: ints([], 0),
    one: ints([], 1),
    two: ints([], 2),
    order: ints([3], 2, 0, 1),
    lengths: ints([2], 1, 2),
  };
  const element = { element_dtype: FLOAT };

  it("are written, read, stacked and gathered", async () => {
    const nodes = [
      placeholder("x", [2]),
      placeholder("m", [3, 2]),
      node("reserved", "TensorListReserve", ["shape", "three"], element),
      node("set0", "TensorListSetItem", ["reserved", "zero", "x"], element),
      node("twice", "AddV2", ["x", "x"], { T: FLOAT }),
      node("set1", "TensorListSetItem", ["set0", "one", "twice"], element),
      node("set2", "TensorListSetItem", ["set1", "two", "x"], element),
      node("stack", "TensorListStack", ["set2", "shape"], { ...element, num_elements: a.int(3) }),
      node("item", "TensorListGetItem", ["set2", "one", "shape"], element),
      node("from", "TensorListFromTensor", ["m", "shape"], element),
      node("gather", "TensorListGather", ["from", "order", "shape"], element),
      node("length", "TensorListLength", ["from"]),
      node("scatter", "TensorListScatterV2", ["m", "order", "shape", "three"], element),
      node("scattered", "TensorListStack", ["scatter", "shape"], { ...element, num_elements: a.int(3) }),
      node("older", "TensorListScatter", ["m", "order", "shape"], element),
      node("olderStack", "TensorListStack", ["older", "shape"], { ...element, num_elements: a.int(3) }),
    ];
    const inputs = { x: tensor("float32", [2], [1, 2]), m: tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]) };
    await agree({ nodes, weights }, inputs, ["stack", "item", "gather", "length", "scattered", "olderStack"]);
  });

  it("grow, shrink, split and join", async () => {
    const nodes = [
      placeholder("x", [2]),
      placeholder("m", [3, 2]),
      node("empty", "EmptyTensorList", ["shape", "three"], element),
      node("push", "TensorListPushBack", ["empty", "x"], element),
      node("double", "AddV2", ["x", "x"], { T: FLOAT }),
      node("push2", "TensorListPushBack", ["push", "double"], element),
      node("joined", "TensorListConcat", ["push2"], { ...element, element_shape: a.shape([2]) }),
      node("pop", "TensorListPopBack", ["push2", "shape"], element),
      node("popped", "Identity", ["pop:1"]),
      node("split", "TensorListSplit", ["m", "shape", "lengths"], element),
      node("parts", "TensorListConcatV2", ["split"], { ...element, element_shape: a.shape([-1, 2]) }),
    ];
    const model = buildModel({ nodes: [...constants(weights), ...nodes], weights });
    const inputs = { x: tensor("float32", [2], [1, 2]), m: tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]) };
    // TF.js changes a list in place, so that what follows from an earlier state of it is compared with numbers.
    const outputs = ["joined", "popped", "parts"];
    const signature = { inputs: { x: { name: "x:0" }, m: { name: "m:0" } }, outputs: Object.fromEntries(outputs.map((name) => [name, { name: `${name}:0` }])) }; // prettier-ignore
    const own = buildModel({ nodes: [...constants(weights), ...nodes], weights, signature });
    expect(model.weightBytes.length).toBe(own.weightBytes.length);
    const actual = interpret(own.modelBytes, inputs, { externalData: () => own.weightBytes });
    expect(Array.from(actual["joined"]!.data as Float32Array)).toEqual([1, 2, 2, 4]);
    expect(Array.from(actual["popped"]!.data as Float32Array)).toEqual([2, 4]);
    expect(Array.from(actual["parts"]!.data as Float32Array)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("as arrays with a flow", async () => {
    const array = { dtype: FLOAT, element_shape: a.shape([2]), dynamic_size: a.bool(false), clear_after_read: a.bool(false), identical_element_shapes: a.bool(true), tensor_array_name: a.text("array") }; // prettier-ignore
    const nodes = [
      placeholder("x", [2]),
      placeholder("m", [3, 2]),
      node("array", "TensorArrayV3", ["three"], array),
      node("w0", "TensorArrayWriteV3", ["array", "zero", "x", "array:1"], { T: FLOAT }),
      node("double", "AddV2", ["x", "x"], { T: FLOAT }),
      node("w1", "TensorArrayWriteV3", ["array", "one", "double", "w0"], { T: FLOAT }),
      node("w2", "TensorArrayWriteV3", ["array", "two", "x", "w1"], { T: FLOAT }),
      node("read", "TensorArrayReadV3", ["array", "one", "w2"], { dtype: FLOAT }),
      node("gather", "TensorArrayGatherV3", ["array", "order", "w2"], {
        dtype: FLOAT,
        element_shape: a.shape([2]),
      }),
      node("size", "TensorArraySizeV3", ["array", "w2"]),
      node("concat", "TensorArrayConcatV3", ["array", "w2"], { dtype: FLOAT }),
      node("array2", "TensorArrayV3", ["three"], array),
      node("scatter", "TensorArrayScatterV3", ["array2", "order", "m", "array2:1"], { T: FLOAT }),
      node("scattered", "TensorArrayReadV3", ["array2", "zero", "scatter"], { dtype: FLOAT }),
      node("array3", "TensorArrayV3", ["two"], { ...array, element_shape: a.shape([-1, 2]) }),
      node("split", "TensorArraySplitV3", ["array3", "m", "lengths", "array3:1"], { T: FLOAT }),
      node("part", "TensorArrayReadV3", ["array3", "one", "split"], { dtype: FLOAT }),
    ];
    const inputs = { x: tensor("float32", [2], [1, 2]), m: tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]) };
    const outputs = ["read", "gather", "size", "concat", "scattered", "part"];
    const signature = { inputs: { x: { name: "x:0" }, m: { name: "m:0" } }, outputs: Object.fromEntries(outputs.map((name) => [name, { name: `${name}:0` }])) }; // prettier-ignore
    const own = buildModel({ nodes: [...constants(weights), ...nodes], weights, signature });
    const actual = interpret(own.modelBytes, inputs, { externalData: () => own.weightBytes });
    const numbers = (name: string): number[] => Array.from(actual[name]!.data as Float32Array);
    expect(outputs.map(numbers)).toEqual([
      [2, 4],
      [1, 2, 1, 2, 2, 4],
      [3],
      [1, 2, 2, 4, 1, 2],
      [3, 4],
      [3, 4, 5, 6],
    ]);
  });
});

describe("other forms of TF.js graphs", () => {
  it("complex numbers", async () => {
    const nodes = [
      placeholder("re", [2, 8]),
      placeholder("im", [2, 8]),
      node("c", "Complex", ["re", "im"]),
      node("fft", "FFT", ["c"]),
      node("real", "Real", ["fft"]),
      node("imag", "Imag", ["fft"]),
      node("abs", "ComplexAbs", ["fft"]),
      node("ifft", "IFFT", ["fft"]),
      node("back", "Real", ["ifft"]),
      node("rfft", "RFFT", ["re", "length"]),
      node("spectrum", "ComplexAbs", ["rfft"]),
      node("irfft", "IRFFT", ["rfft", "length"]),
    ];
    const values = Array.from({ length: 16 }, (_, i) => Math.sin(i * 1.7));
    const inputs = {
      re: tensor("float32", [2, 8], values),
      im: tensor("float32", [2, 8], values.toReversed()),
    };
    await agree({ nodes, weights: { length: ints([], 8) } }, inputs, [
      "real",
      "imag",
      "abs",
      "back",
      "spectrum",
      "irfft",
    ]);
  });

  it("quantized weights are what TF.js makes of them", async () => {
    const codes = Array.from({ length: 20000 }, (_, i) => (i * 37) % 256);
    const weights: Record<string, Weight> = {
      large: {
        shape: [20000],
        dtype: "float32",
        values: codes,
        quantization: { dtype: "uint8", scale: 0.0123, min: -1.7 },
      },
      small: { shape: [4], dtype: "float32", values: [0, 1000, 40000, 65535], quantization: { dtype: "uint16", scale: 1e-4, min: -3 } }, // prettier-ignore
      half: {
        shape: [3],
        dtype: "float32",
        values: [0x3c00, 0xc000, 0x3555],
        quantization: { dtype: "float16" },
      },
      whole: {
        shape: [3],
        dtype: "int32",
        values: [0, 7, 255],
        quantization: { dtype: "uint8", scale: 2, min: -10 },
      },
    };
    const nodes = [placeholder("x", []), ...Object.keys(weights).map((name) => node(`${name}_y`, name === "whole" ? "Identity" : "Mul", name === "whole" ? [name] : [name, "x"], { T: FLOAT }))]; // prettier-ignore
    const run = await agree({ nodes, weights }, { x: tensor("float32", [], [1]) }, [
      "large_y",
      "small_y",
      "half_y",
      "whole_y",
    ]);
    expect(Array.from(run["half_y"]!.data as Float32Array).slice(0, 2)).toEqual([1, -2]);
    const model = buildModel({ nodes: [...constants(weights), ...nodes], weights });
    // Large ones stay quantized in the artifact.
    expect(
      compile(model.modelBytes, { externalData: () => model.weightBytes }).report.weightBytes,
    ).toBeLessThan(21000);
  });

  it("convolutions between block movements are dilated", async () => {
    const values = Array.from({ length: 2 * 3 * 3 }, (_, i) => Math.cos(i));
    const weights = { block: ints([2], 2, 2), pads: ints([2, 2], 2, 3, 2, 3), crops: ints([2, 2], 0, 1, 0, 1), filter: { shape: [3, 3, 2, 1], dtype: "float32" as const, values } }; // prettier-ignore
    const nodes = [
      placeholder("x", [1, 5, 5, 2]),
      node("split", "SpaceToBatchND", ["x", "block", "pads"], { T: FLOAT }),
      node("conv", "DepthwiseConv2dNative", ["split", "filter"], { T: FLOAT, strides: a.ints([1, 1, 1, 1]), padding: a.text("VALID"), dilations: a.ints([1, 1, 1, 1]) }), // prettier-ignore
      node("y", "BatchToSpaceND", ["conv", "block", "crops"], { T: FLOAT }),
    ];
    await agree({ nodes, weights }, { x: tensor("float32", [1, 5, 5, 2], Array.from({ length: 50 }, (_, i) => Math.sin(i))) }, ["y"]); // prettier-ignore
    const model = buildModel({ nodes: [...constants(weights), ...nodes], weights });
    const graph = importGraphModel(readGraphModel(model.modelBytes, () => model.weightBytes));
    const conv = graph.nodes.find(({ op }) => op === "Conv")!;
    expect(conv.attributes.get("dilations")).toEqual({ kind: "ints", value: [2, 2] });
    expect(graph.nodes.filter(({ op }) => op === "Reshape").length).toBe(1); // of the filter
  });

  it("tables that are filled before the first run", () => {
    const weights: Record<string, Weight> = {
      keys: { shape: [3], dtype: "string", values: ["cat", "dog", "bird"] },
      values: ints([3], 7, 8, 9),
      none: ints([1], -1),
    };
    const table = node("table", "HashTableV2", [], { key_dtype: a.type("DT_STRING"), value_dtype: INT, shared_name: a.text("t") }); // prettier-ignore
    const nodes = [
      placeholder("x", [2], a.type("DT_STRING")),
      table,
      node("y", "LookupTableFindV2", ["table", "x", "none"], { Tin: a.type("DT_STRING"), Tout: INT }),
      node("size", "LookupTableSizeV2", ["table"]),
    ];
    const initializer = [
      table,
      ...constants(weights),
      node("fill", "LookupTableImportV2", ["table", "keys", "values"]),
    ];
    const signature = {
      inputs: { x: { name: "x:0" } },
      outputs: { y: { name: "y:0" }, size: { name: "size:0" } },
    };
    const model = buildModel({ nodes: [...constants(weights), ...nodes], weights, initializer, signature });
    const x: Tensor = { dtype: "string", shape: [2], data: ["bird", "fish"] };
    const { y, size } = interpret(model.modelBytes, { x }, { externalData: () => model.weightBytes });
    expect([Array.from(y!.data as Int32Array), Array.from(size!.data as Int32Array)]).toEqual([[9, -1], [3]]);
  });

  it("inputs and outputs have the names of the signature, and pixels stay bytes", () => {
    const signature = {
      inputs: {
        "image:0": { name: "x:0", dtype: "DT_UINT8", tensorShape: { dim: [{ size: "2" }, { size: "2" }] } },
      },
      outputs: {
        doubled: { name: "y:0", dtype: "DT_FLOAT", tensorShape: { dim: [{ size: "2" }, { size: "-1" }] } },
      },
    };
    const nodes = [
      placeholder("x", [2, -1], a.type("DT_UINT8")),
      node("f", "Cast", ["x"], { SrcT: a.type("DT_UINT8"), DstT: FLOAT }),
      node("y", "AddV2", ["f", "f"], { T: FLOAT }),
    ];
    const model = buildModel({ nodes, signature });
    const image: Tensor = { dtype: "uint8", shape: [2, 2], data: Uint8Array.of(1, 2, 3, 250) };
    const { doubled } = interpret(model.modelBytes, { image }, { externalData: () => model.weightBytes });
    expect(Array.from(doubled!.data as Float32Array)).toEqual([2, 4, 6, 500]);
  });
});

describe("TF.js models that cannot be compiled", () => {
  const code = (spec: ModelSpec | string, weightBytes?: Uint8Array | null): string => {
    const built = typeof spec === "string" ? undefined : buildModel(spec);
    const bytes = built?.modelBytes ?? new TextEncoder().encode(spec as string);
    try {
      const beside = weightBytes === null ? undefined : (weightBytes ?? built?.weightBytes);
      compile(bytes, { externalData: () => beside });
      return "compiled";
    } catch (error) {
      if (error instanceof CompileError) return error.code;
      throw error;
    }
  };
  const relu: ModelSpec = { nodes: [placeholder("x", [2]), node("y", "Relu", ["x"])] };

  it("say what is wrong, with a code", () => {
    expect(code(relu)).toBe("compiled");
    expect(code("{")).toBe("model-malformed");
    expect(code("{}")).toBe("model-malformed");
    expect(code(JSON.stringify({ format: "layers-model", modelTopology: {} }))).toBe("model-malformed");
    expect(code(relu, null)).toBe("external-data-missing");
    expect(code(relu, new Uint8Array(3))).toBe("model-malformed");
    expect(code({ nodes: [placeholder("x", [2]), node("y", "Relu", ["nothing"])] })).toBe("graph-invalid");
    expect(code({ nodes: [node("a", "Relu", ["b"]), node("b", "Relu", ["a"]), node("y", "Relu", ["b"])] })).toBe("graph-invalid"); // prettier-ignore
    expect(code({ nodes: [placeholder("x", [2]), node("y", "Merge", ["x", "x"])] })).toBe("graph-invalid");
    expect(code({ nodes: [placeholder("x", [2]), node("p", "Placeholder", [], { dtype: FLOAT, shape: a.shape([-1]) }), node("y", "Transpose", ["x", "p"])] })).toBe("value-needed"); // prettier-ignore
    expect(code({ nodes: [placeholder("x", [2]), node("c", "Complex", ["x", "x"]), node("y", "Relu", ["c"])] })).toBe("dtype-unsupported"); // prettier-ignore
    expect(code({ nodes: [placeholder("x", [2]), node("y", "If", ["x"], { then_branch: a.func("f"), else_branch: a.func("f") })] })).toBe("graph-invalid"); // prettier-ignore
  });

  it("list all operators that are not known", () => {
    const nodes = [placeholder("x", [2]), node("y", "Reluu", ["x"]), node("z", "Frobnicate", ["y"])];
    const { modelBytes, weightBytes } = buildModel({ nodes });
    let found: CompileError | undefined;
    try {
      compile(modelBytes, { externalData: () => weightBytes });
    } catch (error) {
      found = error as CompileError;
    }
    expect(found!.diagnostics.map(({ op }) => op)).toEqual(["Reluu", "Frobnicate"]);
    expect(found!.diagnostics[0]!.hint).toContain("Relu");
  });

  it("never fail without a code, however they are damaged", () => {
    const spec = counted();
    const { modelBytes, weightBytes } = buildModel({
      ...spec,
      nodes: [...constants(spec.weights!), ...spec.nodes],
    });
    const text = new TextDecoder().decode(modelBytes);
    let seed = 12345;
    const draw = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % below;
    };
    const pieces = [
      '"',
      "{",
      "}",
      "[",
      "]",
      ":0",
      "^",
      "Merge",
      "Switch",
      "Exit",
      "e_x",
      "m_x",
      "-1",
      "null",
      "1e99",
    ];
    for (let round = 0; round < 400; round++) {
      const at = draw(text.length);
      const damaged = text.slice(0, at) + pieces[draw(pieces.length)]! + text.slice(at + draw(12));
      expect(typeof code(damaged, weightBytes), `seed 12345, round ${round}`).toBe("string");
    }
  });
});
