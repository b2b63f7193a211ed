/**
 * One damaged file, taken all the way. In: a subject and the number of a case. Out: what came of it. Invariant: good
 * outcomes are a typed error with a stable code or a right answer: of a model the one that the interpreter gives, of
 * a damaged artifact that loads the one of the undamaged file. Anything else is named as what it is.
 */
import { compile, CompileError, interpret, openSource, type CompileOptions, type CompileReport } from "../../compiler/whole.ts"; // prettier-ignore
import { seededTensor } from "../../compiler/tensors/seededTensors.ts";
import { compareTensors } from "../../compiler/tensors/compare.ts";
import { load, TilewrightError, type Session } from "../../runtime/index.ts";
import { elementCount, type Tensor } from "../../runtime/dtype.ts";
import {
  mutateBytes,
  mutateCode,
  mutateHeader,
  mutateModel,
  mutateWeights,
  type Mutation,
} from "./mutate.ts";
import { processorMilliseconds } from "../support/processorTime.ts";
import { Random } from "./random.ts";
import type { Subject } from "./subjects.ts";

// What is drawn without a seed is another in each run: here the same, so that answers can be compared.
Math.random = () => 0.5;

export interface Outcome {
  readonly what: string;
  /** "error CODE", "right", "compiled" (too much work to run), or what is wrong. */
  readonly result: string;
  readonly good: boolean;
  /** Processor time of the definition that the answer is compared with: no part of what the case takes. */
  readonly judgingMilliseconds: number;
}

/** Of programs in these trials; the subjects need far less. */
export const MEMORY_LIMIT = 64 * 2 ** 20;

/** More multiply-adds than this are not run: a damaged shape may rightly ask for more work than a test has time for. */
const MAX_WORK = 2e6;

/** Extent of dimensions that are open. */
const OPEN = 2;

const compilerOf = (options: CompileOptions) => ({
  openSource: (bytes: Uint8Array) => openSource(bytes, options),
});

function optionsOf(subject: Subject): CompileOptions {
  const { external } = subject;
  return {
    memoryLimit: MEMORY_LIMIT,
    ...(external
      ? { externalData: (location: string) => (location === "weights.bin" ? external : undefined) }
      : {}),
  };
}

/** Inputs for every port, or undefined when they would be large. */
function inputsFor(session: Session): Record<string, Tensor> | undefined {
  const inputs: [string, Tensor][] = [];
  for (const { name, dtype, shape } of session.inputs) {
    const bound = shape.map((dim) => (typeof dim === "number" ? dim : OPEN));
    if (elementCount(bound) > 2 ** 20) return undefined;
    inputs.push([name, seededTensor(name, dtype, bound, 1)]);
  }
  return Object.fromEntries(inputs);
}

/** Answers of undamaged subjects by name. */
const answers = new Map<string, Record<string, Tensor>>();

export async function answerOf(subject: Subject): Promise<Record<string, Tensor>> {
  let answer = answers.get(subject.name);
  if (!answer) {
    const options = optionsOf(subject);
    const bytes = subject.kind === "model" ? compile(subject.bytes, options).artifact : subject.bytes;
    const session = await load(bytes, { compiler: () => compilerOf(options) });
    answer = await session.run(inputsFor(session)!);
    session.dispose();
    answers.set(subject.name, answer);
  }
  return answer;
}

/** Of the case that runs. */
let judgingMilliseconds = 0;

/** The interpreter's answer and comparisons with it. */
function judging<T>(work: () => T): T {
  const before = processorMilliseconds();
  try {
    return work();
  } finally {
    judgingMilliseconds += processorMilliseconds() - before;
  }
}

/** Damages the subject as the seed says. */
export function damage(
  subject: Subject,
  seed: number,
  donor: Uint8Array,
): { mutation: Mutation; sealed: boolean } {
  const random = new Random(seed);
  if (subject.kind === "model") {
    const structural = random.chance(0.7);
    return {
      mutation: structural ? mutateModel(subject.bytes, random) : mutateBytes(subject.bytes, random, donor),
      sealed: false,
    };
  }
  const choice = random.below(10);
  if (choice < 4) return { mutation: mutateBytes(subject.bytes, random, donor), sealed: false };
  if (choice < 8) return { mutation: mutateHeader(subject.bytes, random), sealed: true };
  if (choice < 9) return { mutation: mutateWeights(subject.bytes, random), sealed: true };
  return { mutation: mutateCode(subject.bytes, random), sealed: true };
}

