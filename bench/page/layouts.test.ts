/** Tensors between channels first and channels last, and outputs that have lost their names. */
import { expect, it } from "vitest";
import { type Tensor } from "../../runtime/dtype.ts";
import { inLayout, matchOutputs, matchPorts } from "./layouts.ts";

const tensor = (shape: readonly number[], ...values: readonly number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(values),
});

/** Two channels of one row and three columns. */
const first = tensor([1, 2, 1, 3], 1, 2, 3, 10, 20, 30);
const last = tensor([1, 1, 3, 2], 1, 10, 2, 20, 3, 30);

it("moves channels to the end and back", () => {
  expect(inLayout(first, [1, 1, 3, 2])).toEqual(last);
  expect(inLayout(last, [1, 2, 1, 3])).toEqual(first);
  expect(inLayout(first, [6]).data).toEqual(first.data);
});

it("gives ports their tensors by name, else by size in order", () => {
  const given = { a: tensor([2], 1, 2), b: tensor([2], 3, 4), c: first };
  const ports = [
    { name: "b", shape: [2] },
    { name: "image", shape: [1, 1, 3, 2] },
    { name: "other", shape: [1, 2] },
  ];
  expect(matchPorts(ports, given).map(({ tensor: { data } }) => [...data])).toEqual([
    [3, 4],
    [1, 10, 2, 20, 3, 30],
    [1, 2],
  ]);
  expect(() => matchPorts([{ name: "x", shape: [7] }], given)).toThrow(/no tensor fits x/);
});

it("tells outputs of the same size by what they hold", () => {
  const expected = { x: tensor([2], 1, 2), y: tensor([2], 5, 6) };
  const found = matchOutputs([tensor([2], 5, 6.1), tensor([2], 1, 2.1)], expected);
  expect([found["x"]!.data[0], found["y"]!.data[0]]).toEqual([1, 5]);
  expect(() => matchOutputs([tensor([2], 1, 2)], expected)).toThrow(/no output fits y/);
});
