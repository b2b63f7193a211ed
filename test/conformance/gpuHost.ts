/**
 * Conformance cases on WebGPU. In: cases. Out: an outcome for each, and where it was computed. Invariant: artifacts are
 * compiled here and run in one page of a headless Chromium, cross-origin isolated; a page that hangs or crashes costs
 * its case, and the next one gets a new browser.
 */
import type { Page } from "puppeteer-core";
import type { CompileOptions, GpuKind } from "../../compiler/options.ts";
import type { OpenModel, Tensors } from "../../compiler/node/device.ts";
import { compile, describe } from "../../compiler/whole.ts";
import { TilewrightError, type ErrorCode } from "../../runtime/index.ts";
import { PageHost } from "../support/pageHost.ts";
import type { Case } from "./cases.ts";
import { type Answer, pack, unpack, type Whereabouts } from "./gpuPage.ts";
import { runCase, type Opener, type Outcome } from "./runCase.ts";

/** A browser is ended after so many cases: whatever it has kept is gone then. */
const CASES_PER_BROWSER = 400;

export interface GpuOutcome extends Outcome {
  readonly where?: Whereabouts;
}

export interface GpuCaseOptions {
  readonly seconds: number;
  /** What schedules are made for. */
  readonly gpu?: GpuKind | undefined;
  readonly progress?: (done: number, outcome: GpuOutcome) => void;
}

/** The page took too long, or is gone. */
class PageLost extends Error {
  override readonly name = "PageLost";
}

class GpuHost {
  readonly #host: PageHost;
  readonly #seconds: number;
  readonly #schedules: Pick<CompileOptions, "gpu">;
  #page: Page | undefined;
  where: Whereabouts | undefined;

  private constructor(host: PageHost, seconds: number, gpu: GpuKind | undefined) {
    this.#host = host;
    this.#seconds = seconds;
    this.#schedules = gpu === undefined ? {} : { gpu };
  }

  static async start({ seconds, gpu }: GpuCaseOptions): Promise<GpuHost> {
    const script = new URL("gpuPage.ts", import.meta.url);
    return new GpuHost(
      await PageHost.start({ browser: "chromium", script, ready: "gpuCases" }),
      seconds,
      gpu,
    );
  }

  /** Opens a model of a case, as `runCase` does. */
  readonly open: Opener = async (file, options): Promise<OpenModel> => {
    this.where = undefined;
    const { inputs, outputs } = describe(file.bytes, options);
    const { artifact } = compile(file.bytes, { ...options, targets: ["webgpu"], ...this.#schedules });
    this.#host.put("/model.tile", artifact);
    const page = (this.#page ??= await this.#host.open());
    valueOf(await this.#within(page.evaluate((url) => globalThis.gpuCases!.open(url), "/model.tile")));
    return {
      inputs,
      outputs,
      run: async (given) => {
        const packed = Object.fromEntries(
          Object.entries(given).map(([name, { dtype, shape, data }]) => [
            name,
            { dtype, shape, data: pack(data) },
          ]),
        );
        const result = valueOf(
          await this.#within(page.evaluate((tensors) => globalThis.gpuCases!.run(tensors), packed)),
        );
        this.where = result.where;
        return Object.fromEntries(
          Object.entries(result.outputs).map(([name, tensor]) => [name, { ...tensor, data: unpack(tensor) }]),
        ) as Tensors;
      },
      variant: () => "webgpu",
      threads: () => undefined,
      dispose: () => void page.evaluate(() => globalThis.gpuCases?.close()).catch(() => {}),
    };
  };

  version(): Promise<string> {
    return this.#host.version();
  }

  async #within<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const reason = `takes longer than ${this.#seconds} s`;
      timer = setTimeout(() => reject(new PageLost(reason)), this.#seconds * 1000);
    });
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      await this.restart();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the browser, even one that is stuck; the next case starts another. */
  restart(): Promise<void> {
    this.#page = undefined;
    return this.#host.restart();
  }

  stop(): Promise<void> {
    return this.#host.stop();
  }
}

/** The value of an answer, or its error as the page threw it. */
function valueOf<T>(answer: Answer<T>): T {
  if ("value" in answer) return answer.value;
  const { code, message } = answer;
  if (/^[a-z-]+$/.test(code)) throw new TilewrightError(code as ErrorCode, message);
  throw new Error(`${code} in the page: ${message}`);
}

/** Runs all cases, one after the other. */
export async function runGpuCases(cases: readonly Case[], options: GpuCaseOptions): Promise<GpuOutcome[]> {
  const host = await GpuHost.start(options);
  const outcomes: GpuOutcome[] = [];
  try {
    console.log(await host.version());
    for (const one of cases) {
      if (outcomes.length % CASES_PER_BROWSER === CASES_PER_BROWSER - 1) await host.restart();
      const outcome = await runCase(one, { device: "wasm", open: host.open });
      outcomes.push({ ...outcome, ...(host.where === undefined ? {} : { where: host.where }) });
      options.progress?.(outcomes.length, outcomes.at(-1)!);
    }
  } finally {
    await host.stop();
  }
  return outcomes;
}

/** What of the cases that passed did not run on the GPU alone, by kind; names in order. */
export function besidesGpu(outcomes: readonly GpuOutcome[]): Readonly<Record<string, readonly string[]>> {
  const kinds: Record<string, string[]> = {
    "on the GPU alone": [],
    "with steps on the CPU": [],
    "nothing left to dispatch": [],
    "bound while they ran, in one program or several": [],
  };
  for (const { name, status, where } of outcomes) {
    if (status !== "passed" || where === undefined) continue;
    if (where.kind === "late") kinds["bound while they ran, in one program or several"]!.push(name);
    else if (where.hostSteps > 0) kinds["with steps on the CPU"]!.push(name);
    else kinds[where.dispatches > 0 ? "on the GPU alone" : "nothing left to dispatch"]!.push(name);
  }
  return kinds;
}
