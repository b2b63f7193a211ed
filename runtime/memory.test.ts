/**
 * That all memory comes back: sessions are loaded and disposed of two hundred times while the process is watched. In:
 * a program with megabytes of weights, on one thread and on two. Checked: what the process holds afterwards is no more
 * than a few programs above what it held after the first ones.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { compile } from "../compiler/index.ts";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { load } from "./index.ts";

const SIZE = 1024;
const LOADS = 200;
const MEGABYTE = 2 ** 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function held(): Promise<number> {
  // Workers drop what they were told to forget in turns of their own.
  for (let i = 0; i < 4; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return process.memoryUsage().rss / MEGABYTE;
}

describe("memory", () => {
  it.each([1, 2])(`comes back from ${LOADS} sessions on %i threads`, async (threads) => {
    const b = onnxModel("heavy", { opset: 22 });
    const x = b.input("x", "float32", [8, SIZE]);
    const w = b.initializer(
      "float32",
      [SIZE, SIZE],
      Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i % 7) - 3) / SIZE),
    );
    b.output(b.node("MatMul", [x, w]), "float32", undefined, "y");
    const { artifact } = await compile(b.toBytes(), { variants: ["simd"] });
    const inputs = { x: new Float32Array(8 * SIZE).fill(1) };
    let each = 0;
    const cycle = async (): Promise<void> => {
      const session = await load(artifact, { threads });
      each = session.memoryBytes / MEGABYTE;
      const { y } = await session.run(inputs);
      expect(Math.abs(y!.data[0] as number)).toBeLessThan(0.01);
      session.dispose();
    };
    for (let i = 0; i < 20; i++) await cycle();
    const before = await held();
    for (let i = 0; i < LOADS; i++) {
      await cycle();
      if (i % 20 === 19) await held();
    }
    // Threads let go in their own time, and on a busy machine that is late.
    let grown = Infinity;
    for (let looks = 0; looks < 100 && grown >= 6 * each; looks++) grown = (await held()) - before;
    expect(each).toBeGreaterThan(4);
    expect(grown, `MB more than after the first 20, of ${(LOADS * each).toFixed(0)} MB in all`).toBeLessThan(
      6 * each,
    );
  });
});
