/**
 * What the library kernels mean, in plain TypeScript: selection and scatter here, arithmetic in
 * `referenceNumeric.ts`. In: the memory and the very arguments of the WebAssembly function. Out: the same stores
 * into the outputs and the same return value; scratch is not used. Invariant: naive on purpose (full sorts, linear
 * searches), since the interpreter runs these as the definition that the kernels are tested against. The meaning
 * of each argument is in the table of `index.ts`.
 */
import {
  compareElements,
  copyBytes,
  dtypeOfCode,
  isAbsent,
  isFloatDtype,
  readElement,
  readIndex,
  readInt64,
  readInts,
  widthOf,
  writeElement,
  writeInt64,
  type LibraryDType,
} from "./memory.ts";

/** A reference implementation: the memory, then the arguments of the WebAssembly function. */
export type LibraryReference = (memory: DataView, ...args: number[]) => number;

const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1);

/** Row-major coordinates of element `index`. */
function coordinatesOf(index: number, dims: readonly number[]): number[] {
  const coordinates: number[] = [];
  for (let d = dims.length - 1; d >= 0; d--) {
    coordinates[d] = index % dims[d]!;
    index = Math.floor(index / dims[d]!);
  }
  return coordinates;
}

/** Row-major position of an element. */
function positionOf(coordinates: readonly number[], dims: readonly number[]): number {
  return coordinates.reduce((position, coordinate, d) => position * dims[d]! + coordinate, 0);
}

/** `index` counted from the end when negative; undefined when outside. */
function normalizedIndex(index: bigint, extent: number): number | undefined {
  const position = Number(index < 0n ? index + BigInt(extent) : index);
  return position >= 0 && position < extent ? position : undefined;
}

export function topkReference(
  memory: DataView,
  code: number,
  input: number,
  values: number,
  indices: number,
  outer: number,
  axis: number,
  inner: number,
  k: number,
  largest: number,
): number {
  const dtype = dtypeOfCode(code);
  const width = widthOf(dtype);
  const used = Math.max(0, Math.min(k, axis));
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++) {
      const at = (i: number) => (o * axis + i) * inner + j;
      const read = (i: number) => readElement(memory, input, at(i), dtype);
      const order = Array.from({ length: axis }, (_, i) => i).sort(
        (a, b) => compareElements(read(a), read(b)) * (largest ? -1 : 1) || a - b,
      );
      order.slice(0, used).forEach((position, rank) => {
        const slot = (o * used + rank) * inner + j;
        copyBytes(memory, values + slot * width, input + at(position) * width, width);
        writeInt64(memory, indices, slot, position);
      });
    }
  }
  return used;
}

interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Intersection over union, 0 when there is none or an area is empty; every operation rounds to f32. */
function overlap(a: Rectangle, b: Rectangle): number {
  const f = Math.fround;
  const width = f(Math.min(a.right, b.right) - Math.max(a.left, b.left));
  const height = f(Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
  if (width <= 0 || height <= 0) return 0;
  const area = (r: Rectangle) => f(f(r.right - r.left) * f(r.bottom - r.top));
  const shared = f(width * height);
  const union = f(f(area(a) + area(b)) - shared);
  if (shared <= 0 || area(a) <= 0 || area(b) <= 0 || union <= 0) return 0;
  return f(shared / union);
}

export function nonMaxSuppressionReference(
  memory: DataView,
  boxes: number,
  scores: number,
  output: number,
  batches: number,
  classes: number,
  boxCount: number,
  maxOutputPerClass: number,
  iouThreshold: number,
  scoreThreshold: number,
  centerPointBox: number,
  capacity: number,
): number {
  const float = (pointer: number, index: number) => memory.getFloat32((pointer >>> 0) + index * 4, true);
  const limit = isAbsent(maxOutputPerClass) ? 0 : Number(readInt64(memory, maxOutputPerClass, 0));
  const maximumOverlap = isAbsent(iouThreshold) ? 0 : float(iouThreshold, 0);
  const minimumScore = isAbsent(scoreThreshold) ? undefined : float(scoreThreshold, 0);
  const rectangle = (box: number): Rectangle => {
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => float(boxes, box * 4 + i)) as [
      number,
      number,
      number,
      number,
    ];
    const f = Math.fround;
    if (centerPointBox) {
      return { left: f(a - f(c / 2)), top: f(b - f(d / 2)), right: f(a + f(c / 2)), bottom: f(b + f(d / 2)) };
    }
    return { left: Math.min(b, d), top: Math.min(a, c), right: Math.max(b, d), bottom: Math.max(a, c) };
  };
  let rows = 0;
  for (let batch = 0; batch < batches; batch++) {
    for (let label = 0; label < classes; label++) {
      const score = (box: number) => float(scores, (batch * classes + label) * boxCount + box);
      const candidates = Array.from({ length: boxCount }, (_, box) => box)
        .filter((box) => !Number.isNaN(score(box)))
        .filter((box) => minimumScore === undefined || score(box) > minimumScore)
        .sort((a, b) => compareElements(score(b), score(a)) || a - b);
      const kept: Rectangle[] = [];
      for (const box of candidates) {
        if (kept.length >= limit || rows >= capacity) break;
        const shape = rectangle(batch * boxCount + box);
        if (kept.some((other) => overlap(shape, other) > maximumOverlap)) continue;
        kept.push(shape);
        [batch, label, box].forEach((value, column) => writeInt64(memory, output, rows * 3 + column, value));
        rows++;
      }
    }
  }
  return rows;
}

