import { defineConfig } from "vite";
import tilewright from "tilewright/vite";

export default defineConfig({
  // One picture at a time: with its shapes known, the model is compiled now and not in the page.
  plugins: [tilewright({ models: { "**/digits.onnx": { dims: { batch: 1 } } } })],
});
