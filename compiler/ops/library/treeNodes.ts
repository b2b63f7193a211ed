/**
 * Decision trees as the `treeEnsemble` kernel takes them. In: nodes as plain objects, with any of the comparisons of
 * ai.onnx.ml. Out: the tables that kernels/treeEnsemble.ts describes. Invariant: every comparison becomes one or two
 * tests `key <= threshold` of integers that agree with it for every value of the feature's type, NaN included; what
 * is packed ends in leaves, because trees that go in circles are refused.
 */

/** Modes of a node: those of TreeEnsemble 5, with "leaf" added. BRANCH_MEMBER is a chain of "==" nodes. */
export interface TreeNode {
  readonly mode: "<=" | "<" | ">=" | ">" | "==" | "!=" | "leaf";
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

export interface PackedTrees {
  /** Linked trees and full ones. */
  readonly nodes: Uint8Array<ArrayBuffer>;
  /** Byte offset of the root, fewest and most steps to a leaf; of full trees -1 - the first leaf, and the height. */
  readonly trees: readonly number[];
  /** feature * 2 + side of each key of a row but the first. */
  readonly slots: readonly number[];
  /** What keys count by, unless they are the bits of float32. */
  readonly splits: readonly number[];
  readonly splitStarts: readonly number[];
  /** First leaf entry of each leaf, and their end. */
  readonly leafStarts: readonly number[];
  /** Leaf entries in the order of `leafStarts`, as numbers of those given. */
  readonly entries: readonly number[];
}

const LOWEST = -(2 ** 31);
const HIGHEST = 2 ** 31 - 1;
const NODE_BYTES = 16;
/** One key of four rows. */
const KEY_BYTES = 16;

/** Which way a key goes at one packed node. */
interface Test {
  readonly feature: number;
  /** A NaN is below everything (true) or above. */
  readonly nanLow: boolean;
  /** The test is key <= threshold. */
  readonly threshold: number;
  /** Original nodes, or the packed node that follows this one. */
  readonly low: number | "next";
  readonly high: number | "next";
}

/** Integers in the order of the values of one feature. */
interface Keys {
  /** key(x) <= this exactly when x <= t. */
  atMost(feature: number, t: number): number;
  /** key(x) <= this exactly when x < t. */
  below(feature: number, t: number): number;
}

const bits = new DataView(new ArrayBuffer(4));

/** Keys that are the ordered bits of float32; t may be any double. */
const bitKeys: Keys = {
  atMost(_, t) {
    const near = Math.fround(t);
    return near > t ? bitKey(near) - 1 : bitKey(near);
  },
  below(_, t) {
    const near = Math.fround(t);
    return near < t ? bitKey(near) : bitKey(near) - 1;
  },
};

function bitKey(value: number): number {
  bits.setFloat32(0, value + 0);
  const raw = bits.getInt32(0);
  return raw < 0 ? raw ^ HIGHEST : raw;
}

/** Keys that count the feature's splits: 2 for each that is less, 1 more for an equal one. */
class RankKeys implements Keys {
  readonly splits = new Map<number, number[]>();
  private readonly ranks = new Map<number, Map<number, number>>();

