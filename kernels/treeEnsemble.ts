// The walk of TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble (ai.onnx.ml 1 to 5); the post
// transform is ordinary ops. In: rows of features of any dtype of ours, and trees as packTrees makes them
// (compiler/ops/library/treeNodes.ts). Out: scores [rows, targets], f32 or f64 by `outputDtype`. Invariant: f64
// accumulators; a tree is walked by the number of steps that its record names and no further, so no data can make
// it loop.
//
// What makes it fast: every comparison of a tree was turned into `key <= threshold` of two integers, whatever the
// mode, the type and the way of a NaN. Low trees are full: all their nodes are tested, for four rows at once as
// vectors, and the results choose the leaf. In others a step is four loads and no branch, and four walks at a time
// (rows of one tree, or trees of one row) hide one another's latency.
//
// Keys of four rows lie side by side; key 0 is the least of all integers, key s that of slot s - 1: feature * 2 +
// side, where side 1 ranks a NaN lowest and side 0 highest. Keys of f32 are its ordered bits; of other types, read
// as f64, twice the number of splits of the feature that are less, plus one for an equal one: `splits` are sorted,
// and those of slot s are number splitStarts[s] to splitStarts[s + 1].
// Trees, three i32: a linked one the byte offset of its root and the steps to the nearest and the farthest leaf; a
// full one the byte offset of its nodes, -1 - its first leaf, and its height, 3 or 4. Full trees need rows >= 4.
// Node of a linked tree, four i32: threshold, byte offset of its key, byte offset of the node for key <= threshold,
// and for a greater key. A leaf stays where it is: its key is key 0 and its threshold the leaf's number. Node of a
// full tree, two i32: threshold, byte offset of its key; the low half of a tree follows its root, then the high one.
// Leaf l has the entries leafStarts[l] to leafStarts[l + 1] (target i32, weight f64), or entry l alone where
// leafStarts is absent. Aggregate: 0 average, 1 sum, 2 min, 3 max; base values are added last.
//
// Scratch: 16 * ceil(min(rows, 16) / 4) * (slotCount + 1 + 4 * targets) bytes. Returns rows.

import { DOUBLE, FLOAT, elementSize, isFloat, loadFloat, loadInteger } from "./shared/element.ts";

const AVERAGE: i32 = 0;
const MINIMUM: i32 = 2;
const MAXIMUM: i32 = 3;
/** Rows whose keys are kept together. */
const BLOCK: i32 = 16;

// @ts-ignore: decorator
@inline
function next(nodes: usize, node: usize, keys: usize): usize {
  const greater = load<i32>(keys + load<u32>(node, 4)) > load<i32>(node);
  return nodes + load<u32>(node + (<usize>greater << 2), 8);
}

// @ts-ignore: decorator
@inline
function inner(a: usize, b: usize, c: usize, d: usize): bool {
  return (load<u32>(a, 4) | load<u32>(b, 4) | load<u32>(c, 4) | load<u32>(d, 4)) != 0;
}

/** All ones in the rows whose key is greater than the node's threshold. */
// @ts-ignore: decorator
@inline
function greater(node: usize, keys: usize): v128 {
  return i32x4.gt_s(v128.load(keys + load<u32>(node, 4)), v128.load_splat<i32>(node));
}

/** Minus the number of the leaf among those of a full tree of height 2, 3 or 4, for four rows. */
// @ts-ignore: decorator
@inline
function leaf2(node: usize, keys: usize): v128 {
  const root = greater(node, keys);
  return i32x4.add(i32x4.add(root, root), v128.bitselect(greater(node + 16, keys), greater(node + 8, keys), root));
}
// @ts-ignore: decorator
@inline
function leaf3(node: usize, keys: usize): v128 {
  const root = greater(node, keys);
  return i32x4.add(i32x4.shl(root, 2), v128.bitselect(leaf2(node + 32, keys), leaf2(node + 8, keys), root));
}
function leaf4(node: usize, keys: usize): v128 {
  const root = greater(node, keys);
  return i32x4.add(i32x4.shl(root, 3), v128.bitselect(leaf3(node + 64, keys), leaf3(node + 8, keys), root));
}

/** The key of a float32: its bits in the order of the numbers, with -0 as +0. */
function bitKey(value: f32, low: i32): i32 {
  if (value != value) return low ? i32.MIN_VALUE : i32.MAX_VALUE;
  const bits = reinterpret<i32>(value + 0);
  return bits ^ ((bits >> 31) & i32.MAX_VALUE);
}

