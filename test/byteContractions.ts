/**
 * Programs with one contraction of bytes, for tests. In: random shapes, types, zeros. Out: a program as lowering leaves
 * quantized networks, and its inputs. Invariant: passes/packed finds words in each. Sums that are kept in float32
 * stay below 2^24, so every order of adding gives the same.
 */
import fc from "fast-check";
import { allocate, elementCount, type DType, type NumericData, type Tensor } from "../compiler/ir/dtype.ts";
import type { ValueId } from "../compiler/ir/graph.ts";
import type { Program, ProgramValue } from "../compiler/ir/program.ts";
import { parseKernel } from "../compiler/ir/text/index.ts";
import { verifyKernel } from "../compiler/ir/verify.ts";
import { evaluateKernel } from "../compiler/passes/evaluate.ts";

export interface ContractionOfBytes {
  readonly program: Program;
  readonly inputs: ReadonlyMap<ValueId, Tensor>;
  /** How sums are kept. */
  readonly kept: "int32" | "float32";
}

type Byte = "int8" | "uint8";

/** Zeros as they are known: when compiling, in a run only, and one for each column of the result. */
type Zero = number | "run" | "column";

interface Drawn {
  readonly left: Byte;
  readonly right: Byte;
  readonly zeroLeft: number | "run";
  readonly zeroRight: Zero;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly seed: number;
  readonly constantRight: boolean;
}

const byte = fc.constantFrom<Byte>("int8", "uint8");
const zero = fc.oneof(fc.constantFrom(0, 3, 127, 128, 200), fc.constant("run" as const));

