/**
 * Tilewright, compiled ahead of time. In: a model and, unless its sizes are to stay open, the shapes of its test inputs. Out: the artifact, and as
 * downloads the runtime as an application bundles it, the artifact, and the compiler where shapes are open until the
 * model runs. Invariant: the artifact is made by the same `compile` that the command line calls, with its defaults.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { compile } from "../../compiler/whole.ts";
import { type GpuKind } from "../../compiler/options.ts";
import { type Feature } from "../../runtime/format.ts";
import { measureArtifact } from "../artifactSize.ts";
import { measureBundle, type Size, sizeOf } from "../bundleSize.ts";
import { type TilewrightOptions } from "../page/tilewright.ts";
import { ownBundle } from "./ownBundle.ts";
import { type BenchRuntime, type Download } from "./runtime.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bundleSizes = new Map<string, Promise<Size>>();

/** Size of the minified bundle of one entry of the library; made once. */
function bundleSize(entry: string): Promise<Size> {
  const known = bundleSizes.get(entry) ?? measureBundle(join(root, entry)).then((size) => size.atOnce);
  bundleSizes.set(entry, known);
  return known;
}

/** What sets one of our lanes apart from the plain one. */
export interface Setting {
  /** The level whose code it takes even where the engine supports better. */
  readonly variant?: Feature;
  readonly device?: "webgpu";
  readonly gpu?: GpuKind | undefined;
  /** False: where sizes stay open, each has a program of its own. */
  readonly ranges?: boolean;
}

export async function tilewright({ variant, device, gpu, ranges }: Setting = {}): Promise<BenchRuntime> {
  const files = await ownBundle();
  return {
    description: [
      "Tilewright",
      ...(variant === undefined ? [] : [`${variant} code`]),
      ...(device === undefined ? [] : ["WebGPU"]),
      ...(ranges === false ? ["a program for each size"] : []),
    ].join(", "),
    ...(device === undefined ? {} : { mostThreads: 1 }),
    version: manifest.version,
    files: () => files,
    async prepare(model, { serve, openSizes = false }) {
      const inputShapes = Object.fromEntries(model.inputs.map(({ name, tensor }) => [name, tensor.shape]));
      const start = performance.now();
      const { artifact, report } = compile(model.bytes, {
        ...(openSizes ? {} : { inputShapes }),
        ...(device === undefined ? {} : { targets: [device], ...(gpu === undefined ? {} : { gpu }) }),
        externalData: (location) => model.external.get(location),
      });
      const milliseconds = performance.now() - start;
      const downloads: Download[] = [
        { name: "runtime", size: await bundleSize("bench/page/ownEntry.ts") },
        { name: "model.tile", size: sizeOf(artifact) },
      ];
      if (report.kind === "late") {
        downloads.push({ name: "compiler", size: await bundleSize("compiler/index.ts") });
      }
      // A late artifact holds the model and no code.
      const codeInModel = report.kind === "bound" ? measureArtifact(artifact).code.gzip : 0;
      const create: TilewrightOptions = {
        artifact: serve("model.tile", artifact),
        ...(variant === undefined ? {} : { variant }),
        ...(device === undefined ? {} : { device }),
        ...(ranges === undefined ? {} : { ranges }),
      };
      return {
        create: { ...create },
        downloads,
        codeInModel,
        notes: { compiledInNode: `${milliseconds.toFixed(0)} ms` },
      };
    },
  };
}
