/**
 * The service worker: answers POST /classify with the digit in the picture. A service worker cannot load modules while
 * it runs, so the model has code for every engine in it (`variants`) instead of having it rewritten where it is needed.
 */
import classify from "../../digits.onnx?dims.batch=1&variants=relaxed-simd,simd";
import { mostLikely } from "../../seven.js";

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", () => void self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method === "POST" && pathname === "/classify") event.respondWith(answerTo(event.request));
});

async function answerTo(request: Request): Promise<Response> {
  const image = new Float32Array(await request.arrayBuffer());
  const { probabilities } = await classify({ image });
  return Response.json({ digit: mostLikely(probabilities.data) });
}
