/**
 * MaxRoiPool: maxima over the cells of regions. In: images [N, C, H, W] and regions [R, 5] (image, then corners).
 * Out: [R, C, rows, columns]. Invariant: corners are rounded to pixels, cells overlap by up to one pixel, and an empty
 * cell is 0. Source: ONNX operator MaxRoiPool 22; R. Girshick, "Fast R-CNN".
 */
import { acc, add, binary, cast, constant, div, eq, int, max, min, mul, select, sub, unary, type Expr } from "../ir/expr.ts"; // prettier-ignore
import { coordinate, type Axis } from "../ir/kernel.ts";
import { axesOver, coordinates, KernelWriter, type OpCall, type OpDefinition } from "./define.ts";
import { requireNumeric } from "./elementwise.ts";
import { dataCoordinate } from "./indexing.ts";

function pooledShape(call: OpCall): readonly [rows: number, columns: number] {
  const shape = call.ints("pooled_shape") ?? [];
  if (shape.length !== 2 || shape.some((size) => size < 1)) call.fail("attribute-invalid", `pooled_shape [${shape}]`); // prettier-ignore
  return [shape[0]!, shape[1]!];
}

/** First pixel of a cell and the one after its last, along one dimension. */
function cellOf(start: Expr, end: Expr, cell: Expr, cells: number, extent: number): readonly [Expr, Expr] {
  const real = (value: number): Expr => constant(start.type, value);
  const size = max(add(sub(end, start), real(1)), real(1));
  const width = div(size, real(cells));
  const at = (edge: Expr, rounding: "floor" | "ceil"): Expr => {
    const place = add(unary(rounding, mul(edge, width)), start);
    return min(max(place, real(0)), real(extent));
  };
  const position = start.type === "f64" ? cast(cell, "float64") : cast(cell, "float32");
  return [at(position, "floor"), at(add(position, real(1)), "ceil")];
}

const maxRoiPool: OpDefinition = {
  op: "MaxRoiPool",
  infer(call) {
    const [x, rois] = [call.input(0).shape, call.input(1).shape];
    if (x.length !== 4 || rois.length !== 2 || rois[1] !== 5 || x.includes(0))
      call.fail("shape-mismatch", `regions [${rois}] of images [${x}]`);
    return [{ dtype: requireNumeric(call, 0), shape: [rois[0]!, x[1]!, ...pooledShape(call)] }];
  },
  implementation: {
    kind: "compute",
    build(call) {
      const [images, , height, width] = call.input(0).shape as [number, number, number, number];
      const [rows, columns] = pooledShape(call);
      const writer = new KernelWriter(call);
      const axes = axesOver(call.outputs[0]!.shape, "i");
      const [roi, channel, row, column] = coordinates(axes) as [Expr, Expr, Expr, Expr];
      const scale = call.float("spatial_scale", 1);
      const corner = (position: number): Expr => {
        const scaled = mul(writer.load(1, [roi, int(position)]), constant(writer.load(1, [roi, int(0)]).type, scale)); // prettier-ignore
        const real = (value: number): Expr => constant(scaled.type, value);
        // Halves go away from zero.
        const size = unary("floor", add(unary("abs", scaled), real(0.5)));
        return select(binary("lt", scaled, real(0)), unary("neg", size), size);
      };
      const [top, bottom] = cellOf(corner(2), corner(4), row, rows, height);
      const [left, right] = cellOf(corner(1), corner(3), column, columns, width);
      const y: Axis = { name: "y", extent: height };
      const x: Axis = { name: "x", extent: width };
      const within = (at: Axis, low: Expr, high: Expr): Expr => {
        const place = low.type === "f64" ? cast(coordinate(at), "float64") : cast(coordinate(at), "float32");
        return binary("and", binary("ge", place, low), binary("lt", place, high));
      };
      const image = dataCoordinate(writer.load(1, [roi, int(0)]), images);
      const pixel = writer.load(0, [image, channel, coordinate(y), coordinate(x)]);
      const none = constant(pixel.type, -Infinity);
      const body = select(binary("and", within(y, top, bottom), within(x, left, right)), pixel, none);
      const largest = acc(pixel.type);
      const value = select(eq(largest, none), constant(pixel.type, 0), largest);
      return writer.store(0, axes, [roi, channel, row, column], value, { op: "max", axes: [y, x], body }).done(); // prettier-ignore
    },
  },
};

export const roiOps: readonly OpDefinition[] = [maxRoiPool];
