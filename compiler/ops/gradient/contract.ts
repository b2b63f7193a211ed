/**
 * Derivatives of products: MatMul, Gemm, Einsum, and of determinants. In: uses of these operators. Out: their gradients, which are
 * products of the same kind. Invariant: operands of rank 1 and those that were broadcast get gradients of their own
 * shape.
 */
import type { ValueId } from "../../ir/graph.ts";
import { parseEquation } from "../contract.ts";
import type { Differential, OperatorGradient, Rule } from "./differential.ts";

/** Rows of a matrix up to which its cofactors are written out, one by one. */
const MOST_COFACTORS = 16;

/** The last two dimensions exchanged. */
function turned(d: Differential, value: ValueId): ValueId {
  const rank = d.shapeOf(value).length;
  const order = Array.from({ length: rank }, (_, i) => i);
  return d.transpose(value, [...order.slice(0, -2), rank - 1, rank - 2]);
}

const matMul: Rule = (d) => {
  const [a, b] = [d.call.input(0).shape, d.call.input(1).shape];
  const left = d.reshape(d.x(0), a.length === 1 ? [1, ...a] : a);
  const right = d.reshape(d.x(1), b.length === 1 ? [...b, 1] : b);
  const { shape } = d.call.outputs[0]!;
  const batch = shape.slice(0, shape.length - (a.length === 1 ? 0 : 1) - (b.length === 1 ? 0 : 1));
  const dy = d.reshape(d.dy(), [...batch, d.shapeOf(left).at(-2)!, d.shapeOf(right).at(-1)!]);
  return d.each((i) => {
    const [product, operand, own] =
      i === 0
        ? [d.to.node("MatMul", [dy, turned(d, right)]), left, a]
        : [d.to.node("MatMul", [turned(d, left), dy]), right, b];
    return d.reshape(d.folded(product, d.shapeOf(operand)), own);
  });
};

const gemm: Rule = (d) => {
  const alpha = d.call.float("alpha", 1);
  const beta = d.call.float("beta", 1);
  const [turnedA, turnedB] = [d.call.int("transA", 0), d.call.int("transB", 0)];
  const product = (a: ValueId, b: ValueId, transA: number, transB: number): ValueId =>
    d.to.node("Gemm", [a, b], { alpha: { float: alpha }, transA, transB });
  return d.each((i) => {
    const [a, b, dy] = [d.x(0), d.x(1), d.dy()];
    if (i === 2) return d.toInput(beta === 1 ? dy : d.mul(beta, dy), 2);
    if (i === 0) return turnedA ? product(b, dy, turnedB, 1) : product(dy, b, 0, turnedB ? 0 : 1);
    return turnedB ? product(dy, a, 1, turnedA) : product(a, dy, turnedA ? 0 : 1, 0);
  });
};

/** The gradient of an operand is the product of dy with all others, along its own labels. */
const einsum: Rule = (d) => {
  const { inputs, output, extents } = parseEquation(d.call);
  const labels = [...extents.keys()];
  if (labels.length > 26) d.call.fail("op-unsupported", "no gradient of Einsum with more than 26 labels");
  const letter = (label: string): string => String.fromCharCode(97 + labels.indexOf(label));
  const term = (list: readonly string[]): string => list.map(letter).join("");
  return d.each((i) => {
    const own = inputs[i]!;
    if (new Set(own).size < own.length)
      d.call.fail("op-unsupported", "no gradient of Einsum along a diagonal", "write it with Where or Mul");
    const others = inputs.flatMap((list, k) => (k === i ? [] : [{ list, id: d.x(k), shape: d.call.input(k).shape }])); // prettier-ignore
    // A label of no other operand was summed alone, which spreads the gradient.
    const reached = new Set([...output, ...others.flatMap(({ list }) => list)]);
    const present = own.filter((label) => reached.has(label));
    const equation = `${[term(output), ...others.map(({ list }) => term(list))].join(",")}->${term(present)}`;
    // Dimensions of 1 that other operands stretch have to be stretched here as well.
    const stretched = others.map(({ list, id }) => d.expand(id, list.map((label) => extents.get(label)!))); // prettier-ignore
    const product = d.to.node("Einsum", [d.dy(), ...stretched], { equation });
    const shape = own.map((label) => (reached.has(label) ? extents.get(label)! : 1));
    const full = own.map((label) => extents.get(label)!);
    return d.toInput(d.expand(d.reshape(product, shape), full), i);
  });
};

/** The slope along an element is its cofactor: the determinant of what is left without its row and its column. */
const determinant: Rule = (d) => {
  const { shape } = d.call.input(0);
  const n = shape.at(-1)!;
  const batch = shape.slice(0, -2);
  const cofactors = (): ValueId => {
    const rank = shape.length;
    const rest = (without: number): ValueId =>
      d.to.integers(Array.from({ length: n }, (_, i) => i).filter((i) => i !== without));
    const signs: ValueId[] = [];
    for (let i = 0; i < n; i++) {
      const rows = d.to.node("Gather", [d.x(), rest(i)], { axis: rank - 2 });
      for (let j = 0; j < n; j++) {
        const minor = d.to.node("Det", [d.to.node("Gather", [rows, rest(j)], { axis: rank - 1 })]);
        signs.push(d.reshape((i + j) % 2 ? d.op("Neg", [minor]) : minor, [...batch, 1]));
      }
    }
    return d.reshape(d.to.node("Concat", signs, { axis: -1 }), shape);
  };
  if (n > MOST_COFACTORS)
    d.call.fail("op-unsupported", `no gradient of Det of more than ${MOST_COFACTORS} rows, not ${n}`);
  const own = n === 1 ? d.fill(shape, d.call.input(0).dtype, 1) : cofactors();
  return [d.mul(d.reshape(d.dy(), [...batch, 1, 1]), own)];
};

export const contractGradients: Readonly<Record<string, OperatorGradient>> = {
  MatMul: { rule: matMul },
  Gemm: { rule: gemm },
  Einsum: { rule: einsum },
  Det: { rule: determinant },
};
