/**
 * What a program does while its weights arrive: they come out as if they had been prepared at once, and a first run gives
 * what any other gives.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { compile, openSource } from "../compiler/whole.ts";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { plainArtifact, randomNumbers, scalingArtifact, TRAP } from "../test/programs.ts";
import { Beginning } from "./beginning.ts";
import { type BoundPlan, LEAF_BYTES, readArtifact } from "./format.ts";
import { load } from "./load.ts";

const CHANNELS = 128;
/** Enough for the products of layers to be shared by threads. */
const ROWS = 64;
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

/** Layers whose weights are ready in the file. */
function layers(count: number, width = 512): Uint8Array<ArrayBuffer> {
  const b = onnxModel("layers");
  let x = b.input("x", "float32", [ROWS, width]);
  for (let i = 0; i < count; i++) {
    x = b.node("Relu", [
      b.node("MatMul", [x, b.initializer("float32", [width, width], numbers(width ** 2))]),
    ]);
  }
  b.output(x, "float32", [ROWS, width], "y");
  return compile(b.toBytes()).artifact as Uint8Array<ArrayBuffer>;
}

const planOf = (artifact: Uint8Array): BoundPlan => readArtifact(artifact).plan as BoundPlan;

interface Step {
  readonly name: "init" | "begin";
  readonly step: number;
  /** Bytes of the file that had been given when it was taken. */
  readonly given: number;
}

/**
 * The file as a stream of pieces whose last ones come only when so many steps have been taken: a loader that waited for
 * the end would stand still.
 */
function watched(artifact: Uint8Array<ArrayBuffer>, stepsBeforeTheEnd: number) {
  const steps: Step[] = [];
  let given = 0;
  let enough: () => void = () => {};
  const begun = new Promise<void>((resolve) => (enough = resolve));
  const instantiate = WebAssembly.instantiate;
  vi.spyOn(WebAssembly, "instantiate").mockImplementation((async (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => {
    const { exports } = await instantiate(module, imports);
    const watch = (name: Step["name"]) => {
      const call = exports[name] as ((step: number) => void) | undefined;
      if (call === undefined) return {};
      const seen = (step: number): void => {
        steps.push({ name, step, given });
        call(step);
        if (steps.length >= stepsBeforeTheEnd) enough();
      };
      return { [name]: seen };
    };
    return { exports: { ...exports, ...watch("init"), ...watch("begin") } };
  }) as never);
  const rest = LEAF_BYTES + 1000;
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (let at = 0; at < artifact.length - rest; at += 70_000) {
        const piece = artifact.slice(at, Math.min(at + 70_000, artifact.length - rest));
        given += piece.length;
        controller.enqueue(piece);
      }
      await begun;
      given = artifact.length;
      controller.enqueue(artifact.slice(artifact.length - rest));
      controller.close();
    },
  });
  return { stream, steps, givenBeforeTheEnd: artifact.length - rest };
}

afterEach(() => vi.restoreAllMocks());

describe("weights", () => {
  const artifact = convolutions(5);
  const preparation = planOf(artifact).preparation!;
  const x = Float32Array.from(numbers(CHANNELS * 14 * 14));

  it("are prepared in steps that need more and more of them", () => {
    expect(preparation.length).toBeGreaterThan(2);
    expect(preparation[0]).toBeLessThan(artifact.length / 2);
    expect(preparation).toEqual([...preparation].sort((a, b) => a - b));
    expect(preparation.at(-1)).toBeLessThanOrEqual(artifact.length);
  });

  it("are prepared while they arrive, each step once and none before what it needs", async () => {
    const expected = await (await load(artifact, { threads: 1 })).run({ x });
    const { stream, steps, givenBeforeTheEnd } = watched(artifact, 1);
    const session = await load(stream, { threads: 1 });
    expect(steps.map(({ step }) => step)).toEqual(preparation.map((_, step) => step));
    expect(steps[0]!.given).toBe(givenBeforeTheEnd);
    for (const { step, given } of steps) expect(given).toBeGreaterThanOrEqual(preparation[step]!);
    expect(await session.run({ x })).toEqual(expected);
  });

  it("that are damaged end it all", async () => {
    const damaged = artifact.slice();
    damaged[damaged.length - 5]! ^= 1;
    const failure = { code: "artifact-corrupt" };
    await expect(load(damaged)).rejects.toMatchObject(failure);
    await expect(load(damaged, { firstRun: { x } })).rejects.toMatchObject(failure);
  });
});

