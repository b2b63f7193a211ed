/** The page: asks an address that no server knows, and the service worker answers. */
import { seven } from "../../seven.js";

await navigator.serviceWorker.register("/sw.js", { type: "module" });
await navigator.serviceWorker.ready;
if (navigator.serviceWorker.controller === null)
  await new Promise((controlled) => navigator.serviceWorker.addEventListener("controllerchange", controlled));

const response = await fetch("/classify", { method: "POST", body: seven.slice() });
const { digit } = (await response.json()) as { digit: number };
document.querySelector("#answer")!.textContent = String(digit);
