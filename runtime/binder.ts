/**
 * What the runtime asks of a compiler when shapes are known only at run time. In: a graph as opaque bytes, then
 * shapes, then perhaps values. Out: bound programs as artifacts. Invariant: types only; the runtime never imports
 * the compiler, which arrives through the option `compiler` of `load`. Binding the same stage with the same
 * shapes and values twice gives interchangeable programs, since the runtime keeps them by stage, shapes and values.
 */
import { type DType, type Tensor } from "./dtype.ts";
import { type Port } from "./format.ts";

/** An element type and a shape without open dimensions. */
export interface TensorShape {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A compiler, for instance the module `tilewright/compiler`. */
export interface Compiler {
  /**
   * Opens the bytes of a model or a late artifact. The runtime has checked an artifact's hashes already, so
   * `readArtifact(bytes, { verify: false })` is enough.
   */
  openSource(bytes: Uint8Array, options?: SourceOptions): Stage | Promise<Stage>;
}

export interface SourceOptions {
  /** What programs are needed for; WebAssembly if left out. */
  readonly targets?: readonly ("wasm" | "webgpu")[];
}

/** What a program leaves for good in a memory that is not only its own. */
export interface Resident {
  /** The compiler's, for this content. */
  readonly number: number;
  readonly address: number;
  readonly bytes: number;
}

/** A memory that programs of one model have in common. */
export interface CommonPlace {
  /** Where a program's own part begins, in bytes; all below belongs to others. */
  readonly base: number;
  /** Addresses of what programs before have left for good, weights and what was made of them, by the compiler's numbers. */
  readonly residents: ReadonlyMap<number, number>;
}

/** A size that follows from a number n: `slope * n + offset`. */
export interface LinearSize {
  readonly slope: number;
  readonly offset: number;
}

/** The sizes of a tensor's dimensions. */
export type LinearShape = readonly LinearSize[];

/** Types of inputs for all values of a number n from `low` to `high`. */
export interface ShapeRange {
  readonly low: number;
  readonly high: number;
  readonly inputs: Readonly<Record<string, { readonly dtype: DType; readonly shape: LinearShape }>>;
}

/** A program for a {@link ShapeRange}: its inputs and outputs have room for `high`. */
export interface RangedStage extends Required<Pick<BoundStage, "artifact">>, Pick<BoundStage, "residents"> {
  /** The end of the range, which may be less than was wanted: a model may take no longer inputs. */
  readonly high: number;
  /** The input that tells n: one int32. Beyond the sizes that n gives, other inputs must be zero. */
  readonly parameter: string;
  readonly outputs: Readonly<Record<string, LinearShape>>;
}

/** A part of a model that can be bound: the whole of it, or what is left behind a cut. */
export interface Stage {
  /** Inputs and outputs of the whole model. */
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Inputs of the whole model whose values `bind` must be told, because shapes follow from them (the target of a
   * Reshape, say). Inputs of strings are told without being listed. Read from the first stage only; a later one
   * has `BoundStage.next.demands`.
   */
  readonly demands?: readonly string[];
  /**
   * Compiles a program for these shapes.
   *
   * @param inputs types of the inputs of this stage: those of the model, or what the stage before carried over
   * @param values the inputs that were demanded or hold strings, by name
   * @param place where the program may lie; a compiler that makes no use of it leaves out `BoundStage.residents`
   */
  bind(
    inputs: Readonly<Record<string, TensorShape>>,
    values: Readonly<Record<string, Tensor>>,
    place?: CommonPlace,
  ): BoundStage | Promise<BoundStage>;
  /**
   * Compiles a program for a range of sizes, where that can be done: undefined where only running tells a shape, or a
   * program for one size does something else than that for another.
   *
   * @param at the value of n that is wanted now
   */
  bindRange?(
    range: ShapeRange,
    at: number,
    values: Readonly<Record<string, Tensor>>,
    place?: CommonPlace,
  ): RangedStage | undefined | Promise<RangedStage | undefined>;
}

/** A program for given shapes, and what follows it if the program had to be cut where shapes depend on data. */
export interface BoundStage {
  /**
   * A bound artifact; may be unsealed. Its inputs are among those of the stage, by name. Left out where there is
   * nothing to run.
   */
  readonly artifact?: Uint8Array;
  /**
   * Given where the program lies at the `place` that `bind` was given, and reads what is resident there: what it leaves
   * for those after it. Such a program is of no use in a memory of its own.
   */
  readonly residents?: readonly Resident[];
  /** Outputs, by name, that were known without running anything: strings, and what was made of them. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /**
   * What to bind and run afterwards. The names are outputs of this program or among `constants`, or else inputs of
   * this stage: `demands` are given to `next.stage.bind` as values, `carried` are the inputs of the next stage.
   * The same `stage` may follow different stages: programs are kept for the stage, whichever came before.
   */
  readonly next?: {
    readonly stage: Stage;
    readonly demands: readonly string[];
    readonly carried: readonly string[];
  };
}
