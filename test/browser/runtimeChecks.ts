/**
 * What the runtime must do in a browser, for a page and for a worker alike. In: nothing but the artifact that the
 * test server has. Out: named checks, each of which throws when it fails.
 */
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { TilewrightError } from "../../runtime/errors.ts";
import { writeArtifact } from "../../runtime/format.ts";
import { load, type Progress, type Source, supports } from "../../runtime/index.ts";
import {
  plainArtifact,
  randomNumbers,
  scalingArtifact,
  scalingPlan,
  scalingSections,
  TRAP,
} from "../programs.ts";
import { expect } from "./expect.ts";

/** The artifact that the test server has: the scaling program of `test/programs.ts`. */
const URL_OF_ARTIFACT = new URL("../artifacts/scaling.tile", import.meta.url);

async function expectAnswer(source: Source): Promise<void> {
  const session = await load(source);
  const { y } = await session.run({ x: [1, 10, 100, 1000] });
  expect(y?.shape.join() === "2,2", `y has shape [${y?.shape.join()}]`);
  expect(y?.data.join() === "2,30,400,5000", `y is ${y?.data.join()}`);
  session.dispose();
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof TilewrightError) return error.code;
    throw error;
  }
  return "none";
}

async function expectCode(code: string, action: Promise<unknown>): Promise<void> {
  const actual = await codeOf(action);
  expect(actual === code, `the code is ${actual}, not ${code}`);
}

/** The bytes in pieces, each after a turn of the event loop. */
function slowly(bytes: Uint8Array, piece: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve));
      if (at < bytes.length) controller.enqueue(bytes.slice(at, (at += piece)));
      else controller.close();
    },
  });
}

