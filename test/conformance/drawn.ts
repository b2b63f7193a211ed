/**
 * Checks of outputs that are drawn at random. In: a case's name, the inputs of a data set and what came out. Out: what
 * is wrong, if anything. Invariant: looks at what must hold for every draw: which values may come at all, and that
 * they come as often as their probability says (within five standard deviations).
 */
import type { Tensor } from "../../runtime/index.ts";

const numbers = ({ data }: Tensor): number[] => Array.from(data as Iterable<number | bigint>, Number);

/** Whether `hits` of events with these probabilities is plausible. */
function plausible(hits: number, probabilities: readonly number[]): boolean {
  const expected = probabilities.reduce((sum, p) => sum + p, 0);
  const deviation = Math.sqrt(probabilities.reduce((sum, p) => sum + p * (1 - p), 0));
  return Math.abs(hits - expected) <= 5 * deviation + 1e-9;
}

/** Ones with the probabilities that the input gives. */
function bernoulli(p: Tensor, y: Tensor): string | undefined {
  const drawn = numbers(y);
  if (drawn.some((v) => v !== 0 && v !== 1)) return "an element is neither 0 nor 1";
  const ones = drawn.reduce((sum, v) => sum + v, 0);
  return plausible(ones, numbers(p)) ? undefined : `${ones} of ${drawn.length} are 1`;
}

/** Zeros in place of some elements, all others scaled up by what is missing. */
function dropout(inputs: readonly Tensor[], outputs: readonly Tensor[]): string | undefined {
  const [x, ratio] = [numbers(inputs[0]!), inputs[1] && inputs[1].dtype !== "bool" ? numbers(inputs[1])[0]! : 0.5]; // prettier-ignore
  const [y, mask] = [numbers(outputs[0]!), outputs[1] && numbers(outputs[1])];
  const scaled = x.map((v) => v / (1 - ratio));
  const kept = y.map((v, i) => (mask ? mask[i] === 1 : v !== 0 || x[i] === 0));
  if (y.some((v, i) => Math.abs(v - (kept[i] ? scaled[i]! : 0)) > 1e-5 * Math.abs(scaled[i]!) + 1e-12))
    return "an element is neither 0 nor the scaled input";
  const count = kept.filter(Boolean).length;
  return plausible(count, new Array<number>(y.length).fill(1 - ratio)) ? undefined : `${count} of ${y.length} are kept`; // prettier-ignore
}

/** @returns what no draw could have given, or undefined */
export function implausible(name: string, inputs: readonly Tensor[], outputs: readonly Tensor[]): string | undefined {
  if (/^test_bernoulli/.test(name)) return bernoulli(inputs[0]!, outputs[0]!);
  return dropout(inputs, outputs);
} // prettier-ignore
