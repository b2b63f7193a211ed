/** What the measuring page uses of jax-js and its loader of ONNX models, bundled into one file. */
export { blockUntilReady, defaultDevice, init, jit, numpy } from "@jax-js/jax";
export { ONNXModel } from "@jax-js/onnx";
