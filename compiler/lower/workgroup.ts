/**
 * What a workgroup may have. In: nothing. Out: WebGPU's default limits, which every adapter has. Invariant: what is made
 * for a GPU stays within them, so that no device refuses it for its size.
 */

export const WORKGROUP_LIMITS = {
  /** Invocations. */
  invocations: 256,
  /** Bytes of its memory. */
  bytes: 16_384,
  /** Workgroups of a dispatch, in each of its three dimensions. */
  groups: 65_535,
} as const;

/** Bytes of its memory for scratch; the rest is for what its invocations hand to one another. */
export const WORKGROUP_SCRATCH = 12 * 1024;
