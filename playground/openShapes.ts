/**
 * What a model leaves open: dimensions, and whole numbers that choose how it works (a sampling rate, say). In: input
 * ports and answers as typed. Out: what to ask for, then whole shapes and values. Invariant: one name is asked for
 * once, wherever it stands, and every shape that comes out is made of whole numbers, none below 1.
 */
import type { Port } from "../runtime/index.ts";
import type { Shapes } from "./protocol.ts";

/** Something to ask the user for. */
export type Question =
  | { readonly kind: "dimension"; readonly name: string; readonly where: readonly string[] }
  /** The model does not even tell how many dimensions this input has. */
  | { readonly kind: "shape"; readonly name: string; readonly where: readonly string[] }
  /** The one whole number that this input is; random if it is not told. */
  | { readonly kind: "value"; readonly name: string; readonly where: readonly string[] };

/** Answers by name of the question; a list of numbers for a shape. */
export type Answers = Readonly<Record<string, string>>;

/** What a size is before the user says otherwise. */
export const DEFAULT_SIZE = "1";

/** The most that one dimension may be: far above all models, below what JavaScript can index. */
const MOST = 2 ** 31 - 1;

export function questionsOf(inputs: readonly Port[]): Question[] {
  const questions = new Map<string, { kind: Question["kind"]; name: string; where: string[] }>();
  for (const { name: input, dtype, shape } of inputs) {
    if (isWholeNumber({ name: input, dtype, shape })) {
      questions.set(valueName(input), { kind: "value", name: valueName(input), where: [input] });
    }
    for (const dim of shape) {
      if (typeof dim === "number") continue;
      const kind = shape.length === 1 && dim === unknownShape(input) ? "shape" : "dimension";
      const question = questions.get(dim) ?? { kind, name: dim, where: [] };
      if (!question.where.includes(input)) question.where.push(input);
      questions.set(dim, question);
    }
  }
  return [...questions.values()];
}

/** A single integer in a word wide enough for a quantity. */
function isWholeNumber({ dtype, shape }: Port): boolean {
  return (dtype === "int32" || dtype === "int64") && shape.every((dim) => dim === 1);
}

/** Apart from the names of dimensions. */
function valueName(input: string): string {
  return `value of ${input}`;
}

/**
 * The whole numbers that were told, by input.
 *
 * @throws RangeError that names the answer which is no whole number
 */
export function valuesFrom(inputs: readonly Port[], answers: Answers): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const port of inputs.filter(isWholeNumber)) {
    const answer = answers[valueName(port.name)]?.trim() ?? "";
    if (answer === "") continue;
    const value = Number(answer);
    const most = port.dtype === "int32" ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
    if (!Number.isInteger(value) || Math.abs(value) > most) {
      throw new RangeError(`${valueName(port.name)}: "${answer}" is no whole number that it can take`);
    }
    values[port.name] = value;
  }
  return values;
}

/** How the compiler names the only dimension of an input of which it knows no shape. */
function unknownShape(input: string): string {
  return `${input}.shape`;
}

/**
 * The shapes of all inputs that have open dimensions.
 *
 * @throws RangeError that names the answer which is no size
 */
export function shapesFrom(inputs: readonly Port[], answers: Answers): Shapes {
  const kinds = new Map(questionsOf(inputs).map(({ name, kind }) => [name, kind]));
  const shapes: Record<string, readonly number[]> = {};
  for (const { name, shape } of inputs) {
    if (shape.every((dim) => typeof dim === "number")) continue;
    shapes[name] = shape.flatMap((dim) => {
      if (typeof dim === "number") return dim;
      const answer = answers[dim] ?? DEFAULT_SIZE;
      return kinds.get(dim) === "shape" ? sizesOf(dim, answer) : sizeOf(dim, answer);
    });
  }
  return shapes;
}

function sizesOf(name: string, answer: string): number[] {
  const parts = answer.split(/[\s,x×[\]]+/).filter((part) => part !== "");
  return parts.map((part) => sizeOf(name, part));
}

function sizeOf(name: string, answer: string): number {
  const size = Number(answer);
  if (!Number.isInteger(size) || size < 1 || size > MOST || answer.trim() === "") {
    throw new RangeError(`${name}: "${answer}" is no size; give a whole number from 1 up`);
  }
  return size;
}
