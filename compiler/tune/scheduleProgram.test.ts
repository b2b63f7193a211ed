/** What runs at load: all that depends on constants only, in however many calls it is made. */
import { expect, it } from "vitest";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile } from "../index.ts";

it("a constant that is made by several calls is made at load", async () => {
  const builder = onnxModel("spectrum", { opset: 17 });
  const samples = 8192;
  const frame = 1024;
  const signal = builder.input("signal", "float32", [1, samples, 1]);
  const step = builder.initializer("int64", [], BigInt64Array.of(256n), "step");
  const length = builder.initializer("int64", [], BigInt64Array.of(BigInt(frame)), "length");
  const spectrum = builder.node("STFT", [signal, step, "", length], {}, { output: "spectrum" });
  builder.output(spectrum, "float32", [1, (samples - frame) / 256 + 1, frame / 2 + 1, 2]);
  const { report } = await compile(builder.toBytes());
  const basis = report.kernels.filter(({ name }) => name.includes("fourierbasis"));
  // Two blocks, each long enough to be a call of its own.
  expect(basis.length).toBeGreaterThan(1);
  expect(basis.filter(({ name }) => !name.startsWith("init: "))).toEqual([]);
});
