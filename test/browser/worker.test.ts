/**
 * Sessions off the main thread, in a real browser: dedicated, shared, nested and service workers, a strict policy,
 * workers that die, queues, aborts, errors that keep their type.
 */
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { CompileError } from "../../compiler/diagnostic.ts";
import type * as Compiler from "../../compiler/index.ts";
import { compile } from "../../compiler/index.ts";
import { modelWorker } from "../../compiler/worker/index.ts";
import { clearCache } from "../../runtime/cache.ts";
import { load, type Progress, TilewrightError, type WorkerSession } from "../../runtime/index.ts";
import { createHost } from "../../runtime/worker/host.ts";
import { expose } from "comlink";
import { scalingArtifact, TRAP } from "../programs.ts";
import { expect } from "./expect.ts";

const ARTIFACT = new URL("../artifacts/scaling.tile", import.meta.url);
const ONES = { x: [1, 1, 1, 1] };
/** Of the slow model's matrices. */
const SIDE = 320;

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

/** A model that takes some tens of milliseconds: products of matrices one after the other. */
async function slowArtifact(products = 6, size = SIDE): Promise<Uint8Array> {
  const b = onnxModel("slow", { opset: 22 });
  let x = b.input("x", "float32", [size, size]);
  const first = x;
  for (let i = 0; i < products; i++) x = b.node("Tanh", [b.node("MatMul", [x, first])]);
  b.output(x, "float32", undefined, "y");
  return (await compile(b.toBytes())).artifact;
}

const slowInput = (size = SIDE): { x: Float32Array<ArrayBuffer> } => ({
  x: Float32Array.from({ length: size * size }, (_, i) => Math.sin(i) / 20),
});

async function withSession<T>(
  session: Promise<WorkerSession>,
  use: (session: WorkerSession) => Promise<T>,
): Promise<T> {
  const loaded = await session;
  try {
    return await use(loaded);
  } finally {
    loaded.dispose();
  }
}

