/**
 * A bound program on a GPU. In: a chosen variant whose weights have been uploaded, its pipelines, and the WebAssembly
 * side where there are host steps. Out: an object that turns inputs into outputs. Invariant: a run is one submission to the queue for each stretch between host steps; runs without
 * host steps may be in flight together, since the queue keeps their order, and others wait for each other.
 */
import { allocate, bytesPerElement, elementCount, type NumericData, type Tensor, viewOf } from "../dtype.ts";
import { TilewrightError } from "../errors.ts";
import { type BoundPlan, type GpuSlot, type GpuVariant, type OutputSlot } from "../format.ts";
import { type GpuRange } from "../format/gpu.ts";
import { type NumericTensor } from "../inputs.ts";
import { roomFor } from "../into.ts";
import { Allocations, makingArrays } from "./allocations.ts";
import { type Batch, type CommandMaker, type HostStep, record, type Resources } from "./commands.ts";
import { usage } from "./constants.ts";
import { type GpuContext, messageOf } from "./device.ts";
import { bytesOf, fromGpu, toGpu } from "./forms.ts";
import { type Host } from "./host.ts";
import { StagingPool } from "./staging.ts";

/** A tensor in a buffer of the GPU. Narrow types may be "wide" there: 4 bytes for each element. */
export interface GpuTensor {
  readonly dtype: Tensor["dtype"];
  readonly shape: readonly number[];
  readonly buffer: GPUBuffer;
  /** In bytes; 0 if left out. A multiple of 4. */
  readonly offset?: number;
  /** As the session's program has it; see `session.gpuForm`. */
  readonly form?: "packed" | "wide";
}

/** Something that puts an input into its place by commands of its own: a picture, say. */
export interface GpuWriter {
  /** Records what writes `slot`, which lies in `buffer`, ahead of the run. */
  write(context: GpuContext, encoder: GPUCommandEncoder, buffer: GPUBuffer, slot: GpuSlot): void;
}

/** What an input may be here. */
export type RunInput =
  | { readonly kind: "data"; readonly tensor: Tensor }
  | { readonly kind: "buffer"; readonly buffer: GPUBuffer; readonly offset: number }
  | { readonly kind: "writer"; readonly writer: GpuWriter };

export type RunInputs = ReadonlyMap<string, RunInput>;

/**
 * Where an output is wanted: in ordinary memory (in an array of the caller's), or in a buffer (in this one, from an
 * offset).
 */
export type Wanted =
  | "data"
  | { readonly into: NumericData }
  | "buffer"
  | { readonly buffer: GPUBuffer; readonly offset: number };

export type RunOutput = NumericTensor | GpuTensor;

/** What runs have done so far. */
export interface GpuCounts {
  runs: number;
  submissions: number;
  dispatches: number;
  copies: number;
  hostSteps: number;
  uploadedBytes: number;
  readBackBytes: number;
}

export interface GpuParts extends Resources {
  readonly plan: BoundPlan;
  readonly variant: GpuVariant;
  readonly maker: CommandMaker;
  readonly host: Host | undefined;
}

/** A range that is read back, and where it then is in the staging buffer. */
interface Piece {
  readonly range: GpuRange;
  readonly at: number;
}

export class GpuProgram {
  readonly plan: BoundPlan;
  readonly variant: GpuVariant;
  readonly context: GpuContext;
  readonly counts: GpuCounts = {
    runs: 0,
    submissions: 0,
    dispatches: 0,
    copies: 0,
    hostSteps: 0,
    uploadedBytes: 0,
    readBackBytes: 0,
  };
  /** The batches of a run. */
  readonly batches: readonly Batch[];
  readonly #parts: GpuParts;
  readonly #staging: StagingPool;
  /** Settles when the last run that was asked for is over; for programs with a host only. */
  #last: Promise<unknown> = Promise.resolve();
  /** Whether a run has been found to be right as far as WebGPU is concerned. */
  #checked = false;
  /** Error scopes of runs until then. */
  readonly #scopes: Promise<GPUError | null>[] = [];
  #disposed = false;

  constructor(parts: GpuParts) {
    this.#parts = parts;
    this.plan = parts.plan;
    this.variant = parts.variant;
    this.context = parts.context;
    this.#staging = new StagingPool(parts.context.device);
    this.batches = parts.maker.batches(parts.variant.run);
  }

  /** Bytes of its buffers on the GPU. */
  get gpuBytes(): number {
    return this.variant.buffers.reduce((sum, { bytes }) => sum + bytes, 0) + this.#parts.maker.scratchBytes;
  }

  get pipelineCount(): number {
    return this.variant.pipelines.length;
  }

