/**
 * Derivatives of operators that are linear in their first operand and neither a product nor a movement: Fourier
 * transforms, patches that add up to images, rotations of pairs, caches that are written into, numbers that were
 * quantized. In: uses of these operators. Out: their gradients. Invariant: what comes back is the transposed map, by
 * the operator itself with a transposed basis, an opposite angle, or a neutral scale wherever that serves.
 */
import { elementCount, isFloat } from "../../ir/dtype.ts";
import { typeNumber } from "../../ir/dataType.ts";
import type { ValueId } from "../../ir/graph.ts";
import { normaliseAxis } from "../define.ts";
import { patchesOf } from "../movementFold.ts";
import type { Differential, OperatorGradient, Rule } from "./differential.ts";

/** basis[i, p, k, q] as basis[k, q, i, p]: what goes from outputs back to inputs. */
const transposedBasis = (d: Differential): ValueId => d.transpose(d.x(1), [2, 3, 0, 1]);

/** With zeros at the end of a dimension, or without what is too much there. */
function ofLength(d: Differential, value: ValueId, axis: number, length: number): ValueId {
  const shape = d.shapeOf(value);
  const after = length - shape[axis]!;
  if (after === 0) return value;
  const amounts = [...shape.map(() => 0), ...shape.map((_, i) => (i === axis ? after : 0))];
  return d.to.node("Pad", [value, d.to.integers(amounts)]);
}

/** Sum over all but the last two dimensions of x[i, p] times dy[k, q], as the basis lies. */
function basisGradient(d: Differential, x: ValueId, dy: ValueId): ValueId {
  const basis = d.call.input(1).shape as [number, number, number, number];
  const rows = (value: ValueId, size: number): ValueId =>
    d.reshape(value, [elementCount(d.shapeOf(value)) / size, size]);
  const inner = rows(x, basis[0] * basis[1]);
  const outer = rows(dy, basis[2] * basis[3]);
  return d.reshape(d.to.node("MatMul", [d.transpose(inner, [1, 0]), outer]), basis);
}

const fourierProduct: Rule = (d) => {
  const { shape } = d.call.input(0);
  const axis = d.call.int("axis", 0);
  const [inputs] = d.call.input(1).shape as [number];
  const signal = (): ValueId => {
    const back = d.to.node("tilewright:FourierProduct", [d.dy(), transposedBasis(d)], { axis });
    return ofLength(d, back, axis, shape[axis]!);
  };
  const waves = (): ValueId => {
    const last = shape.length - 1;
    const perm = [...shape.keys()].filter((i) => i !== axis && i !== last).concat(axis, last);
    return basisGradient(d, d.transpose(ofLength(d, d.x(), axis, inputs), perm), d.transpose(d.dy(), perm));
  };
  return d.each((i) => (i === 0 ? signal() : waves()));
};

const framedProduct: Rule = (d) => {
  const { shape } = d.call.input(0);
  const [length, parts] = d.call.input(1).shape as [number, number];
  const [batch, frames] = d.call.outputs[0]!.shape as [number, number];
  const step = d.call.int("step", 1);
  // Frames lie over each other: each sample gets what all frames with it give.
  const signal = (): ValueId => {
    const each = d.to.node("tilewright:FourierProduct", [d.dy(), transposedBasis(d)], { axis: 2 });
    const columns = d.reshape(d.transpose(each, [0, 3, 2, 1]), [batch, parts * length, frames]);
    const reached = (frames - 1) * step + length;
    const sizes = [d.to.integers([reached]), d.to.integers([length])];
    const added = d.to.node("Col2Im", [columns, ...sizes], { strides: [step] });
    return d.reshape(ofLength(d, d.transpose(added, [0, 2, 1]), 1, shape[1]!), shape);
  };
  const waves = (): ValueId => {
    const data = BigInt64Array.from({ length: frames * length }, (_, at) => BigInt(Math.floor(at / length) * step + (at % length))); // prettier-ignore
    const samples = d.to.constant({ dtype: "int64", shape: [frames, length], data });
    return basisGradient(d, d.to.node("Gather", [d.x(), samples], { axis: 1 }), d.dy());
  };
  return d.each((i) => (i === 0 ? signal() : waves()));
};

