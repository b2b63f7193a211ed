/** Constants of vectors: made once per function, outside of its loops. */
import { expect, it } from "vitest";
import { onnxModel } from "../../frontend/onnx/write.ts";
import { inspect } from "../../index.ts";

it("constants that vectors share are set before the first loop, each once", async () => {
  const builder = onnxModel("sigmoid", { opset: 13 });
  const x = builder.input("x", "float32", [4096]);
  builder.output(builder.node("Sigmoid", [x], {}, { output: "y" }), "float32", [4096]);
  const text = await inspect(builder.toBytes(), "wat");
  const kernel = text.slice(text.indexOf("(func $sigmoid"));
  const body = kernel.slice(0, kernel.indexOf("(func", 1));
  const made = (part: string): string[] => part.match(/v128\.const .*/g) ?? [];
  // The first loop is around everything (warm.ts): what computes is not repeated by it.
  const [, before, ...loops] = body.split(/\n\s*loop\b/);
  expect(loops.length).toBeGreaterThan(0);
  expect(made(before!).length).toBeGreaterThan(8);
  expect(new Set(made(before!)).size).toBe(made(before!).length);
  // Zeros and ones cost one instruction where they stand.
  expect(loops.flatMap(made).filter((line) => !/ (0x0+|0xf+)( \1){0,3}/.test(line))).toEqual([]);
});
