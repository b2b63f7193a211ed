/**
 * The types of a model's calls. Lines under `@ts-expect-error` must not compile: `npm run typecheck` fails where one
 * does, and where one of the others does not.
 */
import { expect, it } from "vitest";
import { type Model } from "./index.ts";
import { type AnyModelTypes, type InputsOf, type OutputsOf } from "./modelTypes.ts";

type Types = {
  inputs: {
    image: { dtype: "float32"; shape: readonly [1, 1, 28, 28] };
    mask?: { dtype: "bool"; shape: readonly [number] };
    ids: { dtype: "int64"; shape: readonly number[] };
    [element: `seq[${number}]`]: { dtype: "uint8"; shape: readonly number[] };
  };
  outputs: {
    probabilities: { dtype: "float32"; shape: readonly [1, 10] };
    label: { dtype: "string"; shape: readonly [] };
  };
};

const image = new Float32Array(784);
const ids = [1, 2n];

it("lets right inputs through", () => {
  const right: InputsOf<Types>[] = [
    { image, ids },
    { image: { shape: [1, 1, 28, 28], data: image }, ids: new BigInt64Array(1) },
    { image: [0, 1], ids: 3n, mask: [true, 0], "seq[0]": new Uint8ClampedArray(1) },
    { image, ids: { dtype: "int64", data: [1] }, "seq[0]": [1], "seq[1]": [2] },
  ];
  const anything: InputsOf<AnyModelTypes> = { x: image, y: ["a"], z: true };
  expect([...right, anything]).toHaveLength(5);
});

it("keeps wrong inputs out", () => {
  const wrong: InputsOf<Types>[] = [
    // @ts-expect-error a name that is none
    { image, ids, picture: image },
    // @ts-expect-error an input is missing
    { image },
    // @ts-expect-error another element type
    { image: new Float64Array(784), ids },
    // @ts-expect-error another element type in a tensor
    { image: { data: new Int32Array(784) }, ids },
    // @ts-expect-error another element type by name
    { image: { dtype: "float64", data: image }, ids },
    // @ts-expect-error another shape
    { image: { shape: [1, 28, 28, 1], data: image }, ids },
    // @ts-expect-error another rank
    { image: { shape: [784], data: image }, ids },
    // @ts-expect-error strings for numbers
    { image: ["a"], ids },
    // @ts-expect-error big integers for floats
    { image: [1n], ids },
    // @ts-expect-error an element of no sequence
    { image, ids, "other[0]": [1] },
  ];
  expect(wrong).toHaveLength(10);
});

it("knows what comes out", () => {
  const outputs: OutputsOf<Types> = {
    probabilities: { dtype: "float32", shape: [1, 10], data: new Float32Array(10) },
    label: { dtype: "string", shape: [], data: ["seven"] },
  };
  const floats: Float32Array = outputs.probabilities.data;
  const shape: readonly [1, 10] = outputs.probabilities.shape;
  const words: readonly string[] = outputs.label.data;
  // @ts-expect-error another element type
  const bytes: Uint8Array = outputs.probabilities.data;
  // @ts-expect-error an output that is none
  expect(outputs.scores).toBeUndefined();
  expect([floats, shape, words, bytes]).toHaveLength(4);
});

it("types a session's memory by name", () => {
  const write = async (model: Model<Types>): Promise<Float32Array> => {
    const session = await model.load();
    session.input("image").set(image);
    session.invoke();
    // @ts-expect-error an input that is none
    session.input("picture");
    return session.output("probabilities");
  };
  expect(write).toBeTypeOf("function");
});
