/**
 * From what a caller gives to `run` to tensors. In: the ports of a session and a record of values. Out: one tensor
 * per input, its shape free of open dimensions and its data of the very typed array that its dtype is held in.
 * Invariant: either all inputs are right or a `TilewrightError` names the first that is not; nothing has run.
 * Data that fits is not copied here.
 */
import { convertNumbers, type PlainNumber } from "./convert.ts";
import {
  allocate,
  type DType,
  elementCount,
  type NumericData,
  type Tensor,
  type TensorData,
} from "./dtype.ts";
import { nearestName, TilewrightError } from "./errors.ts";
import { namesOf, unknownShape } from "./format/container.ts";
import { type Port } from "./format.ts";

/** Elements that need no conversion, or plain numbers, which are converted exactly or refused. */
export type ElementData = NumericData | Uint8ClampedArray | readonly PlainNumber[];

/** A tensor as `run` takes it: dtype and shape may be left out where they follow from the session's input. */
export interface TensorInput {
  readonly dtype?: DType;
  readonly shape?: readonly number[];
  readonly data: ElementData | readonly string[];
}

/** Anything that can stand for an input: a tensor, its elements alone, or one number or string for a single element. */
export type TensorLike = TensorInput | ElementData | readonly string[] | PlainNumber | string | MapInput;

/** What stands for the input `m` of a model that takes a map; `m.keys` and `m.values`, two tensors, do as well. */
export type MapInput = ReadonlyMap<string | PlainNumber, string | PlainNumber>;

/** A tensor whose elements are numbers: strings have no place in the memory of a program. */
export interface NumericTensor extends Tensor {
  readonly shape: readonly number[];
  readonly data: NumericData;
}

/**
 * The inputs of a run, by name, in the order of the ports. The elements of a sequence `s` are inputs `s[0]`, `s[1]`
 * and so on; an optional may be left out. A map `m` is a `Map`, or the two inputs `m.keys` and `m.values`.
 *
 * @throws TilewrightError `input-unknown`, `input-missing`, `input-dtype`, `input-shape`
 */
export function readInputs(
  ports: readonly Port[],
  inputs: Readonly<Record<string, TensorLike>>,
): Map<string, Tensor> {
  const given = withoutMaps(ports, inputs);
  const elements = elementsOfSequences(ports, given);
  checkNames(ports, given, elements);
  const tensors = new Map<string, Tensor>();
  for (const port of ports) {
    const names = elements.get(port);
    if (names !== undefined) {
      for (const name of names) tensors.set(name, readInput(elementPort(port, name), given[name]!));
      continue;
    }
    const value = Object.hasOwn(given, port.name) ? given[port.name] : undefined;
    if (value !== undefined) tensors.set(port.name, readInput(port, value));
    else if (port.container !== "optional") {
      throw new TilewrightError("input-missing", `input ${describe(port)} was not given`);
    }
  }
  return tensors;
}

type Given = Readonly<Record<string, TensorLike>>;
type ElementNames = ReadonlyMap<Port, readonly string[]>;

/** Maps as their keys and values, where the ports are these. */
function withoutMaps(ports: readonly Port[], given: Given): Given {
  const parts = Object.entries(given).flatMap(([name, value]): [string, TensorLike][] =>
    value instanceof Map && ports.some((port) => port.name === `${name}.keys`)
      ? [
          [`${name}.keys`, [...value.keys()] as TensorLike],
          [`${name}.values`, [...value.values()] as TensorLike],
        ]
      : [[name, value]],
  );
  return Object.fromEntries(parts);
}

/** For each port that is a sequence, the names of the elements that were given. */
function elementsOfSequences(ports: readonly Port[], given: Given): ElementNames {
  const present = new Map(Object.entries(given));
  const sequences = ports.filter(({ container }) => container !== undefined && container !== "optional");
  return new Map(sequences.map((port) => [port, namesOf(port.name, port.container, present)]));
}

function checkNames(ports: readonly Port[], given: Given, elements: ElementNames): void {
  const names = ports.map((port) => port.name);
  const known = new Set([...elements.values()].flat());
  for (const port of ports) if (!elements.has(port)) known.add(port.name);
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue;
    if (names.includes(name)) {
      const how = `give its elements as "${name}[0]", "${name}[1]" and so on`;
      throw new TilewrightError("input-dtype", `input "${name}" is a sequence: ${how}`);
    }
    const nearest = nearestName(name, names);
    const hint = nearest === undefined ? `the inputs are ${list(names)}` : `did you mean "${nearest}"?`;
    throw new TilewrightError("input-unknown", `there is no input "${name}": ${hint}`);
  }
}

/** The port of a sequence's element. */
function elementPort(port: Port, name: string): Port {
  return { ...port, name, shape: hasAnyShape(port) ? [unknownShape(name)] : port.shape };
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.map((name) => `"${name}"`).join(", ");
}

