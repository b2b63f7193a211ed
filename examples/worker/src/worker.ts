/** The worker: loads the model when the first picture comes, and answers each. */
import classify from "../../digits.onnx";
import { mostLikely } from "../../seven.js";

export type Answer = { readonly digit: number } | { readonly problem: string };

addEventListener("message", async ({ data: image }: MessageEvent<Float32Array>) => {
  postMessage(await answerTo(image));
});

async function answerTo(image: Float32Array): Promise<Answer> {
  try {
    const { probabilities } = await classify({ image });
    return { digit: mostLikely(probabilities.data) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
