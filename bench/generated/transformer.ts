/**
 * Parts that the generated transformers share. In: a network under construction and values of shape
 * `[batch, tokens, width]`. Out: values. Invariant: shapes are those of the PyTorch modules, and no reshape names the
 * number of tokens, so that it may stay open.
 */
import { type Network } from "./network.ts";

/** Layer normalization as exporters write it before opset 17: by its definition, in nine operators. */
export function decomposedLayerNorm(net: Network, x: string, width: number): string {
  const centered = net.op("Sub", [x, net.op("ReduceMean", [x], { axes: [-1] })]);
  const squares = net.op("Pow", [centered, net.scalar(2)]);
  const variance = net.op("ReduceMean", [squares], { axes: [-1] });
  const deviation = net.op("Sqrt", [net.op("Add", [variance, net.scalar(1e-12)])]);
  const scaled = net.op("Mul", [net.op("Div", [centered, deviation]), net.vector(width, 1, 0.1)]);
  return net.op("Add", [scaled, net.vector(width, 0, 0.05)]);
}

export function layerNorm(net: Network, x: string, width: number): string {
  const parameters = [net.vector(width, 1, 0.1), net.vector(width, 0, 0.05)];
  return net.op("LayerNormalization", [x, ...parameters], { axis: -1, epsilon: 1e-5 });
}

/** `[batch, tokens, width]` to `[batch, heads, tokens, width / heads]`, or with the last two swapped. */
export function splitHeads(net: Network, x: string, heads: number, width: number, swapped = false): string {
  const shape = net.model.int64s([0, 0, heads, width / heads]);
  return net.op("Transpose", [net.op("Reshape", [x, shape])], {
    perm: swapped ? [0, 2, 3, 1] : [0, 2, 1, 3],
  });
}

/** The inverse of {@link splitHeads}. */
export function mergeHeads(net: Network, x: string, width: number): string {
  const joined = net.op("Transpose", [x], { perm: [0, 2, 1, 3] });
  return net.op("Reshape", [joined, net.model.int64s([0, 0, width])]);
}

/** `0.5 x (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, 2016) in the operators of PyTorch's exporter. */
export function gelu(net: Network, x: string): string {
  const erf = net.op("Erf", [net.op("Div", [x, net.scalar(Math.SQRT2)])]);
  const product = net.op("Mul", [x, net.op("Add", [erf, net.scalar(1)])]);
  return net.op("Mul", [product, net.scalar(0.5)]);
}

/** Its approximation by tanh, from the same paper, as GPT-2 has it. */
export function geluTanh(net: Network, x: string): string {
  const cube = net.op("Mul", [net.op("Pow", [x, net.scalar(3)]), net.scalar(0.044715)]);
  const inner = net.op("Mul", [net.op("Add", [x, cube]), net.scalar(Math.sqrt(2 / Math.PI))]);
  const outer = net.op("Add", [net.op("Tanh", [inner]), net.scalar(1)]);
  return net.op("Mul", [net.op("Mul", [x, net.scalar(0.5)]), outer]);
}
