/**
 * What a model takes and gives, as TypeScript types. In: the names, element types and shapes of a model's inputs and
 * outputs, as `tilewright types` writes them beside it. Out: the types of a call of that model. Invariant: types only;
 * whatever these let through, `readInputs` checks again, so a model without such a file works as well.
 */
import { type DType } from "./dtype.ts";
import { type TensorLike } from "./inputs.ts";
import { type RunOptions, type Session } from "./session.ts";

/** An input or output: its element type and its shape, where `number` is a dimension that is open until a run. */
export interface PortType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * The interface of a model.
 *
 * @example
 * type Digits = {
 *   inputs: { image: { dtype: "float32"; shape: readonly [1, 1, 28, 28] } };
 *   outputs: { probabilities: { dtype: "float32"; shape: readonly [1, 10] } };
 * };
 */
export interface ModelTypes {
  readonly inputs: object;
  readonly outputs: object;
}

/** Of a model about which nothing is known yet: any names, any types. */
export interface AnyModelTypes {
  readonly inputs: Readonly<Record<string, PortType>>;
  readonly outputs: Readonly<Record<string, PortType>>;
}

/** What holds the elements of each type: 16-bit floats as their bits, types below 8 bits one element per byte. */
interface ArrayTypes {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  string: readonly string[];
  float8e4m3fn: Uint8Array;
  float8e4m3fnuz: Uint8Array;
  float8e5m2: Uint8Array;
  float8e5m2fnuz: Uint8Array;
  float8e8m0: Uint8Array;
  float4e2m1: Uint8Array;
  int4: Int8Array;
  uint4: Uint8Array;
  int2: Int8Array;
  uint2: Uint8Array;
}

/** The array that holds elements of a type, for example `Float32Array` for `"float32"`. */
export type DataOf<D extends DType> = ArrayTypes[D];

/** One element in a list: numbers are converted exactly or refused. */
type PlainElement<D extends DType> = D extends "string"
  ? string
  : D extends "int64" | "uint64"
    ? number | bigint
    : D extends "bool"
      ? boolean | number
      : number;

type ElementsOf<D extends DType> =
  DataOf<D> | readonly PlainElement<D>[] | (D extends "uint8" | "bool" ? Uint8ClampedArray : never);

/** What can be given for an input: a tensor, its elements alone, or the one element of a scalar. */
export type InputOf<P> = P extends PortType
  ? AnyModelTypes["inputs"][string] extends P
    ? TensorLike // nothing is known of it
    : | ElementsOf<P["dtype"]>
      | PlainElement<P["dtype"]>
      | {
          readonly dtype?: P["dtype"];
          readonly shape?: P["shape"];
          readonly data: ElementsOf<P["dtype"]>;
        }
  : never;

/** A tensor that a run gives. */
export type OutputOf<P> = P extends PortType
  ? { readonly dtype: P["dtype"]; readonly shape: P["shape"]; readonly data: DataOf<P["dtype"]> }
  : never;

/** The inputs of a call, by name. */
export type InputsOf<M extends ModelTypes> = { readonly [K in keyof M["inputs"]]: InputOf<M["inputs"][K]> };

/** The outputs of a call, by name. */
export type OutputsOf<M extends ModelTypes> = { [K in keyof M["outputs"]]: OutputOf<M["outputs"][K]> };

type ArrayAt<P> = P extends PortType ? Exclude<DataOf<P["dtype"]>, readonly string[]> : never;

/** The members of a session whose types depend on the model. */
interface TypedMembers<M extends ModelTypes> {
  firstOutputs: OutputsOf<M> | undefined;
  run(inputs: InputsOf<M>, options?: RunOptions): Promise<OutputsOf<M>>;
  runSync(inputs: InputsOf<M>): OutputsOf<M>;
  input<K extends keyof M["inputs"] & string>(name: K): ArrayAt<M["inputs"][K]>;
  output<K extends keyof M["outputs"] & string>(name: K): ArrayAt<M["outputs"][K]>;
}

/** A session that knows its model: a wrong name, element type or shape does not compile. */
export type TypedSession<M extends ModelTypes> = Omit<Session, keyof TypedMembers<M>> & TypedMembers<M>;
