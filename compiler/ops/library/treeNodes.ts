/**
 * The node records of the `treeEnsemble` kernel. In: nodes as plain objects. Out: 24 bytes each: f64 threshold, i32
 * feature, i32 whenTrue, i32 whenFalse, u8 mode, u8 missingTracksTrue, 2 bytes of padding. Invariant: one record
 * holds all that a step of a walk reads, so a step touches one cache line.
 */

/** Modes of a node: those of TreeEnsemble 5, with "leaf" added. BRANCH_MEMBER is a chain of "==" nodes. */
export const treeModes = { "<=": 0, "<": 1, ">=": 2, ">": 3, "==": 4, "!=": 5, leaf: 7 } as const;

export interface TreeNode {
  readonly mode: keyof typeof treeModes;
  /** Column of the input; any number for a leaf. */
  readonly feature: number;
  /** Compared with the feature in f64; any number for a leaf. */
  readonly threshold: number;
  /** Node taken when the comparison holds; for a leaf the first of its leaf entries. */
  readonly whenTrue: number;
  /** Node taken otherwise; for a leaf the end (exclusive) of its leaf entries. */
  readonly whenFalse: number;
  /** Whether a NaN takes the true branch. */
  readonly missingTracksTrue?: boolean;
}

/** Packs nodes into the records of the kernel; node i is record i. */
export function packTreeNodes(nodes: readonly TreeNode[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(nodes.length * 24));
  nodes.forEach((node, i) => {
    const at = i * 24;
    view.setFloat64(at, node.threshold, true);
    view.setInt32(at + 8, node.feature, true);
    view.setInt32(at + 12, node.whenTrue, true);
    view.setInt32(at + 16, node.whenFalse, true);
    view.setUint8(at + 20, treeModes[node.mode]);
    view.setUint8(at + 21, node.missingTracksTrue ? 1 : 0);
  });
  return new Uint8Array(view.buffer);
}