export const runtimeChecks: Readonly<Record<string, () => Promise<void>>> = {
  "binds by a compiler whose rare operators come when they are needed": async () => {
    const b = onnxModel("rare", { opset: 22 });
    const x = b.input("x", "float32", ["n", "n"]);
    b.output(b.node("Det", [x]), "float32", undefined, "y");
    const session = await load(b.toBytes(), { compiler: () => import("../../compiler/index.ts") });
    const { y } = await session.run({ x: { shape: [2, 2], data: [1, 2, 3, 5] } });
    expect(y?.data.join() === "-1", `y is ${y?.data.join()}`);
    session.dispose();
  },

  "loads from bytes": async () => {
    await expectAnswer(scalingArtifact());
    await expectAnswer(scalingArtifact().buffer);
  },
  "loads from the server: URL, string, Request, Response, Blob": async () => {
    await expectAnswer(URL_OF_ARTIFACT);
    await expectAnswer(URL_OF_ARTIFACT.href);
    await expectAnswer(URL_OF_ARTIFACT.pathname);
    await expectAnswer(new Request(URL_OF_ARTIFACT));
    await expectAnswer(await fetch(URL_OF_ARTIFACT));
    await expectAnswer(await (await fetch(URL_OF_ARTIFACT)).blob());
  },
  "loads a large artifact as it arrives and says how far it is": async () => {
    const large = writeArtifact(scalingPlan, scalingSections([2, 3, 4, 5], 5_000_000));
    await expectAnswer(new Response(slowly(large, 700_001)));
    const seen: Progress[] = [];
    await load(slowly(large, 700_001), { progress: (progress) => seen.push(progress) });
    const pieces = seen.filter(({ phase }) => phase === "download");
    expect(pieces.length >= 8, `only ${pieces.length} reports of progress`);
    const last = seen.at(-1);
    expect(
      last?.phase === "ready" && last.loaded === large.length,
      "the last report is not that all is ready",
    );
    large[large.length - 1_500_000]! ^= 16;
    await expectCode("artifact-corrupt", load(new Response(slowly(large, 700_001))));
  },
  "takes the relaxed variant here, and the plain one when told to": async () => {
    expect(supports("simd") && supports("relaxed-simd"), "this browser has no relaxed SIMD");
    for (const [variant, level] of [
      [undefined, 2],
      ["relaxed-simd", 2],
      ["simd", 1],
    ] as const) {
      const outputs = (await load(scalingArtifact(), { variant })).runSync({ x: [1, 1, 1, 1] });
      expect(
        outputs["level"]?.data[0] === level,
        `variant ${variant} ran level ${outputs["level"]?.data[0]}`,
      );
    }
  },
  "answers runs that were asked for at once": async () => {
    const session = await load(scalingArtifact());
    const x = new Float32Array(4);
    const runs = [1, 2, 3, 4].map((value) => session.run({ x: x.fill(value) }));
    const sums = (await Promise.all(runs)).map(({ y }) => y?.data[0]);
    expect(sums.join() === "2,4,6,8", `the answers are ${sums.join()}`);
  },
  "goes on after a trap": async () => {
    const session = await load(scalingArtifact());
    await expectCode("run-failed", session.run({ x: [1, TRAP, 1, 1] }));
    await expectCode("none", session.run({ x: [1, 1, 1, 1] }));
  },
  "says what is wrong": async () => {
    await expectCode("network", load(new URL("absent.tile", URL_OF_ARTIFACT)));
    await expectCode("network", load("file:///etc/hostname"));
    await expectCode("compiler-needed", load(Uint8Array.of(0x08, 0x0a)));
    await expectCode("aborted", load(URL_OF_ARTIFACT, { signal: AbortSignal.abort() }));
    const controller = new AbortController();
    const loading = load(slowly(scalingArtifact(), 50), { signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await expectCode("aborted", loading);
    await expectCode(
      "out-of-memory",
      load(plainArtifact({ memoryBytes: 2 ** 20 }, []), { memoryLimit: 2 ** 19 }),
    );
    const session = await load(scalingArtifact());
    await expectCode("input-unknown", session.run({ xx: 1 }));
    session.dispose();
    await expectCode("disposed", session.run({ x: [1, 1, 1, 1] }));
  },
  "computes on several threads what it computes on one": async () => {
    const b = onnxModel("shared", { opset: 22 });
    const x = b.input("x", "float32", [160, 160]);
    b.output(b.node("Softmax", [b.node("MatMul", [b.node("Tanh", [x]), x])]), "float32", undefined, "y");
    const { compile } = await import("../../compiler/index.ts");
    const { artifact } = await compile(b.toBytes());
    const inputs = { x: Float32Array.from({ length: 160 * 160 }, (_, i) => Math.sin(i)) };
    const one = await load(artifact, { threads: 1 });
    const expected = (await one.run(inputs))["y"]!.data.join();
    for (const threads of [2, 3]) {
      const session = await load(artifact, { threads });
      expect(session.threads?.count === threads, `there are ${JSON.stringify(session.threads)}`);
      const deadline = Date.now() + 120_000;
      for (let run = 0; run < 10 || session.threads?.helped === 0; run++) {
        const { y } = await session.run(inputs);
        expect(y?.data.join() === expected, `run ${run} on ${threads} threads differs`);
        expect((y?.data as Float32Array).buffer instanceof ArrayBuffer, "an output is shared memory");
        if (Date.now() > deadline) throw new Error(`nobody helped: ${JSON.stringify(session.threads)}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      session.input("x").set(inputs.x as never);
      session.invoke();
      expect(session.output("y").join() === expected, "what lies in place differs");
      session.dispose();
    }
  },
  "gives memory back: 200 sessions of many megabytes": async () => {
    const b = onnxModel("large", { opset: 22 });
    b.output(b.node("Tanh", [b.input("x", "float32", [1_000_000])]), "float32", undefined, "y");
    const { compile } = await import("../../compiler/index.ts");
    const { artifact } = await compile(b.toBytes());
    // An engine reserves gigabytes of addresses for each memory and has them for a hundred or so.
    for (let i = 0; i < 200; i++) {
      const session = await load(artifact, { threads: 1 + (i % 3) });
      expect(session.memoryBytes > 8_000_000, `it takes ${session.memoryBytes} bytes`);
      session.invoke();
      session.dispose();
    }
  },
  "survives 200 damaged artifacts": async () => {
    const random = randomNumbers(42);
    const file = scalingArtifact();
    for (let round = 0; round < 200; round++) {
      const bytes = file.slice();
      const at = Math.floor(random() * bytes.length);
      bytes[at]! ^= 1 << Math.floor(random() * 8);
      const code = await codeOf(load(round % 2 === 0 ? bytes : bytes.subarray(0, at)).then(() => {}));
      expect(code.startsWith("artifact-") || code === "none", `byte ${at} changed gives ${code}`);
    }
  },
};

export interface CheckResult {
  readonly name: string;
  readonly error?: string;
}

/** Runs all checks, one after the other. */
export async function runChecks(): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const [name, check] of Object.entries(runtimeChecks)) {
    try {
      await check();
      results.push({ name });
    } catch (error) {
      results.push({ name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  return results;
}
