/**
 * Arrays of a caller for the outputs of a run. In: arrays by the names of outputs. Out: for one output, the elements
 * of its array that it takes. Invariant: an array that does not fit is refused, before anything is written to it.
 *
 * Memory that an engine hands out for the first time is slow to write: the system provides it page by page, at about
 * a microsecond each. Where outputs are large and runs short, arrays that are used again are worth it.
 */
import { type DType, elementCount, type NumericData, viewOf } from "./dtype.ts";
import { nearestName, TilewrightError } from "./errors.ts";
import { type Port } from "./format.ts";

/** Arrays by the names of outputs, each of the kind that holds the output's dtype, with room for its elements. */
export type Into = Readonly<Record<string, NumericData>>;

/**
 * Checks what can be known before a run.
 *
 * @throws TilewrightError `output-unknown`, `output-unfit`
 */
export function checkInto(into: Into, ports: readonly Port[]): void {
  for (const [name, data] of Object.entries(into)) {
    const port = ports.find((port) => port.name === name);
    if (port === undefined) {
      const names = ports.map((port) => port.name);
      const nearest = nearestName(name, names);
      const hint = nearest === undefined ? `there are ${names.join(", ")}` : `did you mean "${nearest}"?`;
      throw new TilewrightError("output-unknown", `the model has no output "${name}": ${hint}`);
    }
    const { dtype, shape, container } = port;
    if (container !== undefined || dtype === "string") {
      throw new TilewrightError("output-unfit", `output "${name}" is not one tensor of numbers`);
    }
    const fixed = shape.filter((dim) => typeof dim === "number");
    roomFor(name, dtype, fixed.length === shape.length ? elementCount(fixed) : 0, data);
  }
}

/**
 * The first `count` elements of `data`, for the output `name`; `data` itself where it has no more.
 *
 * @throws TilewrightError `output-unfit`
 */
export function roomFor(name: string, dtype: DType, count: number, data: NumericData): NumericData {
  const kind = viewOf(dtype, new ArrayBuffer(0), 0, 0).constructor;
  if (data.constructor !== kind || data.length < count) {
    const wanted = `a ${kind.name} of ${count} or more`;
    throw new TilewrightError("output-unfit", `output "${name}" needs ${wanted}, not a ${data.constructor.name} of ${data.length}`); // prettier-ignore
  }
  return data.length === count ? data : data.subarray(0, count);
}