describe("a session in a worker", () => {
  it("answers as one in the page does", async () => {
    const here = await load(ARTIFACT);
    await withSession(load(ARTIFACT, { worker: true }), async (session) => {
      expect(session.stats().place.kind === "worker", JSON.stringify(session.stats().place));
      for (const part of ["name", "kind", "inputs", "outputs", "variant", "memoryBytes"] as const)
        expect(JSON.stringify(session[part]) === JSON.stringify(here[part]), `${part} differs`);
      const there = await session.run({ x: [1, 10, 100, 1000] });
      const expected = await here.run({ x: [1, 10, 100, 1000] });
      for (const [name, tensor] of Object.entries(expected)) {
        expect(there[name]!.data.join() === tensor.data.join(), `${name} differs`);
        expect(there[name]!.shape.join() === tensor.shape.join(), `the shape of ${name} differs`);
        expect(there[name]!.dtype === tensor.dtype, `the dtype of ${name} differs`);
      }
      expect(session.stats().runs === 1 && session.stats().lastRun > 0, "the run was not counted");
      await expectCode("worker-only", (async () => session.runSync(ONES))());
    });
  });

  it("makes a first run while it is loaded; what cannot cross is refused", async () => {
    await withSession(
      load(ARTIFACT, { worker: true, firstRun: { x: [1, 10, 100, 1000] } }),
      async (session) => {
        const { y } = session.firstOutputs!;
        expect(y!.data.join() === "2,30,400,5000", `y is ${y!.data.join()}`);
        expect(session.stats().runs === 1, "the run was not counted");
      },
    );
    const picture = { x: document.createElement("canvas") };
    await expectCode("input-dtype", load(ARTIFACT, { worker: true, firstRun: picture }));
    await expectCode("input-shape", load(ARTIFACT, { worker: true, firstRun: { x: [1] } }));
  });

  it("takes bytes, buffers, blobs, streams, responses and requests", async () => {
    const bytes = scalingArtifact();
    for (const source of [
      bytes,
      bytes.buffer,
      new Blob([bytes]),
      new Blob([bytes]).stream(),
      await fetch(ARTIFACT),
      new Request(ARTIFACT),
      ARTIFACT.pathname,
    ]) {
      await withSession(load(source, { worker: true }), async (session) => {
        const { y } = await session.run(ONES);
        expect(y!.data.join() === "2,3,4,5", `y is ${y!.data.join()}`);
      });
    }
    expect(bytes.length > 0, "the caller's bytes were taken");
  });

  it("takes the caller's arrays, or copies them", async () => {
    await withSession(load(ARTIFACT, { worker: true }), async (session) => {
      const taken = new Float32Array(4);
      const kept = new Float32Array(4);
      const part = new Float32Array(8).subarray(2, 6);
      const memory = new Float32Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 4);
      const runs = [session.run({ x: taken }), session.run({ x: kept }, { transfer: false })];
      runs.push(session.run({ x: part }), session.run({ x: memory }));
      // What changes after the call is not seen by the run.
      for (const array of [kept, part, memory]) array.fill(7);
      for (const outputs of await Promise.all(runs))
        expect(outputs["y"]!.data.join() === "0,0,0,0", `y is ${outputs["y"]!.data.join()}`);
      expect(taken.length === 0, "the array was not handed over");
      expect(kept.length === 4 && part.length === 4 && memory.length === 4, "an array was handed over");
    });
  });

  it("has memory of inputs and outputs, shared or not", async () => {
    for (const [artifact, input, threads] of [
      [scalingArtifact(), new Float32Array(4).fill(2), 1],
      [await slowArtifact(1), slowInput().x, 2],
    ] as const) {
      const here = await load(artifact, { threads: 1 });
      const expected = (await here.run({ x: input }))["y"]!.data.join();
      await withSession(load(artifact, { worker: true, threads }), async (session) => {
        for (let round = 0; round < 2; round++) {
          (session.input("x") as Float32Array).set(input);
          await session.invoke();
          expect(session.output("y").join() === expected, `round ${round}: y differs`);
        }
        const isShared = session.input("x").buffer instanceof SharedArrayBuffer;
        expect(isShared === threads > 1, `the memory is ${isShared ? "" : "not "}shared`);
        await expectCode("input-unknown", (async () => session.input("xx"))());
      });
    }
  });

  it("keeps the type and the code of errors", async () => {
    await expectCode("network", load(new URL("absent.tile", ARTIFACT), { worker: true }));
    await expectCode("artifact-malformed", load(new Uint8Array(10), { worker: true }));
    await expectCode("compiler-needed", load(Uint8Array.of(0x08, 0x0a), { worker: true }));
    await expectCode("out-of-memory", load(scalingArtifact(), { worker: true, memoryLimit: 64 }));
    await withSession(load(ARTIFACT, { worker: true }), async (session) => {
      await expectCode("input-unknown", session.run({ xx: 1 }));
      await expectCode("input-shape", session.run({ x: [1] }));
      await expectCode("run-failed", session.run({ x: [1, TRAP, 1, 1] }));
      await expectCode("none", session.run(ONES));
      await expectCode("profile-needed", session.profile(ONES));
      session.dispose();
      await expectCode("disposed", session.run(ONES));
    });
  });

  it("binds shapes there with a compiler of its own, whose errors keep their type", async () => {
    const b = onnxModel("open", { opset: 22 });
    const x = b.input("x", "float32", ["n", 2]);
    b.output(b.node("MatMul", [x, x]), "float32", undefined, "y");
    const compiler = (): Promise<typeof Compiler> => import("../../compiler/index.ts");
    await withSession(load(b.toBytes(), { worker: modelWorker, compiler }), async (session) => {
      const { y } = await session.run({ x: { shape: [2, 2], data: [1, 2, 3, 4] } });
      expect(y!.data.join() === "7,10,15,22", `y is ${y!.data.join()}`);
      let thrown: unknown;
      await session
        .run({ x: { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] } })
        .catch((error: unknown) => (thrown = error));
      expect(thrown instanceof CompileError, `it is ${String(thrown)}`);
      expect((thrown as CompileError).diagnostics.length > 0, "the diagnostics are lost");
    });
    await expectCode("option-invalid", load(b.toBytes(), { worker: true, compiler }));
  });

  it("refuses runs beyond its queue, and aborts those that wait", async () => {
    const artifact = await slowArtifact(40);
    await withSession(load(artifact, { worker: { queue: 4 }, threads: 1 }), async (session) => {
      const controller = new AbortController();
      const first = session.run(slowInput());
      const second = session.run(slowInput());
      const third = session.run(slowInput(), { signal: controller.signal });
      const fourth = session.run(slowInput());
      const input = slowInput();
      await expectCode("queue-full", session.run(input));
      expect(input.x.length > 0, "the input of a run that was refused is gone");
      controller.abort();
      await expectCode("aborted", third);
      await Promise.all([first, second, fourth]);
      expect(session.stats().runs === 3, `there were ${session.stats().runs} runs`);
      await expectCode("aborted", session.run(slowInput(), { signal: AbortSignal.abort() }));
      // A page that has to wait for a core comes too late for a run, but not for every one.
      let code = "none";
      for (let tries = 0; tries < 20 && code === "none"; tries++) {
        const late = new AbortController();
        const running = session.run(slowInput(), { signal: late.signal });
        setTimeout(() => late.abort(), 5);
        code = await codeOf(running);
      }
      expect(code === "aborted", `the code is ${code}`);
      await expectCode("none", session.run(slowInput()));
    });
  });

  it("aborts a load", async () => {
    const controller = new AbortController();
    const hanging = new ReadableStream<Uint8Array>({
      start: (stream) => stream.enqueue(scalingArtifact().slice(0, 100)),
    });
    const loading = load(hanging, { worker: true, signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await expectCode("aborted", loading);
    await expectCode("aborted", load(ARTIFACT, { worker: true, signal: AbortSignal.abort() }));
  });

  it("rejects everything when its worker is gone", async () => {
    // Seconds, of which the worker is ended in the first: also where the page has to wait for a core.
    const size = 4 * SIDE;
    const artifact = await slowArtifact(100, size);
    const { start } = modelWorker;
    let worker: Worker | undefined;
    const session = await load(artifact, {
      worker: { start: () => (worker = start!() as Worker) },
      threads: 1,
    });
    const runs = [1, 2, 3].map(() => session.run(slowInput(size)));
    setTimeout(() => worker!.terminate(), 30);
    for (const run of runs) await expectCode("worker-lost", run);
    await expectCode("worker-lost", session.run(slowInput(size)));
    session.dispose();
    const loading = load(new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(9)) }), {
      worker: { start: () => (worker = start!() as Worker) },
      progress: () => worker!.terminate(),
    });
    await expectCode("worker-lost", loading);
  });

  it("rejects what waits with `disposed` when it is disposed of", async () => {
    const session = await load(await slowArtifact(), { worker: true, threads: 1 });
    const runs = [session.run(slowInput()), session.run(slowInput()), session.run(slowInput())];
    session.dispose();
    for (const run of runs) await expectCode("disposed", run);
    session.dispose();
  });

  it("runs here where no worker starts, and says so", async () => {
    for (const start of [
      () => new Worker(new URL("./absent.js", import.meta.url), { type: "module" }),
      () => {
        throw new Error("no workers today");
      },
    ]) {
      await withSession(load(ARTIFACT, { worker: { start } }), async (session) => {
        const { place } = session.stats();
        expect(place.kind === "here" && place.reason !== undefined, JSON.stringify(place));
        const { y } = await session.run(ONES);
        expect(y!.data.join() === "2,3,4,5", `y is ${y!.data.join()}`);
        (session.input("x") as Float32Array).set([2, 2, 2, 2]);
        await session.invoke();
        expect(session.output("y").join() === "4,6,8,10", `invoked, y is ${session.output("y").join()}`);
      });
    }
  });

  it("does not keep the page from its work", async () => {
    const artifact = await slowArtifact(60);
    await withSession(load(artifact, { worker: true, threads: 1 }), async (session) => {
      await session.run(slowInput());
      // Another process may take the page's core away during a run. What a run keeps from the page, each of them does.
      const seen: string[] = [];
      for (let free = false; !free && seen.length < 20;) {
        let longest = 0;
        let last = performance.now();
        const timer = setInterval(() => {
          longest = Math.max(longest, performance.now() - last);
          last = performance.now();
        }, 1);
        const begin = performance.now();
        await session.run(slowInput());
        const took = performance.now() - begin;
        clearInterval(timer);
        free = longest < Math.max(100, took / 2);
        if (!free) seen.push(`${longest} of ${took} ms`);
      }
      expect(seen.length < 20, `in each run the page stood still: ${seen.join(", ")}`);
    });
  });

  it("tells its progress", async () => {
    const seen: Progress[] = [];
    await withSession(
      load(ARTIFACT, { worker: true, progress: (progress) => seen.push(progress) }),
      async () => {
        expect(seen.at(-1)?.phase === "ready", JSON.stringify(seen.at(-1)));
      },
    );
  });

  it("works in a shared worker, for several sessions", async () => {
    const start = (): SharedWorker =>
      new SharedWorker(new URL("./pages/shared.worker.ts", import.meta.url), { type: "module" });
    const [one, two] = await Promise.all([1, 2].map(() => load(ARTIFACT, { worker: { start } })));
    expect(one!.stats().place.kind === "worker", JSON.stringify(one!.stats().place));
    const { y } = await one!.run(ONES);
    one!.dispose();
    const other = await two!.run(ONES);
    expect(y!.data.join() === "2,3,4,5" && other["y"]!.data.join() === "2,3,4,5", "an answer is wrong");
    two!.dispose();
  });

  it("works through a port, as to an extension's offscreen page", async () => {
    const { port1, port2 } = new MessageChannel();
    expose(createHost(), port2);
    await withSession(load(ARTIFACT, { worker: { start: () => port1 } }), async (session) => {
      const { y } = await session.run(ONES);
      expect(y!.data.join() === "2,3,4,5", `y is ${y!.data.join()}`);
    });
  });

  it("works in a worker", async () => {
    const worker = new Worker(new URL("./pages/nested.worker.ts", import.meta.url), { type: "module" });
    const result = await new Promise<{ y: number[]; place: { kind: string } }>((resolve, reject) => {
      worker.addEventListener("message", ({ data }) => resolve(data as never));
      worker.addEventListener("error", ({ message }) => reject(new Error(message)));
    });
    worker.terminate();
    expect(result.y.join() === "2,3,4,5" && result.place.kind === "worker", JSON.stringify(result));
  });

  it("works in a service worker, without workers, and says so", async () => {
    const script = new URL("./pages/service.worker.ts", import.meta.url);
    const registration = await navigator.serviceWorker.register(script, { type: "module" });
    try {
      const active = await new Promise<ServiceWorker>((resolve) => {
        const worker = registration.installing ?? registration.waiting ?? registration.active!;
        if (worker.state === "activated") resolve(worker);
        worker.addEventListener("statechange", () => worker.state === "activated" && resolve(worker));
      });
      const { port1, port2 } = new MessageChannel();
      const answered = new Promise<Record<string, unknown>>((resolve) => {
        port1.onmessage = ({ data }) => resolve(data as Record<string, unknown>);
      });
      active.postMessage({ database: "test-service" }, [port2]);
      const result = await answered;
      const text = JSON.stringify(result);
      expect(result["failed"] === undefined && String(result["y"]) === "2,3,4,5", text);
      expect((result["place"] as { kind: string }).kind === "here", text);
      expect(String(result["warnings"]) === "worker-unavailable", text);
      expect(String(result["outcomes"]) === "miss,hit", text);
      expect(String(result["without"]) === "cache-unavailable", text);
    } finally {
      await registration.unregister();
      await clearCache({ database: "test-service" });
    }
  });

  it("works under a strict content security policy", async () => {
    const frame = document.createElement("iframe");
    frame.src = new URL("./pages/csp.html", import.meta.url).href;
    const message = (): Promise<unknown> =>
      new Promise((resolve) => {
        addEventListener("message", function listen({ data, source }) {
          if (source !== frame.contentWindow) return;
          removeEventListener("message", listen);
          resolve(data);
        });
      });
    const ready = message();
    document.body.append(frame);
    await ready;
    const answered = message();
    frame.contentWindow!.postMessage({ database: "test-policy" }, location.origin);
    const result = (await answered) as Record<string, unknown>;
    const text = JSON.stringify(result);
    expect(result["inPage"] === "2,30,400,5000" && result["inWorker"] === "2,30,400,5000", text);
    expect((result["place"] as { kind: string }).kind === "worker", text);
    expect((result["cache"] as { outcome: string }).outcome === "hit", text);
    expect(result["evaluates"] === false, "the policy is not in force");
    const refused = (result["refused"] as string[]).filter((one) => !one.endsWith(" eval"));
    expect(refused.length === 0, `the policy refused ${refused.join(", ")}`);
    frame.remove();
  });

  it("gives memory back: 200 loads in workers", async () => {
    const b = onnxModel("large", { opset: 22 });
    b.output(b.node("Tanh", [b.input("x", "float32", [1_000_000])]), "float32", undefined, "y");
    const { artifact } = await compile(b.toBytes());
    for (let i = 0; i < 200; i++) {
      const session = await load(artifact, { worker: true, threads: 1 + (i % 2) });
      expect(session.memoryBytes > 8_000_000, `it takes ${session.memoryBytes} bytes`);
      if (i % 20 === 0) await session.run({ x: new Float32Array(1_000_000) });
      session.dispose();
    }
  });
});
