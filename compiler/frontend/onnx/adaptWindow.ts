/**
 * Old forms of operators over windows and signals: resizing, pooling, sampling, Fourier transforms. In and out: as
 * in `adapt.ts`. Invariant: the coordinate rules of the old forms are said explicitly, so that the newest defaults
 * (half pixel) never apply to them by accident.
 */
import {
  EVERY_VERSION,
  type AttributesLike,
  type FormTable,
  type OldForm,
  type OldNode,
} from "./adaptForm.ts";

/**
 * Upsample and Resize-10 mapped an output coordinate to `x / scale`, with no half pixels. Nearest took the element
 * before it, or after it where Resize-10 shrank an axis: so its official cases had it, and onnxruntime has it.
 */
function asymmetric(mode: string | undefined, nearest = "floor"): AttributesLike {
  return {
    mode: mode === "linear" || mode === "bilinear" ? "linear" : "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: nearest,
  };
}

/** The exponent was a float until pooling learnt that it is a whole number. */
const wholeExponent: readonly OldForm[] = [
  {
    until: 2,
    adapt: (old) => {
      const attributes = old.without("p");
      const p = old.float("p") ?? 2;
      if (!Number.isInteger(p)) old.unsupported(`attribute p is ${p}: only whole exponents are supported`);
      attributes.set("p", { kind: "int", value: p });
      old.become(old.node.op, old.inputs, attributes);
    },
  },
];

export const windowForms: FormTable = {
  DFT: [
    {
      until: 20,
      adapt: (old) => {
        const axis = old.integers(old.int("axis") ?? 1);
        old.become("DFT", [old.input(0), old.inputs[1] ?? "", axis], old.without("axis"));
      },
    },
  ],

  GlobalLpPool: wholeExponent,
  LpPool: wholeExponent,

  GridSample: [
    {
      until: 20,
      adapt: (old) => {
        const attributes = old.without("mode");
        const mode = (old.string("mode") ?? "bilinear")
          .replace("bilinear", "linear")
          .replace("bicubic", "cubic");
        attributes.set("mode", { kind: "string", value: mode });
        old.become("GridSample", old.inputs, attributes);
      },
    },
  ],

  Resize: [
    {
      until: 11,
      adapt: (old) =>
        old.become("Resize", [old.input(0), "", old.input(1)], asymmetric(old.string("mode"), "simple")),
    },
    { until: EVERY_VERSION, adapt: dropEmptyInputs },
  ],

  RoiAlign: [
    {
      until: 16,
      adapt: (old) => {
        const attributes = old.without();
        attributes.set("coordinate_transformation_mode", { kind: "string", value: "output_half_pixel" });
        old.become("RoiAlign", old.inputs, attributes);
      },
    },
  ],

  Upsample: [
    {
      until: 7,
      adapt: (old) => {
        const height = old.float("height_scale") ?? old.refuse("attribute height_scale is missing");
        const width = old.float("width_scale") ?? old.refuse("attribute width_scale is missing");
        upsample(old, [1, 1, height, width]);
      },
    },
    {
      until: 9,
      adapt: (old) => upsample(old, old.floats("scales") ?? old.refuse("attribute scales is missing")),
    },
    {
      until: EVERY_VERSION,
      adapt: (old) => old.become("Resize", [old.input(0), "", old.input(1)], asymmetric(old.string("mode"))),
    },
  ],
};

function upsample(old: OldNode, scales: readonly number[]): void {
  const input = old.constant({ dtype: "float32", shape: [scales.length], data: Float32Array.from(scales) });
  old.become("Resize", [old.input(0), "", input], asymmetric(old.string("mode")));
}

/** Resize-11 could not leave out roi and scales, so exporters gave empty tensors, and still do. */
function dropEmptyInputs(old: OldNode): void {
  const inputs = old.inputs.map((id, position) =>
    position > 0 && old.facts.constant(id)?.data.length === 0 ? "" : id,
  );
  old.become("Resize", inputs, old.node.attributes);
}
