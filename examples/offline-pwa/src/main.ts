/**
 * The page: reads what is drawn, and keeps doing so without a network. The model comes from the store that the service
 * worker fills; on the first visit, whoever of the two comes first downloads it and the other waits.
 */
import { registerOffline, type OfflineUpdate } from "tilewright/offline";
import { defineProgress } from "tilewright/progress";
import classify from "../../digits.onnx";
import { mostLikely } from "../../seven.js";
import { Pad } from "./pad";

const find = <E extends HTMLElement>(id: string): E => document.querySelector<E>(`#${id}`)!;

defineProgress();
const bar = document.querySelector("tilewright-progress")!;
const bars = find("bars");
bars.append(...Array.from({ length: 10 }, () => document.createElement("li")));

/** What is there before anybody has drawn. */
const SEVEN = [
  [
    [0.27, 0.24],
    [0.5, 0.27],
    [0.74, 0.25],
    [0.55, 0.5],
    [0.42, 0.82],
  ],
  [
    [0.36, 0.55],
    [0.67, 0.53],
  ],
] as const;

const pad = new Pad(find<HTMLCanvasElement>("pad"), () => requestAnimationFrame(read));
pad.draw(SEVEN);
find("clear").addEventListener("click", () => {
  pad.clear();
  show(undefined);
});

// The address changes with the model, so nobody has to be asked whether it is current.
await classify.load({ cache: { revalidate: "never" }, progress: bar.show });
await read();

async function read(): Promise<void> {
  const image = pad.image();
  if (image === undefined) return show(undefined);
  const start = performance.now();
  const { probabilities } = await classify({ image });
  show(probabilities.data);
  const { cache } = (await classify.load()).stats();
  const from = cache?.outcome === "miss" ? "the network" : "this device";
  find("facts").textContent =
    `${(performance.now() - start).toFixed(1)} ms on this device. The model came from ${from}.`;
}

function show(probabilities: Float32Array | undefined): void {
  find("answer").textContent = probabilities === undefined ? "–" : String(mostLikely(probabilities));
  [...bars.children].forEach((item, digit) => {
    const share = probabilities?.[digit] ?? 0;
    (item as HTMLElement).style.setProperty("--share", share.toFixed(3));
    item.toggleAttribute("data-most", share > 0.5);
  });
}

// Without a network.
const network = (): void => {
  find("network").dataset["state"] = navigator.onLine ? "online" : "offline";
  find("network").textContent = navigator.onLine ? "Online" : "Offline";
};
addEventListener("online", network);
addEventListener("offline", network);
network();

const state = (name: string, text: string): void => {
  find("offline").dataset["state"] = name;
  find("offline").textContent = text;
};

if (import.meta.env.PROD) {
  try {
    const offline = await registerOffline(`${import.meta.env.BASE_URL}sw.js`, { models: [classify] });
    offline.on("progress", ({ fraction = 0 }) => {
      // A new version arrives without a word, until it is there.
      if (offline.state === "installing") state("installing", `Offline use: ${Math.round(100 * fraction)}%`);
    });
    offline.on("ready", () => state("ready", "Works offline"));
    offline.on("failed", ({ message }) => state("failed", `Not available offline: ${message}`));
    offline.on("update", offer);
  } catch (error) {
    state("failed", `Not available offline: ${error instanceof Error ? error.message : String(error)}`);
  }
} else state("installing", "Offline use begins with vite build");

/** The page decides: nothing changes until somebody says so. */
function offer(update: OfflineUpdate): void {
  const what = update.kind === "model" || update.models.length > 0 ? "A newer model" : "A new version";
  find("news").textContent = `${what} is here.`;
  find("update").hidden = false;
  find("take").onclick = () => void update.take();
  find("later").onclick = () => (find("update").hidden = true);
}

// Browsers that let apps be installed by a button of the page say so.
interface InstallPrompt extends Event {
  prompt(): Promise<void>;
}
addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  find("install").hidden = false;
  find("install").onclick = () => void (event as InstallPrompt).prompt();
});
addEventListener("appinstalled", () => (find("install").hidden = true));