/** Each patch reads what it was added to: dimension by dimension, positions in the patch before patches. */
const col2Im: Rule = (d) => {
  const { image, patch, strides, dilations, before, counts } = patchesOf(d.call);
  const reached = image.map((_, i) => (counts[i]! - 1) * strides[i]! + (patch[i]! - 1) * dilations[i]! + 1);
  const after = image.map((extent, i) => reached[i]! - before[i]! - extent);
  let read = d.to.node("Pad", [d.dy(), d.to.integers([0, 0, ...before, 0, 0, ...after])]);
  image.forEach((_, i) => {
    const [size, count] = [patch[i]!, counts[i]!];
    const data = BigInt64Array.from({ length: size * count }, (_, at) => BigInt(Math.floor(at / count) * dilations[i]! + (at % count) * strides[i]!)); // prettier-ignore
    const places = d.to.constant({ dtype: "int64", shape: [size, count], data });
    read = d.to.node("Gather", [read, places], { axis: 2 + 2 * i });
  });
  const perm = [0, 1, ...image.map((_, i) => 2 + 2 * i), ...image.map((_, i) => 3 + 2 * i)];
  return [d.reshape(d.transpose(read, perm), d.call.input(0).shape)];
};

/** [batch, length, heads, elements of a head] of an operand of either form. */
function byHead(d: Differential, value: ValueId): ValueId {
  const shape = d.shapeOf(value);
  if (shape.length === 4) return d.transpose(value, [0, 2, 1, 3]);
  const heads = d.call.int("num_heads", 1);
  return d.reshape(value, [shape[0]!, shape[1]!, heads, shape[2]! / heads]);
}

/** The first and the second numbers of the pairs that are turned: [batch, length, heads, pairs] each. */
function pairsOf(d: Differential, value: ValueId): readonly [ValueId, ValueId] {
  const heads = byHead(d, value);
  const shape = d.shapeOf(heads);
  const turned = d.call.int("rotary_embedding_dim", 0) || shape[3]!;
  const kept = ofLength(d, heads, 3, turned);
  const interleaved = d.call.int("interleaved", 0) !== 0;
  const parts = [...shape.slice(0, 3), ...(interleaved ? [turned / 2, 2] : [2, turned / 2])];
  const axis = interleaved ? 4 : 3;
  const split = d.reshape(kept, parts);
  const part = (at: number): ValueId => d.to.node("Gather", [split, d.to.integers(at)], { axis });
  return [part(0), part(1)];
}

const rotaryEmbedding: Rule = (d) => {
  const attributes = Object.fromEntries(d.call.node.attributes);
  const table = d.call.input(1).shape;
  const angles = (perPosition: ValueId): ValueId => {
    const sums = d.sum(perPosition, [2], 0);
    if (!d.call.has(3)) return sums;
    // Each row of the table gets what the positions with its number give.
    const [batch, length, half] = d.shapeOf(sums) as [number, number, number];
    const last = d.to.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(table[0]! - 1)) });
    const known = d.to.node("Clip", [d.x(3), d.to.integers(0), last]);
    const places = d.expand(d.reshape(known, [batch * length, 1]), [batch * length, half]);
    const rows = d.reshape(sums, [batch * length, half]);
    const none = d.fill(table, d.call.input(1).dtype, 0);
    return d.to.node("ScatterElements", [none, places, rows], { axis: 0, reduction: "add" });
  };
  return d.each((i) => {
    if (i === 0) {
      const places = d.call.has(3) ? [d.x(3)] : [];
      const back = [d.dy(), d.x(1), d.to.node("Neg", [d.x(2)]), ...places];
      return d.to.node("RotaryEmbedding", back, attributes);
    }
    const [[a, b], [da, db]] = [pairsOf(d, d.x()), pairsOf(d, d.dy())];
    if (i === 1) return angles(d.add(d.mul(a, da), d.mul(b, db)));
    return i === 2 ? angles(d.sub(d.mul(a, db), d.mul(b, da))) : undefined;
  });
};

