/**
 * Compiles one model and runs it, beside the page. In: the requests of `protocol.ts`. Out: its replies, in order,
 * the last of each request `done`. Invariant: whatever is thrown becomes a `failed` reply, and the compiler is
 * loaded only for what needs one.
 */
import type * as Compiler from "../compiler/index.ts";
import { seededTensor } from "../compiler/tensors/seededTensors.ts";
import { summarise } from "../compiler/tensors/tensorSummary.ts";
import { convertNumbers } from "../runtime/convert.ts";
import { type Tensor } from "../runtime/dtype.ts";
import { looksLikeJson } from "../compiler/frontend/graphModel.ts";
import { isArtifact, readArtifact } from "../runtime/format.ts";
import { load, type Inputs, type Session } from "../runtime/index.ts";
import { ByteReader } from "../runtime/reader.ts";
import { problemOf } from "./problem.ts";
import type { GivenFile, ModelRun, Reply, Request, Shapes, Wish } from "./protocol.ts";
import { adapterText } from "./quantity.ts";
import { median } from "./recentMedian.ts";

/** Seed of the inputs: the same as `tilewright run --random 1` takes, so the outputs can be compared. */
const SEED = 1;
/** How long a model is run for its median, and the fewest measurements unless the first run was very slow. */
const TIMING = { milliseconds: 1000, least: 3, slow: 10_000 };
/** Short runs are measured together, so that the clock's steps (5 or 100 microseconds, by isolation) do not show. */
const MEASUREMENT_MILLISECONDS = crossOriginIsolated ? 1 : 10;
/** Beyond this the worker would be busy compressing for longer than anyone waits. */
const MOST_GZIP_BYTES = 100e6;

let compilerModule: Promise<typeof Compiler> | undefined;

function compiler(): Promise<typeof Compiler> {
  return (compilerModule ??= import("../compiler/index.ts"));
}

interface Opened {
  readonly model: GivenFile;
  readonly beside: readonly GivenFile[];
  /** An artifact whose shapes are fixed: it runs as it is. */
  readonly bound: boolean;
}

let opened: Opened | undefined;
/** What an error that comes now belongs to. */
let during: During = "open";

type During = "open" | "compile" | "run";

function reply(message: Reply): void {
  postMessage(message);
}

async function open({ model, beside }: Extract<Request, { kind: "open" }>): Promise<void> {
  const { name, bytes } = model;
  const artifact = isArtifact(bytes) ? readArtifact(bytes) : undefined;
  opened = { model, beside, bound: artifact?.plan.kind === "bound" };
  if (opened.bound) {
    reply({ kind: "progress", text: "Loading the artifact" });
    const session = await load(bytes);
    const { inputs, outputs } = session;
    session.dispose();
    reply({
      kind: "opened",
      model: { format: "tile", name, fileBytes: bytes.length, inputs, outputs },
    });
    return;
  }
  reply({ kind: "progress", text: "Loading the compiler" });
  const { describe } = await compiler();
  reply({ kind: "progress", text: "Reading the model" });
  const description = await describe(bytes, { externalData: externalData(beside) });
  const { inputs, outputs } = description;
  const format = artifact !== undefined ? "tile" : looksLikeJson(bytes) ? "tfjs" : "onnx";
  reply({
    kind: "opened",
    model: { format, name, fileBytes: bytes.length, inputs, outputs, description },
  });
}

/** Weights files that came with the model, by the last part of their location. */
function externalData(beside: readonly GivenFile[]): (location: string) => Uint8Array | undefined {
  const nameOf = (path: string): string => path.split("/").at(-1)!;
  return (location) => beside.find(({ name }) => nameOf(name) === nameOf(location))?.bytes;
}

async function compileAndRun({ model, beside, bound }: Opened, wish: Wish): Promise<void> {
  const { shapes, values } = wish;
  let artifact = model.bytes;
  if (!bound) {
    artifact = await compile(model.bytes, beside, wish);
  } else {
    reply({ kind: "compiled", model: { artifact: new Blob([artifact as BlobPart]), milliseconds: 0 } });
  }
  during = "run";
  reply({ kind: "progress", text: "Preparing the program" });
  const start = performance.now();
  const session = await load(artifact, bound ? {} : { compiler, device: wish.device });
  const ready = performance.now() - start;
  try {
    reply({ kind: "ran", run: await timed(session, inputsOf(session, shapes, values), ready) });
    reply({ kind: "progress", text: "Measuring the download" });
    const codeGzip = await gzipOfCode(artifact, session.variant);
    const artifactGzip = artifact.length > MOST_GZIP_BYTES ? NaN : await gzipBytes(artifact);
    reply({ kind: "measured", measured: { artifactGzip, codeGzip } });
  } finally {
    session.dispose();
  }
}