/** The key of any number among the sorted splits from `begin` to `end`. */
function rankKey(value: f64, low: i32, splits: usize, begin: i32, end: i32): i32 {
  if (value != value) return low ? i32.MIN_VALUE : i32.MAX_VALUE;
  const first = begin;
  const last = end;
  while (begin < end) {
    const middle = (begin + end) >>> 1;
    if (load<f64>(splits + (<usize>middle << 3)) < value) begin = middle + 1;
    else end = middle;
  }
  const equal = begin < last && load<f64>(splits + (<usize>begin << 3)) == value;
  return ((begin - first) << 1) + i32(equal);
}

/** Adds a leaf's entries to a row's scores; the second half of these says which targets were seen. */
function give(
  leaf: i32,
  scores: usize,
  targets: i32,
  leafStarts: usize,
  leafTargets: usize,
  leafWeights: usize,
  aggregate: i32,
): void {
  let entry = leaf;
  let end = leaf + 1;
  if (leafStarts != <usize>-1) {
    entry = load<i32>(leafStarts + (<usize>leaf << 2));
    end = load<i32>(leafStarts + (<usize>leaf << 2), 4);
  }
  for (; entry < end; entry++) {
    const cell = scores + (<usize>load<u32>(leafTargets + (<usize>entry << 2)) << 3);
    const weight = load<f64>(leafWeights + (<usize>entry << 3));
    const score = load<f64>(cell);
    if (aggregate < MINIMUM) {
      store<f64>(cell, score + weight);
      continue;
    }
    const flag = cell + (<usize>targets << 3);
    const seen = load<i32>(flag);
    store<i32>(flag, 1);
    if (aggregate == MAXIMUM) store<f64>(cell, seen ? max(score, weight) : weight);
    else store<f64>(cell, seen ? min(score, weight) : weight);
  }
}