export function nonZeroReference(
  memory: DataView,
  code: number,
  input: number,
  output: number,
  rank: number,
  dimsPointer: number,
): number {
  const dims = readInts(memory, dimsPointer, rank);
  const found: number[][] = [];
  for (let i = 0; i < product(dims); i++) {
    const value = readElement(memory, input, i, dtypeOfCode(code));
    if (typeof value === "bigint" ? value !== 0n : value !== 0) found.push(coordinatesOf(i, dims));
  }
  found.forEach((coordinates, column) => {
    coordinates.forEach((coordinate, d) => writeInt64(memory, output, d * found.length + column, coordinate));
  });
  return found.length;
}

export function uniqueReference(
  memory: DataView,
  code: number,
  input: number,
  values: number,
  firstIndices: number,
  inverse: number,
  counts: number,
  outer: number,
  axis: number,
  inner: number,
  sorted: number,
): number {
  const dtype = dtypeOfCode(code);
  const width = widthOf(dtype);
  const slices = Array.from({ length: axis }, (_, i) => {
    const elements: (number | bigint)[] = [];
    for (let o = 0; o < outer; o++) {
      for (let j = 0; j < inner; j++)
        elements.push(readElement(memory, input, (o * axis + i) * inner + j, dtype));
    }
    return elements;
  });
  const compare = (a: number, b: number): number => {
    for (const [e, element] of slices[a]!.entries()) {
      const order = compareElements(element, slices[b]![e]!);
      if (order !== 0) return order;
    }
    return 0;
  };
  const firsts: number[] = [];
  for (let i = 0; i < axis; i++) {
    if (!firsts.some((first) => compare(first, i) === 0)) firsts.push(i);
  }
  if (sorted) firsts.sort(compare);
  const numbers = slices.map((_, i) => firsts.findIndex((first) => compare(first, i) === 0));
  if (!isAbsent(inverse)) numbers.forEach((number, i) => writeInt64(memory, inverse, i, number));
  firsts.forEach((first, number) => {
    if (!isAbsent(firstIndices)) writeInt64(memory, firstIndices, number, first);
    if (!isAbsent(counts)) writeInt64(memory, counts, number, numbers.filter((n) => n === number).length);
    for (let o = 0; o < outer; o++) {
      const source = input + (o * axis + first) * inner * width;
      copyBytes(memory, values + (o * firsts.length + number) * inner * width, source, inner * width);
    }
  });
  return firsts.length;
}

export function compressReference(
  memory: DataView,
  elementSize: number,
  input: number,
  condition: number,
  output: number,
  outer: number,
  axis: number,
  inner: number,
  conditionLength: number,
): number {
  const kept = Array.from({ length: Math.min(axis, conditionLength) }, (_, i) => i).filter(
    (i) => memory.getUint8((condition >>> 0) + i) !== 0,
  );
  const bytes = inner * elementSize;
  for (let o = 0; o < outer; o++) {
    kept.forEach((i, rank) => {
      copyBytes(memory, output + (o * kept.length + rank) * bytes, input + (o * axis + i) * bytes, bytes);
    });
  }
  return kept.length;
}

