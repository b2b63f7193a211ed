/**
 * The page in which conformance cases run on WebGPU: what runs inside Chromium. In: artifacts and tensors, from whoever
 * evaluates `gpuCases`. Out: outputs, and where they were computed. Invariant: one model at a time; the runtime is the
 * product's own, bundled, and the compiler is there only for artifacts whose shapes are open.
 */
import { openSource } from "../../compiler/whole.ts";
import { type DType, elementCount, type TensorData, viewOf } from "../../runtime/dtype.ts";
import { load, type Session, TilewrightError } from "../../runtime/index.ts";

/** A tensor in JSON: its bytes in base64, or its strings. */
export interface PackedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: string | readonly string[];
}

export type PackedTensors = Readonly<Record<string, PackedTensor>>;

/** Where a model ran, besides the GPU. */
export interface Whereabouts {
  readonly kind: "bound" | "late";
  readonly device: string;
  readonly dispatches: number;
  readonly hostSteps: number;
}

/** What can go wrong, as plain data. */
export type Answer<T> = { readonly value: T } | { readonly code: string; readonly message: string };

export interface GpuCases {
  open(url: string): Promise<Answer<null>>;
  run(inputs: PackedTensors): Promise<Answer<{ outputs: PackedTensors; where: Whereabouts }>>;
  close(): void;
}

declare global {
  var gpuCases: GpuCases | undefined;
}

export function pack(data: TensorData): string | readonly string[] {
  if (!ArrayBuffer.isView(data)) return data;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192)
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return btoa(pieces.join(""));
}

export function unpack({ dtype, shape, data }: PackedTensor): TensorData {
  if (typeof data !== "string") return data;
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return viewOf(dtype, bytes.buffer, 0, elementCount(shape));
}

async function answer<T>(action: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await action() };
  } catch (error) {
    if (error instanceof TilewrightError) return { code: error.code, message: error.message };
    if (error instanceof Error)
      return { code: error.name, message: `${error.message}\n${error.stack ?? ""}` };
    return { code: "Error", message: String(error) };
  }
}

if (typeof document !== "undefined") {
  let session: Session | undefined;
  globalThis.gpuCases = {
    open: (url) =>
      answer(async () => {
        session?.dispose();
        session = await load(url, { device: "webgpu", compiler: () => ({ openSource }) });
        return null;
      }),
    run: (inputs) =>
      answer(async () => {
        const tensors = Object.fromEntries(
          Object.entries(inputs).map(([name, packed]) => [
            name,
            { dtype: packed.dtype, shape: packed.shape, data: unpack(packed) as Float32Array },
          ]),
        );
        const outputs = await session!.run(tensors);
        const { kind, device, gpuStats } = session!;
        return {
          outputs: Object.fromEntries(
            Object.entries(outputs).map(([name, { dtype, shape, data }]) => [
              name,
              { dtype, shape, data: pack(data) },
            ]),
          ),
          where: {
            kind,
            device: device?.kind ?? "none",
            dispatches: gpuStats?.dispatchesPerRun ?? 0,
            hostSteps: gpuStats?.hostStepsPerRun ?? 0,
          },
        };
      }),
    close: () => {
      session?.dispose();
      session = undefined;
    },
  };
}