  /** The buffer and the slot of a tensor of the interface. */
  place(
    what: "inputs" | "outputs",
    name: string,
  ): { readonly slot: GpuSlot; readonly buffer: GPUBuffer | undefined } {
    const slot = this.variant[what].find((candidate) => candidate.name === name)!;
    return { slot, buffer: this.#parts.buffers[slot.buffer] };
  }

  /** What prepares weights; once, before the first run. */
  async init(): Promise<void> {
    if (this.variant.init.length === 0) return;
    const memory = new Allocations(this.context.device);
    await this.#execute(this.#parts.maker.batches(this.variant.init), () => {}, memory);
    await memory.check();
  }

  /**
   * One inference.
   *
   * @param inputs whose data stays as it is until the run is over
   * @param wanted for outputs that are not wanted in ordinary memory
   * @throws TilewrightError `device-lost`, `run-failed`, `out-of-memory`
   */
  async run(
    inputs: RunInputs,
    wanted: ReadonlyMap<string, Wanted> = new Map(),
  ): Promise<Map<string, RunOutput>> {
    const { host } = this.#parts;
    this.context.check();
    this.counts.runs++;
    if (host === undefined) return this.#one(inputs, wanted);
    // Linear memory holds one run at a time.
    const result = this.#last.then(() => this.#one(inputs, wanted));
    this.#last = result.catch(() => {});
    return result;
  }

  async #one(inputs: RunInputs, wanted: ReadonlyMap<string, Wanted>): Promise<Map<string, RunOutput>> {
    const memory = new Allocations(this.context.device);
    const made: GPUBuffer[] = [];
    try {
      const outputs = await this.#submit(inputs, wanted, memory, made);
      await memory.check();
      await this.#problems();
      this.#checked = true;
      return outputs;
    } catch (error) {
      for (const buffer of made) buffer.destroy();
      // What was wrong with this run is not held against the next one.
      const scopes = this.#scopes.splice(0);
      // A device that goes away rejects what was waiting, and says so later.
      await this.context.prove();
      if (this.#disposed)
        throw new TilewrightError("disposed", `the session of "${this.plan.name}" was disposed of`);
      if (error instanceof TilewrightError) throw error;
      // What was made without memory is refused wherever it is used.
      await memory.check();
      await this.#problems(scopes);
      const reason = messageOf(error);
      throw new TilewrightError("run-failed", `the program of "${this.plan.name}" failed: ${reason}`, error);
    }
  }

  /**
   * Records and submits. What could be wrong with the commands is wrong with all runs, so those of the first are looked
   * at closely. (Scopes are opened and closed without a pause between: the device is shared.)
   */
  #watched(memory: Allocations, submit: () => void): void {
    const { device } = this.context;
    if (this.#checked) return memory.watch(submit);
    device.pushErrorScope("validation");
    try {
      memory.watch(submit);
    } finally {
      this.#scopes.push(device.popErrorScope());
    }
  }

  /** Throws what was found to be wrong with the commands of a first run. */
  async #problems(scopes: readonly Promise<GPUError | null>[] = this.#scopes): Promise<void> {
    // A scope of a device that is lost rejects; that it is lost is found elsewhere.
    const errors = await Promise.all(scopes.map((scope) => scope.catch(() => null)));
    const found = errors.find((error) => error !== null);
    if (found === undefined) return;
    throw new TilewrightError("run-failed", `the GPU refused the run: ${found.message}`, found);
  }

