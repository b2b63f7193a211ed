/**
 * Old forms of operators that move data: attributes that became inputs, and operators that were renamed. In and
 * out: as in `adaptForm.ts`. Invariant: no entry needs to know a shape; where a rank would help and is not known, the
 * result computes it with Shape and Size, which fold away once shapes are bound.
 */
import { EVERY_VERSION, type FormTable, type OldNode } from "./adaptForm.ts";

const INT64_MAX = 2 ** 63;

/** Moves an optional ints attribute to an input. */
function intsInput(old: OldNode, name: string): string {
  const values = old.ints(name);
  return values === undefined ? "" : old.integers(values);
}

export const movementForms: FormTable = {
  Concat: [{ until: 4, adapt: (old) => old.become("Concat", old.inputs, { axis: old.int("axis") ?? 1 }) }],

  Pad: [
    { until: 2, adapt: (old) => pad(old, old.ints("paddings") ?? old.ints("pads")) },
    { until: 11, adapt: (old) => pad(old, old.ints("pads")) },
  ],

  Reshape: [
    {
      until: 5,
      adapt: (old) => {
        const shape = intsInput(old, "shape") || old.input(1);
        old.become("Reshape", [old.input(0), shape]);
      },
    },
  ],

  Scatter: [
    { until: EVERY_VERSION, adapt: (old) => old.become("ScatterElements", old.inputs, old.node.attributes) },
  ],

  Slice: [
    {
      until: 10,
      adapt: (old) => {
        const starts = old.ints("starts") ?? old.refuse("attribute starts is missing");
        const ends = old.ints("ends") ?? old.refuse("attribute ends is missing");
        const axes = old.ints("axes");
        old.become("Slice", [
          old.input(0),
          old.integers(starts),
          old.integers(ends),
          axes ? old.integers(axes) : "",
        ]);
      },
    },
  ],

  Split: [
    {
      until: 13,
      adapt: (old) => {
        const sizes = intsInput(old, "split") || (old.inputs[1] ?? "");
        if (sizes === "") equalSplit(old);
        else old.become("Split", [old.input(0), sizes], old.without("split"));
      },
    },
    { until: EVERY_VERSION, adapt: equalSplit },
  ],

  Squeeze: [{ until: 13, adapt: (old) => old.become("Squeeze", [old.input(0), intsInput(old, "axes")]) }],
  Unsqueeze: [{ until: 13, adapt: (old) => old.become("Unsqueeze", [old.input(0), intsInput(old, "axes")]) }],

  Tile: [{ until: 6, adapt: tileAlongAxis }],

  TopK: [
    {
      until: 10,
      adapt: (old) => {
        const k = old.int("k") ?? old.refuse("attribute k is missing");
        old.become("TopK", [old.input(0), old.integers([k])], old.without("k"));
      },
    },
  ],

  // Experimental operator of opsets before 10 that Caffe2's exporter wrote.
  Crop: [{ until: EVERY_VERSION, adapt: crop }],
};

function pad(old: OldNode, pads: readonly number[] | undefined): void {
  const x = old.input(0);
  const value = old.float("value") ?? 0;
  old.become(
    "Pad",
    [
      x,
      old.integers(pads ?? old.refuse("attribute pads is missing")),
      value === 0 ? "" : old.floatsLike(value, x),
    ],
    old.without("pads", "paddings", "value"),
  );
}

/** Before opset 18 the number of parts was that of the outputs; since then it is said. */
function equalSplit(old: OldNode): void {
  const attributes = old.without("split");
  if (!old.inputs[1] && !attributes.has("num_outputs")) {
    attributes.set("num_outputs", { kind: "int", value: old.node.outputs.length });
  }
  old.become("Split", old.inputs, attributes);
}

/** Tile-1: inputs tiles and axis, one number each, instead of repeats for every axis. */
function tileAlongAxis(old: OldNode): void {
  const x = old.input(0);
  const scalar = (id: string): string => old.add("Reshape", [old.cast(id, "int64"), old.integers([])]);
  const axes = old.add("Range", [old.integers(0), old.rankValue(x), old.integers(1)]);
  const here = old.add("Equal", [axes, scalar(old.input(2))]);
  old.become("Tile", [x, old.add("Where", [here, scalar(old.input(1)), old.integers(1)])]);
}

/** Crop-1: border is left, top, right, bottom; scale, if given, is the height and width to keep. */
function crop(old: OldNode): void {
  const [left = 0, top = 0, right = 0, bottom = 0] = old.ints("border") ?? [];
  const scale = old.ints("scale");
  const fromEnd = (border: number): number => (border === 0 ? INT64_MAX : -border);
  const ends = scale ? [top + (scale[0] ?? 0), left + (scale[1] ?? 0)] : [fromEnd(bottom), fromEnd(right)];
  old.become("Slice", [old.input(0), old.integers([top, left]), old.integers(ends), old.integers([2, 3])]);
}