function describe({ name, dtype, shape }: Port): string {
  return `"${name}" (${dtype} ${showShape(shape)})`;
}

function showShape(shape: readonly (number | string)[]): string {
  return `[${shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}

function readInput(port: Port, value: TensorLike): Tensor {
  const refuse = (code: "input-dtype" | "input-shape", problem: string): never => {
    throw new TilewrightError(code, `input ${describe(port)}: ${problem}`);
  };
  const input = isTensorInput(value) ? value : ({ data: isElements(value) ? value : [value] } as TensorInput);
  const { dtype, shape, data } = input;
  if (dtype !== undefined && dtype !== port.dtype) {
    refuse("input-dtype", `the tensor given is ${dtype}`);
  }
  const what = port.dtype === "string" ? "strings" : "numbers";
  const isList = port.dtype === "string" ? Array.isArray(data) : isElements(data);
  if (!isList) refuse("input-dtype", `its data is not a list of ${what}`);
  const elements = data as ElementData | readonly string[];

  if (shape !== undefined && !Array.isArray(shape))
    refuse("input-shape", "its shape is not a list of numbers");
  const actual = shape === undefined ? shapeFor(port, elements.length) : [...shape];
  if (actual === undefined || !fits(actual, port)) {
    const given = shape === undefined ? `${elements.length} elements` : `shape ${showShape(shape)}`;
    refuse("input-shape", `the value given has ${given}`);
  }
  const count = elementCount(actual!);
  if (count !== elements.length) {
    refuse(
      "input-shape",
      `shape ${showShape(actual!)} means ${count} elements, there are ${elements.length}`,
    );
  }
  return { dtype: port.dtype, shape: actual!, data: elementsOf(port.dtype, elements, refuse) };
}

function isTensorInput(value: TensorLike): value is TensorInput {
  return typeof value === "object" && value !== null && "data" in value;
}

function isElements(value: unknown): value is ElementData | readonly string[] {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function hasAnyShape({ name, shape }: Pick<Port, "name" | "shape">): boolean {
  return shape.length === 1 && shape[0] === unknownShape(name);
}

/** Whether `shape` can be what the port says; its open dimensions take any size. */
function fits(shape: readonly number[], { name, shape: expected }: Pick<Port, "name" | "shape">): boolean {
  if (hasAnyShape({ name, shape: expected }))
    return shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  return (
    shape.length === expected.length &&
    shape.every((dim, axis) => {
      const wanted = expected[axis];
      return Number.isSafeInteger(dim) && dim >= 0 && (typeof wanted === "string" || dim === wanted);
    })
  );
}

/** The shape of `count` elements, which follows if at most one dimension is open. */
function shapeFor(port: Port, count: number): number[] | undefined {
  const open = port.shape.filter((dim) => typeof dim === "string").length;
  if (open > 1) return undefined;
  const rest = elementCount(port.shape.filter((dim) => typeof dim === "number"));
  if (open === 1 && (rest === 0 || count % rest !== 0)) return undefined;
  const shape = port.shape.map((dim) => (typeof dim === "string" ? count / rest : dim));
  return elementCount(shape) === count ? shape : undefined;
}

/** The elements as `dtype` holds them: in its typed array, or as strings. */
function elementsOf(
  dtype: DType,
  elements: ElementData | readonly string[],
  refuse: (code: "input-dtype", problem: string) => never,
): TensorData {
  if (dtype === "string") {
    const strings = elements as readonly string[];
    const at = strings.findIndex((element) => typeof element !== "string");
    return at < 0 ? strings : refuse("input-dtype", `element ${at} is no string`);
  }
  if (!ArrayBuffer.isView(elements)) {
    try {
      return convertNumbers(dtype, elements as readonly PlainNumber[]);
    } catch (error) {
      return refuse("input-dtype", error instanceof Error ? error.message : String(error));
    }
  }
  // By tag and not by instanceof: the array may come from another frame, and Float16Array may not exist here.
  const tag = elements[Symbol.toStringTag] as string;
  const wanted = allocate(dtype, 0)[Symbol.toStringTag];
  if (tag === "Uint8ClampedArray" && wanted === "Uint8Array") {
    return normalised(dtype, new Uint8Array(elements.buffer, elements.byteOffset, elements.length));
  }
  if (tag === "Float16Array" && dtype === "float16") {
    return new Uint16Array(elements.buffer, elements.byteOffset, elements.length);
  }
  if (tag !== wanted) refuse("input-dtype", `it is held in a ${wanted}, a ${tag} was given`);
  return normalised(dtype, elements as NumericData);
}

/** Booleans as programs expect them: 0 or 1. */
function normalised(dtype: DType, data: NumericData): NumericData {
  if (dtype !== "bool" || !(data as Uint8Array).some((byte) => byte > 1)) return data;
  return (data as Uint8Array).map((byte) => (byte === 0 ? 0 : 1));
}
