/**
 * What binding makes: the same network with a static type for every value. Data only; `bind.ts` says how it comes
 * about. Invariant: nodes stand in topological order and read inputs, constants or values of earlier nodes; `rest`
 * is there exactly when something could not be bound yet.
 */
import type { Tensor } from "../../ir/dtype.ts";
import type { Graph, GraphOutput, TensorType, ValueId } from "../../ir/graph.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { InferredType, LibraryCall } from "../../ops/define.ts";
import type { TraceSink } from "../../trace.ts";
import type { Refusal } from "./walk.ts";

/** What a bound node computes. */
export type Computation =
  | { readonly kind: "kernel"; readonly kernel: Kernel }
  | { readonly kind: "library"; readonly library: LibraryCall };

export interface BoundNode {
  readonly name: string;
  readonly op: string;
  /** Given inputs only, in the order of the kernel's input buffers (library: by position, "" where absent). */
  readonly inputs: readonly ValueId[];
  /** Wanted outputs only, in the order of the kernel's output buffers (library: by position, "" where absent). */
  readonly outputs: readonly ValueId[];
  readonly computation: Computation;
}

export interface Rest {
  readonly graph: Graph;
  /** Values that must be known before `graph` can be bound: outputs or inputs of the bound part. */
  readonly demands: readonly ValueId[];
  /** Values that `graph` takes as inputs: outputs or inputs of the bound part. */
  readonly carried: readonly ValueId[];
}

export interface BoundGraph {
  readonly name: string;
  readonly inputs: readonly { readonly id: ValueId; readonly type: TensorType }[];
  /** What a program has to compute. */
  readonly outputs: readonly GraphOutput[];
  /** The other outputs, by name, whose values binding told: strings, and what was made of them. */
  readonly known: ReadonlyMap<string, Tensor>;
  /** Runs in which one of these values is true must fail: they would take a branch that cannot be bound. */
  readonly refusals: readonly Refusal[];
  readonly nodes: readonly BoundNode[];
  readonly types: ReadonlyMap<ValueId, InferredType>;
  readonly constants: ReadonlyMap<ValueId, Tensor>;
  readonly rest?: Rest;
}

export interface BindOptions {
  /** Largest result, in elements, that is computed at compile time; larger ones are computed when loading. */
  readonly foldLimit?: number;
  /** Fold constants at all (off only to debug; shapes are always folded). */
  readonly fold?: boolean;
  /** Most nodes that the bodies of loops may become in one program; default 10,000. */
  readonly maxUnrolledNodes?: number;
  /** Most iterations of a loop whose condition follows from data, each of which is a program; default 1,000. */
  readonly maxIterations?: number;
  /**
   * Binds both branches of an If whose condition only a run knows, where they give the same types: a select takes the
   * results of one. Off, which is the default, the If waits for its condition, and the branch taken is all that is bound.
   */
  readonly bothBranches?: boolean;
  /** Hears of every node that is computed while binding ("fold") and of every one that must wait ("bind"). */
  readonly trace?: TraceSink;
}
