/**
 * Dilated convolutions as TF writes them: space goes to the batch, a convolution without dilation runs over the
 * pieces, and they are put together again. In: nodes. Out: nodes in which the convolution itself is dilated, between
 * the padding and the cutting that are left over. Invariant: only where all three belong to nobody else, the
 * convolution has stride 1 and pads nothing, so that both forms compute the same sums.
 */
import type { TfAttribute } from "./attribute.ts";
import type { TfNode } from "./model.ts";
import type { TfWeight } from "./weights.ts";

/** What is left of SpaceToBatchND and BatchToSpaceND; no operators of TF. */
export const SPACE_PAD = "tilewright:SpacePad";
export const SPACE_CROP = "tilewright:SpaceCrop";

const convolutions = ["Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"];

export function dilateConvolutions(
  nodes: ReadonlyMap<string, TfNode>,
  weights: ReadonlyMap<string, TfWeight>,
): ReadonlyMap<string, TfNode> {
  const readers = new Map<string, number>();
  for (const { inputs } of nodes.values())
    for (const input of inputs) readers.set(nodeOf(input), (readers.get(nodeOf(input)) ?? 0) + 1);
  const changed = new Map(nodes);
  for (const merge of nodes.values()) {
    if (merge.op !== "BatchToSpaceND") continue;
    const convolution = nodes.get(nodeOf(merge.inputs[0] ?? ""));
    const split = convolution && nodes.get(nodeOf(convolution.inputs[0] ?? ""));
    if (!convolution || split?.op !== "SpaceToBatchND" || !convolutions.includes(convolution.op)) continue;
    if (readers.get(convolution.name) !== 1 || readers.get(split.name) !== 1) continue;
    const blocks = [split, merge].map(({ inputs }) => weights.get(nodeOf(inputs[1] ?? ""))?.tensor.data);
    const [block, other] = blocks.map((data) => (data ? Array.from(data as Int32Array) : []));
    const equal = block!.length === 2 && block!.every((size, d) => size === other![d]);
    if (!equal || !isPlain(convolution)) continue;
    const dilations: TfAttribute = { kind: "numbers", value: [1, ...block!, 1] };
    changed.set(split.name, { ...split, op: SPACE_PAD });
    changed.set(merge.name, { ...merge, op: SPACE_CROP });
    changed.set(convolution.name, { ...convolution, attributes: new Map([...convolution.attributes, ["dilations", dilations]]) }); // prettier-ignore
  }
  return changed;
}

function isPlain({ attributes }: TfNode): boolean {
  const padding = attributes.get("padding");
  const format = attributes.get("data_format");
  const ones = (name: string): boolean => {
    const list = attributes.get(name);
    return list === undefined || (list.kind === "numbers" && list.value.every((value) => value === 1));
  };
  const channelsLast = !(format?.kind === "string" && format.value.startsWith("NC"));
  return (
    padding?.kind === "string" &&
    padding.value === "VALID" &&
    channelsLast &&
    ones("strides") &&
    ones("dilations")
  );
}

function nodeOf(input: string): string {
  return input.replace(/^\^/, "").split(":")[0]!;
}
