/** The service worker of the extension: sees to it that the page with the model is there, and passes questions on. */
import { type Question } from "./messages";

chrome.runtime.onMessage.addListener((message: Question, _sender, respond) => {
  if (message.to !== "background") return false;
  void ask(message).then(respond);
  return true; // the answer comes later
});

let opening: Promise<void> | undefined;

async function ask(question: Question): Promise<unknown> {
  if (!(await chrome.offscreen.hasDocument()))
    await (opening ??= chrome.offscreen
      .createDocument({
        url: "offscreen.html",
        reasons: [chrome.offscreen.Reason.WORKERS],
        justification: "A model stays loaded here while the service worker comes and goes.",
      })
      .finally(() => (opening = undefined)));
  return chrome.runtime.sendMessage({ ...question, to: "offscreen" } satisfies Question);
}
