/**
 * Convolutions with fewer multiplications. In: a Program after fusion. Out: one where sums over a sliding window of
 * three by three (or of two to five taps, in one or two dimensions) with constant weights are computed by tiles of
 * results: transform the input, multiply plane by plane, transform the products back, with the epilogue that the sum
 * had. Invariant: what is stored equals the direct sum within a few roundings of the largest terms of its tile (see
 * winograd/matrices.ts); the rule knows no operator, it looks at how loads move. Transformed weights depend on
 * constants only, so they are made at load.
 *
 * Tiles that all fit a cache are three calls; else all three stages are done for a block of tiles at a time, inside
 * one kernel, so that what lies between them stays in the second-level cache.
 */
import { elementCount, type Tensor } from "../ir/dtype.ts";
import type { Expr } from "../ir/expr.ts";
import { operands } from "../ir/walk.ts";
import type { ValueId } from "../ir/graph.ts";
import type { Axis, Block } from "../ir/kernel.ts";
import type { Call, KernelCall, Program, ProgramValue } from "../ir/program.ts";
import { closeCall, openCall, soleAssign, ValueNumbers, type OpenKernel } from "./open.ts";
import { chooseFiltering, type Choice, type TileLength } from "./winograd/cost.ts";
import {
  inputAssign,
  outputAssigns,
  planesShape,
  productBlocks,
  regionBlocks,
  tileDims,
  tileSize,
  weightsAssign,
  weightsShape,
  type Between,
  type Filtering,
} from "./winograd/kernels.ts";
import { slidingWindow } from "./winograd/match.ts";
import { isWhole, overBlocks, tilesIn, wholeRegion } from "./winograd/tiling.ts";

export interface WinogradOptions {
  /**
   * Which tiles may be used: "f2", those that give 2 x 2 results for a window of 3 x 3 and are as exact as the direct
   * sum; "f4", those that give 4 x 4 and round about twice as much; or either ("auto", the default).
   */
  readonly tiles?: "auto" | "f2" | "f4";
  /** How many times as fast as the direct sum tiles must be by the estimate; 0: wherever possible. Default 1.15. */
  readonly leastGain?: number;
  /** Most tiles that are worked on at a time. Default: what caches hold. */
  readonly blockTiles?: number;
}

/** The largest weight over the mean of the others: those of networks stay below a hundred. */
const UNEVEN = 10_000;

/** The direct sum must be slower by this factor. */
const LEAST_GAIN = 1.15;

export interface WinogradTrace {
  (text: () => string, nodes: string): void;
}

export function filterMinimally(
  program: Program,
  { tiles = "auto", leastGain = LEAST_GAIN, blockTiles }: WinogradOptions = {},
  trace: WinogradTrace = () => undefined,
): Program {
  const numbers = new ValueNumbers(program.values);
  const outputs = new Set(program.outputs.map((o) => o.id));
  const fixed = new Set<ValueId>(program.constants.keys());
  // Weights are looked at when a window asks for them, through what constants were made of.
  const sources = new Map<ValueId, readonly ValueId[]>();
  const judged = new Map<ValueId, boolean>();
  const uneven = (id: ValueId): boolean => {
    let result = judged.get(id);
    if (result === undefined) {
      const tensor = program.constants.get(id);
      result = tensor ? isUneven(tensor) : (sources.get(id) ?? []).some(uneven);
      judged.set(id, result);
    }
    return result;
  };
  const values = new Map(program.values);
  const lengths: readonly TileLength[] = tiles === "auto" ? [4, 6] : tiles === "f2" ? [4] : [6];
  const calls = program.calls.flatMap((call): readonly Call[] => {
    if (call.inputs.every((id) => id === "" || fixed.has(id))) {
      for (const id of call.outputs) {
        if (!outputs.has(id)) fixed.add(id);
        sources.set(id, call.inputs);
      }
      return [call];
    }
    if (!mayQualify(call)) return [call];
    const open = openCall(call, numbers) as OpenKernel;
    const memo = new Map<Expr, boolean>();
    const isFixed = (e: Expr): boolean => {
      let known = memo.get(e);
      if (known === undefined) {
        const own = e.kind === "load" ? fixed.has(numbers.at(e.buffer).id) : e.kind !== "acc";
        memo.set(e, (known = own && operands(e).every(isFixed)));
      }
      return known;
    };
    const window = slidingWindow(soleAssign(open)!, isFixed);
    const choice =
      window &&
      chooseFiltering(window, numbers.at(window.input.buffer).shape, lengths, leastGain, blockTiles);
    if (!choice || call.inputs.some(uneven)) return [call];
    const made = new Filtered(open, choice, numbers, values);
    fixed.add(made.weights);
    trace(() => made.text, call.nodes.join("+"));
    return made.calls;
  });
  return { ...program, values, calls };
}

