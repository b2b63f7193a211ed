/** The frontend for TF.js GraphModels: `model.json` and its weight files to a Graph and what the model says of itself. */
import { unknownShape, type Port } from "../../../runtime/format.ts";
import type { GraphModelFrontend } from "../graphModel.ts";
import { importGraphModel } from "./import.ts";
import { portType, readGraphModel, type GraphModel } from "./model.ts";

export const graphModels: GraphModelFrontend = {
  open: (source, fileBeside, clock) => {
    const model = clock.time("read", () => readGraphModel(source, fileBeside));
    const graph = clock.time("import", () => importGraphModel(model));
    const ops: Record<string, number> = {};
    for (const { op } of model.nodes.values()) ops[op] = (ops[op] ?? 0) + 1;
    return {
      graph,
      about: { outputs: graph.outputs.map(({ name }) => declared(name, model)), opset: { "tf.js": 1 }, ops },
    };
  },
};

function declared(name: string, { outputs }: GraphModel): Port {
  const port = outputs?.find((output) => output.name === name);
  const shape = port?.shape;
  return {
    name,
    dtype: (port?.dtype && portType(port.dtype)) || "float32",
    shape: shape ? shape.map((dim, d) => (dim < 0 ? `${name}.${d}` : dim)) : [unknownShape(name)],
  };
}
