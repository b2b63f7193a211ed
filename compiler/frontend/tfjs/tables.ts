/**
 * Hash tables, which TF.js fills before the first run. In: a look-up and the nodes that filled its table. Out: a
 * LabelEncoder of ai.onnx.ml. Invariant: keys and values are constants of the model; numbers are int64 there.
 */
import type { Tensor } from "../../ir/dtype.ts";
import type { ValueId } from "../../ir/graph.ts";
import type { Call } from "./call.ts";
import type { GraphModel } from "./model.ts";

interface Table {
  readonly keys: Tensor;
  readonly values: Tensor;
}

const fills = ["LookupTableImport", "LookupTableImportV2", "InitializeTable", "InitializeTableV2"];

function tableOf(call: Call, model: GraphModel): Table {
  const handle = call.node.inputs[0] ?? "";
  const weight = (name: string | undefined): Tensor | undefined => model.weights.get(name ?? "")?.tensor;
  for (const { op, inputs } of [...model.initializer.values(), ...model.nodes.values()]) {
    if (!fills.includes(op) || inputs[0] !== handle) continue;
    const [keys, values] = [weight(inputs[1]), weight(inputs[2])];
    if (keys && values) return { keys, values };
  }
  return call.fail("value-needed", `nothing fills the table ${handle} with constants`);
}

/** The value of each key, or the default. */
export function lookup(call: Call, model: GraphModel): ValueId {
  const { keys, values } = tableOf(call, model);
  const otherwise = call.known("defaultValue");
  const given = call.input("keys");
  const wide = keys.dtype === "int32" ? call.cast(given, "int64") : given;
  const default_tensor: Tensor =
    otherwise.dtype === "int32"
      ? { dtype: "int64", shape: [1], data: BigInt64Array.of(BigInt((otherwise.data as Int32Array)[0]!)) }
      : { ...otherwise, shape: [1] };
  const attributes = { ...tensorForm("keys", keys), ...tensorForm("values", values), default_tensor };
  const found = call.emit("LabelEncoder", [wide], attributes, "ai.onnx.ml");
  return values.dtype === "int32" ? call.cast(found, "int32") : found;
}

/** As `keys_tensor` or `values_tensor`, which take every type. */
function tensorForm(name: "keys" | "values", { dtype, data }: Tensor): Readonly<Record<string, Tensor>> {
  const shape = [data.length];
  if (dtype === "string" || dtype === "float32") return { [`${name}_tensor`]: { dtype, shape, data } };
  const whole = BigInt64Array.from(data as Int32Array, (value) => BigInt(value));
  return { [`${name}_tensor`]: { dtype: "int64", shape, data: whole } };
}

export function sizeOfTable(call: Call, model: GraphModel): ValueId {
  return call.scalar(tableOf(call, model).keys.data.length, "int32");
}