/**
 * Whether a tensor has elements beside which the others vanish. A tile's results are sums of all its terms, of which
 * the large ones cancel where the direct sum would not have had them: their rounding would be all that is left.
 */
function isUneven({ dtype, data }: Tensor): boolean {
  if (dtype !== "float32") return false;
  let [most, sum, count] = [0, 0, 0];
  const numbers = data as Float32Array;
  for (let i = 0; i < numbers.length; i++) {
    const x = numbers[i]!;
    if (x === 0) continue;
    const size = Math.abs(x);
    // Written so that NaN counts as the largest.
    if (!(size <= most)) most = size;
    sum += size;
    count++;
  }
  return count > 1 && !(most <= (UNEVEN * (sum - most)) / (count - 1));
}

/** A quick look: one sum of products over several axes. */
function mayQualify(call: Call): call is KernelCall {
  if (call.kind !== "kernel" || call.kernel.body.length !== 1 || call.outputs.length !== 1) return false;
  const [block] = call.kernel.body;
  return block!.kind === "assign" && block!.reduce?.op === "sum" && block!.reduce.axes.length >= 2;
}

/** The calls that take the place of one. */
class Filtered {
  readonly calls: readonly Call[];
  /** The transformed weights. */
  readonly weights: ValueId;
  readonly text: string;
  private readonly open: OpenKernel;
  private readonly numbers: ValueNumbers;
  private readonly values: Map<ValueId, ProgramValue>;

  constructor(open: OpenKernel, choice: Choice, numbers: ValueNumbers, values: Map<ValueId, ProgramValue>) {
    this.open = open;
    this.numbers = numbers;
    this.values = values;
    const { filtering, blocks } = choice;
    const dims = tileDims(filtering);
    const whole = isWhole(dims, blocks);
    const weights = this.value("weights", weightsShape(filtering));
    this.weights = numbers.at(weights).id;
    const size = filtering.window.window.map((dim) => tileSize(filtering, dim)).join("x");
    this.text = `tiles of ${size}, ${blocks.join("x")} of ${dims.map((d) => d.extent).join("x")} at a time`;
    const load = this.call(`${open.nodes[0] ?? ""} weights`, [weightsAssign(filtering, weights)], [weights]);
    this.calls = [load, ...(whole ? this.stages(filtering, weights) : [this.blocked(choice, weights)])];
  }

  private value(name: string, shape: readonly number[]): number {
    const id = `${this.open.outputs[0]!}:${name}`;
    this.values.set(id, { dtype: "float32", shape });
    return this.numbers.add(id, "float32", shape, false);
  }

  private temp(name: string, shape: readonly number[]): number {
    return this.numbers.add(`${this.open.outputs[0]!}:${name}`, "float32", shape, true);
  }

  private call(name: string, body: readonly Block[], outputs: readonly number[]): Call {
    const { nodes } = this.open;
    const ids = outputs.map((n) => this.numbers.at(n).id);
    return closeCall({ kind: "kernel", name, nodes, body, outputs: ids }, this.numbers);
  }

  /** What lies between the stages of so many tiles. */
  private between(filtering: Filtering, weights: number, tiles: number, make: Make): Between {
    const { groups, depth, columns } = filtering.window;
    const shape = (axes: readonly Axis[]): readonly number[] =>
      planesShape(filtering, tiles, elementCount(axes.map((a) => a.extent)));
    return {
      tiles,
      weights,
      planes: make("planes", shape([...groups, ...depth])),
      products: make("products", shape([...groups, ...columns])),
    };
  }

  /** Each stage over all tiles. */
  private stages(filtering: Filtering, weights: number): Call[] {
    const region = wholeRegion(tileDims(filtering));
    const between = this.between(filtering, weights, tilesIn(region), (name, shape) =>
      this.value(name, shape),
    );
    const { name } = this.open;
    const of = (stage: string, body: readonly Block[], output: number): Call =>
      this.call(`${name} ${stage}`, body, [output]);
    return [
      of("planes", [inputAssign(filtering, region, between, "")], between.planes),
      of("products", productBlocks(filtering, region, between, ""), between.products),
      of("results", outputAssigns(filtering, region, between, ""), filtering.window.assign.out),
    ];
  }

  /** All stages for a block of tiles, then for the next. Blocks that may run at a time have scratch of their own. */
  private blocked({ filtering, blocks }: Choice, weights: number): Call {
    let regions = 0;
    const body = overBlocks(tileDims(filtering), blocks, (region) => {
      const tag = `.${regions++}`;
      const between = this.between(filtering, weights, tilesIn(region), (name, shape) => this.temp(`${name}${tag}`, shape)); // prettier-ignore
      return regionBlocks(filtering, region, between, tag);
    });
    return this.call(`${this.open.name} by tiles`, body, [filtering.window.assign.out]);
  }
}

type Make = (name: string, shape: readonly number[]) => number;
