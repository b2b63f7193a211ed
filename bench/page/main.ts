/**
 * The script of the measuring page. In: calls by the driver through `globalThis.tilewrightBench`. Out: plain JSON.
 * Invariant: importing it starts nothing; one page measures one job and is then closed, so that no model meets the
 * memory or the compiled code of another.
 */
import { supports } from "../../runtime/features.ts";
import { type PageBench, type PageDevice } from "../protocol.ts";
import { cold, memoryOfPage } from "./cold.ts";
import { measure } from "./measure.ts";
import { series } from "./series.ts";

function device(): PageDevice {
  return {
    userAgent: navigator.userAgent,
    hardwareConcurrency: navigator.hardwareConcurrency,
    crossOriginIsolated,
    relaxedSimd: supports("relaxed-simd"),
    clockResolutionMs: clockResolution(),
  };
}

/** Smallest step between two readings that differ, out of some. */
function clockResolution(): number {
  let smallest = Infinity;
  for (let i = 0; i < 50; i++) {
    const start = performance.now();
    let next = start;
    while (next === start) next = performance.now();
    smallest = Math.min(smallest, next - start);
  }
  return smallest;
}

const bench: PageBench = { measure, cold, series, memoryOfPage, device };
Object.assign(globalThis, { tilewrightBench: bench });
