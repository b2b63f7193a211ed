/**
 * Fourier transforms, windows and mel filters. In: a call whose lengths are known. Out: DFT and STFT as one
 * contraction with a matrix of cosines and sines that depends on no input, so it is computed once; windows and
 * mel filters as constants. Invariant: an angle is 2 pi (i * k mod N) / N with the product in integers, so the
 * error does not grow with N, and what is zero is exactly so. Source: ONNX operator documentation, DFT (20), STFT (17), MelWeightMatrix (17).
 */
import {
  add,
  binary,
  cast,
  constant,
  eq,
  int,
  lt,
  mul,
  or,
  select,
  sub,
  unary,
  type Expr,
} from "../ir/expr.ts";
import { computeType, type DType } from "../ir/dtype.ts";
import type { ValueId } from "../ir/graph.ts";
import { coordinate, type Axis, type Kernel } from "../ir/kernel.ts";
import { contraction } from "./contract.ts";
import { axesOver, coordinates, KernelWriter, normaliseAxis, type Expander, type OpCall, type OpDefinition } from "./define.ts"; // prettier-ignore
import { expectRank } from "./operandShape.ts";
import { knownNumber } from "./elementwise.ts";
import { typeAttribute } from "./elementwiseCast.ts";

/** What a basis is made for. */
interface Transform {
  /** N of the transform. */
  readonly length: number;
  /** Elements read and written along the axis, and numbers of each: 1 real, 2 complex. */
  readonly inputs: number;
  readonly inputParts: number;
  readonly outputs: number;
  readonly outputParts: number;
  readonly inverse: boolean;
  /** The input is the half of a spectrum whose other half is its conjugate. */
  readonly half: boolean;
}

/** basis[i, input part, k, output part] of a {@link Transform}; its input, where it has one, is a window over i. */
const fourierBasis: OpDefinition = {
  op: "FourierBasis",
  domain: "tilewright",
  infer(call) {
    const shape = ["inputs", "input_parts", "outputs", "output_parts"].map((name) => call.int(name, 1));
    return [{ dtype: typeAttribute(call, "dtype") ?? "float32", shape }];
  },
  implementation: { kind: "compute", build: buildBasis },
};

function buildBasis(call: OpCall): Kernel {
  const { dtype, shape } = call.outputs[0]!;
  const [inputs, inputParts, outputs, outputParts] = shape as [number, number, number, number];
  const length = call.int("length", 1);
  const inverse = call.int("inverse", 0) !== 0;
  const i: Axis = { name: "i", extent: inputs };
  const k: Axis = { name: "k", extent: outputs };
  const writer = new KernelWriter(call);
  const type = computeType(dtype) === "f64" ? "f64" : "f32";
  const real = (value: number): Expr => constant(type, value);
  const wide = length > 46340 ? "int64" : "int32"; // (N - 1)^2 must fit
  const whole = (value: number): Expr => constant(computeType(wide), value);
  // Everything is the sine of u / 2N turns of pi with |u| <= N: exact zeros, and no cancellation near them.
  const isPower = Number.isInteger(Math.log2(length)); // a division takes longer than all the rest
  const turns = mul(cast(coordinate(i), wide), cast(coordinate(k), wide));
  const product = isPower ? binary("and", turns, whole(length - 1)) : binary("rem", turns, whole(length));
  const halves = sub(
    mul(product, whole(2)),
    select(lt(whole(length), mul(product, whole(2))), whole(2 * length), whole(0)),
  );
  const size = unary("abs", halves);
  const folded = select(lt(whole(length), mul(size, whole(2))), sub(whole(length), size), size);
  const signed = select(lt(halves, whole(0)), unary("neg", folded), folded);
  const sine = (u: Expr): Expr => unary("sin", mul(cast(u, type === "f64" ? "float64" : "float32"), real(Math.PI / (2 * length)))); // prettier-ignore
  const sinus = sine(mul(signed, whole(2)));
  const cosinus = sine(sub(whole(length), mul(size, whole(2))));
  // Each bin of a half spectrum stands for its mirror image too, except the first and, if N is even, the middle.
  const bin = cast(coordinate(i), "int32");
  const single = or(eq(bin, constant("i32", 0)), eq(mul(bin, constant("i32", 2)), constant("i32", length)));
  const scale = inverse ? 1 / length : 1;
  const factor = call.int("half", 0) ? select(single, real(scale), real(2 * scale)) : real(scale);
  for (let part = 0; part < inputParts; part++) {
    for (let to = 0; to < outputParts; to++) {
      // (a + bi)(cos - i sin) forward, (a + bi)(cos + i sin) back.
      const wave = part === to ? cosinus : sinus;
      const negative = part !== to && (to === 1) !== inverse;
      const signed = mul(negative ? unary("neg", wave) : wave, factor);
      const value = call.has(0) ? mul(signed, cast(writer.load(0, [coordinate(i)]), dtype)) : signed;
      writer.store(0, [i, k], [coordinate(i), int(part), coordinate(k), int(to)], value);
    }
  }
  return writer.done();
}