describe("a first run", () => {
  const artifact = layers(5);
  const { preparation = [], opening = [] } = planOf(artifact);
  const x = Float32Array.from(numbers(ROWS * 512));

  it("goes on while weights arrive", async () => {
    expect(opening.length).toBeGreaterThan(3);
    const expected = await (await load(artifact, { threads: 1 })).run({ x });
    const early = preparation.length + 2;
    const { stream, steps, givenBeforeTheEnd } = watched(artifact, early);
    const session = await load(stream, { threads: 1, firstRun: { x } });
    expect(steps.slice(0, early).every(({ given }) => given === givenBeforeTheEnd)).toBe(true);
    expect(steps.filter(({ name }) => name === "begin").map(({ step }) => step)).toEqual(
      opening.map((_, step) => step),
    );
    expect(session.firstOutputs).toEqual(expected);
    expect(session.stats().runs).toBe(1);
    expect(await session.run({ x })).toEqual(expected);
  });

  it.each([1, 2, 3, 8])(
    "is gone on with where little is left for %i threads, and made anew elsewhere",
    async (threads) => {
      for (let early = 0; early <= 4; early++) {
        const steps: string[] = [];
        const watch = (name: string) => (step: number) => void steps.push(`${name} ${step}`);
        const opening = Array.from({ length: 4 }, (_, step) => (step < early ? 0 : -1));
        const plan = { ...planOf(scalingArtifact()), inputs: [], preparation: [0], opening };
        const memory = new WebAssembly.Memory({ initial: 1 });
        const beginning = new Beginning(plan, memory, new Map());
        beginning.begin({ init: watch("init"), begin: watch("begin") });
        await beginning.advance(10);
        expect(steps).toEqual(["init 0"]);
        beginning.open();
        await beginning.advance(10);
        expect(steps.length).toBe(1 + early);
        const hasRun = await beginning.finish(threads);
        expect(steps.length).toBe(hasRun ? 5 : 1 + early);
        expect(hasRun).toBe(threads === 1 || (4 - early) * threads <= 5);
      }
    },
  );

  it("gives the same on several threads", async () => {
    const expected = (await (await load(artifact, { threads: 1 })).run({ x }))["y"];
    for (const threads of [1, 2, 3]) {
      const session = await load(new Blob([artifact]).stream(), { threads, firstRun: { x } });
      expect(session.firstOutputs!["y"]).toEqual(expected);
      expect((await session.run({ x }))["y"]).toEqual(expected);
      session.dispose();
    }
  });

  it("is made of small programs when they are there, and of late ones", async () => {
    const session = await load(scalingArtifact(), { firstRun: { x: [1, 10, 100, 1000] } });
    expect(session.firstOutputs!["y"]!.data).toEqual(Float32Array.of(2, 30, 400, 5000));
    const b = onnxModel("late");
    const open = b.input("x", "float32", ["n"]);
    b.output(b.node("Mul", [open, open]), "float32", ["n"], "y");
    const late = await load(compile(b.toBytes()).artifact, {
      firstRun: { x: [3, 4] },
      compiler: () => ({ openSource }),
    });
    expect(late.kind).toBe("late");
    expect(late.firstOutputs!["y"]!.data).toEqual(Float32Array.of(9, 16));
  });

  it("that cannot be is refused before the weights are read", async () => {
    let given = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (given >= artifact.length) return controller.close();
        controller.enqueue(artifact.slice(given, (given += 50_000)));
      },
    });
    await expect(load(stream, { firstRun: { x: [1, 2] } })).rejects.toMatchObject({ code: "input-shape" });
    expect(given).toBeLessThan(artifact.length / 2);
    await expect(load(artifact, { firstRun: { image: x } })).rejects.toMatchObject({ code: "input-unknown" });
    const trapping = load(scalingArtifact(), { firstRun: { x: [0, TRAP, 0, 0] } });
    await expect(trapping).rejects.toMatchObject({ code: "run-failed" });
  });

  it("in steps that the code does not have, or that trap, is a typed error", async () => {
    const absent = plainArtifact({ inputs: [], outputs: [], opening: [0] }, []);
    await expect(load(absent, { firstRun: {} })).rejects.toMatchObject({ code: "artifact-malformed" });
    await (await load(absent)).run({});
    const trapping = plainArtifact({ inputs: [], outputs: [] }, [], [0x00]);
    await expect(load(trapping)).rejects.toMatchObject({ code: "run-failed" });
  });
});