/** What was written over gives nothing to the cache; the update gets back what of it was written. */
const tensorScatter: Rule = (d) => {
  const { shape } = d.call.input(0);
  const update = d.call.input(1);
  const axis = normaliseAxis(d.call, d.call.int("axis", -2), shape.length);
  const circular = d.call.string("mode", "linear") === "circular";
  const attributes = { axis, mode: circular ? "circular" : "linear" };
  const where = d.call.has(2) ? [d.x(2)] : [];
  const cache = (): ValueId => {
    const nothing = d.fill(update.shape, update.dtype, 0);
    return d.to.node("TensorScatter", [d.dy(), nothing, ...where], attributes);
  };
  const written = (): ValueId => {
    const own = update.shape.map((dim, i) => (i === axis ? dim : 1));
    const steps = BigInt64Array.from({ length: update.shape[axis]! }, (_, i) => BigInt(i));
    let places = d.to.constant({ dtype: "int64", shape: own, data: steps });
    const extent = d.to.integers(shape[axis]!);
    if (d.call.has(2)) {
      const starts = d.to.node("Cast", [d.x(2)], { to: typeNumber("int64") });
      const column = d.reshape(starts, update.shape.map((dim, i) => (i === 0 ? dim : 1))); // prettier-ignore
      places = d.to.node("Add", [places, column]);
    }
    if (circular) places = d.to.node("Mod", [places, extent]);
    const read = d.to.node("Min", [places, d.to.integers(shape[axis]! - 1)]);
    const found = d.to.node("GatherElements", [d.dy(), d.expand(read, update.shape)], { axis });
    return circular ? found : d.where(d.to.node("Less", [places, extent]), found, 0);
  };
  return d.each((i) => (i === 0 ? cache() : i === 1 ? written() : undefined));
};

/** Integers have no derivative; a scale gets the sum over what it multiplied. */
const dequantize: Rule = (d) => {
  const { shape } = d.call.input(0);
  const scale = d.call.input(1);
  const scaled = (): ValueId => {
    const one = d.fill(scale.shape, scale.dtype, 1);
    const zero = d.call.has(2) ? [d.x(2)] : [];
    const attributes: Record<string, number> = {
      axis: d.call.int("axis", 1),
      block_size: d.call.int("block_size", 0),
    };
    const centred = d.to.node("DequantizeLinear", [d.x(), one, ...zero], attributes);
    const same = d.call.outputs[0]!.dtype === scale.dtype;
    const dy = same ? d.dy() : d.to.node("Cast", [d.dy()], { to: typeNumber(scale.dtype) });
    const each = d.mul(dy, centred);
    const all = shape.map((_, i) => i);
    if (elementCount(scale.shape) === 1) return d.reshape(d.sum(each, all), scale.shape);
    const axis = normaliseAxis(d.call, attributes["axis"]!, shape.length);
    const block = attributes["block_size"]!;
    if (block === 0) return d.reshape(d.sum(each, all.filter((i) => i !== axis)), scale.shape); // prettier-ignore
    const blocks = scale.shape[axis]!;
    const whole = ofLength(d, each, axis, blocks * block);
    const split = shape.flatMap((dim, i) => (i === axis ? [blocks, block] : [dim]));
    return d.reshape(d.sum(d.reshape(whole, split), [axis + 1]), scale.shape);
  };
  return d.each((i) => {
    if (i === 1) return scaled();
    if (i === 0 && isFloat(d.call.input(0).dtype))
      d.call.fail("op-unsupported", `no gradient of ${d.call.input(0).dtype} numbers`);
    return undefined;
  });
};

export const linearGradients: Readonly<Record<string, OperatorGradient>> = {
  "tilewright:FourierProduct": { rule: fourierProduct },
  "tilewright:FramedFourierProduct": { rule: framedProduct },
  Col2Im: { rule: col2Im },
  RotaryEmbedding: { rule: rotaryEmbedding },
  TensorScatter: { rule: tensorScatter },
  DequantizeLinear: { rule: dequantize },
};
