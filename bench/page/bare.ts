/**
 * What the platform takes for a model's bytes when nothing is made of them. In: a page that has just loaded a model
 * with our runtime, of which the model is the largest file. Out: how long it takes alone to download as many bytes, to
 * hash them, and to touch as much memory for the first time: a start that does these on the page's thread cannot be
 * shorter than they are. Invariant: nothing else is done meanwhile.
 */
import { LEAF_BYTES } from "../../runtime/format.ts";
import { type Phase } from "../protocol.ts";

const PIECE_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const WASM_PAGE_BYTES = 65_536;

/** A browser tells of a download some time after its last byte. */
const PATIENCE_MS = 500;

/** Empty where the page has downloaded nothing that is larger than a piece. */
export async function bareWork(): Promise<readonly Phase[]> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const downloads = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const model = downloads.reduce<PerformanceResourceTiming | undefined>(
    (most, next) => (next.encodedBodySize > (most?.encodedBodySize ?? PIECE_BYTES) ? next : most),
    undefined,
  );
  if (model === undefined) return [];
  const bytes = model.encodedBodySize;
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  return [
    await timed(`alone: ${size} are downloaded`, () => download(model.name)),
    await timed(`alone: ${size} are hashed`, () => hash(bytes)),
    await timed(`alone: ${size} of memory are touched`, () => touch(bytes)),
  ];
}

async function timed(name: string, work: () => Promise<void> | void): Promise<Phase> {
  const start = performance.now();
  await work();
  return { name, from: 0, to: performance.now() - start, calls: 1 };
}

async function download(url: string): Promise<void> {
  const { body } = await fetch(url);
  const reader = body!.getReader({ mode: "byob" });
  let room = new ArrayBuffer(PIECE_BYTES);
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(room));
    if (done) return;
    room = value.buffer;
  }
}

async function hash(bytes: number): Promise<void> {
  const leaf = new Uint8Array(LEAF_BYTES);
  for (let at = 0; at < bytes; at += LEAF_BYTES) await crypto.subtle.digest("SHA-256", leaf);
}

function touch(bytes: number): void {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
  for (let at = 0; at < bytes; at += PAGE_BYTES) memory[at] = 1;
}
