/**
 * Programs of a late model in the memory that they have in common, in a browser: it grows below programs that are ready,
 * with threads and without, and they answer as each would alone.
 */
import { load, type Outputs, type Session } from "../../runtime/index.ts";
import { expect } from "./expect.ts";
import { cacheInputs, growingCache } from "./growingCache.ts";

const WIDTH = 256;

const open = (threads: number): Promise<Session> =>
  load(growingCache(WIDTH), { threads, ranges: false, compiler: () => import("../../compiler/index.ts") });

async function run(session: Session, past: number): Promise<string> {
  const outputs = (await session.run(cacheInputs(WIDTH, past))) as Outputs;
  return Object.values(outputs)
    .map(({ shape, data }) => `${shape.join()}: ${(data as Float32Array).join()}`)
    .join("\n");
}

describe("programs of a late model", () => {
  for (const threads of [1, 2]) {
    it(`share a memory on ${threads} threads`, async () => {
      const session = await open(threads);
      let first = 0;
      for (const past of [3, 4, 5, 900, 3, 6, 900, 4]) {
        const found = await run(session, past);
        const alone = await open(threads);
        expect(
          found === (await run(alone, past)),
          `the answer after ${past} tokens is that of a program alone`,
        );
        first ||= session.memoryBytes;
        const grown = session.memoryBytes - first;
        if (past === 5) expect(grown < WIDTH * WIDTH * 4, `weights are there once, not ${grown} bytes more`);
        alone.dispose();
      }
      session.dispose();
      expect(session.memoryBytes === 0, "nothing is held");
    });
  }
});
