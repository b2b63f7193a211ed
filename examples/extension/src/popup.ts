/** What the user sees: asks, and shows the answer. */
import { seven } from "../../seven.js";
import { type Answer, type Question } from "./messages";

const question: Question = { to: "background", image: [...seven] };
const { digit } = (await chrome.runtime.sendMessage(question)) as Answer;
document.querySelector("#answer")!.textContent = String(digit);
