/**
 * The Graph IR: operators over named tensors, as imported. In: an ONNX or TF.js model. Out: the same network in
 * one vocabulary (the newest ONNX forms), where attributes have their defaults resolved by the op definitions and
 * older forms were rewritten by the frontend. Invariant: nodes stand in topological order, each value has one
 * producer, and subgraphs refer to outer values by the same ids (lexical capture).
 */
import type { Container } from "../../runtime/format.ts";
import type { DType, Tensor } from "./dtype.ts";

/** A dimension: a number, or the name of a symbolic one. */
export type Dim = number | string;

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Type of a graph input as declared: the rank or single dims may be unknown. */
export interface SymbolicType {
  readonly dtype: DType;
  /** `undefined`: even the rank is unknown. */
  readonly shape: readonly Dim[] | undefined;
}

/** Names a value. Unique over a graph and its subgraphs. */
export type ValueId = string;

export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "tensor"; readonly value: Tensor }
  | { readonly kind: "graph"; readonly value: Graph }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] };

export interface OpNode {
  /** For messages and traces: the model's node name, or its first output. */
  readonly name: string;
  readonly op: string;
  /** "" for ai.onnx. */
  readonly domain: string;
  /** "" marks an optional input that is not given. */
  readonly inputs: readonly ValueId[];
  /** "" marks an optional output that is not wanted. */
  readonly outputs: readonly ValueId[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  /** The opset version of `domain` that the model imports. */
  readonly version: number;
}

export interface GraphInput {
  readonly id: ValueId;
  readonly type: SymbolicType;
  /** For an input of the main graph that is a sequence or optional: then `type` is that of its elements. */
  readonly container?: Container;
}

export interface GraphOutput {
  readonly id: ValueId;
  /** The name that users see. */
  readonly name: string;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly GraphInput[];
  readonly outputs: readonly GraphOutput[];
  readonly nodes: readonly OpNode[];
  /** Values known at compile time: initializers and folded nodes. */
  readonly constants: ReadonlyMap<ValueId, Tensor>;
}
