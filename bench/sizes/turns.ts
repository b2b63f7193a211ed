/**
 * Several players make the same series of runs. In: players, the inputs of each run that are known beforehand, and what a
 * run takes of the one before. Out: per player what each run took, and what is to be judged of it. Invariant: they take
 * turns of some runs each, in an order that rotates, so that what else the machine does hits all alike; each goes on with
 * its own outputs, and no run is made twice, since what a size costs when it first comes is what is asked for. Nothing here
 * knows of models or of the browser.
 */
import { type Tensors } from "../agreement.ts";
import { type Clock } from "../interleave.ts";
import { type Feedback } from "../protocol.ts";

/** Runs of a turn: all but its first find the caches as this player left them. */
const RUNS_PER_TURN = 8;

export interface Player {
  prepare(inputs: Tensors): void;
  run(): Promise<unknown>;
  /** What `run` gave; may be overwritten by the next run. */
  read(result: unknown): Tensors;
  /** Programs that it has compiled until now, where it tells. */
  compiled?(): number;
}

/** A series: inputs of each run, and what else each takes of the one before. */
export interface Runs {
  readonly inputs: readonly Tensors[];
  readonly feedback?: Feedback | undefined;
}

export interface PlayedRun {
  readonly milliseconds: number;
  /** Programs that were compiled in it; 0 where the player does not tell. */
  readonly compiled: number;
  /** The likeliest token, where there is feedback. */
  readonly token?: number;
  /** What it gave, without what the next run takes as it is; of the last run all. */
  readonly outputs: Tensors;
}

export type Played =
  { readonly runs: readonly PlayedRun[] } | { readonly run: number; readonly error: unknown };

export async function playInTurns(
  players: readonly Player[],
  series: Runs,
  clock: Clock,
): Promise<readonly Played[]> {
  const games = players.map((player) => new Game(player, series, clock));
  for (let turn = 0; turn * RUNS_PER_TURN < series.inputs.length; turn++) {
    for (let place = 0; place < games.length; place++) {
      await games[(turn + place) % games.length]!.play((turn + 1) * RUNS_PER_TURN);
      await clock.pause();
    }
  }
  return games.map((game) => game.played());
}

/** One player's way through the series. */
class Game {
  readonly #player: Player;
  readonly #series: Runs;
  readonly #clock: Clock;
  readonly #runs: PlayedRun[] = [];
  #carried: Tensors = {};
  #failed: { readonly run: number; readonly error: unknown } | undefined;

  constructor(player: Player, series: Runs, clock: Clock) {
    this.#player = player;
    this.#series = series;
    this.#clock = clock;
  }

  /** Makes runs until so many are made, unless one has failed. */
  async play(count: number): Promise<void> {
    const most = Math.min(count, this.#series.inputs.length);
    while (this.#runs.length < most && this.#failed === undefined) {
      try {
        await this.#run(this.#runs.length);
      } catch (error) {
        this.#failed = { run: this.#runs.length, error };
      }
    }
  }

  played(): Played {
    return this.#failed ?? { runs: this.#runs };
  }

  async #run(index: number): Promise<void> {
    const { inputs, feedback } = this.#series;
    const known = this.#player.compiled?.() ?? 0;
    this.#player.prepare({ ...this.#carried, ...inputs[index] });
    const start = this.#clock.now();
    const result = await this.#player.run();
    const milliseconds = this.#clock.now() - start;
    const compiled = (this.#player.compiled?.() ?? 0) - known;
    const outputs = this.#player.read(result);
    const carried = new Set(index === inputs.length - 1 ? [] : Object.values(feedback?.carried ?? {}));
    const judged = Object.entries(outputs).filter(([name]) => !carried.has(name));
    const token = feedback && likeliest(outputs, feedback.logits);
    this.#carried = feedback === undefined ? {} : passedOn(outputs, feedback, token!);
    this.#runs.push({
      milliseconds,
      compiled,
      ...(token === undefined ? {} : { token }),
      outputs: Object.fromEntries(
        judged.map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]),
      ),
    });
  }
}

function passedOn(outputs: Tensors, { carried, token: input }: Feedback, token: number): Tensors {
  const next = Object.entries(carried).map(([name, output]) => {
    const tensor = outputs[output];
    if (tensor === undefined) throw new Error(`the model has no output "${output}"`);
    return [name, tensor] as const;
  });
  const chosen = { dtype: "int64", shape: [1, 1], data: BigInt64Array.of(BigInt(token)) } as const;
  return { ...Object.fromEntries(next), [input]: chosen };
}

/** The place of the largest element, the first of those that are equal. */
function likeliest(outputs: Tensors, logits: string): number {
  const data = outputs[logits]?.data as Float32Array | undefined;
  if (data === undefined) throw new Error(`the model has no output "${logits}"`);
  let best = 0;
  for (let i = 1; i < data.length; i++) if (data[i]! > data[best]!) best = i;
  return best;
}
