/**
 * `npm run bench -- --host node-webgpu`: kernels and models on WebGPU without a browser, for machines that have a GPU but no
 * display. In: options. Out: a table: the GPU's own time (timestamp queries), what that is of the multiply-add peak and the
 * read bandwidth that the same device was found to have, and the time of a whole run with its way there and back. Invariant:
 * nothing is timed that has not been compared with onnxruntime-web first.
 */
import { writeFileSync } from "node:fs";
import { compile } from "../compiler/whole.ts";
import { table } from "../compiler/tensors/table.ts";
import { load, type Session } from "../runtime/index.ts";
import { profile, type Profile } from "../runtime/profile.ts";
import { nodeGpu } from "../scripts/nodeGpu.ts";
import { ATOL_OF_RANGE, ATOL_OF_RANGE_QUANTIZED, verify, type Tensors } from "./agreement.ts";
import { generatedFolder } from "./generated/cache.ts";
import { readBenchModel, type BenchModel } from "./models.ts";
import { runOnnxruntime } from "./onnxruntime.ts";
import { type Options } from "./options.ts";

/** Seconds that one kernel or model may take, all its runs together: software adapters need minutes for some. */
const MOST_SECONDS = 60;

export interface NodeResult {
  readonly name: string;
  readonly verified: boolean;
  readonly worst: string;
  readonly dispatches: number;
  /** Of all dispatches, by the GPU's clock. */
  readonly gpuMs: number;
  readonly runMs: number;
  readonly gflops: number;
  readonly ofPeak: number;
  readonly gbs: number;
  readonly ofReads: number;
}

/** @returns the exit status */
export async function runInNode(options: Options): Promise<number> {
  const found = await nodeGpu();
  if ("missing" in found) {
    console.error(`--host node-webgpu: ${found.missing}`);
    return 1;
  }
  const jobs: { readonly flop?: number; readonly read: () => Promise<BenchModel> }[] = [
    ...options.kernels.map(({ flop, model }) => ({ flop, read: async () => model() })),
    ...options.folders.map((folder) => ({ read: () => readBenchModel(folder) })),
    ...options.generated.map((name) => ({ read: async () => readBenchModel(await generatedFolder(name)) })),
  ];
  const results: NodeResult[] = [];
  let device = "";
  let peak: Profile["peak"] | undefined;
  let failed = false;
  const leftOut: string[] = [];
  for (const [i, { flop, read }] of jobs.entries()) {
    const model = await read();
    const start = performance.now();
    const tell = (text: string): void => {
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.error(`${i + 1} of ${jobs.length}: ${model.name}: ${text} (${seconds} s)`);
    };
    const signal = AbortSignal.timeout(MOST_SECONDS * 1000);
    try {
      const measured = await measure(model, found.gpu, flop, options, signal);
      ({ device, peak } = measured);
      results.push(measured.result);
      failed ||= !measured.result.verified;
      tell(`${measured.result.gpuMs.toFixed(3)} ms`);
    } catch (error) {
      if (signal.aborted && (error === signal.reason || (error as Error).cause === signal.reason)) {
        leftOut.push(model.name);
        tell(`left out: ${options.seconds} s of measuring do not end within ${MOST_SECONDS} s`);
        continue;
      }
      failed = true;
      tell(error instanceof Error ? error.message : String(error));
    }
  }
  console.log(`${device}, schedules for ${options.gpu ?? "software"} adapters`);
  if (peak) {
    const [reads] = peak.bandwidth;
    console.log(`peak: ${peak.gflops.toFixed(0)} GFLOP/s, reads: ${(reads?.gbs ?? 0).toFixed(1)} GB/s\n`);
  }
  console.log(nodeTable(results));
  if (leftOut.length > 0) console.log(`\nLeft out, too slow for ${MOST_SECONDS} s: ${leftOut.join(", ")}`);
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ device, peak, results }, null, 2)}\n`);
  return failed ? 1 : 0;
}

async function measure(
  model: BenchModel,
  gpu: GPU,
  flop: number | undefined,
  { gpu: kind, seconds }: Options,
  signal: AbortSignal,
): Promise<{ readonly result: NodeResult; readonly device: string; readonly peak: Profile["peak"] }> {
  const inputs: Tensors = Object.fromEntries(model.inputs.map(({ name, tensor }) => [name, tensor]));
  const { artifact } = compile(model.bytes, {
    inputShapes: Object.fromEntries(model.inputs.map(({ name, tensor }) => [name, tensor.shape])),
    targets: ["webgpu"],
    profile: true,
    ...(kind === undefined ? {} : { gpu: kind }),
    externalData: (location) => model.external.get(location),
  });
  const session: Session = await load(artifact, { device: "webgpu", webgpu: { gpu } });
  try {
    const expected = await runOnnxruntime(model.bytes, inputs);
    const atol = model.quantized ? ATOL_OF_RANGE_QUANTIZED : ATOL_OF_RANGE;
    const { verified, worst } = verify(await session.run(inputs), expected, "ort-wasm", atol);
    signal.throwIfAborted();
    const times = await profile(session, inputs, { runs: Math.max(1, Math.round(seconds * 3)), signal });
    const operations = flop ?? times.calls.reduce((sum, call) => sum + call.operations, 0);
    const bytes = times.calls.reduce((sum, call) => sum + call.bytes, 0);
    const rate = (amount: number): number => amount / times.totalMilliseconds / 1e6;
    const adapter = session.device?.adapter;
    return {
      device: adapter?.description || [adapter?.vendor, adapter?.architecture].join(" "),
      peak: times.peak,
      result: {
        name: model.name,
        verified,
        worst,
        dispatches: times.calls.length,
        gpuMs: times.totalMilliseconds,
        runMs: times.runMilliseconds,
        gflops: rate(operations),
        ofPeak: rate(operations) / times.peak.gflops,
        gbs: rate(bytes),
        ofReads: rate(bytes) / (times.peak.bandwidth[0]?.gbs ?? Infinity),
      },
    };
  } finally {
    session.dispose();
  }
}

/** @returns a line for each result */
function nodeTable(results: readonly NodeResult[]): string {
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
  const heading = ["kernel or model", "dispatches", "GPU ms", "GFLOP/s", "of peak", "GB/s", "of reads", "run ms", "verified"]; // prettier-ignore
  const rows = results.map((r) => [
    r.name,
    String(r.dispatches),
    r.gpuMs.toFixed(3),
    r.gflops.toFixed(1),
    percent(r.ofPeak),
    r.gbs.toFixed(1),
    percent(r.ofReads),
    r.runMs.toFixed(2),
    r.verified ? "yes" : `no: ${r.worst}`,
  ]);
  return table([heading, ...rows], { heading: true });
}