/** The artifact; what the page is to know of it goes there at once. */
async function compile(
  bytes: Uint8Array,
  beside: readonly GivenFile[],
  { shapes, device }: Wish,
): Promise<Uint8Array> {
  const { compile } = await compiler();
  reply({ kind: "progress", text: "Compiling" });
  const lines: string[] = [];
  const start = performance.now();
  const { artifact, report } = await compile(bytes, {
    inputShapes: shapes,
    targets: [device],
    externalData: externalData(beside),
    trace: (stage, detail, node) => {
      reply({ kind: "progress", text: `Compiling: ${stage}` });
      lines.push(`${stage}${node === undefined ? "" : ` ${node}`}: ${detail()}`);
    },
  });
  const milliseconds = performance.now() - start;
  if (lines.length > 0) reply({ kind: "trace", lines });
  // As a blob, so that the page gets to hold it without a copy.
  const model = { report, artifact: new Blob([artifact as BlobPart]), milliseconds };
  reply({ kind: "compiled", model });
  return artifact;
}

/** Compiles the model to be timed, and times it. */
async function compileAndProfile({ model, beside }: Opened, wish: Wish): Promise<void> {
  const { shapes, values, device } = wish;
  const { compile } = await compiler();
  reply({ kind: "progress", text: "Compiling it to be timed" });
  const { artifact } = await compile(model.bytes, {
    inputShapes: shapes,
    targets: [device],
    profile: true,
    externalData: externalData(beside),
  });
  during = "run";
  reply({ kind: "progress", text: "Timing kernel by kernel" });
  const { profile, traceOf } = await import("../runtime/profile.ts");
  // One thread: what each kernel takes, not how well they share.
  const session = await load(artifact, { device, threads: 1 });
  try {
    const timed = await profile(session, inputsOf(session, shapes, values) as Inputs);
    const trace = new Blob([JSON.stringify(traceOf(timed))], { type: "application/json" });
    reply({ kind: "profiled", profiled: { profile: timed, device, trace } });
  } finally {
    session.dispose();
  }
}

/** Inputs as they were told, random otherwise. */
function inputsOf(session: Session, shapes: Shapes, values: Wish["values"]): Record<string, Tensor> {
  const inputs: Record<string, Tensor> = {};
  for (const { name, dtype, shape } of session.inputs) {
    const known = shapes[name] ?? shape.map((dim) => (typeof dim === "number" ? dim : 1));
    const value = values[name];
    inputs[name] =
      value === undefined
        ? seededTensor(name, dtype, known, SEED)
        : { dtype, shape: known, data: convertNumbers(dtype, [value]) };
  }
  return inputs;
}

/** Runs the model: once for the answer, then as often as the time allows. */
async function timed(
  session: Session,
  inputs: Readonly<Record<string, Tensor>>,
  load: number,
): Promise<ModelRun> {
  const feed = inputs as Inputs;
  reply({ kind: "progress", text: "Running for the first time" });
  const begin = performance.now();
  const outputs = await session.run(feed);
  const first = performance.now() - begin;

  const times: number[] = [];
  let together = 1;
  let runs = 1;
  let told = begin;
  const end = performance.now() + TIMING.milliseconds;
  for (let now = begin; now < end || (times.length < TIMING.least && first < TIMING.slow);) {
    const start = performance.now();
    for (let i = 0; i < together; i++) await session.run(feed);
    now = performance.now();
    runs += together;
    times.push((now - start) / together);
    if (now - start < MEASUREMENT_MILLISECONDS) {
      // What was too short to be measured does not count.
      times.pop();
      together *= 2;
    }
    if (now - told > 100) {
      told = now;
      reply({ kind: "progress", text: `Running: ${runs} times so far` });
    }
  }
  const summaries = (tensors: Readonly<Record<string, Tensor>>): ModelRun["outputs"] =>
    Object.entries(tensors).map(([name, tensor]) => ({ name, summary: summarise(tensor) }));
  return {
    variant: session.variant,
    adapter: session.device?.adapter && adapterText(session.device.adapter),
    memoryBytes: session.memoryBytes,
    load,
    first,
    median: median(times) ?? first,
    least: Math.min(first, ...times),
    runs,
    seed: SEED,
    inputs: summaries(inputs),
    outputs: summaries(outputs),
  };
}

/** The code that runs here, as a download; an artifact that is not bound yet holds none. */
async function gzipOfCode(artifact: Uint8Array, variant: ModelRun["variant"]): Promise<number | undefined> {
  const { plan, sections } = readArtifact(artifact, { verify: false });
  if (plan.kind !== "bound" || variant === undefined) return undefined;
  const relaxed = variant === "relaxed-simd";
  const taken = plan.variants.find(({ requires }) => requires.includes("relaxed-simd") === relaxed);
  const code = sections.get(taken?.section ?? "");
  return code && gzipBytes(code);
}

async function gzipBytes(bytes: Uint8Array): Promise<number> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new CompressionStream("gzip"));
  return (await new ByteReader(stream).rest()).length;
}

function works(request: Request): Promise<void> {
  switch (request.kind) {
    case "open":
      return open(request);
    case "compile":
      return compileAndRun(opened!, request);
    case "profile":
      return compileAndProfile(opened!, request);
    default:
      return request satisfies never;
  }
}

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  during = data.kind === "open" ? "open" : "compile";
  const work = works(data);
  work
    .catch((error: unknown) => reply({ kind: "failed", problem: problemOf(error, during) }))
    .finally(() => reply({ kind: "done" }));
});