function basis(to: Expander, transform: Transform, dtype: DType, windows: readonly ValueId[] = []): ValueId {
  return to.node("tilewright:FourierBasis", windows, {
    length: transform.length,
    inputs: transform.inputs,
    input_parts: transform.inputParts,
    outputs: transform.outputs,
    output_parts: transform.outputParts,
    inverse: transform.inverse ? 1 : 0,
    half: transform.half ? 1 : 0,
    dtype: dtype === "float64" ? "float64" : "float32",
  });
}

// ---------------------------------------------------------------------------------------------------------------
// DFT

/** Sum over the axis and the input's parts of signal * basis. Inputs: signal, basis. */
const fourierProduct: OpDefinition = {
  op: "FourierProduct",
  domain: "tilewright",
  infer(call) {
    const { dtype, shape } = call.input(0);
    const [, , outputs, parts] = call.input(1).shape as [number, number, number, number];
    const axis = call.int("axis", 0);
    const result = shape.slice(0, -1).map((dim, d) => (d === axis ? outputs : dim));
    return [{ dtype, shape: [...result, parts] }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const [inputs, inputParts] = call.input(1).shape as [number, number, number, number];
      const axis = call.int("axis", 0);
      const axes = axesOver(call.outputs[0]!.shape, "o");
      const index = coordinates(axes);
      const i: Axis = { name: "i", extent: inputs };
      const part: Axis = { name: "p", extent: inputParts };
      const writer = new KernelWriter(call);
      const last = index.length - 1;
      const source = index.map((e, d) => (d === axis ? coordinate(i) : d === last ? coordinate(part) : e));
      const wave = writer.load(1, [coordinate(i), coordinate(part), index[axis]!, index[last]!]);
      return contraction(writer, 0, axes, index, [i, part], mul(writer.load(0, source), wave)).done();
    },
  },
};

function expandDft(call: OpCall, to: Expander): readonly ValueId[] {
  const { dtype, shape } = call.input(0);
  const rank = shape.length;
  const parts = shape[rank - 1]!;
  if (rank < 2 || (parts !== 1 && parts !== 2)) {
    call.fail("shape-mismatch", `DFT of [${shape}]: the last dimension is 1 for real, 2 for complex numbers`);
  }
  const axis = normaliseAxis(call, call.has(2) ? call.integer(2) : -2, rank);
  if (axis === rank - 1) call.fail("attribute-invalid", "the axis of a DFT is its last dimension");
  const inverse = call.int("inverse", 0) !== 0;
  const onesided = call.int("onesided", 0) !== 0;
  const size = shape[axis]!;
  const backToReal = inverse && onesided;
  const length = call.has(1) ? call.integer(1) : backToReal ? 2 * (size - 1) : size;
  if (length < 1) call.fail("attribute-invalid", `DFT of length ${length}`);
  const half = Math.floor(length / 2) + 1;
  const transform: Transform = {
    length,
    // What the signal lacks is zero and needs no row; what it has beyond the length is not used.
    inputs: Math.min(size, backToReal ? half : length),
    inputParts: parts,
    outputs: onesided && !inverse ? half : length,
    outputParts: backToReal ? 1 : 2,
    inverse,
    half: backToReal,
  };
  const waves = basis(to, transform, dtype);
  return [to.node("tilewright:FourierProduct", [call.node.inputs[0]!, waves], { axis })];
}

