/**
 * The generated models by name: networks whose weights are too large to be shipped, or that nobody may ship. Invariant:
 * making one takes seconds and gives the same bytes every time.
 */
import { gpt, GPT_DECODE, GPT_PREFILL } from "./gpt.ts";
import { miniLm } from "./miniLm.ts";
import { mobilenetV2 } from "./mobilenetV2.ts";
import { type GeneratedModel } from "./network.ts";
import { resNet50 } from "./resNet50.ts";
import { uNet } from "./uNet.ts";

export const generatedModels: Readonly<Record<string, () => GeneratedModel>> = {
  "gen-mobilenetv2": () => mobilenetV2(),
  "gen-resnet50": () => resNet50(),
  "gen-minilm": () => miniLm(),
  "gen-gpt-decode": () => gpt(GPT_DECODE),
  "gen-gpt-prefill": () => gpt(GPT_PREFILL),
  "gen-unet": () => uNet(),
};
