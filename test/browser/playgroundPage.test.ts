/**
 * The playground as it is built, end to end, in a frame: a drawing is classified, models are dropped and compiled,
 * what is no model is told so. The frame has the strict content security policy of the preview server.
 */
import { externalTensor, onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { expect } from "./expect.ts";

const PAGE = "/built-playground/index.html";
/** Bytes of the sample, from the tree that the test server serves. */
const SAMPLE = new URL("../../playground/sample/digits.onnx", import.meta.url);

/** Files by name. */
type Files = readonly (readonly [name: string, bytes: BlobPart])[];
type Point = readonly [x: number, y: number];

/** Strokes as a hand would draw them, in shares of the canvas. */
const ONE: readonly Point[] = [[0.4, 0.28], [0.52, 0.15], [0.52, 0.5], [0.52, 0.85]]; // prettier-ignore
const SEVEN: readonly Point[] = [[0.3, 0.2], [0.5, 0.2], [0.72, 0.2], [0.6, 0.45], [0.5, 0.65], [0.42, 0.86]]; // prettier-ignore
const ZERO: readonly Point[] = Array.from({ length: 25 }, (_, i): Point => {
  const angle = (i / 24) * 2 * Math.PI;
  return [0.5 - 0.22 * Math.sin(angle), 0.5 - 0.34 * Math.cos(angle)];
});

describe("the built playground", () => {
  let frame: HTMLIFrameElement;
  let inside: Window & typeof globalThis;
  let page: Document;
  let sample: Uint8Array<ArrayBuffer>;
  const violations: string[] = [];

  before(async () => {
    sample = new Uint8Array(await (await fetch(SAMPLE)).arrayBuffer());
    frame = document.createElement("iframe");
    frame.width = "1000";
    frame.height = "800";
    frame.src = PAGE;
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
    document.body.append(frame);
    await loaded;
    inside = frame.contentWindow as Window & typeof globalThis;
    page = frame.contentDocument!;
    page.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      violations.push(`${violatedDirective} ${blockedURI}`);
    });
    await until(() => text("#variant") !== "–", "the sample is loaded");
  });

  after(() => frame.remove());

  function text(selector: string): string {
    return page.querySelector(selector)?.textContent ?? "";
  }

  async function until(holds: () => boolean, what: string): Promise<void> {
    const end = performance.now() + 300_000;
    while (!holds()) {
      if (performance.now() > end)
        throw new Error(`waited in vain: ${what}; the page says: ${text("#results")}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  function pointer(type: string, [x, y]: Point): void {
    const canvas = page.querySelector("#pad")!;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const at = { clientX: left + x * width, clientY: top + y * height };
    canvas.dispatchEvent(
      new inside.PointerEvent(type, { ...at, pointerId: 7, pointerType: "touch", bubbles: true, isPrimary: true }),
    );
  } // prettier-ignore

  function draw(stroke: readonly Point[]): void {
    pointer("pointerdown", stroke[0]!);
    for (const point of stroke.slice(1)) pointer("pointermove", point);
    pointer("pointerup", stroke.at(-1)!);
  }

  function press(selector: string): void {
    page.querySelector<HTMLButtonElement>(selector)!.click();
  }

  /** Drops files on the page as a file manager does. */
  function drop(...files: Files): void {
    const carried = new inside.DataTransfer();
    for (const [name, bytes] of files) carried.items.add(new inside.File([bytes], name));
    page.body.dispatchEvent(
      new inside.DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }),
    );
  }

  async function problem(...files: Files): Promise<string> {
    drop(...files);
    await until(() => page.querySelector("#results .problem") !== null, `a problem with ${files[0]?.[0]}`);
    return text("#results .problem");
  }

  /** Drops a model and waits until everything about it is there. */
  async function compiled(...files: Files): Promise<void> {
    drop(...files);
    await finished();
  }

  async function finished(): Promise<void> {
    await until(() => text("#results .facts").includes("gzip"), "the model is compiled, run and measured");
    expect(page.querySelector("#results .problem") === null, text("#results .problem"));
  }

  it("downloads no compiler until a model is dropped, and says what it does download", () => {
    const names = inside.performance.getEntriesByType("resource").map(({ name }) => name);
    expect(names.some((name) => name.endsWith(".tile")), `no artifact among ${names.join()}`); // prettier-ignore
    expect(!names.some((name) => /compile|\.onnx/.test(name)), `a compiler among ${names.join()}`);
    expect(/^\d+\.\d\u202fKB$/.test(text("#download")), `the download is "${text("#download")}"`);
  });

  for (const [digit, stroke] of [["1", ONE], ["7", SEVEN], ["0", ZERO]] as const) {
    it(`sees a drawn ${digit}`, async () => {
      press("#clear");
      await until(() => text("#answer") === "?", "the pad is clear");
      draw(stroke);
      await until(() => text("#answer") === digit, `a ${digit} is seen, not a ${text("#answer")}`);
      expect(text(".bar.best .bar-digit") === digit, "the longest bar is of another digit");
      expect(/\d.*(µs|ms)$/.test(text("#latency")), `the time is "${text("#latency")}"`);
    });
  } // prettier-ignore

  it("classifies while the pen is still down", async () => {
    press("#clear");
    await until(() => text("#answer") === "?", "the pad is clear");
    pointer("pointerdown", ONE[0]!);
    for (const point of ONE.slice(1)) pointer("pointermove", point);
    await until(() => text("#answer") === "1", "a 1 is seen before the pen is lifted");
    pointer("pointerup", ONE.at(-1)!);
  });

  it("draws a digit by itself when its key is pressed", async () => {
    press("#clear");
    await until(() => text("#answer") === "?", "the pad is clear");
    const key = new inside.KeyboardEvent("keydown", { key: "1", bubbles: true });
    page.querySelector("#pad")!.dispatchEvent(key);
    await until(() => text("#answer") === "1", "a 1 is drawn and seen");
  });

  it("compiles and runs a dropped model, and shows its kernels", async () => {
    await compiled(["digits.onnx", sample]);
    const kernels = page.querySelectorAll('[aria-label="Kernels"] tbody tr');
    expect(kernels.length > 3, `there are ${kernels.length} rows of kernels`);
    const table = text('[aria-label="Kernels"] tbody');
    expect(/conv/.test(table) && /softmax/.test(table), `the kernels are ${table}`);
    expect(text(".outputs").includes("class"), `the outputs are ${text(".outputs")}`);
    expect(text(".about").includes("opset 18"), `the model is "${text(".about")}"`);
  });

  it("compiles again with other sizes, and refuses what is none", async () => {
    const input = page.querySelector<HTMLInputElement>('.shapes input[name="batch"]')!;
    input.value = "none";
    press(".shapes button");
    expect(text(".wrong").includes("batch"), `the form says "${text(".wrong")}"`);
    input.value = "3";
    press(".shapes button");
    await finished();
    const ports = text('[aria-label="Inputs and outputs"]');
    expect(ports.includes("[3, 1, 28, 28]"), `inputs and outputs are ${ports}`);
  });

  it("offers the artifact, and takes it back", async () => {
    const link = page.querySelector<HTMLAnchorElement>("#results a[download]")!;
    expect(link.download === "digits.tile", `it is called ${link.download}`);
    const artifact = await (await fetch(link.href)).arrayBuffer();
    await compiled(["digits.tile", artifact]);
    expect(text(".about").startsWith("Tilewright artifact"), `it is "${text(".about")}"`);
  });

  it("takes weights from a file that is dropped together with the model", async () => {
    const builder = onnxModel("split");
    const x = builder.input("x", "float32", [4]);
    const w = builder.initializerOf(externalTensor("float32", [4], { location: "deep/split.bin" }), "w");
    builder.output(builder.node("Add", [x, w]), "float32", [4], "y");
    const model = builder.toBytes() as Uint8Array<ArrayBuffer>;
    const alone = await problem(["split.onnx", model]);
    expect(alone.includes("external-data-missing") && alone.includes("split.bin"), alone);
    await compiled(["split.bin", Float32Array.of(100, 200, 300, 400)], ["split.onnx", model]);
    // To each is added a random number from 0 to 1.
    const values = text(".values").split(", ").map(Number);
    expect(values.map(Math.floor).join() === "100,200,300,400", `y is ${text(".values")}`);
  });

  it("takes a TF.js model with its shards", async () => {
    const float = { type: "DT_FLOAT" };
    const node = [
      { name: "x", op: "Placeholder", attr: { dtype: float, shape: { shape: { dim: [{ size: "4" }] } } } },
      { name: "w", op: "Const", attr: { dtype: float } },
      { name: "y", op: "AddV2", input: ["x", "w"], attr: { T: float } },
    ];
    const weights = [{ name: "w", shape: [4], dtype: "float32" }];
    const model = JSON.stringify({
      format: "graph-model",
      modelTopology: { node },
      weightsManifest: [{ paths: ["group1-shard1of1.bin"], weights }],
    });
    const alone = await problem(["model.json", model]);
    expect(alone.includes("external-data-missing") && alone.includes("group1-shard1of1.bin"), alone);
    await compiled(["group1-shard1of1.bin", Float32Array.of(10, 20, 30, 40)], ["model.json", model]);
    expect(text(".about").startsWith("TF.js graph model"), `it is "${text(".about")}"`);
    const values = text(".values").split(", ").map(Number);
    expect(values.map(Math.floor).join() === "10,20,30,40", `y is ${text(".values")}`);
  });

  it("measures each kernel when it is asked to", async () => {
    await compiled(["digits.onnx", sample]);
    await until(() => page.querySelector(".offer button:enabled") !== null, "measuring is offered");
    press(".offer button");
    await until(() => page.querySelector('[aria-label="Time by kernel"]') !== null, "the kernels are timed");
    const rows = page.querySelectorAll('[aria-label="Time by kernel"] tbody tr');
    const kernels = page.querySelectorAll('[aria-label="Kernels"] tbody tr');
    expect(rows.length > 3 && rows.length <= kernels.length, `${rows.length} of ${kernels.length} are timed`);
    const link = page.querySelector<HTMLAnchorElement>('#results a[download$=".trace.json"]')!;
    const trace = (await (await fetch(link.href)).json()) as { traceEvents: unknown[] };
    expect(trace.traceEvents.length >= rows.length, `the trace has ${trace.traceEvents.length} events`);
  });

  it("runs a model on WebGPU where there is an adapter", async function () {
    const choice = page.querySelector<HTMLInputElement>("#on-webgpu")!;
    await until(() => text("#device-note") !== "", "the page knows about WebGPU");
    if (choice.disabled) {
      console.log(`skipped: ${text("#device-note")}`);
      this.skip();
    }
    await compiled(["digits.onnx", sample]);
    const onWasm = text(".outputs .bar-name");
    choice.click();
    await until(() => text("#results .facts").includes("Dispatches"), "it is compiled for WebGPU");
    await finished();
    expect(/^class \d$/.test(onWasm), `the output is ${onWasm}`);
    expect(text(".outputs .bar-name") === onWasm, `${text(".outputs")}, not ${onWasm}`);
    page.querySelector<HTMLInputElement>('#device input[value="wasm"]')!.click();
    await finished();
    expect(!text("#results .facts").includes("Dispatches"), "it still runs on WebGPU");
  });

  it("lists every operator that it does not know, with what to do", async () => {
    // The same file with operators of another name.
    const unknown = renamed(renamed(sample, "Softmax", "Softmix"), "MaxPool", "MaxPoll");
    const told = await problem(["strange.onnx", unknown]);
    expect(told.includes("op-unsupported"), told);
    expect(told.includes("Softmix") && told.includes("MaxPoll"), told);
    expect(page.querySelectorAll(".problem tbody tr").length === 2, told);
  });

  it("tells a damaged model, a damaged artifact and what is no model", async () => {
    const cut = await problem(["cut.onnx", sample.slice(0, 20_000)]);
    expect(cut.includes("model-malformed"), cut);
    const artifact = await problem(["cut.tile", new TextEncoder().encode("TILE and then nothing")]);
    expect(artifact.includes("artifact-"), artifact);
    const image = await problem(["photo.png", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10)]);
    expect(image.includes("photo.png is a PNG image"), image);
  });

  it("can be stopped, and a file dropped meanwhile takes the place of the one before", async () => {
    drop(["digits.onnx", sample]);
    press("#stop");
    expect(text(".problem").includes("Stopped"), text("#results"));
    drop(["first.onnx", renamed(sample, "Softmax", "Softmix")]);
    await compiled(["second.onnx", sample]);
    expect(text(".model-name") === "second.onnx", `it shows ${text(".model-name")}`);
  });

  it("still works after all that, without a violation of its policy", async () => {
    await compiled(["digits.onnx", sample]);
    expect(violations.length === 0, violations.join(", "));
  });
});

/** The bytes with every occurrence of a word replaced by one of the same length. */
function renamed(bytes: Uint8Array, from: string, to: string): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  const [was, becomes] = [new TextEncoder().encode(from), new TextEncoder().encode(to)];
  for (let at = 0; at + was.length <= copy.length; at++) {
    if (was.every((byte, i) => copy[at + i] === byte)) copy.set(becomes, at);
  }
  return copy as Uint8Array<ArrayBuffer>;
}
