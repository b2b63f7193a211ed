import { defineConfig } from "vite";
import tilewright from "tilewright/vite";

export default defineConfig({
  plugins: [tilewright({ models: { "**/digits.onnx": { dims: { batch: 1 } } } })],
  build: {
    rolldownOptions: {
      // A service worker is a file of its own, under a name that stays: the page registers it.
      input: { main: "index.html", sw: "src/sw.ts" },
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
});
