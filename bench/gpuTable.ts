/**
 * What runtimes ask of the GPU. In: measured models. Out: for each model and runtime its first answer, dispatches per run
 * and long tasks of the page, as a table; and means of the ratios to the base. Invariant: a ratio is formed only of
 * models that both have run, and only where the results of both are verified.
 */
import { table } from "../compiler/tensors/table.ts";
import { type PageResult } from "./protocol.ts";
import { isVerified } from "./report.ts";
import { gpuBaseOf, isGpu } from "./runtimes/table.ts";
import { type ModelResult } from "./session.ts";
import { geometricMean, minimum } from "./statistics.ts";

type Measured = PageResult & { readonly status: "measured" };

/** Of one model. */
export interface GpuRatios {
  readonly model: string;
  readonly runtime: string;
  readonly base: string;
  /** The base's figure over the runtime's: above 1 is better. */
  readonly run: number;
  readonly firstAnswer: number;
  readonly dispatches: number;
}

function measuredOf(model: ModelResult): Measured[] {
  return model.results.filter(
    (result): result is ModelResult["results"][number] & Measured =>
      result.status === "measured" && isGpu(result.runtime),
  );
}

/** From the start of loading the model to the first answer: pipelines included, whenever a runtime makes them. */
function firstAnswer({ createMs, firstRunMs }: Measured): number {
  return createMs + firstRunMs;
}

function dispatches({ notes }: Measured): number {
  return Math.max(1, Number(notes["dispatches"]));
}

/** Every runtime on the GPU beside onnxruntime-web there (else TF.js). */
export function gpuRatios(models: readonly ModelResult[]): readonly GpuRatios[] {
  const base = gpuBaseOf(models.flatMap((model) => measuredOf(model).map(({ runtime }) => runtime)));
  if (base === undefined) return [];
  return models.flatMap((model) => {
    const verified = measuredOf(model).filter(isVerified);
    const other = verified.find(({ runtime }) => runtime === base);
    if (other === undefined) return [];
    return verified
      .filter((own) => own !== other)
      .map((own) => ({
        model: model.model,
        runtime: own.runtime,
        base,
        run: other.timing.medianMs / own.timing.medianMs,
        firstAnswer: firstAnswer(other) / firstAnswer(own),
        dispatches: dispatches(other) / dispatches(own),
      }));
  });
}

const WORDS = [
  ["run", "as fast"],
  ["firstAnswer", "as early with the first answer, pipelines included"],
  ["dispatches", "fewer dispatches"],
] as const;

export interface GpuMean {
  readonly runtime: string;
  readonly base: string;
  readonly words: string;
  readonly models: number;
  readonly mean: number;
  readonly least: number;
}

/** Geometric means over the models. */
export function gpuMeans(models: readonly ModelResult[]): readonly GpuMean[] {
  const ratios = gpuRatios(models);
  return [...new Set(ratios.map(({ runtime }) => runtime))].flatMap((runtime) =>
    WORDS.map(([measure, words]) => {
      const own = ratios.filter((ratio) => ratio.runtime === runtime);
      const values = own.map((ratio) => ratio[measure]);
      const { base } = own[0]!;
      return {
        runtime,
        base,
        words,
        models: own.length,
        mean: geometricMean(values),
        least: minimum(values),
      };
    }),
  );
}

/** The table, with means below it. */
export function gpuTable(models: readonly ModelResult[]): string {
  const rows = models.flatMap((model) =>
    measuredOf(model).map((result) => [
      model.model,
      result.runtime,
      result.timing.medianMs.toFixed(2),
      firstAnswer(result).toFixed(0),
      result.notes["dispatches"] ?? "",
      result.notes["longTasksLoading"] ?? "",
      result.notes["longTasksFirstRun"] ?? "",
    ]),
  );
  const heading = [
    "model",
    "runtime",
    "run ms",
    "load + first run ms",
    "dispatches",
    "long tasks: loading",
    "first run",
  ];
  const lines = gpuMeans(models).map(
    ({ runtime, base, words, models: count, mean, least }) =>
      `${runtime}: ${mean.toFixed(2)} times ${words} beside ${base} (geometric mean of ${count} models; least ${least.toFixed(2)})`,
  );
  return [table([heading, ...rows], { heading: true }), ...lines].join("\n");
}
