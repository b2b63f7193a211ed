/**
 * The generated models by name: networks whose weights are too large to be shipped, or that nobody may ship. Two
 * groups: those that figures are told of, and others of all kinds, by which one sees whether what is said of the
 * first holds elsewhere, too. Invariant: making one takes seconds and gives the same bytes every time.
 */
import { convNext } from "./convNext.ts";
import { deepLab } from "./deepLab.ts";
import { deiT } from "./deiT.ts";
import { efficientNet } from "./efficientNet.ts";
import { gpt, GPT_DECODE, GPT_PREFILL } from "./gpt.ts";
import { lstmTagger } from "./lstmTagger.ts";
import { miniLm, MINILM_LONG } from "./miniLm.ts";
import { mobilenetV2 } from "./mobilenetV2.ts";
import { mobilenetV3 } from "./mobilenetV3.ts";
import { type GeneratedModel } from "./network.ts";
import { resNet50 } from "./resNet50.ts";
import { shuffleNetV2 } from "./shuffleNetV2.ts";
import { ssd } from "./ssd.ts";
import { superResolution } from "./superResolution.ts";
import { uNet } from "./uNet.ts";
import { waveNet } from "./waveNet.ts";

type Table = Readonly<Record<string, () => GeneratedModel>>;

const named: Table = {
  "gen-mobilenetv2": () => mobilenetV2(),
  "gen-resnet50": () => resNet50(),
  "gen-minilm": () => miniLm(),
  "gen-gpt-decode": () => gpt(GPT_DECODE),
  "gen-gpt-prefill": () => gpt(GPT_PREFILL),
  "gen-unet": () => uNet(),
};

const others: Table = {
  "gen-mobilenetv3": () => mobilenetV3(),
  "gen-efficientnet": () => efficientNet(),
  "gen-shufflenetv2": () => shuffleNetV2(),
  "gen-convnext": () => convNext(),
  "gen-deit": () => deiT(),
  "gen-minilm-512": () => miniLm(MINILM_LONG),
  "gen-lstm-tagger": () => lstmTagger(),
  "gen-wavenet": () => waveNet(),
  "gen-ssd": () => ssd(),
  "gen-deeplab": () => deepLab(),
  "gen-super-resolution": () => superResolution(),
};

export const generatedModels: Table = { ...named, ...others };

/** What a word means besides the name of a model. */
export const generatedGroups: Readonly<Record<string, readonly string[]>> = {
  all: Object.keys(named),
  others: Object.keys(others),
};
