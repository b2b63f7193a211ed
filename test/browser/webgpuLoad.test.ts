/**
 * Loading on WebGPU: how the page fares meanwhile, and what is left afterwards. In: generated programs. Out: long tasks as
 * the browser observes them, and memory after many sessions.
 */
import { load } from "../../runtime/index.ts";
import { needsAdapter, skip } from "./skip.ts";
import { heldBytes } from "./heldBytes.ts";
import { chain, scaling } from "../gpuPrograms.ts";
import { expect } from "./expect.ts";

const PIPELINES = 300;

/** Loads a program, runs it and gives the durations of the long tasks meanwhile, or "none". */
async function longTasksOfLoad(artifact: Uint8Array<ArrayBuffer>): Promise<string> {
  const long: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries()));
  observer.observe({ type: "longtask" });
  const session = await load(artifact, { device: "webgpu" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  long.push(...observer.takeRecords());
  observer.disconnect();
  const { y } = await session.run({ x: new Float32Array(256) });
  expect(y!.data[255] === (PIPELINES * (PIPELINES + 1)) / 2, `the sum is ${y!.data[255]}`);
  expect(session.gpuStats!.pipelines === PIPELINES, `${session.gpuStats!.pipelines} pipelines`);
  session.dispose();
  return long.map(({ duration }) => `${duration} ms`).join(", ") || "none";
}

needsAdapter();

describe("loading on WebGPU", () => {
  it(`of a model with ${PIPELINES} pipelines leaves the page responsive`, async function () {
    // Kernels of some length, no two of them equal.
    const artifact = chain(PIPELINES, 256, 24);
    const first = await load(scaling(), { device: "webgpu" }); // the device is there, the runtime has arrived
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (!PerformanceObserver.supportedEntryTypes.includes("longtask")) {
      await longTasksOfLoad(artifact); // which it loads and runs all the same
      return skip(
        this,
        "this browser does not tell of long tasks, and its clock cannot tell them from other processes",
      );
    }
    // Another process may take a core away in the middle of a task. What our own tasks take, they take every time.
    const loads: string[] = [];
    while (loads.length < 10 && !loads.includes("none")) loads.push(await longTasksOfLoad(artifact));
    console.log(`${PIPELINES} pipelines, tasks of 50 ms and more: ${loads.join("; ")}`);
    expect(loads.includes("none"), `tasks of 50 ms and more in each load: ${loads.join("; ")}`);
    first.dispose();
  });

  it("and disposing two hundred times leaves nothing behind", async () => {
    // 16 MiB of buffers each: what is not freed is more than there is.
    const artifact = chain(2, 2 ** 21);
    const x = new Float32Array(2 ** 21);
    const cycle = async (): Promise<void> => {
      const session = await load(artifact, { device: "webgpu" });
      await session.run({ x: new Float32Array(x.buffer) });
      session.dispose();
    };
    for (let i = 0; i < 20; i++) await cycle();
    const before = await heldBytes();
    const device = (await load(scaling(), { device: "webgpu" })).device!.gpu;
    for (let i = 0; i < 180; i++) await cycle();
    if (before === undefined) console.log("the system does not tell what the browser holds");
    else {
      // A fifth of what they held together.
      const grown = (await heldBytes())! - before;
      expect(grown < 600e6, `the browser has grown by ${grown} bytes`);
    }
    const last = await load(artifact, { device: "webgpu" });
    expect(last.device!.gpu === device, "the device was lost on the way");
    expect((await last.run({ x }))["y"]!.data[0] === 3, "the sum is wrong");
    last.dispose();
  });
});
