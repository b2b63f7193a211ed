/**
 * The generators at small sizes: what they build compiles, agrees with onnxruntime-web, and has activations that
 * neither vanish nor grow; the same call gives the same bytes.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/whole.ts";
import { load } from "../../runtime/index.ts";
import { rmsError, verify, type Tensors } from "../agreement.ts";
import { type NamedTensor } from "../models.ts";
import { outputsOf } from "./cache.ts";
import { convNext } from "./convNext.ts";
import { deepLab } from "./deepLab.ts";
import { deiT } from "./deiT.ts";
import { efficientNet } from "./efficientNet.ts";
import { gpt } from "./gpt.ts";
import { lstmTagger } from "./lstmTagger.ts";
import { miniLm } from "./miniLm.ts";
import { mobilenetV2 } from "./mobilenetV2.ts";
import { mobilenetV3 } from "./mobilenetV3.ts";
import { type GeneratedModel } from "./network.ts";
import { resNet50 } from "./resNet50.ts";
import { shuffleNetV2 } from "./shuffleNetV2.ts";
import { ssd } from "./ssd.ts";
import { superResolution } from "./superResolution.ts";
import { generatedModels } from "./table.ts";
import { uNet } from "./uNet.ts";
import { waveNet } from "./waveNet.ts";

const gptSize = { layers: 2, width: 32, heads: 4, vocabulary: 50 };

const small: Readonly<Record<string, () => GeneratedModel>> = {
  "gen-mobilenetv2": () => mobilenetV2({ size: 64, width: 0.35, classes: 10 }),
  "gen-resnet50": () => resNet50({ size: 64, width: 8, blocks: [1, 2, 2, 1], classes: 10 }),
  "gen-minilm": () => miniLm({ layers: 2, width: 48, heads: 4, tokens: 16, vocabulary: 60 }),
  "gen-minilm-512": () => miniLm({ layers: 1, width: 16, heads: 2, tokens: 32, vocabulary: 20 }),
  "gen-gpt-decode": () => gpt({ ...gptSize, tokens: 1, past: 9 }),
  "gen-gpt-prefill": () => gpt({ ...gptSize, tokens: 8, past: 0 }),
  "gen-unet": () => uNet({ size: 32, width: 8, depth: 3 }),
  "gen-mobilenetv3": () => mobilenetV3({ size: 64, blocks: 7, classes: 10 }),
  "gen-efficientnet": () => efficientNet({ size: 64, stages: 3, classes: 10 }),
  "gen-shufflenetv2": () => shuffleNetV2({ size: 64, width: 24, repetitions: [2, 2, 2], classes: 10 }),
  "gen-convnext": () => convNext({ size: 32, depths: [1, 1, 2], widths: [16, 24, 32], classes: 10 }),
  "gen-deit": () => deiT({ size: 32, patch: 8, layers: 2, width: 48, heads: 3, classes: 10 }),
  "gen-lstm-tagger": () =>
    lstmTagger({ words: 7, vocabulary: 50, width: 12, hidden: 16, layers: 2, tags: 5 }),
  "gen-wavenet": () => waveNet({ samples: 100, width: 12, layers: 3, stacks: 2 }),
  "gen-ssd": () => ssd({ size: 64, classes: 4, widths: [8, 16, 24], heads: 2 }),
  "gen-deeplab": () =>
    deepLab({
      size: 32,
      blocks: [
        [16, 1, 1],
        [16, 2, 1],
        [16, 1, 2],
      ],
      rates: [2, 4],
      width: 16,
      classes: 5,
    }),
  "gen-super-resolution": () => superResolution({ size: 12, width: 8, blocks: 2 }),
};

const byName = (tensors: readonly NamedTensor[]): Tensors =>
  Object.fromEntries(tensors.map(({ name, tensor }) => [name, tensor]));

it("has a small form of each", () => {
  expect(Object.keys(small).sort()).toEqual(Object.keys(generatedModels).sort());
});

describe.each(Object.entries(small))("%s", (_, make) => {
  const { bytes, inputs } = make();

  it("is the same every time", () => {
    expect(Buffer.from(make().bytes).equals(bytes)).toBe(true);
  });

  it("computes what onnxruntime-web computes, and something that depends on its inputs", async () => {
    const expected = byName(await outputsOf(bytes, inputs));
    const inputShapes = Object.fromEntries(inputs.map(({ name, tensor }) => [name, tensor.shape]));
    const { artifact, report } = compile(bytes, { inputShapes });
    expect(report.kind).toBe("bound");
    const session = await load(artifact, { threads: 1 });
    const actual = (await session.run(byName(inputs))) as Tensors;
    session.dispose();
    const { verified, worst } = verify(actual, expected, "onnxruntime-web");
    expect(verified, worst).toBe(true);

    const first = Object.values(expected)[0]!.data as Float32Array;
    const mean = first.reduce((sum, value) => sum + value, 0) / first.length;
    const spread = Math.sqrt(first.reduce((sum, value) => sum + (value - mean) ** 2, 0) / first.length);
    expect(spread).toBeGreaterThan(0.02);
    expect(spread).toBeLessThan(50);
    const others = inputs.map(({ name, tensor }) => ({
      name,
      tensor: { ...tensor, data: tensor.data.slice().reverse() as Float32Array },
    }));
    expect(rmsError(byName(await outputsOf(bytes, others)), expected)).toBeGreaterThan(1e-3);
  });
});
