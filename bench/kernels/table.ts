/**
 * What kernels reach of the machine. In: results of kernel cases, each with the peaks that were measured in turn with
 * it. Out: rates, shares and a table. Invariant: a share compares medians with medians of the same page; the peak of
 * several threads is that of one core times their number; a kernel without operations is judged by its bytes only.
 */
import { laneBeside, partsOfLane } from "../lanes.ts";
import { type Rate } from "../protocol.ts";
import { isVerified, milliseconds, ratio, remark } from "../report.ts";
import { type ModelResult, type RuntimeResult } from "../session.ts";
import { geometricMean } from "../statistics.ts";
import { aligned } from "../table.ts";
import { type KernelCase, type KernelGroup } from "./cases.ts";

/** A kernel case and what was measured of it. */
export interface KernelResult {
  readonly kernel: Pick<KernelCase, "name" | "group" | "flop" | "bytes">;
  readonly result: ModelResult;
}

/** What one lane reaches. Rates in 1e9 per second, shares of what as many cores can do at most. */
export interface KernelRates {
  readonly medianMs: number;
  readonly gflops: number | undefined;
  /** Above 1 where less is computed than the direct way asks for. */
  readonly ofPeak: number | undefined;
  /** The shortest run beside the best burst of the peak: what a quiet machine would show. */
  readonly bestOfPeak: number | undefined;
  readonly gbs: number;
  readonly ofBandwidth: number | undefined;
}

/** @returns undefined unless the lane was measured and verified */
export function kernelRates({ kernel, result }: KernelResult, lane: string): KernelRates | undefined {
  const own = result.results.find(({ runtime }) => runtime === lane);
  if (own?.status !== "measured" || !isVerified(own)) return undefined;
  const { medianMs, minimumMs } = own.timing;
  const { threads } = partsOfLane(lane);
  const peak = peakGflops(result.peak, "median");
  const best = peakGflops(result.peak, "best");
  const gflops = kernel.flop > 0 ? kernel.flop / medianMs / 1e6 : undefined;
  const gbs = kernel.bytes / medianMs / 1e6;
  const bandwidth = result.bandwidth?.median;
  return {
    medianMs,
    gflops,
    ofPeak: gflops === undefined || peak === undefined ? undefined : gflops / (peak * threads),
    bestOfPeak:
      kernel.flop === 0 || best === undefined ? undefined : kernel.flop / minimumMs / 1e6 / (best * threads),
    gbs,
    ofBandwidth: bandwidth === undefined ? undefined : gbs / (bandwidth * threads),
  };
}

/** GFLOP/s of one core: the fastest way of multiplying and adding that this engine has. */
function peakGflops(peak: Readonly<Record<string, Rate>> | undefined, which: keyof Rate): number | undefined {
  const rates = Object.values(peak ?? {}).map((rate) => rate[which]);
  return rates.length === 0 ? undefined : Math.max(...rates);
}

const COLUMNS = ["kernel", "runtime", "median", "GFLOP/s", "% of peak", "best", "GB/s", "% of reads", "verified", "ratio"]; // prettier-ignore

/** All kernels by group, and for each group the geometric means of the ratios and of the shares. */
export function kernelTable(results: readonly KernelResult[], reference: string): string {
  const lines: (readonly string[])[] = [COLUMNS];
  for (const entry of results) {
    for (const [index, own] of entry.result.results.entries()) {
      lines.push(kernelLine(entry, own, index === 0 ? entry.kernel.name : "", reference));
    }
  }
  const remarks = results.flatMap(({ kernel, result }) => [
    ...(result.referenceNote === undefined ? [] : [`${kernel.name}: ${result.referenceNote}`]),
    ...result.results.flatMap((own) => remark(kernel.name, own)),
  ]);
  const peaks = results.flatMap(({ result }) => peakGflops(result.peak, "median") ?? []);
  const peak = `multiply-add peak of one core: ${Math.min(...peaks).toFixed(1)} to ${Math.max(...peaks).toFixed(1)} GFLOP/s`;
  return [aligned(lines, 2), ...remarks, peak, ...groupLines(results, reference)].join("\n");
}

function kernelLine(entry: KernelResult, own: RuntimeResult, name: string, reference: string): string[] {
  if (own.status === "failed") return [name, own.runtime, "failed", "", "", "", "", "", "no", ""];
  const rates = kernelRates(entry, own.runtime);
  const beside = laneBeside(own.runtime, reference);
  return [
    name,
    own.runtime,
    milliseconds(own.timing.medianMs),
    rates?.gflops?.toFixed(1) ?? "",
    percent(rates?.ofPeak),
    percent(rates?.bestOfPeak),
    rates?.gbs.toFixed(1) ?? "",
    percent(rates?.ofBandwidth),
    isVerified(own) ? "yes" : "NO",
    own.runtime === beside ? "" : (ratio(entry.result, own.runtime, beside)?.toFixed(2) ?? "-"),
  ];
}

function percent(share: number | undefined): string {
  return share === undefined ? "" : (100 * share).toFixed(0);
}

function groupLines(results: readonly KernelResult[], reference: string): string[] {
  const groups = [...new Set(results.map(({ kernel }) => kernel.group))];
  const lanes = [...new Set(results.flatMap(({ result }) => result.results.map(({ runtime }) => runtime)))];
  return groups.flatMap((group) => lanes.flatMap((lane) => groupLine(results, group, lane, reference) ?? []));
}

function groupLine(
  results: readonly KernelResult[],
  group: KernelGroup,
  lane: string,
  reference: string,
): string | undefined {
  const beside = laneBeside(lane, reference);
  if (lane === beside) return undefined;
  const own = results.filter(({ kernel }) => kernel.group === group);
  const ratios = own.flatMap(({ result }) => ratio(result, lane, beside) ?? []);
  const shares = own.flatMap((entry) => kernelRates(entry, lane)?.ofPeak ?? []);
  if (ratios.length === 0) return undefined;
  const ofPeak = shares.length === 0 ? "" : `, ${(100 * geometricMean(shares)).toFixed(0)}% of the peak`;
  return `${group}: ${lane} ${geometricMean(ratios).toFixed(2)} times as fast as ${beside}, least ${Math.min(...ratios).toFixed(2)}${ofPeak}`;
}
