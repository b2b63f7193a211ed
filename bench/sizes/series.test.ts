/** The series: what is seeded is the same every time, and what runs are given is what the models take. */
import { expect, it } from "vitest";
import { readModel } from "../../compiler/frontend/onnx/model.ts";
import { MOST_NEW_TOKENS, sentenceLengths, seriesCases } from "./series.ts";

it("has sentences of uneven lengths, mostly short ones, the same every time", () => {
  const lengths = sentenceLengths(40);
  expect(sentenceLengths(40)).toEqual(lengths);
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(5);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(128);
  expect(new Set(lengths).size).toBeGreaterThan(20);
  expect(Math.max(...lengths) - Math.min(...lengths)).toBeGreaterThan(80);
  expect(lengths.filter((length) => length < 66).length).toBeGreaterThan(20);
  const many = sentenceLengths(4000);
  expect([Math.min(...many), Math.max(...many)]).toEqual([5, 128]);
});

it("gives a decoder all of its first run, and from then on where it is", () => {
  const { model, sizes, runs, feedback } = seriesCases(3)[0]!.make();
  const { graph } = readModel(model.bytes);
  const inputs = graph.inputs.map(({ name }) => name);
  expect(runs[0]!.map(({ name }) => name).sort()).toEqual([...inputs].sort());
  const { carried, logits, token } = feedback!;
  for (const run of runs.slice(1)) {
    const known = [...run.map(({ name }) => name), ...Object.keys(carried), token];
    expect(known.sort()).toEqual([...inputs].sort());
  }
  const outputs = graph.outputs.map(({ name }) => name);
  expect([...Object.values(carried), logits].sort()).toEqual([...outputs].sort());
  expect(sizes).toEqual([1, 2, 3]);
  const places = runs.map((run) => run.find(({ name }) => name === "position_ids")!.tensor.data[0]);
  expect(places).toEqual([1n, 2n, 3n]);
  expect(runs[0]!.find(({ name }) => name === "past_key_values.0.key")!.tensor.shape).toEqual([1, 6, 1, 64]);
  expect(MOST_NEW_TOKENS).toBe(255);
});

it("gives an encoder whole sentences", () => {
  const { model, sizes, runs, feedback } = seriesCases(3)[1]!.make();
  const inputs = readModel(model.bytes).graph.inputs.map(({ name }) => name);
  expect(feedback).toBe(undefined);
  expect(runs).toHaveLength(40);
  for (const [i, run] of runs.entries()) {
    expect(run.map(({ name }) => name)).toEqual(inputs);
    for (const { tensor } of run) expect(tensor.shape).toEqual([1, sizes[i]]);
  }
});
