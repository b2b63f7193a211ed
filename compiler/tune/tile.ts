/**
 * The register tile of a contraction. In: how many points and vectors there are. Out: m points by n vectors, with the
 * least estimated time. Invariant: accumulators, operands and one spare fit the registers.
 */
/** Vector registers that the tile may use. */
const REGISTERS = 15;

export interface Tile {
  readonly m: number;
  readonly n: number;
}

/** Cycles per step of the reduction for a tile of m points by n vectors. */
function tileCycles(m: number, n: number, vectorStreams: boolean): number {
  const loads = vectorStreams ? m * n + n : m + n;
  // Eight accumulators just cover the latency when everything goes right; a few more make up for what does not.
  const slack = 1 + (0.25 * Math.max(0, 12 - m * n)) / 12;
  return Math.max(((m * n) / 2) * slack, loads / 2, 4);
}

/** The tile with the least estimated time over the whole M by N, remainders included. */
export function chooseTile(points: number, vectors: number, vectorStreams: boolean): Tile {
  let best: Tile = { m: 1, n: 1 };
  let bestCost = Infinity;
  for (let n = 1; n <= Math.min(vectors, 12); n++) {
    for (let m = 1; m <= Math.min(points, 12); m++) {
      const registers = m * n + (m > 1 ? n : 1) + 1;
      if (registers > REGISTERS) break;
      const fullM = Math.floor(points / m);
      const restM = points % m;
      const fullN = Math.floor(vectors / n);
      const restN = vectors % n;
      const column = (width: number): number =>
        width === 0
          ? 0
          : fullM * tileCycles(m, width, vectorStreams) +
            (restM ? tileCycles(restM, width, vectorStreams) : 0);
      // A remainder is more code, which costs a little even when it is fast.
      const cost = (fullN * column(n) + column(restN)) * (1 + (restM ? 0.02 : 0) + (restN ? 0.02 : 0));
      if (cost < bestCost * 0.999) {
        bestCost = cost;
        best = { m, n };
      }
    }
  }
  return best;
}
