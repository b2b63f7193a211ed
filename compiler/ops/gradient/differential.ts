/**
 * What the rule of a derivative works with. In: one use of an operator, the gradient of some scalar with respect to
 * its outputs, and an expander. Out: nodes that compute the gradient with respect to its inputs. Invariant: all values
 * are of `ai.onnx` in its newest forms, so gradients are ordinary nodes: they fold, fuse and may be differentiated
 * again. Notation: x inputs, y outputs, dx and dy the gradients with respect to them.
 */
import type { DType } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import type { AttributeLike, Expander, OpCall } from "../define.ts";

/** A value, or a number that becomes a scalar of the other operand's type. */
export type Term = ValueId | number;

/** Gradients with respect to each input; undefined where there is none or nobody wants it. */
export type Rule = (use: Differential) => readonly (ValueId | undefined)[];

/** How an operator is differentiated: by a rule, or through simpler operators that stand in for it. */
export type OperatorGradient =
  { readonly rule: Rule } | { readonly expand: (call: OpCall, to: Expander) => readonly ValueId[] };

export class Differential {
  readonly call: OpCall;
  readonly to: Expander;
  private readonly given: readonly (ValueId | undefined)[];
  private readonly wanted: readonly boolean[];

  /**
   * @param given dy by output; undefined where it is zero
   * @param wanted whether anybody asks for dx, by input
   */
  constructor(
    call: OpCall,
    to: Expander,
    given: readonly (ValueId | undefined)[],
    wanted: readonly boolean[],
  ) {
    this.call = call;
    this.to = to;
    this.given = given;
    this.wanted = wanted;
  }

  x(position = 0): ValueId {
    return this.call.node.inputs[position]!;
  }
  y(position = 0): ValueId {
    return this.call.node.outputs[position]!;
  }
  dy(position = 0): ValueId {
    return this.given[position] ?? this.fill(this.call.outputs[position]!.shape, this.call.outputs[position]!.dtype, 0); // prettier-ignore
  }
  wants(position: number): boolean {
    return this.wanted[position] ?? false;
  }
  /** `make` of each input whose gradient is wanted. */
  each(make: (position: number) => ValueId | undefined): (ValueId | undefined)[] {
    return this.wanted.map((wanted, i) => (wanted ? make(i) : undefined));
  }

  // -------------------------------------------------------------------------------------------------------------
  // Nodes

  op(name: string, inputs: readonly Term[], attributes?: Record<string, AttributeLike>): ValueId {
    const dtype = this.dtypeOf(inputs);
    const ids = inputs.map((term) => (typeof term === "number" ? this.to.scalar(dtype, term) : term));
    return this.to.node(name, ids, attributes);
  }
  private dtypeOf(terms: readonly Term[]): DType {
    const value = terms.find((term) => typeof term === "string" && term !== "");
    return typeof value === "string" ? this.to.typeOf(value).dtype : "float32";
  }

  add(a: Term, b: Term): ValueId {
    return this.op("Add", [a, b]);
  }
  sub(a: Term, b: Term): ValueId {
    return this.op("Sub", [a, b]);
  }
  mul(a: Term, b: Term): ValueId {
    return this.op("Mul", [a, b]);
  }
  div(a: Term, b: Term): ValueId {
    return this.op("Div", [a, b]);
  }
  square(a: ValueId): ValueId {
    return this.op("Mul", [a, a]);
  }
  /** 1 where a condition holds and 0 elsewhere, in the type of `like`. */
  indicator(condition: ValueId, like: ValueId): ValueId {
    return this.to.node("CastLike", [condition, like]);
  }
  /** `a` where the condition holds, `b` elsewhere. */
  where(condition: ValueId, a: Term, b: Term): ValueId {
    const dtype = this.dtypeOf([a, b]);
    const id = (term: Term): ValueId => (typeof term === "number" ? this.to.scalar(dtype, term) : term);
    return this.to.node("Where", [condition, id(a), id(b)]);
  }

  shapeOf(value: ValueId): readonly number[] {
    return this.to.typeOf(value).shape;
  }
  reshape(value: ValueId, shape: readonly number[]): ValueId {
    if (this.shapeOf(value).join() === shape.join()) return value;
    return this.to.node("Reshape", [value, this.to.integers(shape)], { allowzero: 1 });
  }
  transpose(value: ValueId, perm: readonly number[]): ValueId {
    return this.to.node("Transpose", [value], { perm });
  }
  expand(value: ValueId, shape: readonly number[]): ValueId {
    if (this.shapeOf(value).join() === shape.join()) return value;
    return this.to.node("Expand", [value, this.to.integers(shape)]);
  }
  /** A tensor of one number. */
  fill(shape: readonly number[], dtype: DType, value: number): ValueId {
    return this.to.node("Expand", [this.to.scalar(dtype, value), this.to.integers(shape)]);
  }
  sum(value: ValueId, axes: readonly number[], keepdims = 1): ValueId {
    if (axes.length === 0) return value;
    return this.to.node("ReduceSum", [value, this.to.integers(axes)], { keepdims });
  }

  /** The gradient with respect to an operand that was broadcast: summed over where it was repeated. */
  folded(gradient: ValueId, shape: readonly number[]): ValueId {
    const from = this.shapeOf(gradient);
    const skip = from.length - shape.length;
    const axes = from.flatMap((dim, d) => (d < skip || (shape[d - skip] === 1 && dim !== 1) ? [d] : []));
    return this.reshape(this.sum(gradient, axes), shape);
  }
  /** `folded` to the shape of input `position`. */
  toInput(gradient: ValueId, position = 0): ValueId {
    return this.folded(gradient, this.call.input(position).shape);
  }
}
