import { defineConfig } from "vite";
import tilewright from "tilewright/vite";

export default defineConfig({
  base: "./",
  plugins: [tilewright({ models: { "**/digits.onnx": { dims: { batch: 1 } } } })],
  build: {
    // The polyfill would be a script in a page of which the extension's policy knows nothing.
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { popup: "popup.html", offscreen: "offscreen.html", background: "src/background.ts" },
      output: { entryFileNames: "[name].js" },
    },
  },
});