/** What a scatter starts from: a copy of `data`, or zeros where it is absent. */
function initialize(memory: DataView, output: number, data: number, bytes: number): void {
  if (!isAbsent(data)) return copyBytes(memory, output, data, bytes);
  for (let i = 0; i < bytes; i++) memory.setUint8((output >>> 0) + i, 0);
}

/** One element of a scatter: 0 none, 1 add, 2 multiply, 3 min, 4 max; booleans stay 0 or 1. */
function combine(
  memory: DataView,
  dtype: LibraryDType,
  reduction: number,
  output: number,
  slot: number,
  updates: number,
  update: number,
): void {
  const width = widthOf(dtype);
  if (reduction === 0) return copyBytes(memory, output + slot * width, updates + update * width, width);
  const left = readElement(memory, output, slot, dtype);
  const right = readElement(memory, updates, update, dtype);
  if (isFloatDtype(dtype)) {
    const [a, b] = [Number(left), Number(right)];
    const results = [a + b, a * b, Math.min(a, b), Math.max(a, b)];
    return writeElement(memory, output, slot, dtype, results[reduction - 1]!);
  }
  const [a, b] = [BigInt(left), BigInt(right)];
  const value = [a + b, a * b, a < b ? a : b, a < b ? b : a][reduction - 1]!;
  writeElement(memory, output, slot, dtype, dtype === "bool" && value !== 0n ? 1 : value);
}

export function scatterElementsReference(
  memory: DataView,
  code: number,
  data: number,
  output: number,
  dimsPointer: number,
  indices: number,
  indexCode: number,
  indexDimsPointer: number,
  updates: number,
  rank: number,
  axis: number,
  reduction: number,
): number {
  const dtype = dtypeOfCode(code);
  const dims = readInts(memory, dimsPointer, rank);
  const indexDims = readInts(memory, indexDimsPointer, rank);
  initialize(memory, output, data, product(dims) * widthOf(dtype));
  let bad = 0;
  for (let update = 0; update < product(indexDims); update++) {
    const index = normalizedIndex(readIndex(memory, indices, update, indexCode), dims[axis]!);
    if (index === undefined) {
      bad++;
      continue;
    }
    const target = coordinatesOf(update, indexDims).map((coordinate, d) => (d === axis ? index : coordinate));
    combine(memory, dtype, reduction, output, positionOf(target, dims), updates, update);
  }
  return bad;
}

export function scatterNDReference(
  memory: DataView,
  code: number,
  data: number,
  output: number,
  dimsPointer: number,
  rank: number,
  indices: number,
  indexCode: number,
  tuples: number,
  tupleLength: number,
  updates: number,
  reduction: number,
): number {
  const dtype = dtypeOfCode(code);
  const dims = readInts(memory, dimsPointer, rank);
  const slice = product(dims.slice(tupleLength));
  initialize(memory, output, data, product(dims) * widthOf(dtype));
  let bad = 0;
  for (let tuple = 0; tuple < tuples; tuple++) {
    const target = dims
      .slice(0, tupleLength)
      .map((extent, d) =>
        normalizedIndex(readIndex(memory, indices, tuple * tupleLength + d, indexCode), extent),
      );
    const inside = target.filter((index) => index !== undefined);
    if (inside.length < tupleLength) {
      bad++;
      continue;
    }
    const first = positionOf(inside, dims) * slice;
    for (let i = 0; i < slice; i++) {
      combine(memory, dtype, reduction, output, first + i, updates, tuple * slice + i);
    }
  }
  return bad;
}

export function scatterFlatReference(
  memory: DataView,
  elementSize: number,
  data: number,
  output: number,
  outputCount: number,
  indices: number,
  source: number,
  count: number,
): number {
  initialize(memory, output, data, outputCount * elementSize);
  let bad = 0;
  for (let i = 0; i < count; i++) {
    const index = readInt64(memory, indices, i);
    if (index < 0n || index >= BigInt(outputCount)) bad++;
    else copyBytes(memory, output + Number(index) * elementSize, source + i * elementSize, elementSize);
  }
  return bad;
}
