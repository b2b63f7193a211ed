/**
 * Running sums and products along one axis. In: a tensor and an axis known at compile time. Out: a kernel that
 * stores the first element and then carries on from the one stored before. Invariant: the loop over the axis is
 * carried, all other axes lie inside it and are free of order. Integers wrap; small floats round at every step.
 */
import { elementCount } from "../ir/dtype.ts";
import { add, binary, int, sub, type Expr } from "../ir/expr.ts";
import { coordinate, type Kernel } from "../ir/kernel.ts";
import {
  axesOver,
  coordinates,
  KernelWriter,
  normaliseAxis,
  type OpCall,
  type OpDefinition,
} from "./define.ts";
import { number, requireNumeric } from "./elementwise.ts";

function scan(call: OpCall, operation: "add" | "mul"): Kernel {
  const { shape } = call.input(0);
  const writer = new KernelWriter(call);
  if (elementCount(shape) === 0) return writer.done();
  const along = normaliseAxis(call, call.integers(1)[0] ?? 0, shape.length);
  const extent = shape[along] ?? 1;
  const reverse = call.int("reverse", 0) !== 0;
  const exclusive = call.int("exclusive", 0) !== 0;

  // Position `step` of the scan as a point: the axis runs backwards when reversed.
  const point = (index: readonly Expr[], step: Expr): Expr[] =>
    index.map((at, d) => (d !== along ? at : reverse ? sub(int(extent - 1), step) : step));
  const others = (prefix: string) => axesOver(shape, prefix).map((axis, d) => (d === along ? { ...axis, extent: 1 } : axis)); // prettier-ignore

  const firstAxes = others("f");
  const first = point(coordinates(firstAxes), int(0));
  const element = writer.load(0, first);
  writer.store(0, firstAxes, first, exclusive ? number(element, operation === "add" ? 0 : 1) : element);
  if (extent === 1 || shape.length === 0) return writer.done();

  const stepAxis = { name: "step", extent: extent - 1 };
  const step = coordinate(stepAxis);
  const axes = others("i");
  const before = point(coordinates(axes), step);
  const here = point(coordinates(axes), add(step, int(1)));
  const value = binary(
    operation,
    writer.loadFrom(writer.out(0), before),
    writer.load(0, exclusive ? before : here),
  );
  writer.push({
    kind: "loop",
    axis: stepAxis,
    carried: true,
    body: [writer.assign(writer.out(0), axes, here, value)],
  });
  return writer.done();
}

function scanOperator(op: string, operation: "add" | "mul"): OpDefinition {
  return {
    op,
    infer: (call) => {
      call.integers(1);
      return [{ dtype: requireNumeric(call, 0), shape: call.input(0).shape }];
    },
    implementation: { kind: "compute", build: (call) => scan(call, operation) },
  };
}

export const scanOps: readonly OpDefinition[] = [
  scanOperator("CumSum", "add"),
  scanOperator("CumProd", "mul"),
];
