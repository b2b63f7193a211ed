/**
 * Models in a browser. In: models with their data. Out: verdicts from a page. Invariant: every model gets a fresh page
 * of one browser, so that the memory of one is gone before the next.
 */
import { writeNpy } from "../../compiler/tensors/npy.ts";
import type { BrowserName } from "../../scripts/launchBrowser.ts";
import { PageHost } from "../support/pageHost.ts";
import type { Accuracy } from "./catalog.ts";
import type { GpuKind } from "../../compiler/options.ts";
import type { Code, ModelVerdict } from "./checkModel.ts";
import type { ModelData, NamedTensor } from "./modelData.ts";
import type { PageJob, RemoteTensor } from "./page.ts";

/** The pages' host, with `seconds` for each model. */
export function startBrowserHost(browser: BrowserName, seconds: number): Promise<PageHost> {
  const script = new URL("page.ts", import.meta.url);
  return PageHost.start({ browser, script, ready: "checkInPage", callMilliseconds: seconds * 1000 });
}

/** Runs one model in a page of its own. */
export async function checkInBrowser(
  host: PageHost,
  data: ModelData,
  accuracy: Accuracy,
  variants: readonly Code[],
  gpu?: GpuKind,
): Promise<ModelVerdict> {
  const remote = (kind: string, tensors: readonly NamedTensor[]): RemoteTensor[] =>
    tensors.map(({ name, tensor }, i) => ({ name, url: host.put(`/${kind}_${i}.npy`, writeNpy(tensor)) }));
  const job: PageJob = {
    model: host.put("/model.onnx", data.model),
    external: [...data.external].map(([name, bytes], i) => ({
      name,
      url: host.put(`/external_${i}.bin`, bytes),
    })),
    inputs: remote("input", data.inputs),
    outputs: remote("output", data.outputs),
    accuracy,
    variants,
    gpu,
  };
  const page = await host.open();
  try {
    return await page.evaluate((given) => globalThis.checkInPage(given), job);
  } finally {
    await page.close();
  }
}