/** Takes one damaged file all the way. */
export async function trial(subject: Subject, seed: number, donor: Uint8Array): Promise<Outcome> {
  judgingMilliseconds = 0;
  const outcome = await damaged(subject, seed, donor);
  return { ...outcome, judgingMilliseconds };
}

async function damaged(
  subject: Subject,
  seed: number,
  donor: Uint8Array,
): Promise<Omit<Outcome, "judgingMilliseconds">> {
  const expected = await answerOf(subject);
  const { mutation, sealed } = damage(subject, seed, donor);
  try {
    const result =
      subject.kind === "model"
        ? await compiled(subject, mutation.bytes)
        : await loaded(subject, mutation.bytes, sealed ? undefined : expected);
    return { what: mutation.what, result, good: !result.startsWith("wrong") };
  } catch (error) {
    if (error instanceof CompileError || error instanceof TilewrightError)
      return { what: mutation.what, result: `error ${error.code}`, good: error.message !== "" };
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      what: mutation.what,
      result: `untyped ${stack.split("\n").slice(0, 8).join("\n")}`,
      good: false,
    };
  }
}

async function compiled(subject: Subject, bytes: Uint8Array): Promise<string> {
  const options = optionsOf(subject);
  const { artifact, report } = compile(bytes, options);
  if (workOf(report) > MAX_WORK) return "compiled";
  const session = await load(artifact, { memoryLimit: MEMORY_LIMIT, compiler: () => compilerOf(options) });
  try {
    const inputs = inputsFor(session);
    if (!inputs) return "compiled";
    if (report.kind === "late") {
      const inputShapes = Object.fromEntries(
        Object.entries(inputs).map(([name, { shape }]) => [name, shape]),
      );
      if (workOf(compile(bytes, { ...options, inputShapes }).report) > MAX_WORK) return "compiled";
    }
    const actual = await session.run(inputs);
    const expected = judging(() => interpret(bytes, inputs, options));
    const problem = judging(() => wrong(actual, expected));
    if (problem === undefined) return "right";
    // Tiles are exact beside the largest term of a tile, which a damaged weight may make enormous.
    const direct = await load(compile(bytes, { ...options, passes: { winograd: false } }).artifact, {
      compiler: () => compilerOf(options),
    });
    try {
      return wrong(await direct.run(inputs), expected) === undefined ? "right by direct sums" : problem;
    } finally {
      direct.dispose();
    }
  } finally {
    session.dispose();
  }
}

/** Multiply-adds of one run, as far as they are known ahead. */
function workOf(report: CompileReport): number {
  return report.kernels.reduce((sum, kernel) => sum + kernel.work * kernel.calls, 0);
}

async function loaded(
  subject: Subject,
  bytes: Uint8Array,
  expected: Record<string, Tensor> | undefined,
): Promise<string> {
  const options = optionsOf(subject);
  const session = await load(bytes, { memoryLimit: MEMORY_LIMIT, compiler: () => compilerOf(options) });
  try {
    const inputs = inputsFor(session);
    if (!inputs) return "loaded";
    const actual = await session.run(inputs);
    // A sealed file says something else now, and is believed; it only must not do harm.
    return expected === undefined ? "ran" : (wrong(actual, expected) ?? "right");
  } finally {
    session.dispose();
  }
}

/** How an answer differs; damaged weights may be enormous, so what counts is the error beside the largest value. */
function wrong(
  actual: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
): string | undefined {
  for (const [name, want] of Object.entries(expected)) {
    const have = actual[name];
    if (have === undefined) return `wrong: no output ${name}`;
    const numbers = want.dtype === "string" ? [] : Array.from(want.data as Iterable<number | bigint>, Number);
    const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // Sums that overflow, or cancel, depend on their order.
    const wild = !(largest < 1e6) && want.dtype !== "int64";
    const { reason } = compareTensors(have, want, {
      relative: 1e-2,
      absolute: wild ? Number.MAX_VALUE : 1e-3 * Math.max(1, largest),
      integer: 1,
    });
    if (reason !== undefined && !(wild && /elements differ/.test(reason))) return `wrong: ${name}: ${reason}`;
  }
  return undefined;
}
