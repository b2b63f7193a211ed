/**
 * TensorFlow.js in the measuring page. In: a GraphModel's files, or steps made by bench/tfjs. Out: sessions on its
 * WebAssembly or WebGPU backend. Invariant: a run takes and gives ordinary arrays; what it made of tensors is freed.
 */
import { type Tensor } from "../../runtime/dtype.ts";
import type * as Tfjs from "../peers/tfjs.ts";
import { type StoredTensors } from "../protocol.ts";
import { type TfProgram, type TfStep } from "../tfjs/imageProgram.ts";
import { matchOutputs, matchPorts } from "./layouts.ts";
import { fetchTensors } from "./storedTensors.ts";
import { type PageRuntime, type PageSession } from "./runtime.ts";

/** The nodes of inputs and outputs by the names that the test data has for them. */
export interface TfjsInterface {
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
}

/** Made by bench/runtimes/tfjsWasm.ts. */
export type TfjsOptions =
  | {
      readonly kind: "graphModel";
      readonly model: string;
      readonly weights: readonly string[];
      readonly dynamic: boolean;
      /** Set where the data is this model's own; else tensors are matched by their shapes. */
      readonly named?: TfjsInterface;
    }
  | {
      readonly kind: "program";
      readonly program: Omit<TfProgram, "weights">;
      readonly weights: StoredTensors;
    };

/** Where the driver serves the packages, once per thread count. */
export const tfjsFolder = (threads: number): string => `/tfjs-${threads}/`;
export const TFJS_SCRIPT = "tfjs.mjs";
export const TFJS_WEBGPU_SCRIPT = "tfjsWebgpu.mjs";

type TfTensor = ReturnType<typeof Tfjs.tf.tensor>;

export async function startTfjs(threads: number, backend: "wasm" | "webgpu" = "wasm"): Promise<PageRuntime> {
  const folder = new URL(tfjsFolder(threads), location.href).href;
  const script = backend === "wasm" ? TFJS_SCRIPT : TFJS_WEBGPU_SCRIPT;
  const tfjs = (await import(folder + script)) as typeof Tfjs;
  if (backend === "wasm") {
    tfjs.setWasmPaths(folder);
    // With one thread the backend takes its build without threads only if it is told that there are none.
    if (threads > 1) tfjs.setThreadsCount(threads);
    else tfjs.tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  }
  if (!(await tfjs.tf.setBackend(backend))) throw new Error(`the backend ${backend} does not start here`);
  await tfjs.tf.ready();
  return {
    create: (given) => {
      const options = given as unknown as TfjsOptions;
      return options.kind === "graphModel"
        ? graphSession(tfjs, options)
        : programSession(tfjs, options.program, options.weights);
    },
  };
}

async function graphSession(
  { tf, loadGraphModel }: typeof Tfjs,
  { model: url, weights, dynamic, named }: TfjsOptions & { readonly kind: "graphModel" },
): Promise<PageSession> {
  // The shards have other names on this server than the file says: they come in the order in which it lists them.
  const left = [...weights];
  const model = await loadGraphModel(url, { weightUrlConverter: async () => left.shift()! });
  const outputs = model.outputNodes.map((name) => name.replace(/:0$/, ""));
  const ports = model.inputs.map(({ name, shape }) => ({ name, shape: shape ?? [] }));
  let feeds: readonly { readonly name: string; readonly tensor: Tensor }[] = [];
  return {
    prepare(inputs) {
      if (named) {
        feeds = Object.entries(inputs).map(([name, tensor]) => ({
          name: named.inputs[name] ?? name,
          tensor,
        }));
        return;
      }
      const [only] = Object.values(inputs);
      // Open dimensions take what the input has.
      const bound = ports.map(({ name, shape }) => ({
        name,
        shape: shape.map((dim, axis) => (dim > 0 ? dim : (only?.shape[axis] ?? 1))),
      }));
      feeds = matchPorts(bound, inputs).map(({ port, tensor }) => ({ name: port.name, tensor }));
    },
    async run() {
      const given = feeds.map(({ name, tensor }) => [name, tensorOf(tf, tensor)] as const);
      const tensors = Object.fromEntries(given) as Record<string, TfTensor>;
      const made = dynamic ? await model.executeAsync(tensors, outputs) : model.execute(tensors, outputs);
      const results = Array.isArray(made) ? made : [made];
      return arraysOf(results, Object.values(tensors));
    },
    read: (result, expected) => {
      const tensors = result as readonly Tensor[];
      if (!named) return matchOutputs(tensors, expected);
      const position = (name: string): number => outputs.indexOf(named.outputs[name] ?? name);
      return Object.fromEntries(Object.keys(expected).map((name) => [name, tensors[position(name)]!]));
    },
    dispose: async () => model.dispose(),
  };
}

