/** The page: gives pictures away and shows answers; nothing that the model does can make it stutter. */
import { seven } from "../../seven.js";
import { type Answer } from "./worker";

const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });

worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
  document.querySelector("#answer")!.textContent = "digit" in data ? String(data.digit) : data.problem;
});

// A copy, whose memory then belongs to the worker.
const image = seven.slice();
worker.postMessage(image, [image.buffer]);
