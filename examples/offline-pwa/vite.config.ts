import { defineConfig } from "vite";
import tilewright from "tilewright/vite";

export default defineConfig({
  plugins: [
    tilewright({
      models: { "**/digits.onnx": { dims: { batch: 1 } } },
      // Built to sw.js, with the list of all files of the app in it.
      serviceWorker: "src/sw.ts",
    }),
  ],
});
