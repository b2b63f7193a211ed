/**
 * Streams in a real browser: what waits for them must not be collected with them. In: Blobs whose streams nothing else
 * holds, and an engine that is made to collect its garbage while they are read. Out: every read ends.
 */
import { ByteReader } from "../../runtime/reader.ts";
import { expect } from "./expect.ts";

const BLOB_BYTES = 300_000;
const AT_ONCE = 200;
const ROUNDS = 3;

/** Enough of it that the engine collects, all generations. */
let garbage: ArrayBuffer[] = [];
function litter(): void {
  garbage = Array.from({ length: 16 }, () => new ArrayBuffer(4 << 20));
  garbage.forEach((buffer) => new Uint8Array(buffer).fill(1));
}

async function readThrough(content: Blob): Promise<number> {
  const reader = new ByteReader(content.stream());
  for (let at = 0; at < BLOB_BYTES; at += BLOB_BYTES / 10) await reader.lend(BLOB_BYTES / 10);
  return reader.consumed;
}

describe("ByteReader", () => {
  it("is not collected while it waits for a stream", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      let ended = 0;
      const content = new Blob([new Uint8Array(BLOB_BYTES)]);
      for (let i = 0; i < AT_ONCE; i++) void readThrough(content).then(() => ended++);
      const late = performance.now() + 120_000;
      while (ended < AT_ONCE && performance.now() < late) {
        litter();
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      expect(ended === AT_ONCE, `${AT_ONCE - ended} of ${AT_ONCE} reads have not ended (round ${round})`);
    }
    garbage = [];
  });
});
