/**
 * The sink to which every stage reports. In: a stage's name and a function that describes what it did. Out: lines
 * for whoever asked. Invariant: the description is only made when somebody listens, so tracing costs nothing off.
 */
export type TraceSink = (stage: string, detail: () => string, node?: string) => void;

/** Whether a `--trace` filter such as "fuse,wasm:conv1" asks for this stage (and node). */
export function traceFilter(filter: string): (stage: string, node?: string) => boolean {
  const wanted = filter.split(",").map((part) => {
    const [stage, node] = part.trim().split(":");
    return { stage: stage ?? "", node };
  });
  return (stage, node) =>
    filter === "" ||
    wanted.some(
      (w) =>
        (w.stage === stage || w.stage === "all") && (w.node === undefined || (node ?? "").includes(w.node)),
    );
}
