// The walk of TreeEnsembleRegressor, TreeEnsembleClassifier and TreeEnsemble (ai.onnx.ml 1 to 5); the post
// transform is ordinary ops. In: rows of features (any dtype of ours, read as f64), the roots, one array of node
// records, the leaves. Out: scores [rows, targets], f32 or f64 by `outputDtype`. Invariants: f64 accumulators, so
// the result does not depend on how trees are grouped; a walk takes at most nodeCount steps and every index is
// checked, so no data can make it loop or read outside.
//
// Node record, 24 bytes: f64 threshold, i32 feature, i32 whenTrue, i32 whenFalse, u8 mode, u8 missingTracksTrue.
// Modes are those of TreeEnsemble 5: 0 <=, 1 <, 2 >=, 3 >, 4 ==, 5 !=; 7 is a leaf, whose whenTrue and whenFalse
// are the begin and end of its range of leaf entries (target i32, weight f64). BRANCH_MEMBER (6) arrives as a
// chain of == nodes. Aggregate: 0 average, 1 sum, 2 min, 3 max; base values (f64, -1 when absent) are added last.
//
// Scratch: 16 * targets bytes, 8-byte aligned. Returns the number of walks that met no leaf (0 for a sound model).

import { DOUBLE, FLOAT, isFloat, loadFloat, loadInteger, elementSize } from "./shared/element.ts";

const AVERAGE: i32 = 0;
const MINIMUM: i32 = 2;
const MAXIMUM: i32 = 3;
const LEAF: u8 = 7;

/** Whether the walk goes on at `whenTrue`; modes beyond the comparisons never hold. */
function holds(mode: u8, value: f64, threshold: f64): bool {
  switch (mode) {
    case 0:
      return value <= threshold;
    case 1:
      return value < threshold;
    case 2:
      return value >= threshold;
    case 3:
      return value > threshold;
    case 4:
      return value == threshold;
    case 5:
      return value != threshold;
    default:
      return false;
  }
}

/** The leaf reached from `root`, or -1. Models from today's trainers are float32 and `<=` throughout: tested first. */
function walk(dtype: i32, size: i32, line: usize, features: i32, nodes: usize, nodeCount: i32, root: i32): i32 {
  let node = root;
  const plain = dtype == FLOAT;
  for (let step = 0; step < nodeCount; step++) {
    if (<u32>node >= <u32>nodeCount) return -1;
    const record = nodes + <usize>node * 24;
    const mode = load<u8>(record, 20);
    if (mode == LEAF) return node;
    const feature = load<i32>(record, 8);
    if (<u32>feature >= <u32>features) return -1;
    let value: f64;
    if (plain) value = <f64>load<f32>(line + (<usize>feature << 2));
    else {
      const address = line + <usize>feature * size;
      value = isFloat(dtype) ? loadFloat(address, dtype) : <f64>loadInteger(address, dtype);
    }
    let taken = mode == 0 ? value <= load<f64>(record) : holds(mode, value, load<f64>(record));
    if (mode > 5) return -1;
    if (!taken && value != value && load<u8>(record, 21)) taken = true;
    // A branch and no select: the processor guesses the way and walks on before the comparison is done.
    if (taken) node = load<i32>(record, 12);
    else node = load<i32>(record, 16);
  }
  return -1;
}

export function treeEnsemble(
  inputDtype: i32,
  input: usize,
  rows: i32,
  features: i32,
  outputDtype: i32,
  output: usize,
  targets: i32,
  roots: usize,
  treeCount: i32,
  nodes: usize,
  nodeCount: i32,
  leafTargets: usize,
  leafWeights: usize,
  leafCount: i32,
  aggregate: i32,
  baseValues: usize,
  scratch: usize,
): i32 {
  const size = elementSize(inputDtype);
  const touched = scratch + (<usize>targets << 3);
  let failed = 0;
  for (let row = 0; row < rows; row++) {
    const line = input + <usize>row * features * size;
    memory.fill(scratch, 0, <usize>targets << 4);
    for (let tree = 0; tree < treeCount; tree++) {
      const leaf = walk(inputDtype, size, line, features, nodes, nodeCount, load<i32>(roots + (<usize>tree << 2)));
      if (leaf < 0) {
        failed++;
        continue;
      }
      const record = nodes + <usize>leaf * 24;
      const end = min(load<i32>(record, 16), leafCount);
      for (let entry = max(load<i32>(record, 12), 0); entry < end; entry++) {
        const target = load<i32>(leafTargets + (<usize>entry << 2));
        if (<u32>target >= <u32>targets) continue;
        const weight = load<f64>(leafWeights + (<usize>entry << 3));
        const cell = scratch + (<usize>target << 3);
        const flag = touched + (<usize>target << 3);
        const score = load<f64>(cell);
        const seen = load<i32>(flag);
        store<i32>(flag, 1);
        if (aggregate == MINIMUM) store<f64>(cell, seen ? min(score, weight) : weight);
        else if (aggregate == MAXIMUM) store<f64>(cell, seen ? max(score, weight) : weight);
        else store<f64>(cell, score + weight);
      }
    }
    for (let target = 0; target < targets; target++) {
      let score = load<f64>(scratch + (<usize>target << 3));
      if (aggregate == AVERAGE) score /= <f64>treeCount;
      if (baseValues != <usize>-1) score += load<f64>(baseValues + (<usize>target << 3));
      const slot = <usize>row * targets + target;
      if (outputDtype == DOUBLE) store<f64>(output + (slot << 3), score);
      else store<f32>(output + (slot << 2), <f32>score);
    }
  }
  return failed;
}
