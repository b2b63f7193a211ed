/**
 * The runtime on WebGPU, in a real browser. In: programs made by hand (test/gpuPrograms.ts). Out: what they compute,
 * and what happens when things go wrong. The adapter is the software one that Chromium carries with it, unless
 * `TILEWRIGHT_WEBGPU=native`.
 */
import { clearCache, listCache, whenSettled } from "../../runtime/cache.ts";
import { TilewrightError } from "../../runtime/errors.ts";
import { type GpuTensor, load, type Outputs } from "../../runtime/index.ts";
import { chain, gpuArtifact, mixed, narrow, scaling } from "../gpuPrograms.ts";
import { expect } from "./expect.ts";
import { needsAdapter } from "./skip.ts";

const usage = {
  storage: GPUBufferUsage.STORAGE,
  source: GPUBufferUsage.COPY_SRC,
  target: GPUBufferUsage.COPY_DST,
};

function expectNumbers(outputs: Outputs, name: string, numbers: readonly number[]): void {
  const actual = outputs[name]?.data.join();
  expect(actual === numbers.join(), `${name} is ${actual}, not ${numbers.join()}`);
}

async function failure(action: Promise<unknown>): Promise<TilewrightError> {
  try {
    await action;
  } catch (error) {
    if (error instanceof TilewrightError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

async function expectCode(code: string, action: Promise<unknown>): Promise<TilewrightError> {
  const error = await failure(action);
  expect(error.code === code, `the code is ${error.code}, not ${code}: ${error.message}`);
  return error;
}

async function contentsOf(
  device: GPUDevice,
  { buffer, offset = 0 }: GpuTensor,
  bytes: number,
): Promise<Float32Array> {
  const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | usage.target });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const contents = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return contents;
}

needsAdapter();

describe("a session on WebGPU", () => {
  it("prepares its weights once and runs", async () => {
    const session = await load(scaling(), { device: "webgpu" });
    expect(session.device?.kind === "webgpu", "the device is another");
    expect(session.kind === "bound", "the session is late");
    expectNumbers(await session.run({ x: [1, 10, 100, 1000] }), "y", [2, 40, 600, 8000]);
    expectNumbers(await session.run({ x: [1, 1, 1, 1] }), "y", [2, 4, 6, 8]);
    const { dispatchesPerRun, submissions, runs, gpuBytes } = session.gpuStats!;
    expect(dispatchesPerRun === 1, `${dispatchesPerRun} dispatches`);
    expect(runs === 2 && submissions === 3, `${submissions} submissions in ${runs} runs and one preparation`);
    expect(gpuBytes === 1024 + 16, `${gpuBytes} bytes`);
    session.dispose();
    await expectCode("disposed", session.run({ x: [1, 1, 1, 1] }));
  });

  it("answers many runs that are asked for at once, and copies nothing late", async () => {
    const session = await load(scaling(), { device: "webgpu" });
    const x = new Float32Array(4);
    const runs = Array.from({ length: 20 }, (_, i) => {
      x.fill(i);
      return session.run({ x });
    });
    x.fill(-1);
    for (const [i, outputs] of (await Promise.all(runs)).entries())
      expectNumbers(outputs, "y", [2 * i, 4 * i, 6 * i, 8 * i]);
    session.dispose();
  });

  it("runs steps on the CPU between those on the GPU", async () => {
    const session = await load(mixed(), { device: "webgpu" });
    const runs = [1, 2, 0].map((k) => session.run({ x: [k, 10 * k], k: [k] }));
    for (const [i, outputs] of (await Promise.all(runs)).entries()) {
      const k = [1, 2, 0][i]!;
      expectNumbers(outputs, "y", [4 * k + 2, 40 * k + 2]);
      expectNumbers(outputs, "z", [k + 1]);
      expectNumbers(outputs, "s", [4 * k + 2, 40 * k + 2].slice(0, k));
      expect(outputs["s"]?.shape.join() === String(k), `s has shape ${outputs["s"]?.shape.join()}`);
    }
    expect(session.gpuStats!.hostStepsPerRun === 1, "there is a step on the CPU");
    await expectCode("run-failed", session.run({ x: [1, 1], k: [3] }));
    expectNumbers(await session.run({ x: [1, 1], k: [1] }), "y", [6, 6]);
    session.dispose();
  });

  it("widens narrow types on the way in and narrows them on the way out", async () => {
    const session = await load(narrow(), { device: "webgpu" });
    const halves = [1.5, -0.333251953125, 65504];
    const outputs = await session.run({
      bool: [true, false, true],
      int8: [-128, 0, 127],
      uint16: [0, 1, 65535],
      float16: halves,
      bfloat16: [1, -2.5, 3.0e38],
      bytes: [1, 2, 3, 4, 255],
    });
    expectNumbers(outputs, "bool out", [1, 0, 1]);
    expectNumbers(outputs, "int8 out", [-128, 0, 127]);
    expectNumbers(outputs, "uint16 out", [0, 1, 65535]);
    expectNumbers(outputs, "float16 out", [0x3e00, 0xb555, 0x7bff]);
    expectNumbers(outputs, "bfloat16 out", [0x3f80, 0xc020, 0x7f62]);
    expectNumbers(outputs, "bytes out", [1, 2, 3, 4, 255]);
    session.dispose();
  });

  it("takes and gives buffers on the device that sessions share", async () => {
    const [one, other] = await Promise.all([
      load(scaling(), { device: "webgpu" }),
      load(scaling([1, 1, 1, 1]), { device: "webgpu" }),
    ]);
    const device = one.device!.gpu!;
    expect(device === other.device!.gpu, "each session has a device of its own");
    const { y } = (await one.run({ x: [1, 2, 3, 4] }, { location: "gpu" })) as { y: GpuTensor };
    expect(y.shape.join() === "2,2", "the shape is there");
    expectNumbers(await other.run({ x: y }), "y", [4, 16, 36, 64]);
    const mine = device.createBuffer({ size: 64, usage: usage.storage | usage.source | usage.target });
    const into = (await other.run({ x: y.buffer }, { location: { y: { buffer: mine, offset: 16 } } })) as {
      y: GpuTensor;
    };
    expect(into.y.buffer === mine, "it is in the buffer that was given");
    const contents = await contentsOf(device, into.y, 16);
    expect(contents.join() === "4,16,36,64", `the buffer has ${contents.join()}`);

    const small = device.createBuffer({ size: 8, usage: usage.storage | usage.source });
    await expectCode("input-shape", other.run({ x: small }));
    await expectCode("input-dtype", other.run({ x: y }, { location: { y: small } }));
    await expectCode("input-shape", other.run({ x: { buffer: mine, offset: 2 } }));
    await expectCode("input-unknown", other.run({ x: y, z: y } as never));
    for (const buffer of [mine, small, y.buffer]) buffer.destroy();
    one.dispose();
    expectNumbers(await other.run({ x: [1, 2, 3, 4] }), "y", [2, 4, 6, 8]);
    other.dispose();
  });

  it("computes in a worker, out of the cache there", async () => {
    const url = "/models/gpu-worker?device=webgpu";
    const cache = { database: `gpu-worker-${Date.now()}`, revalidate: "never" } as const;
    for (const expected of ["miss", "hit"]) {
      const session = await load(url, { worker: true, device: "webgpu", cache });
      expect(session.device?.kind === "webgpu", `it computes on ${session.device?.kind}`);
      expectNumbers(await session.run({ x: [1, 10, 100, 1000] }), "y", [2, 40, 600, 8000]);
      const stats = await session.stats();
      expect(stats.cache?.outcome === expected, `the cache says ${stats.cache?.outcome}, not ${expected}`);
      // What came is stored beside the first runs.
      while ((await listCache(cache)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      session.dispose();
    }
    await clearCache(cache);
  });

  it("takes a device of the caller's", async () => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter!.requestDevice();
    const session = await load(scaling(), { device: "webgpu", webgpu: { device } });
    expect(session.device!.gpu === device, "it is another device");
    expectNumbers(await session.run({ x: [1, 1, 1, 1] }), "y", [2, 4, 6, 8]);
    session.dispose();
    device.destroy();
    await expectCode("device-lost", load(scaling(), { device: "webgpu", webgpu: { device } }));
  });

  it("has no memory of WebAssembly to look at", async () => {
    const session = await load(scaling(), { device: "webgpu" });
    await expectCode("run-failed", (async () => session.runSync({ x: [1, 1, 1, 1] }))());
    await expectCode("run-failed", (async () => session.input("x"))());
    session.dispose();
  });
});

describe("a profile on WebGPU", () => {
  it("has a time for each dispatch, and rates of the device", async () => {
    const session = await load(chain(3, 4096), { device: "webgpu" });
    const { calls, totalMilliseconds, peak } = await session.profile(
      { x: new Float32Array(4096) },
      { runs: 3 },
    );
    expect(
      calls.map(({ name }) => name).join() === "add 1,add 2,add 3",
      calls.map(({ name }) => name).join(),
    );
    expect(
      calls.every(({ milliseconds }) => milliseconds > 0),
      "a call has no time",
    );
    const shares = calls.reduce((sum, { share }) => sum + share, 0);
    expect(Math.abs(shares - 1) < 1e-9 && totalMilliseconds > 0, `the shares add up to ${shares}`);
    expect(peak.gflops > 0 && peak.bandwidth[0]!.gbs > 0, `${peak.gflops} GFLOP/s`);
    expect(
      calls.every(({ roofline }) => roofline > 0),
      "a call has no share of the roof",
    );
    session.dispose();
  });
});

describe("weights of a session on WebGPU", () => {
  it("arrive in pieces of any size", async () => {
    const bytes = scaling([1, 2, 3, 4]);
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7));
        controller.close();
      },
    });
    const session = await load(stream, { device: "webgpu" });
    expectNumbers(await session.run({ x: [1, 1, 1, 1] }), "y", [2, 4, 6, 8]);
    session.dispose();
  });

  it("are refused when they were changed", async () => {
    const bytes = scaling();
    bytes[bytes.length - 1]! ^= 1;
    await expectCode("artifact-corrupt", load(bytes, { device: "webgpu" }));
  });
});