const dft: OpDefinition = { op: "DFT", implementation: { kind: "expand", expand: expandDft } };

// ---------------------------------------------------------------------------------------------------------------
// STFT

/** For each frame, sum over its samples of signal * windowed basis: [batch, frames, outputs, parts]. */
const framedProduct: OpDefinition = {
  op: "FramedFourierProduct",
  domain: "tilewright",
  infer(call) {
    const { dtype, shape } = call.input(0);
    const [length, , outputs, parts] = call.input(1).shape as [number, number, number, number];
    const frames = Math.floor((shape[1]! - length) / call.int("step", 1)) + 1;
    return [{ dtype, shape: [shape[0]!, Math.max(0, frames), outputs, parts] }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const { shape } = call.input(0);
      const [length, inputParts] = call.input(1).shape as [number, number, number, number];
      const axes = axesOver(call.outputs[0]!.shape, "o");
      const [b, f, k, to] = coordinates(axes) as [Expr, Expr, Expr, Expr];
      const i: Axis = { name: "i", extent: length };
      const part: Axis = { name: "p", extent: inputParts };
      const writer = new KernelWriter(call);
      const sample = add(mul(f, int(call.int("step", 1))), coordinate(i));
      const x = writer.load(0, shape.length === 2 ? [b, sample] : [b, sample, coordinate(part)]);
      const wave = writer.load(1, [coordinate(i), coordinate(part), k, to]);
      return contraction(writer, 0, axes, [b, f, k, to], [i, part], mul(x, wave)).done();
    },
  },
};

function expandStft(call: OpCall, to: Expander): readonly ValueId[] {
  const { dtype, shape } = call.input(0);
  const [signal, , window] = call.node.inputs as [ValueId, ValueId, ValueId | undefined];
  expectRank(call, 0, "the signal", 2, 3);
  const step = call.integer(1);
  const length = call.has(2) ? call.input(2).shape[0]! : call.has(3) ? call.integer(3) : shape[1]!;
  if (call.has(3) && call.integer(3) !== length) {
    call.fail("shape-mismatch", `a window of ${length} for frames of ${call.integer(3)}`);
  }
  if (step < 1 || length < 1) call.fail("attribute-invalid", `frames of ${length} at steps of ${step}`);
  const onesided = call.int("onesided", 1) !== 0;
  const transform: Transform = {
    length,
    inputs: length,
    inputParts: shape.length === 3 ? shape[2]! : 1,
    outputs: onesided ? Math.floor(length / 2) + 1 : length,
    outputParts: 2,
    inverse: false,
    half: false,
  };
  // The window goes into the basis, which is as constant as the window is.
  const known = window !== undefined && call.peek(2) !== undefined;
  let waves = basis(to, transform, dtype, known ? [window] : []);
  if (window && !known) {
    const column = to.node("Reshape", [window, to.integers([length, 1, 1, 1])]);
    const same = to.typeOf(column).dtype === to.typeOf(waves).dtype;
    const typed = same ? column : to.node("Cast", [column], { to: to.typeOf(waves).dtype });
    waves = to.node("Mul", [waves, typed]);
  }
  return [to.node("tilewright:FramedFourierProduct", [signal, waves], { step })];
}

const stft: OpDefinition = { op: "STFT", implementation: { kind: "expand", expand: expandStft } };

// ---------------------------------------------------------------------------------------------------------------
// Windows and mel filters

/** Windows and filters are made while compiling; some thousand times what speech needs. */
const MOST_ELEMENTS = 2 ** 24;

