/** What the measuring page uses of TensorFlow.js with its WebGPU backend, which registers itself, in one file. */
import "@tensorflow/tfjs-backend-webgpu";
export * as tf from "@tensorflow/tfjs-core";
export { loadGraphModel } from "@tensorflow/tfjs-converter";