describe("what goes wrong on WebGPU", () => {
  it("is told with the kernel, its schedule and the line when a shader does not compile", async () => {
    const port = { dtype: "float32", shape: [4], address: 0 } as const;
    const slot = { buffer: 0, address: 0, bytes: 16, form: "packed" } as const;
    const range = { buffer: 0, address: 0, bytes: 16 };
    const artifact = gpuArtifact({
      ports: { inputs: [{ name: "x", ...port }], outputs: [{ name: "y", ...port }] },
      inputs: [{ name: "x", ...slot }],
      outputs: [{ name: "y", ...slot }],
      buffers: [{ bytes: 256 }],
      kernels: [
        {
          name: "softmax of logits",
          bindings: ["write"],
          schedule: "split i by 4",
          text: "@group(0) @binding(0) var<storage, read_write> a: array<f32>;\n@compute @workgroup_size(1)\nfn main() {\n  a[0] = nonsense(1.0);\n}",
        },
      ],
      run: [{ kind: "dispatch", pipeline: 0, bindings: [range], groups: [1, 1, 1] }],
    });
    const { message } = await expectCode("shader-invalid", load(artifact, { device: "webgpu" }));
    for (const part of ["softmax of logits", "split i by 4", "4:", "nonsense(1.0)"]) {
      expect(message.includes(part), `the message lacks "${part}":\n${message}`);
    }
  });

  it("is told with the limit when no variant fits", async () => {
    const program = {
      ports: { inputs: [], outputs: [] },
      inputs: [],
      outputs: [],
      kernels: [],
      requires: { features: ["shader-f16"], limits: { maxBufferSize: 2 ** 45 } },
    } as const;
    const { message } = await expectCode("webgpu-limits", load(gpuArtifact(program), { device: "webgpu" }));
    expect(message.includes("maxBufferSize") && message.includes(String(2 ** 45)), message);
  });

  it("is told when a buffer is larger than the device allows", async () => {
    const program = {
      ports: { inputs: [], outputs: [] },
      inputs: [],
      outputs: [],
      kernels: [],
      buffers: [{ bytes: 2 ** 36 }],
    };
    await expectCode("webgpu-limits", load(gpuArtifact(program), { device: "webgpu" }));
  });

  it("is told when commands are refused, once a run shows it", async () => {
    const port = { dtype: "float32", shape: [1], address: 0 } as const;
    const range = { buffer: 0, address: 0, bytes: 4 };
    const artifact = gpuArtifact({
      ports: { inputs: [{ name: "x", ...port }], outputs: [] },
      inputs: [{ name: "x", buffer: 0, address: 0, bytes: 4, form: "packed" }],
      outputs: [],
      buffers: [{ bytes: 256 }],
      kernels: [
        {
          name: "k",
          bindings: ["write"],
          text: "@group(0) @binding(0) var<storage, read_write> a: array<f32>;\n@compute @workgroup_size(1) fn main() { a[0] = 1.0; }",
        },
      ],
      // More workgroups than a dimension has.
      run: [{ kind: "dispatch", pipeline: 0, bindings: [range], groups: [2 ** 31, 1, 1] }],
    });
    const session = await load(artifact, { device: "webgpu" });
    const { message } = await expectCode("run-failed", session.run({ x: [1] }));
    // In the browser's own words.
    expect(/work ?group|dispatch group/i.test(message), message);
    session.dispose();
  });

  it("is a clear error where there is no WebGPU, and no error for auto", async () => {
    const empty = { requestAdapter: async () => null } as unknown as GPU;
    await expectCode("webgpu-unavailable", load(scaling(), { device: "webgpu", webgpu: { gpu: empty } }));
  });
});

