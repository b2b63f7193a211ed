/**
 * What a program does while its weights arrive: it prepares them and, where inputs are there already, begins its first
 * run. In: its plan, its memory, how far the weights are, and perhaps those inputs. Out: weights that are prepared, and
 * that run. Invariant: no step is taken before what it reads is in place, and none twice but one that has failed; what
 * comes of a run is read only when everything has been checked.
 */
import { type Tensor } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type BoundPlan } from "./format.ts";
import { callable, inputViews, trapped, writeInputs } from "./program.ts";
import { Slices } from "./slices.ts";

interface Step {
  /** Bytes of the weights that must be in place; -1: all, and they have been checked. */
  readonly needs: number;
  take(): void;
}

/** Goes step by step: the page has its turn between the steps. */
export class Beginning {
  readonly #name: string;
  readonly #prepare: readonly Step[];
  readonly #open: readonly Step[];
  #exports: WebAssembly.Exports = {};
  #steps: readonly Step[] = [];
  #arrived = 0;
  #done = 0;
  #stepping = false;
  #going: Promise<void> = Promise.resolve();

  /** @param first what the first run is made with */
  constructor(plan: BoundPlan, memory: WebAssembly.Memory, first?: ReadonlyMap<string, Tensor>) {
    const calls = (name: string, needs: readonly number[]): Step[] =>
      needs.map((need, i) => ({ needs: need, take: () => callable(this.#exports, name)(i as never) }));
    this.#name = plan.name;
    this.#prepare = calls("init", plan.preparation ?? [-1]);
    this.#open =
      first === undefined || plan.opening === undefined
        ? []
        : [
            { needs: 0, take: () => writeInputs(plan, inputViews(plan, memory), first) },
            ...calls("begin", plan.opening),
          ];
  }

  /** The program is there: its weights are prepared as they arrive. */
  begin(exports: WebAssembly.Exports): void {
    this.#exports = exports;
    this.#steps = this.#prepare;
    void this.advance(this.#arrived);
  }

  /** The engine knows which kernels to compile well: the first run may begin, where there are inputs for it. */
  open(): void {
    this.#steps = [...this.#prepare, ...this.#open];
    void this.advance(this.#arrived);
  }

  /** The steps for which so many bytes of the weights are enough. @throws TilewrightError as {@link finish} */
  advance(arrived: number): Promise<void> {
    this.#arrived = arrived;
    if (!this.#stepping) this.#going = this.#take();
    this.#going.catch(() => {}); // heard of when it is finished: the step is taken again then
    return this.#going;
  }

  /**
   * All steps, when the weights have been checked and the first run may begin.
   *
   * @param threads that could share a run: with several, one that has hardly begun is not gone on with
   * @returns whether the first run has been made
   * @throws TilewrightError `artifact-malformed` when the module does not fit the plan, `run-failed` when a step traps
   */
  async finish(threads: number): Promise<boolean> {
    const left = this.#steps.length - this.#done;
    const goesOn = this.#open.length > 0 && (threads === 1 || left * threads <= this.#open.length);
    if (!goesOn) this.#steps = this.#prepare;
    await this.advance(Infinity);
    return goesOn;
  }

  async #take(): Promise<void> {
    const slices = new Slices();
    this.#stepping = true;
    try {
      for (let step; (step = this.#steps[this.#done]) !== undefined; this.#done++) {
        if (step.needs > this.#arrived || (step.needs < 0 && this.#arrived < Infinity)) return;
        await slices.over();
        step.take();
      }
    } catch (cause) {
      throw cause instanceof TilewrightError ? cause : trapped(this.#name, cause);
    } finally {
      this.#stepping = false;
    }
  }
}
