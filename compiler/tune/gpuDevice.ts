/**
 * What is known of a GPU before anything is measured. In: a kind of device. Out: numbers that schedules are chosen by.
 * Invariant: any numbers give right code; only speed depends on them.
 */

import type { DotLimits } from "../passes/packed/dots.ts";

/** The same names as the option has (options.ts, which is a layer above). */
export type GpuKind = "software" | "integrated" | "discrete" | "mobile";

/** Tiles of a workgroup. */
export interface StageLimits {
  /** Invocations, least and most. */
  readonly invocations: readonly [number, number];
  /** Rows of results of an invocation, each of a vector. */
  readonly rows: number;
  /** Steps of the reduction that are copied at a time. */
  readonly depth: number;
  /** Bytes of copies, at most what a workgroup has: with half of it, two workgroups share a core. */
  readonly bytes: number;
}

/** Least and most pixels of a tile in which a window and the product that reads it are one dispatch. */
export type PixelTile = readonly [least: number, most: number];

export interface GpuDevice {
  /** Invocations of a workgroup for work without sharing. */
  readonly workgroup: number;
  /** Invocations that work together on one row. */
  readonly rowGroup: number;
  /** Rows of a contraction's register tile, each of a vector. */
  readonly rows: number;
  /** How large contractions are staged in memory of a workgroup; undefined where that is no faster than memory. */
  readonly stage?: StageLimits;
  /** Invocations that share the sum of a vector where results are few; 1: none do, and no sum is cut over workgroups. */
  readonly slices: number;
  /** Nanoseconds (of passes/time.ts) of a reduction that is worth a second dispatch when results are few. */
  readonly cut: number;
  /** Invocations that keep the device busy. */
  readonly busy: number;
  /** Depthwise convolutions and the 1x1 convolutions that read them are one dispatch; see passes/pixelTiles.ts. */
  readonly pixels?: PixelTile;
  /** Nanoseconds (of passes/time.ts) of work that one workgroup does sooner than a dispatch each is started. */
  readonly sequence: number;
  /** Whether reductions that a workgroup shares are combined by subgroups, where the adapter has these. */
  readonly subgroups: boolean;
  /**
   * Which sums of products of bytes are made of words of four (passes/packed); undefined: none. From a count, not measured:
   * words save three quarters of the products, at a third of the device's peak, and cost a dispatch and 13 bytes for each
   * element of an operand, which is read, stored as words, and no longer made in the same dispatch. Discrete: 3e12 products
   * and 5e11 bytes a second, integrated: 3e11 and 5e10, mobile: 1e11 and 3e10.
   */
  readonly packedDots?: DotLimits;
}

const DEVICES: Readonly<Record<GpuKind, GpuDevice>> = {
  // SwiftShader (Chromium 156, 2026-11-21): an instruction costs the same whatever it does, so what counts is few
  // of them per multiplication; its four lanes are invocations. A workgroup costs about half a microsecond.
  software: {
    workgroup: 64,
    rowGroup: 16,
    rows: 8,
    slices: 8,
    cut: 100_000,
    busy: 64,
    sequence: 25_000,
    subgroups: false,
  },
  integrated: {
    workgroup: 64,
    rowGroup: 64,
    rows: 4,
    stage: { invocations: [32, 128], rows: 4, depth: 16, bytes: 8192 },
    slices: 16,
    cut: 100_000,
    busy: 2048,
    pixels: [16, 32],
    sequence: 3_000,
    subgroups: true,
    packedDots: { work: 2 ** 21, uses: 128 },
  },
  discrete: {
    workgroup: 128,
    rowGroup: 128,
    rows: 8,
    stage: { invocations: [64, 256], rows: 8, depth: 16, bytes: 16_384 },
    slices: 16,
    cut: 100_000,
    busy: 16_384,
    pixels: [16, 32],
    sequence: 3_000,
    subgroups: true,
    packedDots: { work: 2 ** 24, uses: 160 },
  },
  mobile: {
    workgroup: 64,
    rowGroup: 64,
    rows: 4,
    slices: 16,
    cut: 100_000,
    busy: 1024,
    pixels: [16, 32],
    sequence: 3_000,
    subgroups: true,
    packedDots: { work: 2 ** 21, uses: 64 },
  },
};

export function gpuDevice(kind: GpuKind): GpuDevice {
  return DEVICES[kind];
}
