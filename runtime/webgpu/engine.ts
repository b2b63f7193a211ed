/**
 * What a session on the GPU runs: a program that outlives its device. In: a program and a way to make it again. Out: runs.
 * Invariant: when the device is lost (a driver that restarts, a laptop that changes GPUs, `device.destroy()`), the program
 * is made anew on the next device from its artifact, and runs that were under way are done again from copies of their
 * inputs; only what was in buffers of the lost device, and what cannot be fetched again, ends in `device-lost`.
 *
 * The weights are not kept on the CPU for this: an artifact given as a URL or file is read again (from the browser's
 * cache, as a rule), one given as bytes or as a Blob is held on to. A stream or a response can be read only once.
 */
import { type Device } from "../device.ts";
import { type Tensor } from "../dtype.ts";
import { TilewrightError } from "../errors.ts";
import { type BoundPlan, type Port } from "../format.ts";
import { type ProfileReport } from "../format/profile.ts";
import { type Into } from "../into.ts";
import { type Inputs } from "../session.ts";
import { makingArrays } from "./allocations.ts";
import { type GpuContext } from "./device.ts";
import { readGpuInputs, readWanted } from "./inputs.ts";
import {
  type GpuCounts,
  type GpuProgram,
  type RunInput,
  type RunInputs,
  type RunOutput,
  type Wanted,
} from "./program.ts";
import { type GpuOutputs, type Location } from "./types.ts";

/** How often one run is tried on new devices before it is given up. */
const MOST_DEVICES = 3;

/** What runs have done, and what the program holds. */
export interface GpuStats extends Readonly<GpuCounts> {
  /** Bytes of buffers on the GPU. */
  readonly gpuBytes: number;
  /** Bytes of linear memory for steps on the CPU. */
  readonly hostBytes: number;
  readonly pipelines: number;
  /** Commands of one run. */
  readonly dispatchesPerRun: number;
  readonly hostStepsPerRun: number;
  /** How often the device was lost and the program made anew. */
  readonly rebuilt: number;
}

export class GpuEngine {
  readonly plan: BoundPlan;
  readonly #reopen: (() => Promise<GpuProgram>) | undefined;
  #why: Pick<Device, "reason" | "trial">;
  #current: GpuProgram;
  /** Set while a program is being made anew. */
  #rebuilding: Promise<GpuProgram> | undefined;
  #rebuilt = 0;
  #disposed = false;

  /** @param reopen makes the same program on another device; undefined where the artifact cannot be read again */
  constructor(
    program: GpuProgram,
    why: Pick<Device, "reason" | "trial">,
    reopen: (() => Promise<GpuProgram>) | undefined,
  ) {
    this.plan = program.plan;
    this.#current = program;
    this.#why = why;
    this.#reopen = reopen;
  }

  /** The same engine, and why it was taken. */
  because(why: Pick<Device, "reason" | "trial">): this {
    this.#why = why;
    return this;
  }

  get context(): GpuContext {
    return this.#current.context;
  }

  /** The program as it is now: not to be kept, for the next loss of a device replaces it. */
  get program(): GpuProgram {
    return this.#current;
  }

