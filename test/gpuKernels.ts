/**
 * Kernels run as WGSL, for tests in a browser. In: a kernel, a schedule and the elements of its buffers. Out: the elements
 * after the emitted entry points have run. Invariant: every buffer is bound by itself, so that what a kernel writes beyond
 * its own is seen; narrow types go in and come out as the runtime has them, four bytes an element.
 */
import type { GpuPlaces } from "../compiler/lower/placeGpu.ts";
import { PipelineEmitter, prepareGpuNest, scratchBytes } from "../compiler/backend/wgsl/program.ts";
import { bytesPerElement, computeType, type NumericData } from "../compiler/ir/dtype.ts";
import { allocatedLength } from "../compiler/ir/interpExpr.ts";
import type { Kernel } from "../compiler/ir/kernel.ts";
import { SUBGROUPS } from "../compiler/backend/wgsl/subgroups.ts";
import { ONE_PART, type ScheduledKernel } from "../compiler/ir/program.ts";
import type { Schedule } from "../compiler/ir/schedule.ts";

/** The device of the adapter that the browser has, with what kernels can use. */
export async function requestDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("no WebGPU adapter");
  const requiredFeatures = [SUBGROUPS].filter((name) => adapter.features.has(name as GPUFeatureName)) as GPUFeatureName[]; // prettier-ignore
  return adapter.requestDevice({ requiredFeatures });
}

/** Every way in which a kernel is written that a device can run: by features of the device, and without. */
export type Text = "best" | "plain";

/** Runs a kernel over copies of `data`, given in the order of its buffers (temps left out), and returns them. */
export async function runOnGpu(
  device: GPUDevice,
  kernel: Kernel,
  schedule: Schedule,
  data: readonly (NumericData | undefined)[],
  wanted: Text = "best",
): Promise<(NumericData | undefined)[]> {
  const ids = kernel.buffers.flatMap(({ role }, i) => (role === "temp" ? [] : [String(i)]));
  const call: ScheduledKernel = {
    kind: "kernel",
    nodes: [],
    kernel,
    schedule,
    parts: ONE_PART,
    inputs: ids.filter((id) => kernel.buffers[Number(id)]!.role === "in"),
    outputs: ids.filter((id) => kernel.buffers[Number(id)]!.role === "out"),
  };
  const nest = prepareGpuNest(call);
  const bytes = kernel.buffers.map(({ role, dtype }, i) => {
    const size = role === "temp" ? scratchBytes(nest, i) : allocatedLength(kernel.buffers[i]!) * Math.max(4, bytesPerElement(dtype)); // prettier-ignore
    return Math.max(16, Math.ceil(size / 16) * 16);
  });
  const place = (buffer: number) => ({ buffer, address: 0, bytes: bytes[buffer]!, written: true });
  const places: GpuPlaces = {
    buffers: bytes,
    place: (id) => place(Number(id)),
    scratch: (_, buffer) => place(buffer),
    isPacked: () => false,
    constants: [],
    arenaBytes: 0,
  };
  const emitter = new PipelineEmitter(places, new Map([[call, nest]]), 8);
  const steps = emitter.dispatches(call, undefined);
  const { modules, pipelines } = emitter.result([], []);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffers = bytes.map((size) => device.createBuffer({ size, usage }));
  data.forEach((elements, i) => {
    if (elements) device.queue.writeBuffer(buffers[i]!, 0, widened(elements) as BufferSource);
  });
  const encoder = device.createCommandEncoder();
  for (const step of steps) {
    if (step.kind !== "dispatch") continue;
    const { module, entry, bindings } = pipelines[step.pipeline]!;
    const { text, better } = modules[module]!;
    // Node has no navigator, or one without GPUs.
    const language = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu?.wgslLanguageFeatures;
    const has = (name: string): boolean => device.features.has(name as GPUFeatureName) || language?.has(name) === true; // prettier-ignore
    const best = better.find(({ features }) => features.every(has))?.text ?? text;
    const code = wanted === "best" ? best : text;
    const shader = device.createShaderModule({ code });
    const { messages } = await shader.getCompilationInfo();
    const wrong = messages.find(({ type }) => type === "error");
    if (wrong) throw new Error(`${wrong.message} at ${wrong.lineNum}:${wrong.linePos}\n${code}`);
    const layout = device.createBindGroupLayout({
      entries: bindings.map((mode, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: mode === "read" ? "read-only-storage" : "storage" },
      })),
    });
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: shader, entryPoint: entry },
    });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = step.bindings.map((range, binding) => ({
      binding,
      resource: { buffer: buffers[range.buffer]!, offset: range.address, size: range.bytes },
    }));
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...step.groups);
    pass.end();
  }
  const staging = bytes.map((size, i) => {
    const target = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(buffers[i]!, 0, target, 0, size);
    return target;
  });
  device.queue.submit([encoder.finish()]);
  const results: (NumericData | undefined)[] = [];
  for (const [i, target] of staging.entries()) {
    await target.mapAsync(GPUMapMode.READ);
    const elements = data[i];
    results.push(elements && narrowed(target.getMappedRange(), elements));
    target.destroy();
    buffers[i]!.destroy();
  }
  return results;
}

/** Whether a kernel holds only what this file passes on: no small floats, and nothing that runs on the host. */
export function isForGpu({ buffers }: Kernel): boolean {
  return buffers.every(({ dtype }) => computeType(dtype) !== "f64" && (computeType(dtype) !== "f32" || dtype === "float32")); // prettier-ignore
}

function widened(data: NumericData): NumericData {
  return data.BYTES_PER_ELEMENT >= 4 ? data : Int32Array.from(data as Int8Array);
}

function narrowed(bytes: ArrayBuffer, like: NumericData): NumericData {
  const { constructor, length } = like;
  const copy = bytes.slice(0);
  if (like.BYTES_PER_ELEMENT >= 4)
    return new (constructor as Float32ArrayConstructor)(copy, 0, length) as NumericData;
  return (constructor as Int8ArrayConstructor).from(new Int32Array(copy, 0, length));
}
