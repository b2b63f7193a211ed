/**
 * A graph of any number of nodes, to see how the time of compiling grows. In: how many nodes, and a seed. Out: the
 * bytes of an ONNX model whose nodes are elementwise chains with side branches, small matrix products, reshapes,
 * transposes and concatenations, most of them reading one of the last few values and some a far older one.
 * Invariant: the same numbers give the same bytes, and every part of the graph reaches an output.
 */
import { onnxModel } from "../compiler/frontend/onnx/write.ts";

const ROWS = 4;
const COLUMNS = 8;
/** Values that may wait for a reader at a time, as in the widest networks. */
const OPEN = 24;

export function generatedGraph(nodes: number, seed = 1): Uint8Array {
  const random = generator(seed);
  const model = onnxModel(`generated${nodes}`, { opset: 18 });
  const x = model.input("x", "float32", [ROWS, COLUMNS]);
  const weight = (): string =>
    model.initializer("float32", [COLUMNS, COLUMNS], Float32Array.from({ length: COLUMNS * COLUMNS }, () => (random() - 0.5) / 2)); // prettier-ignore
  const flat = model.int64s([ROWS * COLUMNS]);
  const square = model.int64s([ROWS, COLUMNS]);
  const everySecond = [[0], [2 * COLUMNS], [1], [2]].map((number) => model.int64s(number));
  const values = [x];
  const unread = new Set<string>();
  let count = 0;
  const node = (op: string, inputs: readonly string[], attributes = {}): string => {
    count++;
    return model.node(op, inputs, attributes);
  };
  const pick = (): string => {
    const [oldest] = unread;
    if (oldest !== undefined && unread.size > OPEN) {
      unread.delete(oldest);
      return oldest;
    }
    const back = random() < 0.9 ? 4 : 400;
    const at = Math.max(0, values.length - 1 - Math.floor(random() * back));
    unread.delete(values[at]!);
    return values[at]!;
  };
  while (count < nodes - 1) {
    const a = pick();
    const kind = random();
    let made: string;
    if (kind < 0.45) made = node(["Relu", "Tanh", "Abs", "Sigmoid"][Math.floor(random() * 4)]!, [a]);
    else if (kind < 0.7) made = node(["Add", "Mul", "Sub", "Max"][Math.floor(random() * 4)]!, [a, pick()]);
    else if (kind < 0.8) made = node("MatMul", [a, weight()]);
    else if (kind < 0.88) made = node("Reshape", [node("Relu", [node("Reshape", [a, flat])]), square]);
    else if (kind < 0.94) made = node("Transpose", [node("Neg", [node("Transpose", [a])])]);
    else made = node("Slice", [node("Concat", [a, pick()], { axis: 1 }), ...everySecond]);
    values.push(made);
    unread.add(made);
  }
  // What nobody read is summed up, so that no part of the graph is dropped.
  const loose = [...unread];
  model.output(node("Sum", loose.length > 1 ? loose : [loose[0] ?? x]), "float32", [ROWS, COLUMNS], "y");
  return model.toBytes();
}

/** Uniform numbers below 1: the generator of Park and Miller, 1988, with the multiplier 48271. */
function generator(seed: number): () => number {
  let state = seed % 2147483647 || 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