  constructor(nodes: readonly TreeNode[]) {
    for (const { mode, feature, threshold } of nodes) {
      if (mode === "leaf" || Number.isNaN(threshold)) continue;
      const list = this.splits.get(feature);
      if (list) list.push(threshold);
      else this.splits.set(feature, [threshold]);
    }
    for (const [feature, list] of this.splits) {
      const sorted = [...new Set(list.map((t) => t + 0))].sort((a, b) => a - b);
      this.splits.set(feature, sorted);
      this.ranks.set(feature, new Map(sorted.map((t, i) => [t, i])));
    }
  }
  atMost(feature: number, t: number): number {
    return 2 * this.ranks.get(feature)!.get(t + 0)! + 1;
  }
  below(feature: number, t: number): number {
    return 2 * this.ranks.get(feature)!.get(t + 0)!;
  }
}

/** The tests of a node that is no leaf; a NaN must end where `whenTrue` says, if it tracks that, else as IEEE has it. */
function testsOf(node: TreeNode, keys: Keys): readonly Test[] {
  const { mode, feature, threshold: t, whenTrue, whenFalse } = node;
  const missing = node.missingTracksTrue === true;
  const one = (threshold: number, low: number, high: number, nanLow: boolean): readonly Test[] => [
    { feature, nanLow, threshold, low, high },
  ];
  const never = Number.isNaN(t);
  switch (mode) {
    case "<=":
    case "<": {
      const threshold = never ? LOWEST : mode === "<=" ? keys.atMost(feature, t) : keys.below(feature, t);
      return one(threshold, whenTrue, whenFalse, missing);
    }
    case ">=":
    case ">": {
      const threshold = never ? HIGHEST - 1 : mode === ">" ? keys.atMost(feature, t) : keys.below(feature, t);
      return one(threshold, whenFalse, whenTrue, !missing);
    }
    case "==":
    case "!=": {
      const [equal, other] = mode === "==" ? [whenTrue, whenFalse] : [whenFalse, whenTrue];
      // At most t and not below it. A NaN is not equal, and goes on to the second test only to be sent to `equal`.
      return [
        {
          feature,
          nanLow: mode === "==" && missing,
          threshold: never ? LOWEST : keys.atMost(feature, t),
          low: "next",
          high: other,
        },
        {
          feature,
          nanLow: false,
          threshold: never ? LOWEST : keys.below(feature, t),
          low: other,
          high: equal,
        },
      ];
    }
    default:
      return [];
  }
}

/** Trees of at most this height are written full where rows come in fours. */
const FULL_HEIGHTS = [3, 4] as const;

/**
 * Packs the trees that are reached from `roots`.
 *
 * @param options floats: the features are float32; of any other type they are compared as f64. fours: rows come in
 * fours, so low trees are worth testing whole
 * @param fail told of a node that does not exist or is among its own descendants
 */
export function packTrees(
  nodes: readonly TreeNode[],
  roots: readonly number[],
  options: { readonly floats: boolean; readonly fours: boolean },
  fail: (problem: string) => never,
): PackedTrees {
  const ranks = options.floats ? undefined : new RankKeys(nodes);
  const { tests, steps } = testsAndSteps(nodes, roots, ranks ?? bitKeys, fail);
  // Trees of about one height side by side.
  const byHeight = roots.toSorted((a, b) => steps.get(a)!.most - steps.get(b)!.most);
  const writer = new TreeWriter(nodes, tests);
  const trees = byHeight.flatMap((root) => {
    const { least, most } = steps.get(root)!;
    const height = options.fours ? FULL_HEIGHTS.find((h) => most <= h) : undefined;
    if (height === undefined) return [writer.linked(root), least, most];
    const firstLeaf = writer.leaves;
    return [writer.full(root, height), -1 - firstLeaf, height];
  });
  const splitStarts = [0];
  const splits: number[] = [];
  if (ranks) {
    for (const key of writer.slots.keys()) {
      splits.push(...(ranks.splits.get(key >> 1) ?? []));
      splitStarts.push(splits.length);
    }
  }
  const { leafStarts, entries } = writer;
  return { nodes: writer.bytes(), trees, slots: [...writer.slots.keys()], splits, splitStarts, leafStarts, entries };
} // prettier-ignore

/** Writes the kernel's tables, tree by tree. */
class TreeWriter {
  /** Numbers of the keys of a row, from 1, by feature * 2 + side. */
  readonly slots = new Map<number, number>();
  readonly leafStarts = [0];
  readonly entries: number[] = [];
  private readonly words: number[] = [];
  private readonly places = new Map<number, number>();
  private readonly nodes: readonly TreeNode[];
  private readonly tests: ReadonlyMap<number, readonly Test[]>;

  constructor(nodes: readonly TreeNode[], tests: ReadonlyMap<number, readonly Test[]>) {
    this.nodes = nodes;
    this.tests = tests;
  }

  get leaves(): number {
    return this.leafStarts.length - 1;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Int32Array.from(this.words).buffer);
  }

  /** Byte offset of the key of a test in the keys of four rows. */
  private keyOf({ feature, nanLow }: Test): number {
    const key = feature * 2 + (nanLow ? 1 : 0);
    const slot = this.slots.get(key) ?? this.slots.size + 1;
    this.slots.set(key, slot);
    return slot * KEY_BYTES;
  }

