/**
 * Which build of a program a device can run. In: a plan for WebGPU and a device. Out: the first variant whose features
 * and limits are there, or `webgpu-limits` with all that is missing. Invariant: what is taken needs nothing that the
 * device lacks, its buffers included.
 */
import { TilewrightError } from "../errors.ts";
import { type GpuPlan, type GpuVariant } from "../format.ts";
import { type GpuModule } from "../format/gpu.ts";
import { type GpuContext } from "./device.ts";

/**
 * The variant to run.
 *
 * @throws TilewrightError `webgpu-limits`
 */
export function chooseVariant({ variants }: GpuPlan, context: GpuContext): GpuVariant {
  const lacking = variants.map((variant) => missing(variant, context));
  const index = lacking.findIndex((list) => list.length === 0);
  if (index >= 0) return variants[index]!;
  const least = lacking.reduce((best, list) => (list.length < best.length ? list : best));
  throw new TilewrightError(
    "webgpu-limits",
    `${context.name} cannot run this program: ${least.join("; ")}. Compile it for smaller shapes, or load it with ` +
      'device: "auto" or "wasm"',
  );
}

/** Which text of a module a device takes. */
export function chooseText(
  module: GpuModule,
  context: Pick<GpuContext, "has">,
): { readonly offset: number; readonly bytes: number } {
  return module.better?.find(({ features }) => features.every((name) => context.has(name))) ?? module;
}

/** What the device lacks for a variant, in words. */
function missing({ requires, buffers }: GpuVariant, context: GpuContext): string[] {
  const { features, limits } = requires;
  const words = features.filter((name) => !context.has(name)).map((name) => `it has no ${name}`);
  for (const [name, wanted] of Object.entries(limits)) {
    const has = context.limit(name);
    const enough = has !== undefined && (name.startsWith("min") ? has <= wanted : has >= wanted);
    if (!enough) words.push(`${name} is ${has ?? "unknown"} where ${wanted} is needed`);
  }
  const largest = buffers.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const most = context.device.limits.maxBufferSize;
  if (largest > most && limits["maxBufferSize"] === undefined)
    words.push(`maxBufferSize is ${most} where ${largest} is needed`);
  return words;
}
