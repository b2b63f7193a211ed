/**
 * The digit network in TensorFlow.js and its training. In: labelled images and settings. Out: the trained layers
 * model. Invariant: everything random (initial weights, order of the batches, dropped units) comes from the seed,
 * so a run on the same machine can be repeated.
 *
 * TensorFlow.js trains on its WebAssembly backend, which lacks one kernel that a convolution's gradient needs,
 * the gradient by the filter; it is composed here of kernels that the backend has.
 */
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { IMAGE_SIZE } from "../preprocess.ts";
import { PIXELS, shuffled, type DigitSet } from "./digitSet.ts";

export interface TrainingSettings {
  readonly seed: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** Of the first epoch; it falls along a half cosine to almost nothing. */
  readonly learningRate: number;
}

/** Selects the WebAssembly backend; to be called before anything else here. */
export async function startBackend(): Promise<void> {
  if (!(await tf.setBackend("wasm")))
    throw new Error("the WebAssembly backend of TensorFlow.js did not start");
  if (tf.getKernel("Conv2DBackpropFilter", "wasm") === undefined) {
    tf.registerKernel({
      kernelName: "Conv2DBackpropFilter",
      backendName: "wasm",
      kernelFunc: ({ inputs, attrs }) => {
        const { x, dy } = inputs;
        const { strides, pad, filterShape } = attrs as {
          strides: number | [number, number];
          pad: string;
          filterShape: [number, number, number, number];
        };
        if (pad !== "same") throw new Error("the filter's gradient is composed for padding 'same' only");
        const stride = Array.isArray(strides) ? strides : ([strides, strides] as [number, number]);
        return filterGradient(x as tf.Tensor4D, dy as tf.Tensor4D, filterShape, stride);
      },
    });
  }
}

/**
 * The gradient of a "same" convolution by its filter is itself a convolution, in which batch and channels change
 * roles: the images (channels as batch, batch as channels) convolved with dy as the filter, whose taps lie a
 * stride apart. Shapes: x [n,h,w,ci], dy [n,oh,ow,co], result [kh,kw,ci,co].
 */
function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  [kernelHeight, kernelWidth, channels]: readonly [number, number, number, number],
  [strideY, strideX]: [number, number],
): tf.Tensor4D {
  return tf.tidy(() => {
    const [count, height, width] = x.shape;
    const [, outHeight, outWidth] = dy.shape;
    const spanY = (outHeight - 1) * strideY + kernelHeight;
    const spanX = (outWidth - 1) * strideX + kernelWidth;
    const padY = Math.max(0, spanY - height);
    const padX = Math.max(0, spanX - width);
    const [top, left] = [Math.floor(padY / 2), Math.floor(padX / 2)];
    const padded = tf.pad(x, [
      [0, 0],
      [top, padY - top],
      [left, padX - left],
      [0, 0],
    ]);
    const swapped = tf.slice(tf.transpose(padded, [3, 1, 2, 0]), 0, [channels, spanY, spanX, count]);
    const filter = tf.transpose(dy, [1, 2, 0, 3]);
    const gradient = tf.conv2d(swapped as tf.Tensor4D, filter, 1, "valid", "NHWC", [strideY, strideX]);
    return tf.transpose(gradient, [1, 2, 0, 3]);
  });
}

/** Three convolutions, a pooling and one dense layer: 8,778 weights. */
export function digitNetwork(seed: number): layers.Sequential {
  const convolution = (filters: number, strides: number, index: number) =>
    layers.layers.conv2d({
      ...(index === 0 ? { inputShape: [IMAGE_SIZE, IMAGE_SIZE, 1] } : {}),
      name: `conv${index}`,
      filters,
      kernelSize: 3,
      strides,
      padding: "same",
      activation: "relu",
      kernelInitializer: layers.initializers.heNormal({ seed: seed + index }),
    });
  return layers.sequential({
    layers: [
      convolution(8, 1, 0),
      convolution(16, 2, 1),
      convolution(32, 2, 2),
      layers.layers.maxPooling2d({ poolSize: 2, name: "pool" }),
      layers.layers.flatten({ name: "flatten" }),
      layers.layers.dropout({ rate: 0.15, seed: seed + 3, name: "dropout" }),
      layers.layers.dense({
        name: "dense",
        units: 10,
        activation: "softmax",
        kernelInitializer: layers.initializers.glorotNormal({ seed: seed + 4 }),
      }),
    ],
  });
}

/** Trains in place. `drawEpoch` gives the images of an epoch, so that none need be seen twice. */
export async function train(
  network: layers.Sequential,
  settings: TrainingSettings,
  drawEpoch: (epoch: number) => DigitSet,
  report: (epoch: number, loss: number, accuracy: number) => void,
): Promise<void> {
  const optimizer = tf.train.adam(settings.learningRate);
  network.compile({ optimizer, loss: "categoricalCrossentropy", metrics: ["accuracy"] });
  for (let epoch = 0; epoch < settings.epochs; epoch += 1) {
    const rate = settings.learningRate * 0.5 * (1 + Math.cos((Math.PI * epoch) / settings.epochs)) + 1e-5;
    // Adam keeps its rate in a field that its type hides.
    (optimizer as unknown as { learningRate: number }).learningRate = rate;
    const set = shuffled(drawEpoch(epoch), settings.seed + epoch);
    const images = imageTensor(set);
    const labels = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(set.labels, "int32"), 10), "float32"));
    // The set is shuffled already, by our own seeded random numbers.
    const history = await network.fit(images, labels, {
      epochs: 1,
      batchSize: settings.batchSize,
      shuffle: false,
      verbose: 0,
    });
    tf.dispose([images, labels]);
    report(epoch, Number(history.history["loss"]?.[0]), Number(history.history["acc"]?.[0]));
  }
}

/** Probabilities, ten for each image. */
export function classify(network: layers.Sequential, set: DigitSet): Float32Array {
  return tf.tidy(() => {
    const probabilities = network.predict(imageTensor(set), { batchSize: 256 }) as tf.Tensor;
    return probabilities.dataSync() as Float32Array;
  });
}

function imageTensor(set: DigitSet): tf.Tensor4D {
  return tf.tensor4d(set.images, [set.images.length / PIXELS, IMAGE_SIZE, IMAGE_SIZE, 1]);
}