  private leaf(node: TreeNode): number {
    for (let entry = node.whenTrue; entry < node.whenFalse; entry++) this.entries.push(entry);
    return this.leafStarts.push(this.entries.length) - 2;
  }

  /** Writes the nodes below and at `root` that are not there yet; returns the byte offset of the root. */
  linked(root: number): number {
    const found: number[] = [];
    for (let pending = [root]; pending.length;) {
      const at = pending.pop()!;
      if (this.places.has(at)) continue;
      this.places.set(at, this.words.length * 4);
      found.push(at);
      const list = this.tests.get(at)!;
      for (let i = 0; i < Math.max(1, list.length); i++) this.words.push(0, 0, 0, 0);
      if (list.length) pending.push(this.nodes[at]!.whenFalse, this.nodes[at]!.whenTrue);
    }
    for (const original of found) {
      const at = this.places.get(original)!;
      const list = this.tests.get(original)!;
      if (!list.length) this.words.splice(at / 4, 4, this.leaf(this.nodes[original]!), 0, at, at);
      list.forEach((test, i) => {
        const own = at + i * NODE_BYTES;
        const to = (child: number | "next"): number =>
          child === "next" ? own + NODE_BYTES : this.places.get(child)!;
        this.words.splice(own / 4, 4, test.threshold, this.keyOf(test), to(test.low), to(test.high));
      });
    }
    return this.places.get(root)!;
  }

  /** Writes a tree of whole height, each node before its low and these before its high descendants. */
  full(root: number, height: number): number {
    const start = this.words.length * 4;
    const fill = (original: number, i: number, left: number): void => {
      const list = this.tests.get(original)!;
      const test = list[i];
      if (left === 0) this.leaf(this.nodes[original]!);
      else if (!test) {
        // The first key is the least of all: a leaf that is met early is the low end of all that is below it.
        this.words.push(0, 0);
        fill(original, 0, left - 1);
        fill(original, 0, left - 1);
      } else {
        this.words.push(test.threshold, this.keyOf(test));
        for (const child of [test.low, test.high])
          if (child === "next") fill(original, i + 1, left - 1);
          else fill(child, 0, left - 1);
      }
    };
    fill(root, 0, height);
    return start;
  }
}

interface Steps {
  /** Tests from the first of a node to the nearest and to the farthest leaf. */
  readonly least: number;
  readonly most: number;
}

/** The tests of all nodes that are reached (none for a leaf), and how far from leaves they are. */
function testsAndSteps(
  nodes: readonly TreeNode[],
  roots: readonly number[],
  keys: Keys,
  fail: (problem: string) => never,
): { tests: Map<number, readonly Test[]>; steps: Map<number, Steps> } {
  const tests = new Map<number, readonly Test[]>();
  const steps = new Map<number, Steps>();
  const open = new Set<number>();
  for (const root of roots) {
    for (let path = [root]; path.length;) {
      const at = path.at(-1)!;
      const node = nodes[at] ?? fail(`a tree has no node ${at}`);
      if (steps.has(at) || open.has(at)) {
        path.pop();
        // Back from its descendants.
        if (open.delete(at)) steps.set(at, stepsOf(tests.get(at)!, steps));
        continue;
      }
      tests.set(at, testsOf(node, keys));
      if (node.mode === "leaf") {
        steps.set(at, { least: 0, most: 0 });
        continue;
      }
      open.add(at);
      for (const child of [node.whenFalse, node.whenTrue]) {
        if (open.has(child)) fail(`node ${child} of a tree is among its own descendants`);
        path.push(child);
      }
    }
  }
  return { tests, steps };
}

function stepsOf(tests: readonly Test[], known: ReadonlyMap<number, Steps>): Steps {
  let least = Infinity;
  let most = 0;
  tests.forEach(({ low, high }, i) => {
    for (const child of [low, high]) {
      if (child === "next") continue;
      const far = known.get(child)!;
      least = Math.min(least, far.least + i + 1);
      most = Math.max(most, far.most + i + 1);
    }
  });
  return { least, most };
}
