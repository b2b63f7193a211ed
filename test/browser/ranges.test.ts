/**
 * Programs for a range of sizes, in a browser, where the compiler is chunks: a cache that grows is answered by one program,
 * with threads and without, in the page and in a worker.
 */
import { modelWorker } from "../../compiler/worker/index.ts";
import { load, type LoadOptions, type Outputs, type Session } from "../../runtime/index.ts";
import { expect } from "./expect.ts";
import { cacheInputs, growingCache } from "./growingCache.ts";

const WIDTH = 64;

async function run(session: Pick<Session, "run">, past: number): Promise<Outputs> {
  const outputs = await session.run(cacheInputs(WIDTH, past));
  return outputs as Outputs;
}

function expectSame(found: Outputs, wanted: Outputs, where: string): void {
  for (const [name, { shape, data }] of Object.entries(wanted)) {
    const other = found[name]!;
    expect(String(other.shape) === String(shape), `${where}, ${name}: [${other.shape}]`);
    const apart = (data as Float32Array).map((value, i) =>
      Math.abs(value - (other.data as Float32Array)[i]!),
    );
    expect(Math.max(...apart) < 1e-5, `${where}, ${name}: ${Math.max(...apart)} apart`);
  }
}

const compiler: LoadOptions["compiler"] = () => import("../../compiler/index.ts");
const SIZES = [3, 4, 32, 9, 33, 64, 5, 63];

describe("a program for a range of sizes", () => {
  for (const threads of [1, 2]) {
    it(`answers for each of them, on ${threads} threads`, async () => {
      const session = await load(growingCache(WIDTH), { threads, compiler });
      const own = await load(growingCache(WIDTH), { threads, compiler, ranges: false });
      for (const past of SIZES) expectSame(await run(session, past), await run(own, past), `${past} tokens`);
      const { compiled } = session.stats().programs;
      // 3 by itself, then 2 to 32, and 33 to 64.
      expect(compiled === 3, `${compiled} programs were compiled`);
      session.dispose();
      own.dispose();
    });
  }

  it("does so in a worker", async () => {
    const session = await load(growingCache(WIDTH), { worker: modelWorker, compiler });
    const own = await load(growingCache(WIDTH), { compiler, ranges: false });
    const exact = await load(growingCache(WIDTH), { worker: modelWorker, compiler, ranges: false });
    for (const past of SIZES) {
      const wanted = await run(own, past);
      expectSame(await run(session, past), wanted, `${past} tokens`);
      expectSame(await run(exact, past), wanted, `${past} tokens, by themselves`);
    }
    const compiled = [session, exact].map((one) => one.stats().programs.compiled).join();
    expect(compiled === `3,${SIZES.length}`, `${compiled} programs were compiled`);
    await session.dispose();
    await exact.dispose();
    own.dispose();
  });
});
