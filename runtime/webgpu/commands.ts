/**
 * The steps of a program as commands, prepared once. In: steps, buffers and pipelines. Out: batches, each a list of
 * dispatches and copies with their bind groups, ended by a host step or by the end of the program. Invariant: recording
 * a batch allocates nothing but what WebGPU itself does; a batch is recorded in as few passes as its copies allow. (A
 * compute pass orders its dispatches; a command buffer can be submitted only once, so recording is part of each run.)
 */
import { type GpuRange, type GpuStep } from "../format.ts";
import { usage } from "./constants.ts";
import { type GpuContext } from "./device.ts";
import { type Pipelines } from "./pipelines.ts";

export interface Dispatch {
  readonly kind: "dispatch";
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly [number, number, number];
  readonly call: number | undefined;
}

/** A copy between two buffers. */
export interface Copy {
  readonly kind: "copy";
  readonly from: GPUBuffer;
  readonly fromAddress: number;
  readonly to: GPUBuffer;
  readonly toAddress: number;
  readonly bytes: number;
  readonly call: number | undefined;
}

export type Command = Dispatch | Copy;
export type HostStep = Extract<GpuStep, { kind: "host" }>;

/** Commands of one command buffer, and the host step that follows them, if any. */
export interface Batch {
  readonly commands: readonly Command[];
  readonly host: HostStep | undefined;
}

/** What steps refer to. */
export interface Resources {
  readonly context: GpuContext;
  readonly buffers: readonly GPUBuffer[];
  readonly pipelines: Pipelines;
}

/** Prepares lists of steps; keeps what they share. */
export class CommandMaker {
  readonly #resources: Resources;
  readonly #groups = new Map<string, GPUBindGroup>();
  #scratch: GPUBuffer | undefined;

  constructor(resources: Resources, steps: readonly (readonly GpuStep[])[]) {
    this.#resources = resources;
    // WebGPU copies between different buffers only: within one, through a buffer of the largest such copy.
    const within = steps.flat().filter((step) => step.kind === "copy" && step.from.buffer === step.to.buffer);
    const size = within.reduce((most, step) => Math.max(most, step.kind === "copy" ? step.from.bytes : 0), 0);
    if (size > 0) {
      this.#scratch = resources.context.device.createBuffer({
        size,
        usage: usage.copySource | usage.copyDestination,
      });
    }
  }

  /** Bytes of the buffer for copies within a buffer. */
  get scratchBytes(): number {
    return this.#scratch?.size ?? 0;
  }

  /** The batches of a list of steps; the last one has no host step. */
  batches(steps: readonly GpuStep[]): Batch[] {
    const batches: Batch[] = [];
    let commands: Command[] = [];
    for (const step of steps) {
      switch (step.kind) {
        case "dispatch":
          if (!step.groups.includes(0)) commands.push(this.#dispatch(step));
          break;
        case "copy":
          if (step.from.bytes > 0) commands.push(...this.#copies(step.from, step.to, step.call));
          break;
        case "host":
          batches.push({ commands, host: step });
          commands = [];
      }
    }
    return [...batches, { commands, host: undefined }];
  }

  destroy(): void {
    this.#scratch?.destroy();
  }

  #dispatch({ pipeline, bindings, groups, call }: Extract<GpuStep, { kind: "dispatch" }>): Dispatch {
    const { context, buffers, pipelines } = this.#resources;
    const layout = pipelines.layouts[pipeline]!;
    const key = `${layoutNumber(layout)}:${bindings.map(({ buffer, address, bytes }) => `${buffer},${address},${bytes}`).join(";")}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = context.device.createBindGroup({
        layout,
        entries: bindings.map(({ buffer, address, bytes }, binding) => ({
          binding,
          resource: { buffer: buffers[buffer]!, offset: address, size: bytes },
        })),
      });
      this.#groups.set(key, group);
    }
    return { kind: "dispatch", pipeline: pipelines.pipelines[pipeline]!, group, groups, call };
  }

  #copies(from: GpuRange, to: GpuRange, call: number | undefined): Copy[] {
    const source = this.#resources.buffers[from.buffer]!;
    const target = this.#resources.buffers[to.buffer]!;
    const { bytes } = from;
    if (source !== target) {
      return [
        {
          kind: "copy",
          from: source,
          fromAddress: from.address,
          to: target,
          toAddress: to.address,
          bytes,
          call,
        },
      ];
    }
    const middle = this.#scratch!;
    return [
      { kind: "copy", from: source, fromAddress: from.address, to: middle, toAddress: 0, bytes, call },
      { kind: "copy", from: middle, fromAddress: 0, to: target, toAddress: to.address, bytes, call },
    ];
  }
}

const layoutNumbers = new WeakMap<GPUBindGroupLayout, number>();
let layoutCount = 0;

function layoutNumber(layout: GPUBindGroupLayout): number {
  if (!layoutNumbers.has(layout)) layoutNumbers.set(layout, layoutCount++);
  return layoutNumbers.get(layout)!;
}

/** Records commands into an encoder. */
export function record(encoder: GPUCommandEncoder, commands: readonly Command[]): void {
  let pass: GPUComputePassEncoder | undefined;
  let pipeline: GPUComputePipeline | undefined;
  let group: GPUBindGroup | undefined;
  for (const command of commands) {
    if (command.kind === "copy") {
      pass?.end();
      pass = undefined;
      const { from, fromAddress, to, toAddress, bytes } = command;
      encoder.copyBufferToBuffer(from, fromAddress, to, toAddress, bytes);
      continue;
    }
    if (pass === undefined) {
      pass = encoder.beginComputePass();
      pipeline = group = undefined;
    }
    if (command.pipeline !== pipeline) pass.setPipeline((pipeline = command.pipeline));
    if (command.group !== group) pass.setBindGroup(0, (group = command.group));
    pass.dispatchWorkgroups(...command.groups);
  }
  pass?.end();
}
