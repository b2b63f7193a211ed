/**
 * GraphModels of a few nodes, as the TF.js converter would write them. In: nodes, weights and inputs as JavaScript says
 * them. Out: the content of `model.json`, its one weight file, and the same for TF.js itself. Invariant: both sides
 * read the same bytes.
 */
import { type NumericData, type Tensor } from "../../runtime/dtype.ts";

export interface Weight {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool" | "string" | "complex64";
  readonly values: readonly (number | string)[];
  readonly quantization?: {
    readonly dtype: "uint8" | "uint16" | "float16";
    readonly scale?: number;
    readonly min?: number;
  };
}

export interface NodeSpec {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, unknown>>;
}

export interface ModelSpec {
  readonly nodes: readonly NodeSpec[];
  readonly weights?: Readonly<Record<string, Weight>>;
  readonly functions?: readonly object[];
  readonly signature?: object;
  readonly initializer?: readonly NodeSpec[];
}

/** Attributes as the JSON form of AttrValue has them. */
export const attribute = {
  type: (type: string) => ({ type }),
  int: (i: number) => ({ i: String(i) }),
  float: (f: number) => ({ f }),
  bool: (b: boolean) => ({ b }),
  text: (text: string) => ({ s: base64(text) }),
  ints: (i: readonly number[]) => ({ list: { i: i.map(String) } }),
  texts: (s: readonly string[]) => ({ list: { s: s.map(base64) } }),
  shape: (dims: readonly number[]) => ({ shape: { dim: dims.map((size) => ({ size: String(size) })) } }),
  func: (name: string) => ({ func: { name, attr: {} } }),
};

function base64(text: string): string {
  return btoa(text);
}

const WEIGHTS_FILE = "group1-shard1of1.bin";

export interface BuiltModel {
  readonly json: Readonly<Record<string, unknown>>;
  readonly modelBytes: Uint8Array;
  readonly weightBytes: Uint8Array<ArrayBuffer>;
}

export function buildModel(spec: ModelSpec): BuiltModel {
  const chunks: Uint8Array[] = [];
  const entries = Object.entries(spec.weights ?? {}).map(([name, weight]) => {
    chunks.push(bytesOf(weight));
    const { shape, dtype, quantization } = weight;
    return { name, shape, dtype, ...(quantization ? { quantization } : {}) };
  });
  const weightBytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    weightBytes.set(chunk, at);
    at += chunk.length;
  }
  const json = {
    format: "graph-model",
    generatedBy: "test",
    ...(spec.signature ? { signature: spec.signature } : {}),
    modelTopology: {
      node: spec.nodes.map(nodeDef),
      library: { function: spec.functions ?? [] },
      versions: { producer: 1 },
    },
    ...(spec.initializer ? { modelInitializer: { node: spec.initializer.map(nodeDef) } } : {}),
    weightsManifest: [{ paths: [WEIGHTS_FILE], weights: entries }],
  };
  return { json, modelBytes: new TextEncoder().encode(JSON.stringify(json)), weightBytes };
}

export function nodeDef({ name, op, input = [], attr = {} }: NodeSpec): object {
  return { name, op, input, attr };
}

function bytesOf({ dtype, values, quantization }: Weight): Uint8Array {
  if (dtype === "string") {
    const encoder = new TextEncoder();
    const parts = values.map((value) => encoder.encode(String(value)));
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
    let at = 0;
    for (const part of parts) {
      new DataView(bytes.buffer).setUint32(at, part.length, true);
      bytes.set(part, at + 4);
      at += 4 + part.length;
    }
    return bytes;
  }
  const numbers = values as readonly number[];
  const stored = quantization?.dtype ?? dtype;
  const data: NumericData =
    stored === "uint8" || stored === "bool"
      ? Uint8Array.from(numbers)
      : stored === "uint16" || stored === "float16"
        ? Uint16Array.from(numbers)
        : stored === "int32"
          ? Int32Array.from(numbers)
          : Float32Array.from(numbers);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function tensor(
  dtype: "float32" | "int32" | "bool",
  shape: readonly number[],
  values: readonly number[],
): Tensor {
  const data = dtype === "float32" ? Float32Array.from(values) : dtype === "int32" ? Int32Array.from(values) : Uint8Array.from(values); // prettier-ignore
  return { dtype, shape, data };
}