/** A float32 constant, converted to the dtype that the attribute output_datatype asks for. */
function constantOf(
  call: OpCall,
  to: Expander,
  shape: readonly number[],
  values: readonly number[],
): ValueId {
  const wanted = typeAttribute(call, "output_datatype") ?? "float32";
  const double = wanted === "float64";
  const made = to.constant({
    dtype: double ? "float64" : "float32",
    shape,
    data: double ? Float64Array.from(values) : Float32Array.from(values),
  });
  return wanted === "float32" || double ? made : to.node("Cast", [made], { to: wanted });
}

/** a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N). */
function windowDefinition(op: string, a0: number, a1: number, a2: number): OpDefinition {
  return {
    op,
    implementation: {
      kind: "expand",
      expand(call, to) {
        const size = call.integer(0);
        if (size < 0) call.fail("attribute-invalid", `a window of ${size}`);
        if (size > MOST_ELEMENTS)
          call.fail("limit-exceeded", `a window of ${size}: at most ${MOST_ELEMENTS}`);
        const period = Math.max(1, call.int("periodic", 1) ? size : size - 1);
        const values = Array.from({ length: size }, (_, n) => {
          const angle = (2 * Math.PI * n) / period;
          return a0 - a1 * Math.cos(angle) + a2 * Math.cos(2 * angle);
        });
        return [constantOf(call, to, [size], values)];
      },
    },
  };
}

/** Triangular filters [dft length / 2 + 1, mel bins], evenly spaced on the mel scale. */
function melFilters(bins: number, dftLength: number, rate: number, low: number, high: number): number[] {
  const rows = Math.floor(dftLength / 2) + 1;
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const step = (mel(high) - mel(low)) / (bins + 2);
  const edges = Array.from({ length: bins + 2 }, (_, i) => {
    const hertz = 700 * (10 ** ((i * step + mel(low)) / 2595) - 1);
    return Math.floor(((dftLength + 1) * hertz) / rate);
  });
  const values = new Array<number>(rows * bins).fill(0);
  const set = (row: number, bin: number, value: number): void => {
    if (row >= 0 && row < rows) values[row * bins + bin] = value;
  };
  for (let bin = 0; bin < bins; bin++) {
    const [from, centre, end] = [edges[bin]!, edges[bin + 1]!, edges[bin + 2]!];
    if (centre === from) set(centre, bin, 1);
    else
      for (let row = Math.max(0, from); row <= Math.min(centre, rows - 1); row++)
        set(row, bin, (row - from) / (centre - from));
    for (let row = Math.max(0, centre); row < Math.min(end, rows); row++)
      set(row, bin, (end - row) / (end - centre));
  }
  return values;
}

const melWeightMatrix: OpDefinition = {
  op: "MelWeightMatrix",
  implementation: {
    kind: "expand",
    expand(call, to) {
      const [bins, dftLength, rate, low, high] = [0, 1, 2, 3, 4].map((i) => Number(knownNumber(call.value(i)))) as [
        number, number, number, number, number,
      ]; // prettier-ignore
      if (!(
        Number.isInteger(bins) &&
        Number.isInteger(dftLength) &&
        bins >= 0 &&
        dftLength >= 0 &&
        rate > 0
      )) {
        call.fail("attribute-invalid", `${bins} mel bins, DFT length ${dftLength}, sample rate ${rate}`);
      }
      const shape = [Math.floor(dftLength / 2) + 1, bins];
      if (!(shape[0]! * bins + bins <= MOST_ELEMENTS)) {
        call.fail("limit-exceeded", `filters of the shape [${shape}]: at most ${MOST_ELEMENTS} elements`);
      }
      return [constantOf(call, to, shape, melFilters(bins, dftLength, rate, low, high))];
    },
  },
};

export const spectralOps: readonly OpDefinition[] = [
  fourierBasis,
  fourierProduct,
  dft,
  framedProduct,
  stft,
  windowDefinition("HannWindow", 0.5, 0.5, 0),
  windowDefinition("HammingWindow", 25 / 46, 21 / 46, 0),
  windowDefinition("BlackmanWindow", 0.42, 0.5, 0.08),
  melWeightMatrix,
];
