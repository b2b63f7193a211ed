/** The page that nobody sees: it keeps the model loaded, longer than a service worker lives. */
import classify from "../../digits.onnx";
import { mostLikely } from "../../seven.js";
import { type Answer, type Question } from "./messages";

chrome.runtime.onMessage.addListener((message: Question, _sender, respond) => {
  if (message.to !== "offscreen") return false;
  void classify({ image: message.image }).then(({ probabilities }) => {
    respond({ digit: mostLikely(probabilities.data) } satisfies Answer);
  });
  return true;
});
