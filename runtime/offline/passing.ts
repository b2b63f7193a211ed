/**
 * A download on its way through the service worker. In: what the store gives. Out: a body for the page, and what became
 * of it. Invariants: bytes are checked and stored as the page takes them, at its pace, so that never more than a few
 * pieces are in memory; a model counts as stored only when all of it fits its hashes; a page that goes away leaves what
 * has arrived to whoever asks next.
 */
import { TilewrightError } from "../errors.ts";
import { held } from "../reader.ts";
import { checkContent } from "../store/content.ts";
import { type CachedSource } from "../store/options.ts";

export interface Passing {
  readonly body: ReadableStream<Uint8Array>;
  /** Settled when the store knows what to make of it. Never fails. */
  readonly done: Promise<void>;
}

export function passing(source: CachedSource, only: "artifact" | undefined): Passing {
  const reader = (source.content as ReadableStream<Uint8Array>).getReader();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  // What the check throws is told to the store; the page's loader finds the same.
  let wrong: unknown;
  const checked = checkContent(readable, undefined, only).then(
    () => undefined,
    (error: unknown) => void (wrong = error),
  );
  let end: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await held(reader, reader.read());
          if (done) {
            await writer.close().catch(() => {});
            await checked;
            end();
            controller.close();
            return;
          }
          // One that has found a mistake takes nothing more.
          if (wrong === undefined) await Promise.race([writer.write(value), checked]).catch(() => {});
          controller.enqueue(value);
        } catch (error) {
          wrong = error;
          await writer.abort(error).catch(() => {});
          end();
          throw error;
        }
      },
      async cancel(reason) {
        wrong = new TilewrightError("aborted", "the page has gone away", reason);
        await writer.abort(wrong).catch(() => {});
        await reader.cancel(reason).catch(() => {});
        end();
      },
    },
    { highWaterMark: 0 },
  );
  const done = ended
    .then(() => checked)
    .then(() => source.settle(wrong))
    .then(
      () => {},
      () => {},
    );
  return { body, done };
}
