/**
 * Programs of a late model in the memory that they have in common, in a browser: it grows below programs that are ready,
 * with threads and without, and they answer as each would alone.
 */
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { load, type Outputs, type Session } from "../../runtime/index.ts";
import { expect } from "./expect.ts";

const WIDTH = 256;

/** A projection whose result is appended to a cache of any length, and what of the cache it is like. */
function decoder(): Uint8Array {
  const b = onnxModel("decoder", { opset: 18 });
  const token = b.input("token", "float32", [1, WIDTH]);
  const past = b.input("past", "float32", ["n", WIDTH]);
  const weights = Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => Math.sin(i) / 16);
  const key = b.node("MatMul", [token, b.initializer("float32", [WIDTH, WIDTH], weights)]);
  const keys = b.node("Concat", [past, key], { axis: 0 });
  const scores = b.node("MatMul", [keys, b.node("Transpose", [key])]);
  b.output(b.node("Softmax", [scores], { axis: 0 }), "float32", undefined, "shares");
  b.output(keys, "float32", undefined, "present");
  return b.toBytes();
}

const open = (threads: number): Promise<Session> =>
  load(decoder(), { threads, ranges: false, compiler: () => import("../../compiler/index.ts") });

async function run(session: Session, past: number): Promise<string> {
  const outputs = (await session.run({
    token: { dtype: "float32", shape: [1, WIDTH], data: new Float32Array(WIDTH).fill(0.25) },
    past: {
      dtype: "float32",
      shape: [past, WIDTH],
      data: Float32Array.from({ length: past * WIDTH }, (_, i) => Math.cos(i)),
    },
  })) as Outputs;
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