  get device(): Device {
    const { device, adapter } = this.context;
    return { kind: "webgpu", ...this.#why, gpu: device, adapter };
  }

  get stats(): GpuStats {
    const { counts, gpuBytes, pipelineCount, batches, variant } = this.#current;
    const commands = batches.flatMap((batch) => batch.commands);
    return {
      ...counts,
      gpuBytes,
      hostBytes: variant.host?.memoryBytes ?? 0,
      pipelines: pipelineCount,
      dispatchesPerRun: commands.filter(({ kind }) => kind === "dispatch").length,
      hostStepsPerRun: batches.filter(({ host }) => host !== undefined).length,
      rebuilt: this.#rebuilt,
    };
  }

  /** The compiler's report on the calls of this program, if it was compiled to be profiled. */
  get report(): Partial<ProfileReport> | undefined {
    return this.plan.report?.["gpu"] as Partial<ProfileReport> | undefined;
  }

  /** One inference with values as a caller has them. */
  async runValues(
    ports: { readonly inputs: readonly Port[]; readonly outputs: readonly Port[] },
    given: Inputs,
    location: Location | undefined,
    into: Into | undefined,
  ): Promise<GpuOutputs> {
    const inputs = readGpuInputs(this, ports.inputs, given);
    const wanted = readWanted(this, ports.outputs, location, into);
    return Object.fromEntries(await this.run(inputs, wanted));
  }

  /** Tensors in, tensors out. */
  async runTensors(tensors: ReadonlyMap<string, Tensor>, into: Into = {}): Promise<Map<string, Tensor>> {
    const inputs = new Map(
      this.plan.inputs.flatMap(({ name }): [string, RunInput][] => {
        const tensor = tensors.get(name);
        return tensor === undefined ? [] : [[name, { kind: "data", tensor }]];
      }),
    );
    return (await this.run(inputs, readWanted(this, this.plan.outputs, undefined, into))) as Map<
      string,
      Tensor
    >;
  }

  /**
   * One inference.
   *
   * @throws TilewrightError `device-lost`, `run-failed`, `out-of-memory`, `disposed`
   */
  async run(inputs: RunInputs, wanted?: ReadonlyMap<string, Wanted>): Promise<Map<string, RunOutput>> {
    const own = new Map([...inputs].map(([name, input]) => [name, copied(input)]));
    for (let devices = 1; ; devices++) {
      const program = this.#rebuilding === undefined ? this.#current : await this.#rebuilding;
      try {
        return await program.run(own, wanted);
      } catch (error) {
        if (!isLoss(error)) throw error;
        if (this.#disposed)
          throw new TilewrightError("disposed", `the session of "${this.plan.name}" was disposed of`);
        const tied = tiedToDevice(own, wanted);
        if (tied !== undefined) {
          // The caller's buffers went with the device; the program is there again for the next run.
          await this.#rebuild(program).catch(() => {});
          throw new TilewrightError(
            "device-lost",
            `${(error as Error).message}, and with it ${tied}: make it anew`,
            error,
          );
        }
        if (devices >= MOST_DEVICES) throw error;
        await this.#rebuild(program);
      }
    }
  }

  /** Makes the program again unless somebody has done or is doing so. */
  async #rebuild(lost: GpuProgram): Promise<void> {
    if (this.#current === lost) {
      if (this.#reopen === undefined) {
        throw new TilewrightError(
          "device-lost",
          `the GPU device was lost, and "${this.plan.name}" cannot be read again because it was loaded from a stream ` +
            "or a response: load it from a URL, a Blob or bytes to have sessions come back by themselves, or load it again",
        );
      }
      this.#rebuilding ??= this.#again(this.#reopen, lost);
    }
    await this.#rebuilding;
  }

  async #again(reopen: () => Promise<GpuProgram>, lost: GpuProgram): Promise<GpuProgram> {
    try {
      lost.dispose();
      const program = await reopen();
      if (this.#disposed) program.dispose();
      this.#current = program;
      this.#rebuilt++;
      return program;
    } catch (error) {
      if (error instanceof TilewrightError && error.code !== "webgpu-unavailable") throw error;
      throw new TilewrightError(
        "device-lost",
        `the GPU was lost and does not come back: ${String(error)}`,
        error,
      );
    } finally {
      this.#rebuilding = undefined;
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#current.dispose();
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof TilewrightError && error.code === "device-lost";
}

/** What of a run lies on the device and is lost with it, in words. */
function tiedToDevice(
  inputs: RunInputs,
  wanted: ReadonlyMap<string, Wanted> | undefined,
): string | undefined {
  for (const [name, { kind }] of inputs) if (kind === "buffer") return `the buffer of input "${name}"`;
  for (const [name, how] of wanted ?? [])
    if (typeof how === "object" && "buffer" in how) return `the buffer for output "${name}"`;
  return undefined;
}

/** Data with elements of its own: a run may wait, or be done again, when the caller has changed them. */
function copied(input: RunInput): RunInput {
  if (input.kind !== "data") return input;
  const { tensor } = input;
  return { kind: "data", tensor: { ...tensor, data: makingArrays(() => tensor.data.slice()) } };
}
