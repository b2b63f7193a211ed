/** Weights are prepared while the rest of them is on its way, and come out as if they had been prepared at once. */
import { afterEach, expect, it, vi } from "vitest";
import { compile } from "../compiler/whole.ts";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { randomNumbers } from "../test/programs.ts";
import { type BoundPlan, LEAF_BYTES, readArtifact } from "./format.ts";
import { load } from "./load.ts";

const CHANNELS = 128;
const random = randomNumbers(20261121);
const numbers = (count: number): number[] => Array.from({ length: count }, () => random() - 0.5);

/** Convolutions whose filters grow when they are made ready, and so are made ready in the page. */
function convolutions(count: number): Uint8Array<ArrayBuffer> {
  const b = onnxModel("convolutions");
  let x = b.input("x", "float32", [1, CHANNELS, 14, 14]);
  for (let i = 0; i < count; i++) {
    const filter = b.initializer("float32", [CHANNELS, CHANNELS, 3, 3], numbers(CHANNELS * CHANNELS * 9));
    x = b.node("Relu", [b.node("Conv", [x, filter], { pads: [1, 1, 1, 1] })]);
  }
  b.output(x, "float32", [1, CHANNELS, 14, 14], "y");
  return compile(b.toBytes()).artifact as Uint8Array<ArrayBuffer>;
}

const artifact = convolutions(5);
const preparation = (readArtifact(artifact).plan as BoundPlan).preparation!;
const x = Float32Array.from(numbers(CHANNELS * 14 * 14));

afterEach(() => vi.restoreAllMocks());

it("is planned in steps that need more and more of the weights", () => {
  expect(preparation.length).toBeGreaterThan(2);
  expect(preparation[0]).toBeLessThan(artifact.length / 2);
  expect(preparation).toEqual([...preparation].sort((a, b) => a - b));
  expect(preparation.at(-1)).toBeLessThanOrEqual(artifact.length);
});

it("goes on while weights arrive, each step once and none before what it needs", async () => {
  const expected = await (await load(artifact, { threads: 1 })).run({ x });
  const steps: { readonly step: number; readonly given: number }[] = [];
  let given = 0;
  const begun: (() => void)[] = [];
  const instantiate = WebAssembly.instantiate;
  vi.spyOn(WebAssembly, "instantiate").mockImplementation((async (
    module: WebAssembly.Module,
    imports: object,
  ) => {
    const { exports } = await instantiate(module, imports as WebAssembly.Imports);
    const init = exports["init"] as (step: number) => void;
    const watched = (step: number): void => {
      steps.push({ step, given });
      init(step);
      begun.forEach((tell) => tell());
    };
    return { exports: { ...exports, init: watched } };
  }) as never);
  // All but a little, and that only when the first step is over: a loader that waited for the end would stand still.
  const rest = LEAF_BYTES + 1000;
  const pieces = function* (): Generator<Uint8Array<ArrayBuffer>> {
    for (let at = 0; at < artifact.length - rest; at += 70_000)
      yield artifact.slice(at, Math.min(at + 70_000, artifact.length - rest));
  };
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const piece of pieces()) controller.enqueue(((given += piece.length), piece));
      await new Promise<void>((resolve) => (steps.length > 0 ? resolve() : begun.push(resolve)));
      given = artifact.length;
      controller.enqueue(artifact.slice(artifact.length - rest));
      controller.close();
    },
  });
  const session = await load(stream, { threads: 1 });
  expect(steps.map(({ step }) => step)).toEqual(preparation.map((_, step) => step));
  expect(steps[0]!.given).toBe(artifact.length - rest);
  for (const { step, given: bytes } of steps) expect(bytes).toBeGreaterThanOrEqual(preparation[step]!);
  expect(await session.run({ x })).toEqual(expected);
});

it("is given up when the weights turn out to be damaged", async () => {
  const damaged = artifact.slice();
  damaged[damaged.length - 5]! ^= 1;
  await expect(load(damaged)).rejects.toMatchObject({ code: "artifact-corrupt" });
});
