/**
 * DeiT-tiny (Touvron and others, 2021), a vision transformer (Dosovitskiy and others, 2021) of width 192 with 3 heads,
 * with seeded weights, as PyTorch's exporter writes timm's: one linear layer for queries, keys and values, which are
 * split after a transpose. In: sizes. Out: a model.
 */
import { Network, type GeneratedModel } from "./network.ts";
import { gelu, layerNorm, mergeHeads } from "./transformer.ts";

export interface DeiTConfig {
  readonly size: number;
  readonly patch: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly classes: number;
}

export function deiT(
  config: DeiTConfig = { size: 224, patch: 16, layers: 12, width: 192, heads: 3, classes: 1000 },
): GeneratedModel {
  const { size, patch, layers, width, heads, classes } = config;
  const net = new Network("deit", 17, 15);
  const tokens = (size / patch) ** 2;
  const ints = (...list: readonly number[]): string => net.model.int64s(list);

  const w = net.weight([width, 3, patch, patch], 1 / Math.sqrt(3 * patch * patch));
  let x = net.op("Conv", [net.input("image", [1, 3, size, size]), w, net.vector(width, 0, 0.1)], {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  x = net.op("Transpose", [net.op("Reshape", [x, ints(1, width, tokens)])], { perm: [0, 2, 1] });
  const first = net.weight([1, 1, width], 0.5);
  x = net.op("Add", [net.op("Concat", [first, x], { axis: 1 }), net.weight([1, tokens + 1, width], 0.5)]);
  for (let layer = 0; layer < layers; layer++) {
    const all = net.linear(layerNorm(net, x, width), width, 3 * width);
    const split = net.op("Reshape", [all, ints(1, tokens + 1, 3, heads, width / heads)]);
    const turned = net.op("Transpose", [split], { perm: [2, 0, 3, 1, 4] });
    const [q, k, v] = [0, 1, 2].map((which) =>
      net.op("Gather", [turned, net.model.scalar("int64", BigInt(which))], { axis: 0 }),
    );
    const scores = net.op("MatMul", [
      net.op("Mul", [q, net.scalar(Math.sqrt(heads / width))]),
      net.op("Transpose", [k], { perm: [0, 1, 3, 2] }),
    ]);
    const attended = net.op("MatMul", [net.op("Softmax", [scores], { axis: -1 }), v]);
    x = net.op("Add", [x, net.linear(mergeHeads(net, attended, width), width, width)]);
    const inner = gelu(net, net.linear(layerNorm(net, x, width), width, 4 * width));
    x = net.op("Add", [x, net.linear(inner, 4 * width, width)]);
  }
  const row = net.op("Gather", [layerNorm(net, x, width), net.model.scalar("int64", 0n)], { axis: 1 });
  const head = net.weight([classes, width], 1 / Math.sqrt(width));
  x = net.op("Gemm", [row, head, net.vector(classes, 0, 0.1)], { transB: 1 });
  return net.finish([[x, "logits", [1, classes]]]);
}
