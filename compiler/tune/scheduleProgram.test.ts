/** What runs at load: all that depends on constants only, in however many calls it is made. */
import { expect, it } from "vitest";
import { onnxModel } from "../frontend/onnx/write.ts";
import { compile } from "../index.ts";
import { mayOverlap, type ProgramValue } from "../ir/program.ts";

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

it("parts of one array are apart where one of their dimensions is", () => {
  const part = (shape: readonly number[], offset: number, strides: readonly number[] = [31, 1]): ProgramValue => ({
    dtype: "float32",
    shape,
    layout: { strides, offset },
    storage: "whole",
  }); // prettier-ignore
  const whole: ProgramValue = { dtype: "float32", shape: [4, 31] };
  const [left, right, both] = [part([4, 5], 5), part([4, 15], 15), part([4, 25], 5)];
  expect(mayOverlap(left, right)).toBe(false);
  expect(mayOverlap(right, left)).toBe(false);
  for (const one of [left, right]) {
    expect(mayOverlap(one, both)).toBe(true);
    expect(mayOverlap(whole, one)).toBe(true);
  }
  expect(mayOverlap(part([2, 31], 0), part([2, 31], 62))).toBe(false);
  expect(mayOverlap(part([2, 31], 0), part([2, 31], 31))).toBe(true);
  // What is no box of one array is not known.
  expect(mayOverlap(left, part([4, 5], 15, [1, 31]))).toBe(true);
  expect(mayOverlap(part([4, 20], 15), left)).toBe(true);
});
