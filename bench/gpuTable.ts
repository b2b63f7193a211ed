/**
 * What runtimes ask of the GPU, as a table. In: measured models. Out: for each model and runtime its first run, dispatches
 * per run and long tasks of the page, with means of the ratios to the base. Invariant: a ratio is formed only of models
 * that both have run.
 */
import { table } from "../compiler/tensors/table.ts";
import { type PageResult } from "./protocol.ts";
import { type ModelResult } from "./session.ts";
import { isGpu } from "./runtimes/table.ts";

type Measured = PageResult & { readonly status: "measured" };

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

/** The table, with a line of geometric means below. */
export function gpuTable(models: readonly ModelResult[], base: string): string {
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
  const names = [...new Set(rows.map(([, runtime]) => runtime!))].filter((name) => name !== base);
  const lines = names.flatMap((name) => {
    const pairs = models.flatMap((model) => {
      const [own, other] = [name, base].map((id) => measuredOf(model).find(({ runtime }) => runtime === id));
      return own === undefined || other === undefined ? [] : [[own, other] as const];
    });
    if (pairs.length === 0) return [];
    const mean = (of: (result: Measured) => number): string =>
      Math.exp(
        pairs.reduce((sum, [own, other]) => sum + Math.log(of(other) / Math.max(1e-9, of(own))), 0) /
          pairs.length,
      ).toFixed(2);
    const dispatches = mean((result) => Math.max(1, Number(result.notes["dispatches"])));
    return [
      `${name} against ${base}, ${pairs.length} models: ${mean((result) => result.timing.medianMs)} times as fast, ` +
        `${mean(firstAnswer)} times to the first answer, ${dispatches} times fewer dispatches`,
    ];
  });
  return [table([heading, ...rows], { heading: true }), ...lines].join("\n");
}