  /** @param made takes the buffers that are made for outputs */
  #submit(
    inputs: RunInputs,
    wanted: ReadonlyMap<string, Wanted>,
    memory: Allocations,
    made: GPUBuffer[],
  ): Promise<Map<string, RunOutput>> {
    const first = this.context.device.createCommandEncoder();
    const fetch = memory.watch(() => {
      this.#provide(inputs, first);
      return this.#outputs(wanted, made);
    });
    return this.#execute(this.batches, (encoder) => fetch.record(encoder), memory, first).then(() =>
      fetch.read(),
    );
  }

  /** Puts inputs into their places, or records what does. */
  #provide(inputs: RunInputs, first: GPUCommandEncoder): void {
    const { buffers, host } = this.#parts;
    this.variant.inputs.forEach((slot, index) => {
      const input = inputs.get(slot.name);
      const port = this.plan.inputs[index]!;
      if (input === undefined) {
        throw new TilewrightError("run-failed", `the program's input "${slot.name}" was not provided`);
      }
      const buffer = buffers[slot.buffer];
      switch (input.kind) {
        case "data": {
          const { tensor } = input;
          if (tensor.dtype !== port.dtype || tensor.data.length !== elementCount(port.shape)) {
            throw new TilewrightError("run-failed", `the program's input "${slot.name}" is of another kind`);
          }
          const data = tensor.data as NumericTensor["data"];
          if (buffer === undefined) host!.bytes(slot.address, slot.bytes).set(bytesOf(data));
          else this.#upload(buffer, slot.address, toGpu(data, port.dtype, slot.form));
          break;
        }
        case "buffer":
          if (slot.bytes > 0) {
            first.copyBufferToBuffer(
              input.buffer,
              input.offset,
              needed(buffer, slot),
              slot.address,
              slot.bytes,
            );
          }
          break;
        case "writer":
          input.writer.write(this.context, first, needed(buffer, slot), slot);
      }
    });
  }

  #upload(buffer: GPUBuffer, address: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.context.device.queue.writeBuffer(buffer, address, bytes as Uint8Array<ArrayBuffer>);
    this.counts.uploadedBytes += bytes.length;
  }

  /**
   * Runs batches one after the other; everything up to the first host step is submitted before this returns.
   *
   * @param last records what follows the last command
   */
  async #execute(
    batches: readonly Batch[],
    last: (encoder: GPUCommandEncoder) => void,
    memory: Allocations,
    first: GPUCommandEncoder = this.context.device.createCommandEncoder(),
  ): Promise<void> {
    const { device } = this.context;
    const { buffers } = this.#parts;
    let encoder = first;
    for (const { commands, host } of batches) {
      const { pieces, bytes } = layOut(host === undefined ? [] : host.reads.map(({ gpu }) => gpu));
      let staging: GPUBuffer | undefined;
      this.#watched(memory, () => {
        staging = bytes > 0 ? this.#staging.take(bytes) : undefined;
        record(encoder, commands);
        for (const { range, at } of pieces) copyTo(encoder, buffers, range, staging!, at);
        if (host === undefined) last(encoder);
        device.queue.submit([encoder.finish()]);
      });
      this.counts.submissions++;
      for (const { kind } of commands) this.counts[kind === "copy" ? "copies" : "dispatches"]++;
      if (host === undefined) return;
      await this.#hostStep(host, pieces, bytes, staging, memory);
      encoder = device.createCommandEncoder();
    }
  }

  /** @param staging where `pieces` are, once the commands before this step are done */
  async #hostStep(
    step: HostStep,
    pieces: readonly Piece[],
    bytes: number,
    staging: GPUBuffer | undefined,
    memory: Allocations,
  ): Promise<void> {
    const { buffers, host } = this.#parts;
    this.counts.hostSteps++;
    if (staging !== undefined) {
      await this.#staging.read(staging, bytes, (content) => {
        step.reads.forEach(({ address, dtype, elements, form }, index) => {
          const { at, range } = pieces[index]!;
          const to = host!.bytes(address, elements * bytesPerElement(dtype));
          fromGpu(content.subarray(at, at + range.bytes), to, dtype, form);
        });
      });
      this.counts.readBackBytes += bytes;
    }
    host!.call(step.segment);
    for (const { gpu, address, dtype, elements, form } of step.writes) {
      const size = bytesPerElement(dtype);
      const view = viewOf(dtype, host!.memory.buffer, address, elements);
      // A copy where bytes are filled up to a multiple of four or widened, the memory itself elsewhere.
      const bytes =
        form === "packed" && (elements * size) % 4 === 0 ? bytesOf(view) : toGpu(view, dtype, form);
      memory.watch(() => this.#upload(buffers[gpu.buffer]!, gpu.address, bytes));
    }
  }

  /** How the outputs of one run come to where they are wanted. `made` takes the buffers that are made for them. */
  #outputs(
    wanted: ReadonlyMap<string, Wanted>,
    made: GPUBuffer[],
  ): {
    record(encoder: GPUCommandEncoder): void;
    read(): Promise<Map<string, RunOutput>>;
  } {
    const { buffers, host } = this.#parts;
    const { device } = this.context;
    const slots = this.variant.outputs.map((slot, index) => ({
      slot,
      port: this.plan.outputs[index]!,
      ...placeFor(wanted.get(slot.name) ?? "data"),
    }));
    // Sizes come back always, elements where they are wanted.
    const read = slots.flatMap(({ slot, buffer }) => [
      ...(slot.size === undefined || slot.size.buffer < 0 ? [] : [slot.size]),
      ...(buffer === undefined && slot.buffer >= 0 ? [slot] : []),
    ]);
    const { pieces, bytes } = layOut(read);
    const placeOf = new Map(pieces.map(({ range, at }) => [range, at]));
    const staging = bytes > 0 ? this.#staging.take(bytes) : undefined;
    const given = new Map<string, { buffer: GPUBuffer; offset: number }>();
    return {
      record: (encoder) => {
        for (const { range, at } of pieces) copyTo(encoder, buffers, range, staging!, at);
        for (const { slot, buffer: wantedIn } of slots) {
          if (wantedIn === undefined) continue;
          const size = Math.max(4, Math.ceil(slot.bytes / 4) * 4);
          const to =
            wantedIn === "new"
              ? {
                  buffer: device.createBuffer({
                    size,
                    usage: usage.storage | usage.copySource | usage.copyDestination,
                  }),
                  offset: 0,
                }
              : wantedIn;
          given.set(slot.name, to);
          if (wantedIn === "new") made.push(to.buffer);
          if (slot.buffer < 0) this.#fromHost(to, slot);
          else if (slot.bytes > 0) copyTo(encoder, buffers, slot, to.buffer, to.offset);
        }
      },
      read: async () => {
        const build = (content: Uint8Array): Map<string, RunOutput> => {
          const memory = (where: GpuRange): Uint8Array =>
            where.buffer < 0
              ? host!.bytes(where.address, where.bytes)
              : content.subarray(placeOf.get(where)!, placeOf.get(where)! + where.bytes);
          return new Map(
            slots.map(({ slot, port, buffer: wantedIn, into }): [string, RunOutput] => {
              const shape = shapeOf(port, slot, memory);
              if (wantedIn !== undefined) {
                return [slot.name, { dtype: port.dtype, shape, form: slot.form, ...given.get(slot.name)! }];
              }
              const count = elementCount(shape);
              const data =
                into === undefined
                  ? allocate(port.dtype, count)
                  : roomFor(slot.name, port.dtype, count, into);
              if (count > 0) fromGpu(memory(slot), bytesOf(data), port.dtype, slot.form);
              return [slot.name, { dtype: port.dtype, shape, data }];
            }),
          );
        };
        if (staging === undefined) return build(new Uint8Array(0));
        this.counts.readBackBytes += bytes;
        return this.#staging.read(staging, bytes, (content) => makingArrays(() => build(content)));
      },
    };
  }

  /** An output that a host step made, into a buffer. */
  #fromHost(
    { buffer, offset }: { readonly buffer: GPUBuffer; readonly offset: number },
    slot: GpuSlot,
  ): void {
    const bytes = new Uint8Array(Math.ceil(slot.bytes / 4) * 4);
    bytes.set(this.#parts.host!.bytes(slot.address, slot.bytes));
    this.#upload(buffer, offset, bytes);
  }

  /** Frees its buffers. Runs in flight fail with `disposed`. */
  dispose(): void {
    this.#disposed = true;
    for (const buffer of this.#parts.buffers) buffer.destroy();
    this.#parts.maker.destroy();
    this.#staging.destroy();
  }
}

/** What is wanted, taken apart: the buffer ("new": one that is made), or the array if there is one. */
function placeFor(how: Wanted): {
  readonly buffer?: "new" | { readonly buffer: GPUBuffer; readonly offset: number };
  readonly into?: NumericData;
} {
  if (how === "data") return {};
  if (how === "buffer") return { buffer: "new" };
  return "into" in how ? how : { buffer: how };
}

function needed(buffer: GPUBuffer | undefined, { name }: GpuSlot): GPUBuffer {
  if (buffer !== undefined) return buffer;
  throw new TilewrightError(
    "input-dtype",
    `input "${name}" is read by a step on the CPU: give its elements instead of something on the GPU`,
  );
}

/** Ranges one after the other. */
function layOut(ranges: readonly GpuRange[]): { readonly pieces: readonly Piece[]; readonly bytes: number } {
  let bytes = 0;
  const pieces = ranges.map((range) => {
    const at = bytes;
    bytes += range.bytes;
    return { range, at };
  });
  return { pieces, bytes };
}

function copyTo(
  encoder: GPUCommandEncoder,
  buffers: readonly GPUBuffer[],
  { buffer, address, bytes }: GpuRange,
  to: GPUBuffer,
  at: number,
): void {
  if (bytes > 0) encoder.copyBufferToBuffer(buffers[buffer]!, address, to, at, bytes);
}

/** The shape that an output has after a run. */
function shapeOf(port: OutputSlot, slot: GpuSlot, memory: (range: GpuRange) => Uint8Array): number[] {
  const shape = [...port.shape];
  if (port.dynamicDim === undefined || slot.size === undefined) return shape;
  const bytes = memory(slot.size);
  const size = new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0, true);
  const most = shape[port.dynamicDim]!;
  if (size < 0 || size > most) {
    throw new TilewrightError(
      "run-failed",
      `output "${slot.name}" has size ${size} where at most ${most} has room`,
    );
  }
  shape[port.dynamicDim] = size;
  return shape;
}
