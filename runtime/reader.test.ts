/** Whatever the source and however it comes, a reader gives the bytes in order, or says that they end. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TilewrightError } from "./errors.ts";
import { ByteReader } from "./reader.ts";

const content = Uint8Array.from({ length: 3200 }, (_, index) => (index * 31 + (index >> 8)) & 255);

/** A stream whose pieces have these lengths, over and over, and which gives them as arrays. */
function giving(pieces: readonly number[]): ReadableStream<Uint8Array> {
  let [at, turn] = [0, 0];
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= content.length) return controller.close();
      controller.enqueue(content.slice(at, (at += pieces[turn++ % pieces.length]!)));
    },
  });
}

/** The same as a stream of bytes, which fills what it is given; `rooms` collects how much room that has. */
function filling(pieces: readonly number[], rooms: number[] = []): ReadableStream<Uint8Array> {
  let [at, turn] = [0, 0];
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const request = controller.byobRequest!;
      const view = request.view!;
      rooms.push(view.byteLength);
      if (at >= content.length) {
        controller.close();
        request.respond(0);
        return;
      }
      const most = Math.min(view.byteLength, pieces[turn++ % pieces.length]!, content.length - at);
      new Uint8Array(view.buffer, view.byteOffset, most).set(content.subarray(at, at + most));
      at += most;
      request.respond(most);
    },
  });
}

function same(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

const sources = {
  "an array": () => content,
  "a stream that gives": giving,
  "a stream that fills": (pieces: readonly number[]) => filling(pieces),
};

describe.each(Object.entries(sources))("from %s", (_, source) => {
  it("gives the bytes in order, in whatever portions", async () => {
    const portion = fc.tuple(fc.constantFrom("peek", "read", "lend"), fc.nat(600));
    const pieces = fc.array(fc.integer({ min: 1, max: 800 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.array(portion, { maxLength: 40 }), async (lengths, portions) => {
        let counted = 0;
        const reader = new ByteReader(source(lengths), { arrived: (bytes) => (counted = bytes) });
        let at = 0;
        for (const [kind, count] of portions) {
          if (kind === "peek") {
            same(await reader.peek(count), content.subarray(at, at + count));
            continue;
          }
          const reading = kind === "read" ? reader.read(count) : reader.lend(count);
          if (at + count > content.length) {
            await expect(reading).rejects.toMatchObject({ code: "artifact-malformed" });
            return;
          }
          same(await reading, content.subarray(at, at + count));
          at += count;
          expect(reader.consumed).toBe(at);
          expect(counted).toBeGreaterThanOrEqual(at);
        }
        same(await reader.rest(), content.subarray(at));
        expect(counted).toBe(content.length);
      }),
    );
  });
});

it("keeps what was read while it lends the next", async () => {
  for (const source of [giving([700]), filling([700])]) {
    const reader = new ByteReader(source);
    const read = await reader.read(600);
    await reader.lend(600);
    await reader.lend(600);
    expect(read).toEqual(content.slice(0, 600));
  }
});

it("lets the stream fill what is lent, and nothing more", async () => {
  const rooms: number[] = [];
  const reader = new ByteReader(filling([512], rooms));
  await reader.peek(1);
  rooms.length = 0;
  for (let i = 0; i < 3; i++) await reader.lend(1024);
  // 512 bytes were there from the beginning.
  expect(rooms).toEqual([512, 1024, 512, 1024, 512]);
});

it("ends with `aborted` soon after the signal, and with `network` when the source breaks off", async () => {
  const never = (): ReadableStream<Uint8Array> =>
    new ReadableStream({ type: "bytes", pull: () => new Promise<void>(() => {}) });
  const abort = new AbortController();
  const reader = new ByteReader(never(), { signal: abort.signal });
  const reading = reader.lend(10);
  abort.abort();
  await expect(reading).rejects.toMatchObject({ code: "aborted" });
  reader.close();
  const broken = new ReadableStream<Uint8Array>({
    type: "bytes",
    pull: (controller) => controller.error(new Error("gone")),
  });
  await expect(new ByteReader(broken).lend(10)).rejects.toBeInstanceOf(TilewrightError);
});

it("does not wait for the end of a stream whose length is certain", async () => {
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(Uint8Array.of(1, 2, 3)), // and never closes
  });
  const reader = new ByteReader(stream, { exactly: 3 });
  expect([...(await reader.read(2))]).toEqual([1, 2]);
  expect([...(await reader.peek(5))]).toEqual([3]);
  expect([...(await reader.rest())]).toEqual([3]);
  expect((await reader.peek(1)).length).toBe(0);
  await expect(reader.read(1)).rejects.toMatchObject({ code: "artifact-malformed" });
  reader.close();
});
