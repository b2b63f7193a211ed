/**
 * What results depend on besides the code: browser, machine, versions. In: a browser and the runtimes. Out: plain
 * data. Invariant: nothing here is measured over time; it is what the machine says of itself.
 */
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { type BenchBrowser } from "./browser.ts";
import { type Environment } from "./results.ts";
import { type Lane } from "./lanes.ts";

export async function describeEnvironment(
  browser: Pick<BenchBrowser, "device" | "version">,
  lanes: readonly Lane[],
): Promise<Environment> {
  return {
    date: new Date().toISOString(),
    device: {
      ...(await browser.device()),
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryBytes: totalmem(),
      system: `${platform()} ${release()}`,
    },
    versions: {
      ...Object.fromEntries(lanes.map(({ name, runtime }) => [name, runtime.version])),
      browser: await browser.version(),
      node: process.version,
    },
    loadBefore: loadavg(),
  };
}
