/**
 * What passes between a GPU and the host beside it. In: the calls of both, in batches. Out: the steps of a run, each with
 * the memory that it takes over from the other side before, and hands over after. Invariant: whoever reads a value finds its
 * latest content: a piece of memory is current on one side or on both, and passes as a whole, so that parts written on
 * different sides come together. Inputs that the host reads arrive there.
 */
import type { ValueId } from "../ir/graph.ts";
import type { ScheduledCall } from "../ir/program.ts";
import type { Side } from "../passes/sides.ts";

export type RunStep =
  | { readonly kind: "gpu"; readonly calls: readonly ScheduledCall[] }
  | {
      readonly kind: "host";
      readonly calls: readonly ScheduledCall[];
      /** From the GPU, before. */
      readonly reads: ValueId[];
      /** To the GPU, after. */
      readonly writes: ValueId[];
    };

export interface Crossings {
  readonly steps: readonly RunStep[];
  /** Inputs that arrive on the host. */
  readonly hostInputs: ReadonlySet<ValueId>;
  /** Memory that is current on the host at the end. */
  readonly onHost: ReadonlySet<ValueId>;
}

export interface CrossingInput {
  readonly batches: readonly { readonly side: Side; readonly calls: readonly ScheduledCall[] }[];
  readonly inputs: readonly ValueId[];
  /** The memory that a value is in. */
  readonly rootOf: (id: ValueId) => ValueId;
  /** Memory that loading has filled, by side. */
  readonly fixed: Readonly<Record<Side, ReadonlySet<ValueId>>>;
}

export function crossings({ batches, inputs, rootOf, fixed }: CrossingInput): Crossings {
  const used = (calls: readonly ScheduledCall[], which: "inputs" | "outputs"): Set<ValueId> =>
    new Set(calls.flatMap((call) => call[which].filter((id) => id !== "").map(rootOf)));
  const hostReads = new Set(
    batches.flatMap(({ side, calls }) => (side === "host" ? [...used(calls, "inputs")] : [])),
  );
  const gpuReads = new Set(
    batches.flatMap(({ side, calls }) => (side === "gpu" ? [...used(calls, "inputs")] : [])),
  );
  // What nobody reads arrives where nothing has to be done for it.
  const anyHost = batches.some(({ side }) => side === "host");
  const hostInputs = new Set(
    inputs.filter((id) => hostReads.has(rootOf(id)) || (anyHost && !gpuReads.has(rootOf(id)))),
  );
  const current = { gpu: new Set(fixed.gpu), host: new Set(fixed.host) };
  for (const id of inputs) current[hostInputs.has(id) ? "host" : "gpu"].add(rootOf(id));
  const known = new Set([...current.gpu, ...current.host]);
  const steps: RunStep[] = [];
  for (const { side, calls } of batches) {
    if (calls.length === 0) continue;
    const outputs = used(calls, "outputs");
    // What is written in part must be whole before.
    const touched = [...new Set([...used(calls, "inputs"), ...outputs])].filter((root) => known.has(root));
    const missing = touched.filter((root) => !current[side].has(root));
    if (side === "host") {
      steps.push({ kind: "host", calls, reads: missing, writes: [] });
    } else {
      let last = steps.at(-1);
      if (missing.length > 0 && last?.kind !== "host")
        steps.push((last = { kind: "host", calls: [], reads: [], writes: [] }));
      if (last?.kind === "host") last.writes.push(...missing);
      steps.push({ kind: "gpu", calls });
    }
    for (const root of missing) current[side].add(root);
    for (const root of outputs) {
      known.add(root);
      current[side].add(root);
      current[side === "gpu" ? "host" : "gpu"].delete(root);
    }
  }
  return { steps, hostInputs, onHost: current.host };
}
