import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import tilewright from "tilewright/vite";

export default defineConfig({
  plugins: [svelte(), tilewright({ models: { "**/digits.onnx": { dims: { batch: 1 } } } })],
});