const drawn = fc.record<Drawn>({
  left: byte,
  right: byte,
  zeroLeft: zero,
  zeroRight: fc.oneof(zero, fc.constant("column" as const)),
  rows: fc.integer({ min: 1, max: 9 }),
  columns: fc.integer({ min: 1, max: 12 }),
  depth: fc.integer({ min: 4, max: 40 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
  constantRight: fc.boolean(),
});

/** Products of matrices, images under windows, and both as networks have them whose tensors were dequantized. */
export const randomContraction: fc.Arbitrary<ContractionOfBytes> = fc.oneof(
  drawn.map(matrices),
  drawn.map(windows),
  drawn.map(dequantized),
);

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
}

function bytes(dtype: DType, shape: readonly number[], next: () => number): Tensor {
  const data = allocate(dtype, elementCount(shape)) as Int32Array;
  for (let i = 0; i < data.length; i++) data[i] = dtype === "float32" ? (next() - 0.5) * 300 : Math.floor(next() * 256); // prettier-ignore
  return { dtype, shape, data };
}

/** The zero as it stands in a kernel; `name`: of its input where it is one. */
function zeroText(zero: Zero, dtype: Byte, name: string): { text: string; line: string } {
  if (typeof zero === "number") return { text: `${dtype === "int8" ? zero - 128 : zero}i32`, line: "" };
  return zero === "run"
    ? { text: `${name}[0]`, line: `in ${name}: ${dtype}[1]\n` }
    : { text: `${name}[n]`, line: `in ${name}: ${dtype}[COLUMNS]\n` };
}

function matrices({ rows, columns, depth, ...of }: Drawn): ContractionOfBytes {
  const [za, zb] = [zeroText(of.zeroLeft, of.left, "za"), zeroText(of.zeroRight, of.right, "zb")];
  const text = `kernel matrices {
    in a: ${of.left}[${rows}, ${depth}]
    in b: ${of.right}[${depth}, ${columns}]
    ${za.line}${zb.line.replace("COLUMNS", String(columns))}
    out y: int32[${rows}, ${columns}]
    for m in 0..${rows}, n in 0..${columns}: y[m, n] = sum(k in 0..${depth}) (a[m, k] - ${za.text}) * (b[k, n] - ${zb.text}); then acc + 1i32
  }`;
  return made([text], of, "int32");
}

/** Groups of channels under a window of 3 by 2 with a border that reads as the zero. */
function windows({ rows, columns, depth, ...of }: Drawn): ContractionOfBytes {
  const channels = 4 * Math.ceil(depth / 12);
  const pad = typeof of.zeroLeft === "number" ? (of.left === "int8" ? of.zeroLeft - 128 : of.zeroLeft) : 0;
  const zb = zeroText(of.zeroRight, of.right, "zb");
  const text = `kernel windows {
    in a: ${of.left}[1, ${2 * channels}, ${rows}, ${columns}]
    in b: ${of.right}[6, ${channels}, 3, 2]
    ${zb.line.replace("COLUMNS", "6")}
    out y: int32[2, 3, ${rows}, ${columns + 1}]
    for g in 0..2, c in 0..3, h in 0..${rows}, w in 0..${columns + 1}: y[g, c, h, w] = sum(k in 0..${channels}, i in 0..3, j in 0..2) (a[0, g * ${channels} + k, h + i - 1, w + j - 1; pad ${pad}] - ${pad}i32) * (b[g * 3 + c, k, i, j] - ${zb.text.replace("[n]", "[g * 3 + c]")}); then acc
  }`;
  return made([text], of, "int32");
}

/** What was rounded and clipped to a byte's range, and weights that are a byte less their zero, as floats. */
function dequantized({ rows, columns, depth, ...of }: Drawn): ContractionOfBytes {
  const channels = 4 * Math.ceil(depth / 4);
  const zero = typeof of.zeroLeft === "number" ? of.zeroLeft : 7;
  const rounded = `kernel rounded {
    in x: float32[1, ${channels}, ${rows}, 5]
    out a: float32[1, ${channels}, ${rows}, 5]
    for i in 0..1, c in 0..${channels}, h in 0..${rows}, w in 0..5: a[i, c, h, w] = min(max(round(x[i, c, h, w] / 0.5), -${zero}.0), ${255 - zero}.0)
  }`;
  const weights = `kernel weights {
    in b: ${of.right}[${columns}, ${channels}, 3]
    out w: float32[${columns}, ${channels}, 3]
    for o in 0..${columns}, c in 0..${channels}, j in 0..3: w[o, c, j] = float32(b[o, c, j] - ${of.right === "int8" ? 0 : 128}i32)
  }`;
  const product = `kernel product {
    in a: float32[1, ${channels}, ${rows}, 5]
    in w: float32[${columns}, ${channels}, 3]
    out y: float32[${columns}, ${rows}, 5]
    for o in 0..${columns}, h in 0..${rows}, v in 0..5: y[o, h, v] = sum(c in 0..${channels}, j in 0..3) a[0, c, h, v + j - 1; pad 0] * w[o, c, j]; then (acc + 3.0) * 0.37
  }`;
  return made([rounded, weights, product], of, "float32");
}

function made(
  texts: readonly string[],
  of: Pick<Drawn, "seed" | "constantRight" | "left">,
  kept: ContractionOfBytes["kept"],
): ContractionOfBytes {
  const next = random(of.seed);
  const kernels = texts.map((text) => parseKernel(text));
  const values = new Map<ValueId, ProgramValue>();
  const outs = new Set<ValueId>();
  const inputs = new Map<ValueId, Tensor>();
  const constants = new Map<ValueId, Tensor>();
  for (const { buffers } of kernels)
    for (const { name, dtype, shape, role } of buffers) {
      if (role === "out") outs.add(name);
      if (!values.has(name)) values.set(name, { dtype, shape });
    }
  for (const [id, { dtype, shape }] of values)
    if (!outs.has(id))
      (id === "b" && of.constantRight ? constants : inputs).set(id, bytes(dtype, shape, next));
  const calls = kernels.map((kernel) => {
    const named = (role: string): ValueId[] => kernel.buffers.filter((b) => b.role === role).map(({ name }) => name); // prettier-ignore
    return {
      kind: "kernel",
      nodes: [kernel.name],
      kernel,
      inputs: named("in"),
      outputs: named("out"),
    } as const;
  });
  const program: Program = { name: texts.join("\n"), values, constants, calls, inputs: [...inputs.keys()], outputs: [{ id: "y", name: "y" }] }; // prettier-ignore
  return { program, inputs, kept };
}

/** Contractions large enough for tiles that a workgroup shares. */
export function sampleLarge(): ContractionOfBytes[] {
  const of = {
    left: "uint8",
    right: "int8",
    zeroLeft: 131,
    zeroRight: 128,
    constantRight: true,
    seed: 7,
  } as const;
  const sizes = { rows: 33, columns: 32, depth: 64 };
  return [
    matrices({ ...of, ...sizes }),
    matrices({ ...of, ...sizes, zeroLeft: "run", zeroRight: "column" }),
    dequantized({ ...of, ...sizes }),
  ];
}

/** The elements of the output `y` of a program, by the interpreter. */
export function resultOf(
  { calls, values, constants }: Program,
  inputs: ReadonlyMap<ValueId, Tensor>,
): NumericData {
  const known = new Map([...constants, ...inputs]);
  for (const call of calls) {
    if (call.kind !== "kernel") throw new Error("a library call");
    verifyKernel(call.kernel);
    const types = call.outputs.map((id) => values.get(id)!);
    evaluateKernel(call.kernel, call.inputs.map((id) => known.get(id)!), types).forEach((t, n) => known.set(call.outputs[n]!, t)); // prettier-ignore
  }
  return known.get("y")!.data as NumericData;
}
