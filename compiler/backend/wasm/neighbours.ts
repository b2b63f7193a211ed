/**
 * Vectors whose lanes lie apart, while their neighbours are needed, too: the rows of a matrix that is read by columns.
 * In: a load of which each lane has a place of its own. Out: code that reads what stands side by side in memory, four
 * elements of each lane at once, and turns these four vectors around; or nothing where no neighbour is needed.
 * Invariant: of what is read at most the last twelve bytes are not asked for by any value of this region, as with
 * other vector loads, and what is held is forgotten like any other value that was loaded.
 *
 * Two to four vectors are eight loads and shuffles this way, where each alone would be a load and an insertion per
 * lane; lines of cache are read once instead of once per lane and neighbour.
 */
import { bytesPerElement } from "../../ir/dtype.ts";
import { ScalarWriter } from "./scalar.ts";
import type { LoadValue } from "../values.ts";

const FOUR = 4;

/** Bytes of the lanes `a` of the first and `b` of the second operand. */
const pick = (...lanes: readonly number[]): number[] => lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)); // prettier-ignore
const LOW_PAIRS = pick(0, 4, 1, 5);
const HIGH_PAIRS = pick(2, 6, 3, 7);
const LOW_HALVES = pick(0, 1, 4, 5);
const HIGH_HALVES = pick(2, 3, 6, 7);

export abstract class NeighbourWriter extends ScalarWriter {
  /** Pushes the four lanes of `e` and holds those of its neighbours; false, and nothing, where it has none. */
  protected withNeighbours(e: LoadValue): boolean {
    const { variable, lanes } = this.vector!;
    const { terms } = e.address;
    if (lanes !== FOUR || e.readsAcc || bytesPerElement(this.nest.buffers[e.buffer]!.dtype) !== 4)
      return false;
    if (Math.abs(terms.stride(variable) ?? 0) < FOUR) return false;
    const run = this.runOf(e);
    if (run.length < 2) return false;
    const { code } = this;
    const rows = [0, 1, 2, 3].map((lane) => {
      const local = this.locals.take("v128");
      code.access("v128.load", this.address(e.buffer, run[0]!.address, variable, lane)).set(local);
      return local;
    });
    const [a, b, c, d] = rows as [number, number, number, number];
    const pairs = (shuffle: readonly number[]): readonly [number, number] => {
      const [ab, cd] = [this.locals.take("v128"), this.locals.take("v128")];
      code.get(a).get(b).shuffle(shuffle).set(ab);
      code.get(c).get(d).shuffle(shuffle).set(cd);
      return [ab, cd];
    };
    const low = pairs(LOW_PAIRS);
    const high = run.length > 2 ? pairs(HIGH_PAIRS) : undefined;
    let own = -1;
    run.forEach((value, k) => {
      const [ab, cd] = k < 2 ? low : high!;
      const local = this.locals.take("v128");
      code.get(ab).get(cd).shuffle(k % 2 === 0 ? LOW_HALVES : HIGH_HALVES).set(local); // prettier-ignore
      if (value === e) own = local;
      else this.hold(value, local);
    });
    for (const local of [...rows, ...low, ...(high ?? [])]) this.locals.release(local);
    code.get(own);
    this.locals.release(own);
    return true;
  }

  /**
   * The loads of up to four elements in a row that this region needs and has not read yet, `e` among them: runs are
   * cut into fours from their beginning on.
   */
  private runOf(e: LoadValue): LoadValue[] {
    const { constant, terms } = e.address;
    const table = terms.loads[e.buffer]!;
    const at = (position: number): LoadValue | undefined => {
      const value = table.get(position);
      return value && (value === e || this.isAwaited(value)) ? value : undefined;
    };
    let first = constant;
    while (at(first - 1)) first--;
    first += Math.floor((constant - first) / FOUR) * FOUR;
    const run: LoadValue[] = [];
    for (let k = 0; k < FOUR; k++) {
      const value = at(first + k);
      if (!value) break;
      run.push(value);
    }
    return run;
  }
}
