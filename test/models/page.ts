/**
 * The page of the models suite: what runs inside a browser. In: a job, whose model and tensors are fetched from the
 * suite's server. Out: the verdict, to whoever evaluates `checkInPage`. Invariant: compiler and runtime are the
 * product's own sources, bundled; nothing is computed outside the page.
 */
import type { GpuKind } from "../../compiler/options.ts";
import { readNpy } from "../../compiler/tensors/npy.ts";
import type { Accuracy } from "./catalog.ts";
import { checkModel, type Code, type ModelVerdict } from "./checkModel.ts";
import type { NamedTensor } from "./modelData.ts";

/** A file of the suite's server. */
export interface RemoteTensor {
  readonly name: string;
  readonly url: string;
}

export interface PageJob {
  readonly model: string;
  /** Weight files beside it. */
  readonly external: readonly RemoteTensor[];
  readonly inputs: readonly RemoteTensor[];
  readonly outputs: readonly RemoteTensor[];
  readonly accuracy: Accuracy;
  readonly variants: readonly Code[];
  /** What schedules for WebGPU are made for. */
  readonly gpu?: GpuKind | undefined;
}

declare global {
  var checkInPage: (job: PageJob) => Promise<ModelVerdict>;
}

async function bytesOf(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function tensorsOf(remote: readonly RemoteTensor[]): Promise<NamedTensor[]> {
  return Promise.all(remote.map(async ({ name, url }) => ({ name, tensor: readNpy(await bytesOf(url)) })));
}

globalThis.checkInPage = async (job) => {
  const model = await bytesOf(job.model);
  const [inputs, outputs] = [await tensorsOf(job.inputs), await tensorsOf(job.outputs)];
  const files = await Promise.all(
    job.external.map(async ({ name, url }) => [name, await bytesOf(url)] as const),
  );
  return checkModel(
    { model, external: new Map(files), inputs, outputs },
    job.accuracy,
    job.variants,
    job.gpu,
  );
};