describe("a lost device", () => {
  it("is made anew out of the cache, without a network", async () => {
    const url = URL.createObjectURL(new Blob([scaling()]));
    const cache = { database: `lost-${Date.now()}`, revalidate: "never" } as const;
    const session = await load(url, { device: "webgpu", cache });
    await whenSettled();
    URL.revokeObjectURL(url); // from now on nobody else has it
    session.device!.gpu!.destroy();
    expectNumbers(await session.run({ x: [1, 10, 100, 1000] }), "y", [2, 40, 600, 8000]);
    const { outcome } = session.stats().cache!;
    expect(outcome === "hit", `the cache says ${outcome}`);
    session.dispose();
    await clearCache(cache);
  });

  it("comes back in the middle of runs, which are done again", async () => {
    const session = await load(scaling(), { device: "webgpu" });
    const lost = session.device!.gpu!;
    expectNumbers(await session.run({ x: [1, 1, 1, 1] }), "y", [2, 4, 6, 8]);
    const runs = Array.from({ length: 8 }, (_, i) => session.run({ x: [i, i, i, i] }));
    lost.destroy();
    const later = session.run({ x: [9, 9, 9, 9] });
    for (const [i, outputs] of (await Promise.all(runs)).entries())
      expectNumbers(outputs, "y", [2 * i, 4 * i, 6 * i, 8 * i]);
    expectNumbers(await later, "y", [18, 36, 54, 72]);
    expect(session.device!.gpu !== lost, "the device is the lost one");
    expect(session.gpuStats!.rebuilt === 1, `made anew ${session.gpuStats!.rebuilt} times`);
    session.dispose();
  });

  it("comes back for a program with steps on the CPU, and again", async () => {
    const session = await load(mixed(), { device: "webgpu" });
    for (let round = 1; round <= 3; round++) {
      const run = session.run({ x: [1, 2], k: [1] });
      session.device!.gpu!.destroy();
      expectNumbers(await run, "y", [6, 10]);
      expect(session.gpuStats!.rebuilt === round, `made anew ${session.gpuStats!.rebuilt} times`);
    }
    session.dispose();
  });

  it("is shared again by sessions afterwards", async () => {
    const sessions = await Promise.all([
      load(scaling(), { device: "webgpu" }),
      load(mixed(), { device: "webgpu" }),
    ]);
    sessions[0].device!.gpu!.destroy();
    const [first, second] = await Promise.all([
      sessions[0].run({ x: [1, 1, 1, 1] }),
      sessions[1].run({ x: [1, 2], k: [1] }),
    ]);
    expectNumbers(first, "y", [2, 4, 6, 8]);
    expectNumbers(second, "y", [6, 10]);
    expect(sessions[0].device!.gpu === sessions[1].device!.gpu, "they are on different devices");
    for (const session of sessions) session.dispose();
  });

  it("comes back from a URL", async () => {
    const url = URL.createObjectURL(new Blob([scaling()]));
    const session = await load(url, { device: "webgpu" });
    session.device!.gpu!.destroy();
    expectNumbers(await session.run({ x: [1, 1, 1, 1] }), "y", [2, 4, 6, 8]);
    session.dispose();
    URL.revokeObjectURL(url);
  });

  it("does not come back from a stream, and says so", async () => {
    const session = await load(new Blob([scaling()]).stream(), { device: "webgpu" });
    session.device!.gpu!.destroy();
    const { message } = await expectCode("device-lost", session.run({ x: [1, 1, 1, 1] }));
    expect(message.includes("stream"), message);
    session.dispose();
  });

  it("takes the caller's buffers with it", async () => {
    const session = await load(scaling(), { device: "webgpu" });
    const { y } = (await session.run({ x: [1, 2, 3, 4] }, { location: "gpu" })) as { y: GpuTensor };
    session.device!.gpu!.destroy();
    await expectCode("device-lost", session.run({ x: y }));
    expectNumbers(await session.run({ x: [1, 1, 1, 1] }), "y", [2, 4, 6, 8]);
    session.dispose();
  });

  it("while a model loads is made up for by the next load", async () => {
    const first = await load(scaling(), { device: "webgpu" });
    const loading = load(chain(40), { device: "webgpu" }).then(
      (session) => session.dispose(),
      (error: unknown) => {
        expect(error instanceof TilewrightError && error.code === "device-lost", `${String(error)}`);
      },
    );
    first.device!.gpu!.destroy();
    await loading;
    const session = await load(chain(3), { device: "webgpu" });
    expect((await session.run({ x: new Float32Array(64) }))["y"]!.data[0] === 6, "the sum is wrong");
    session.dispose();
    first.dispose();
  });
});

