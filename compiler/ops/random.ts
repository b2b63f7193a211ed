/**
 * Random numbers and samples. In: shapes, parameters and a seed. Out: a call of the random library kernel, and
 * operators made of it. Invariant: counter-based, so the same seed gives the same numbers on every machine and run;
 * without a seed one is taken from the node's name and from the run, so that nodes and runs differ. Iterations of a
 * loop draw different numbers in either case.
 */
import { elementCount, type DType } from "../ir/dtype.ts";
import type { TensorType } from "../ir/graph.ts";
import type { Expander, LibraryArgument, OpCall, OpDefinition } from "./define.ts";
import { typeAttribute } from "./elementwiseCast.ts";
import { typeNumber } from "../ir/dataType.ts";
import { libraryCall, libraryCode, output } from "./indexingLibrary.ts";

/** 64 bits of seed: those of the attribute as a double, or of the node's name (FNV-1a) and the run. */
function seedOf(call: OpCall): readonly [low: number, high: number | LibraryArgument] {
  // Different from draw to draw of the same node; 0 for the first.
  const draw = Math.imul(call.int("draw", 0), 0x9e3779b9);
  const seed = call.float("seed");
  if (seed !== undefined) {
    const words = new Int32Array(Float64Array.of(seed).buffer);
    return [words[0]! ^ draw, words[1]!];
  }
  let hash = 0x811c9dc5 | 0;
  for (const letter of call.node.name) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193);
  return [hash, { kind: "draw", value: draw }];
}

/** Uniform or normal numbers of a shape; types that the kernel does not make are made as f32 and converted. */
function randomOperators(
  name: string,
  distribution: 0 | 1,
  parameters: (call: OpCall) => readonly [number, number],
): OpDefinition[] {
  const dtypeOf = (call: OpCall, otherwise: DType): DType => {
    const dtype = typeAttribute(call, "dtype") ?? otherwise;
    return ["float32", "float64", "float16", "bfloat16"].includes(dtype) ? dtype : call.fail("dtype-unsupported", `random numbers of type ${dtype}`); // prettier-ignore
  };
  const definition = (op: string, type: (call: OpCall) => TensorType): OpDefinition => ({
    op,
    infer: (call) => [type(call)],
    implementation: (call) => {
      const { dtype, shape } = type(call);
      if (dtype !== "float32" && dtype !== "float64") {
        return { kind: "expand", expand: (_, to) => [viaFloat(call, to, name, shape, dtype)] };
      }
      return {
        kind: "library",
        call: () => {
          const [seedLow, seedHigh] = seedOf(call);
          const [a, b] = parameters(call);
          return libraryCall("random", {
            distribution,
            dtype: libraryCode(call, dtype),
            output: output(0),
            count: elementCount(shape),
            seedLow,
            seedHigh,
            a,
            b,
          });
        },
      };
    },
  });
  return [
    definition(name, (call) => ({ dtype: dtypeOf(call, "float32"), shape: call.ints("shape") ?? [] })),
    definition(`${name}Like`, (call) => ({
      dtype: dtypeOf(call, call.input(0).dtype),
      shape: call.input(0).shape,
    })),
  ];
}

function viaFloat(call: OpCall, to: Expander, name: string, shape: readonly number[], dtype: DType): string {
  const attributes = Object.fromEntries(call.node.attributes);
  const made = to.node(name, [], { ...attributes, shape: [...shape], dtype: typeNumber("float32") });
  return to.node("Cast", [made], { to: typeNumber(dtype) });
}

/** What the random numbers of an operator that is made of them follow from. */
function seedAttribute(call: OpCall): Record<string, { float: number } | number> {
  const seed = call.float("seed");
  return { draw: call.int("draw", 0), ...(seed === undefined ? {} : { seed: { float: seed } }) };
}

/** 1 with the probability that the input gives. */
function bernoulli(call: OpCall, to: Expander): string[] {
  const { shape, dtype } = call.input(0);
  const [p] = call.node.inputs as [string];
  const word: DType = dtype === "float64" ? "float64" : "float32";
  const noise = to.node("RandomUniform", [], {
    shape: [...shape],
    dtype: typeNumber(word),
    ...seedAttribute(call),
  });
  const probability = word === dtype ? p : to.node("Cast", [p], { to: typeNumber(word) });
  return [to.node("Cast", [to.node("Less", [noise, probability])], { to: typeNumber(typeAttribute(call, "dtype") ?? dtype) })]; // prettier-ignore
}

/** Classes drawn from unnormalised log probabilities: how many cumulative probabilities a uniform number reaches. */
function multinomial(call: OpCall, to: Expander): string[] {
  const [batch, classes] = call.input(0).shape as [number, number];
  const samples = call.int("sample_size", 1);
  const logits = to.node("Cast", [call.node.inputs[0]!], { to: typeNumber("float32") });
  const cumulative = to.node("CumSum", [to.node("Softmax", [logits], { axis: -1 }), to.integers(1)]);
  const noise = to.node("RandomUniform", [], {
    shape: [batch, samples, 1],
    dtype: typeNumber("float32"),
    ...seedAttribute(call),
  });
  const reached = to.node("LessOrEqual", [to.node("Unsqueeze", [cumulative, to.integers([1])]), noise]);
  const count = to.node("ReduceSum", [to.node("Cast", [reached], { to: typeNumber("int32") }), to.integers([2])], { keepdims: 0 }); // prettier-ignore
  // Rounding may leave the last cumulative probability below 1.
  const drawn = to.node("Min", [count, to.scalar("int32", classes - 1)]);
  return [to.node("Cast", [drawn], { to: typeNumber(typeAttribute(call, "dtype") ?? "int32") })];
}

export const randomOps: readonly OpDefinition[] = [
  ...randomOperators("RandomUniform", 0, (call) => [call.float("low", 0), call.float("high", 1)]),
  ...randomOperators("RandomNormal", 1, (call) => [call.float("mean", 0), call.float("scale", 1)]),
  { op: "Bernoulli", implementation: { kind: "expand", expand: bernoulli } },
  { op: "Multinomial", implementation: { kind: "expand", expand: multinomial } },
];
