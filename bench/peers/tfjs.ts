/** What the measuring page uses of TensorFlow.js with its WebAssembly backend, bundled into one file. */
export * as tf from "@tensorflow/tfjs-core";
export { loadGraphModel } from "@tensorflow/tfjs-converter";
export { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
