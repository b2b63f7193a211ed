/**
 * News of newer models. In: what one tab, worker or service worker of a site has stored. Out: the same, told to all of
 * the others that listen. Invariant: it is told after it is stored, so whoever hears it can load it.
 */
import { type ModelUpdate } from "./options.ts";

const CHANNEL = "tilewright updates";

/** Tells all tabs and workers of the site. */
export function announceUpdate(update: ModelUpdate): void {
  if (typeof BroadcastChannel === "undefined") return;
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(update);
  channel.close();
}

/**
 * Listens to all tabs and workers of the site, this one included.
 *
 * @returns ends it
 */
export function onAnyUpdate(heard: (update: ModelUpdate) => void): () => void {
  if (typeof BroadcastChannel === "undefined") return () => {};
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<ModelUpdate>) => heard(data);
  return () => channel.close();
}
