/**
 * Opening an artifact on the GPU, or on whichever device is faster. In: an artifact at its start, and what the caller
 * asked for. Out: an engine with the reason for it. Invariant: the artifact is read once, also where both programs are
 * made for a trial: its parts go to both; of two programs one is left when this returns.
 */
import { type BoundEngine, type DeviceOptions, type Reopen } from "../device.ts";
import { TilewrightError } from "../errors.ts";
import { type BoundPlan, type Header } from "../format.ts";
import { type Opening, openingOf, peekHeader, stream } from "../open.ts";
import { type ByteReader } from "../reader.ts";
import { sha256Hex } from "../sha256.ts";
import { choiceKey, recall, remember } from "./choices.ts";
import { type GpuContext, openGpu } from "./device.ts";
import { GpuEngine } from "./engine.ts";
import { gpuOpening } from "./open.ts";
import { type GpuProgram } from "./program.ts";
import { trial } from "./trial.ts";

const TRIAL_MILLISECONDS = 500;

export interface GpuOpenRequest {
  readonly reader: ByteReader;
  readonly header: Header;
  readonly plan: BoundPlan;
  readonly options: DeviceOptions;
  readonly reopen: Reopen;
  readonly allArrived: () => void;
  /** Opens the artifact on WebAssembly instead. */
  readonly onWasm: (reason: string) => Promise<BoundEngine>;
}

/** Opens a bound artifact that has a program for WebGPU, as "webgpu" or "auto" say. */
export async function openOnGpu(request: GpuOpenRequest): Promise<BoundEngine> {
  const { plan, options, onWasm } = request;
  const isAuto = options.device === "auto" && plan.variants.length > 0;
  let context: GpuContext;
  let opening: Opening<GpuProgram>;
  try {
    context = await openGpu(options.webgpu);
    opening = gpuOpening(request.header, plan, context);
  } catch (error) {
    if (!isAuto || !(error instanceof TilewrightError)) throw error;
    return onWasm(`WebGPU cannot run it: ${error.message}`);
  }
  if (!isAuto) {
    const only =
      options.device === "auto" ? "the artifact has nothing else" : 'asked for with device: "webgpu"';
    return take(request, opening, options.device === undefined ? "the artifact has nothing else" : only);
  }

  const key = choiceKey(identityOf(request), context);
  const known = await recall(key);
  if (known?.kind === "wasm") {
    opening.abandon?.();
    return onWasm(`remembered: ${known.reason}`);
  }
  if (known?.kind === "webgpu") return take(request, opening, `remembered: ${known.reason}`);
  return compare(request, context, opening, key);
}

/** What tells artifacts apart: the hash of the header, which has those of all sections. */
function identityOf({ header, plan }: GpuOpenRequest): string {
  return sha256Hex(new TextEncoder().encode(JSON.stringify([plan.name, plan.compiler, header.sections])));
}

async function take(
  request: GpuOpenRequest,
  opening: Opening<GpuProgram>,
  reason: string,
): Promise<BoundEngine> {
  const { reader, header, options, allArrived } = request;
  try {
    await stream(reader, header, [opening], options.verify ?? true);
  } catch (error) {
    opening.abandon?.();
    throw error;
  }
  allArrived();
  return { kind: "webgpu", program: engineOf(request, await opening.finish(), { reason }) };
}

function engineOf(
  { header, options, reopen }: GpuOpenRequest,
  program: GpuProgram,
  why: ConstructorParameters<typeof GpuEngine>[1],
): GpuEngine {
  if (reopen === undefined) return new GpuEngine(program, why, undefined);
  const again = async (): Promise<GpuProgram> => {
    const context = await openGpu(options.webgpu);
    const reader = await reopen();
    try {
      const found = await peekHeader(reader, options);
      if (found.plan.kind !== "bound" || JSON.stringify(found.sections) !== JSON.stringify(header.sections)) {
        throw new TilewrightError(
          "device-lost",
          "the artifact at its source is not the same any more: load it again",
        );
      }
      const opening = gpuOpening(found, found.plan, context);
      try {
        await stream(reader, found, [opening], options.verify ?? true);
      } catch (error) {
        opening.abandon?.();
        throw error;
      }
      return await opening.finish();
    } finally {
      reader.close();
    }
  };
  return new GpuEngine(program, why, again);
}

/** Makes both programs of the artifact, keeps the faster one, and remembers which. */
async function compare(
  request: GpuOpenRequest,
  context: GpuContext,
  opening: Opening<GpuProgram>,
  key: string,
): Promise<BoundEngine> {
  const { reader, header, plan, options, allArrived } = request;
  const cpu = openingOf(plan, options);
  try {
    await stream(reader, header, [cpu, opening], options.verify ?? true);
  } catch (error) {
    opening.abandon?.();
    throw error;
  }
  allArrived();
  const onGpu = opening.finish().catch((error: unknown) => error);
  const wasm = await cpu.finish();
  const gpu = await onGpu;
  const asWasm = (
    reason: string,
    measured?: { wasmMilliseconds: number; webgpuMilliseconds: number },
  ): BoundEngine => ({
    kind: "wasm",
    program: wasm,
    device: { kind: "wasm", reason, ...(measured === undefined ? {} : { trial: measured }) },
  });
  if (gpu instanceof Error) return asWasm(`WebGPU cannot run it: ${gpu.message}`);
  const engine = engineOf(request, gpu as GpuProgram, { reason: "" });
  try {
    const measured = await trial(wasm, engine, options.trialMilliseconds ?? TRIAL_MILLISECONDS);
    const { wasmMilliseconds, webgpuMilliseconds } = measured;
    const isFaster = webgpuMilliseconds < wasmMilliseconds;
    const [first, second] = isFaster ? ["WebGPU", "WebAssembly"] : ["WebAssembly", "WebGPU"];
    const times = [wasmMilliseconds, webgpuMilliseconds].sort((a, b) => a - b).map((time) => time.toFixed(2));
    const reason = `in a trial ${first} took ${times[0]} ms, ${second} ${times[1]} ms on ${context.name}`;
    await remember(key, { kind: isFaster ? "webgpu" : "wasm", reason });
    if (!isFaster) {
      engine.dispose();
      return asWasm(reason, measured);
    }
    wasm.dispose();
    return { kind: "webgpu", program: engine.because({ reason, trial: measured }) };
  } catch (error) {
    engine.dispose();
    return asWasm(`the trial on WebGPU failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