export function treeEnsemble(
  inputDtype: i32,
  input: usize,
  rows: i32,
  features: i32,
  outputDtype: i32,
  output: usize,
  targets: i32,
  slots: usize,
  slotCount: i32,
  splits: usize,
  splitStarts: usize,
  trees: usize,
  treeCount: i32,
  nodes: usize,
  leafStarts: usize,
  leafTargets: usize,
  leafWeights: usize,
  aggregate: i32,
  baseValues: usize,
  scratch: usize,
): i32 {
  const size = elementSize(inputDtype);
  /** Bytes of the keys of four rows. */
  const stride = (<usize>slotCount + 1) << 4;
  const scoreBytes = <usize>targets << 4;
  // One target, one entry for each leaf, sums: what gradient boosting exports.
  const plain = targets == 1 && leafStarts == <usize>-1 && aggregate < MINIMUM;
  const allScores = scratch + stride * ((min(rows, BLOCK) + 3) >>> 2);
  for (let begin = 0; begin < rows; begin += BLOCK) {
    const count = min(rows - begin, BLOCK);
    memory.fill(allScores, 0, scoreBytes * count);
    for (let row = 0; row < count; row++) {
      const line = input + <usize>(begin + row) * features * size;
      const keys = scratch + <usize>(row >>> 2) * stride + (<usize>(row & 3) << 2);
      store<i32>(keys, i32.MIN_VALUE);
      for (let slot = 0; slot < slotCount; slot++) {
        const place = load<i32>(slots + (<usize>slot << 2));
        const address = line + <usize>(place >>> 1) * size;
        let key: i32;
        if (inputDtype == FLOAT) key = bitKey(load<f32>(address), place & 1);
        else {
          const value = isFloat(inputDtype) ? loadFloat(address, inputDtype) : <f64>loadInteger(address, inputDtype);
          const range = splitStarts + (<usize>slot << 2);
          key = rankKey(value, place & 1, splits, load<i32>(range), load<i32>(range, 4));
        }
        store<i32>(keys + (<usize>slot << 4), key, 16);
      }
    }
    // Full trees come first.
    let linked = 0;
    for (let j = 0; j < count; j += 4) {
      const keys = scratch + <usize>(j >>> 2) * stride;
      const scores = allScores + <usize>j * scoreBytes;
      // Of the single target of four rows.
      let low = f64x2.splat(0);
      let high = low;
      for (linked = 0; linked < treeCount; linked++) {
        const tree = trees + <usize>linked * 12;
        const before = load<i32>(tree, 4);
        if (before >= 0) break;
        const node = nodes + load<u32>(tree);
        const negative = load<i32>(tree, 8) == 3 ? leaf3(node, keys) : leaf4(node, keys);
        const leaves = i32x4.sub(i32x4.splat(-1 - before), negative);
        const a = i32x4.extract_lane(leaves, 0);
        const b = i32x4.extract_lane(leaves, 1);
        const c = i32x4.extract_lane(leaves, 2);
        const d = i32x4.extract_lane(leaves, 3);
        if (plain) {
          const ab = v128.load64_zero(leafWeights + (<usize>a << 3));
          low = f64x2.add(low, v128.load_lane<f64>(leafWeights + (<usize>b << 3), ab, 1));
          const cd = v128.load64_zero(leafWeights + (<usize>c << 3));
          high = f64x2.add(high, v128.load_lane<f64>(leafWeights + (<usize>d << 3), cd, 1));
          continue;
        }
        give(a, scores, targets, leafStarts, leafTargets, leafWeights, aggregate);
        if (j + 1 < count) give(b, scores + scoreBytes, targets, leafStarts, leafTargets, leafWeights, aggregate);
        if (j + 2 < count) give(c, scores + 2 * scoreBytes, targets, leafStarts, leafTargets, leafWeights, aggregate);
        if (j + 3 < count) give(d, scores + 3 * scoreBytes, targets, leafStarts, leafTargets, leafWeights, aggregate);
      }
      if (plain) {
        // Rows of a single target are 16 bytes apart, and there is room for four.
        v128.store_lane<f64>(scores, low, 0);
        v128.store_lane<f64>(scores, low, 1, 16);
        v128.store_lane<f64>(scores, high, 0, 32);
        v128.store_lane<f64>(scores, high, 1, 48);
      }
    }
    // Linked ones: four rows of one tree where there are so many, else four trees of one row. Where fewer are left,
    // trees are walked again and rows hold anything; either is dropped.
    const byRows = rows >= 4;
    const outer = byRows ? treeCount : count;
    const across = byRows ? count : treeCount;
    for (let i = byRows ? linked : 0; i < outer; i++) {
      for (let j = byRows ? 0 : linked; j < across; j += 4) {
        const ways = min(across - j, 4);
        const j1 = j + i32(ways > 1);
        const j2 = j1 + i32(ways > 2);
        const j3 = j2 + i32(ways > 3);
        const ta = trees + <usize>(byRows ? i : j) * 12;
        const tb = byRows ? ta : trees + <usize>j1 * 12;
        const tc = byRows ? ta : trees + <usize>j2 * 12;
        const td = byRows ? ta : trees + <usize>j3 * 12;
        const ka = scratch + (byRows ? <usize>(j >>> 2) * stride : <usize>i << 2);
        const lane: usize = byRows ? 4 : 0;
        let a = nodes + load<u32>(ta);
        let b = nodes + load<u32>(tb);
        let c = nodes + load<u32>(tc);
        let d = nodes + load<u32>(td);
        const least = min(min(load<i32>(ta, 4), load<i32>(tb, 4)), min(load<i32>(tc, 4), load<i32>(td, 4)));
        const most = max(max(load<i32>(ta, 8), load<i32>(tb, 8)), max(load<i32>(tc, 8), load<i32>(td, 8)));
        for (let step = 0; step < most; step++) {
          if (step >= least && !inner(a, b, c, d)) break;
          a = next(nodes, a, ka);
          b = next(nodes, b, ka + lane);
          c = next(nodes, c, ka + 2 * lane);
          d = next(nodes, d, ka + 3 * lane);
        }
        for (let way = 0; way < ways; way++) {
          const scores = allScores + <usize>(byRows ? j + way : i) * scoreBytes;
          const leaf = load<i32>(a);
          if (plain) store<f64>(scores, load<f64>(scores) + load<f64>(leafWeights + (<usize>leaf << 3)));
          else give(leaf, scores, targets, leafStarts, leafTargets, leafWeights, aggregate);
          a = b;
          b = c;
          c = d;
        }
      }
    }
    for (let row = 0; row < count; row++) {
      for (let target = 0; target < targets; target++) {
        let score = load<f64>(allScores + <usize>row * scoreBytes + (<usize>target << 3));
        if (aggregate == AVERAGE) score /= <f64>treeCount;
        if (baseValues != <usize>-1) score += load<f64>(baseValues + (<usize>target << 3));
        const slot = <usize>(begin + row) * targets + target;
        if (outputDtype == DOUBLE) store<f64>(output + (slot << 3), score);
        else store<f32>(output + (slot << 2), <f32>score);
      }
    }
  }
  return rows;
}