describe("auto", () => {
  it("measures, decides, says why and remembers", async () => {
    // The two programs compute different things, which shows which one ran.
    const artifact = scaling([1, 2, 3, 4 + Math.random()], true);
    const session = await load(artifact, { device: "auto" });
    const { kind, reason, trial } = session.device!;
    expect(trial !== undefined && reason.includes("in a trial"), reason);
    const { y } = await session.run({ x: [1, 1, 1, 1] });
    expect(y!.data[0] === (kind === "wasm" ? 10 : 2), `${kind} gave ${y!.data.join()}`);
    session.dispose();
    const again = await load(artifact, { device: "auto" });
    expect(again.device!.kind === kind, "it changed its mind");
    expect(again.device!.reason.startsWith("remembered: "), again.device!.reason);
    again.dispose();
  });

  it("falls back to WebAssembly where there is no adapter", async () => {
    const empty = { requestAdapter: async () => null } as unknown as GPU;
    const session = await load(scaling(undefined, true), { device: "auto", webgpu: { gpu: empty } });
    expect(session.device!.kind === "wasm", "it is not on WebAssembly");
    expect(session.device!.reason.includes("no adapter"), session.device!.reason);
    expectNumbers(await session.run({ x: [1, 2, 3, 4] }), "y", [10, 20, 30, 40]);
    session.dispose();
  });

  it("is WebGPU where there is nothing else, and wasm is the default where there is", async () => {
    const gpuOnly = await load(scaling(), { device: "auto" });
    expect(gpuOnly.device!.kind === "webgpu", gpuOnly.device!.reason);
    gpuOnly.dispose();
    const byDefault = await load(scaling(undefined, true));
    expect(byDefault.device!.kind === "wasm", byDefault.device!.reason);
    byDefault.dispose();
    await expectCode("option-invalid", load(scaling(), { device: "wasm" }));
  });
});