async function programSession(
  { tf }: typeof Tfjs,
  { input, outputs, steps }: Omit<TfProgram, "weights">,
  stored: StoredTensors,
): Promise<PageSession> {
  const { inputs: weights } = await fetchTensors(stored);
  const constants = new Map(
    Object.entries(weights).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data as Float32Array, [...shape]),
    ]),
  );
  let image: { readonly data: Float32Array; readonly shape: number[] } | undefined;
  return {
    prepare(inputs) {
      const given = inputs[input]!;
      const [n, c, h, w] = given.shape as [number, number, number, number];
      const [matched] = matchPorts([{ name: input, shape: [n, h, w, c] }], { [input]: given });
      image = { data: matched!.tensor.data as Float32Array, shape: [n, h, w, c] };
    },
    async run() {
      const { data, shape } = image!;
      const results = tf.tidy(() => {
        const values = new Map(constants);
        values.set(input, tf.tensor(data, shape));
        for (const step of steps) values.set(step.to, applyStep(tf, step, values));
        return outputs.map((name) => values.get(name)!);
      });
      return arraysOf(results, []);
    },
    read: (result, expected) => matchOutputs(result as readonly Tensor[], expected),
    dispose: async () => constants.forEach((constant) => constant.dispose()),
  };
}

/** Pixels are int32 to TF.js. */
function tensorOf(tf: typeof Tfjs.tf, { dtype, data, shape }: Tensor): TfTensor {
  if (dtype === "float32") return tf.tensor(data as Float32Array, [...shape], "float32");
  return tf.tensor(Int32Array.from(data as Uint8Array), [...shape], "int32");
}

async function arraysOf(
  results: readonly TfTensor[],
  others: readonly TfTensor[],
): Promise<readonly Tensor[]> {
  const tensors: Tensor[] = [];
  for (const result of results) {
    tensors.push({ dtype: "float32", shape: result.shape, data: (await result.data()) as Float32Array });
  }
  for (const tensor of [...results, ...others]) tensor.dispose();
  return tensors;
}

/** One step on tensors of any backend. */
export function applyStep(tf: typeof Tfjs.tf, step: TfStep, values: ReadonlyMap<string, TfTensor>): TfTensor {
  const value = <Rank extends TfTensor>(name: string): Rank => values.get(name) as Rank;
  switch (step.kind) {
    case "convolution":
    case "depthwise": {
      const { strides, pads, activation } = step;
      const call = {
        x: value<Tfjs.tf.Tensor4D>(step.x),
        filter: value<Tfjs.tf.Tensor4D>(step.filter),
        bias: value(step.bias),
        strides: [...strides] as [number, number],
        ...(activation === undefined ? {} : { activation }),
      };
      return step.kind === "depthwise"
        ? tf.fused.depthwiseConv2d({ ...call, pad: equalPad(pads) })
        : tf.fused.conv2d({ ...call, pad: explicit(pads) });
    }
    case "transposed": {
      const x = value<Tfjs.tf.Tensor4D>(step.x);
      const filter = value<Tfjs.tf.Tensor4D>(step.filter);
      const [n, h, w] = x.shape;
      const [down, right] = step.strides;
      const shape: [number, number, number, number] = [n, h * down, w * right, filter.shape[2]];
      return tf.add(tf.conv2dTranspose(x, filter, shape, [down, right], "valid"), value(step.bias));
    }
    case "maxPool":
      return tf.maxPool(
        value<Tfjs.tf.Tensor4D>(step.x),
        [...step.size] as [number, number],
        [...step.strides] as [number, number],
        step.pads.flat().every((pad) => pad === 0) ? "valid" : explicit(step.pads),
      );
    case "relu":
    case "relu6":
    case "sigmoid":
      return tf[step.kind](value(step.x));
    case "softmax":
      return tf.softmax(value(step.x));
    case "same":
      return value(step.x);
    case "mean": {
      const x = value(step.x);
      return x.rank === 4 ? tf.mean(x, [1, 2]) : x;
    }
    case "add":
      return tf.add(value(step.a), value(step.b));
    case "multiply":
      return tf.mul(value(step.a), value(step.b));
    case "concat":
      return tf.concat(
        step.parts.map((part) => value(part)),
        -1,
      );
    case "dense":
      return tf.add(tf.matMul(value(step.x), value(step.matrix)), value(step.bias));
    default:
      throw new Error(`unknown step ${(step satisfies never as TfStep).kind}`);
  }
}

/** Depthwise convolutions take one number for all sides. */
function equalPad(pads: (TfStep & { kind: "maxPool" })["pads"]): number {
  const [first = 0, ...others] = pads.flat();
  if (others.some((pad) => pad !== first)) throw new Error("a depthwise convolution is padded unevenly");
  return first;
}

type ExplicitPadding = [[number, number], [number, number], [number, number], [number, number]];

function explicit([[top, bottom], [left, right]]: (TfStep & { kind: "maxPool" })["pads"]): ExplicitPadding {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
