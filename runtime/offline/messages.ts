/**
 * What a service worker tells the pages of its app, and is asked by them. In and out: plain data. Invariant: a message
 * names the service worker by its scope, since all apps of an origin hear all of them.
 */
import { type ErrorCode } from "../errors.ts";

/** Told to all pages, those included that no service worker controls yet. */
export type Told =
  /** Models arrive while the service worker is being installed: so far, of so many, and of the one that is arriving. */
  | {
      readonly kind: "progress";
      readonly scope: string;
      readonly url: string;
      readonly models: number;
      readonly modelsDone: number;
      readonly loaded: number;
      readonly total: number | undefined;
    }
  /** Nothing came of an installation, or of the part of it that was left for later. */
  | { readonly kind: "failed"; readonly scope: string; readonly code: ErrorCode; readonly message: string }
  /** All models are stored. */
  | { readonly kind: "stored"; readonly scope: string };

/** What became of a background fetch. */
export type Fetched =
  | { readonly kind: "fetched"; readonly id: string; readonly bytes: number }
  | { readonly kind: "not-fetched"; readonly id: string; readonly code: ErrorCode; readonly message: string };

export type Message = Told | Fetched;

/** Asks a service worker which models its version brings; the answer is a list of addresses. */
export const ASK_FOR_MODELS = "TILEWRIGHT_MODELS";

const CHANNEL = "tilewright offline";

export function tell(message: Message): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(message);
  channel.close();
}

/** @returns ends it */
export function listen(heard: (message: Message) => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<Message>) => heard(data);
  return () => channel.close();
}

/** Background fetches of ours begin so, and the address follows. */
const BACKGROUND = "tilewright ";

export function backgroundId(url: string): string {
  return BACKGROUND + url;
}

/** The address of a background fetch; undefined if it is somebody else's. */
export function addressOfBackground(id: string): string | undefined {
  return id.startsWith(BACKGROUND) ? id.slice(BACKGROUND.length) : undefined;
}
