/**
 * Reductions that the invocations of a workgroup share, combined by subgroups: every operation and type, workgroups that
 * subgroups fill and such that they do not, NaN among the elements. In: nothing. Out: tests against the interpreter, on
 * the adapter that the browser has, with the operations of subgroups and without.
 */
import * as x from "../../compiler/ir/expr.ts";
import { runKernel } from "../../compiler/ir/interp.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Assign, Kernel, Reduction } from "../../compiler/ir/kernel.ts";
import type { Schedule } from "../../compiler/ir/schedule.ts";
import { requestDevice, runOnGpu, type Text } from "../gpuKernels.ts";
import { integers } from "../structuredKernels.ts";
import { expect } from "./expect.ts";
import { needsAdapter } from "./skip.ts";

const ROWS = 3;

/** y[r] = op over k of x[r, k] */
function reduction(op: Reduction["op"], dtype: DType, width: number): Kernel {
  const [r, k] = [x.axis("r", ROWS), x.axis("k", width)];
  const load = x.load(0, dtype, [r, k]);
  return {
    name: "reduction",
    buffers: [
      { name: "x", role: "in", dtype, shape: [ROWS, width] },
      { name: "y", role: "out", dtype, shape: [ROWS] },
    ],
    body: [
      {
        kind: "assign",
        axes: [{ name: "r", extent: ROWS }],
        reduce: { op, axes: [{ name: "k", extent: width }], body: load },
        value: x.acc(load.type),
        out: 1,
        index: [r],
      },
    ],
  };
}

async function check(
  device: GPUDevice,
  kernel: Kernel,
  size: number,
  text: Text,
  nan: boolean,
): Promise<void> {
  const schedule: Schedule = [
    { kind: "bind", axis: "k", to: "subgroup" },
    { kind: "workgroup", size },
  ];
  const data = kernel.buffers.map((buffer, n) => integers(buffer, 7 + n));
  const [elements] = data;
  // Not in the first row, so that some results are numbers.
  if (nan) (elements as Float32Array)[elements!.length - 2] = NaN;
  const expected = data.map((part) => part.slice());
  runKernel(kernel, expected);
  const got = await runOnGpu(device, kernel, schedule, data, text);
  const right = Array.from<number | bigint>(expected[1]!);
  const { op } = (kernel.body[0] as Assign).reduce!;
  const same = Array.from<number | bigint>(got[1]!).every((value, i) => Object.is(value, right[i]));
  const what = `${op} of ${kernel.buffers[0]!.dtype}${kernel.buffers[0]!.shape.join("x")} by ${size}, ${text}`;
  expect(same, `${what}: ${got[1]!.join()} instead of ${right.join()}`);
}

needsAdapter();

describe("workgroups combine what they have gathered by subgroups", () => {
  let device: GPUDevice;
  before(async () => (device = await requestDevice()));
  after(() => device.destroy());

  for (const op of ["sum", "max", "min", "prod"] as const)
    it(`${op} of every type`, async () => {
      const types: readonly DType[] = ["float32", "int32", "uint32", "int64", ...(op === "max" || op === "min" ? (["bool"] as const) : [])]; // prettier-ignore
      for (const dtype of types)
        for (const size of [5, 16, 24, 64])
          for (const width of [size - 2, 3 * size + 1]) {
            // Products of many integers are no longer exact in float32.
            const short = op === "prod" && dtype === "float32" ? Math.min(width, 12) : width;
            await check(device, reduction(op, dtype, short), size, "best", false);
          }
      await check(device, reduction(op, "float32", 50), 16, "plain", false);
    });

  it("keep NaN", async () => {
    for (const op of ["sum", "max", "min"] as const)
      for (const text of ["best", "plain"] as const)
        await check(device, reduction(op, "float32", 70), 32, text, true);
  });
});
