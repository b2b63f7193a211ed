import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import tilewright from "tilewright/vite";

export default defineConfig({
  plugins: [react(), tilewright({ models: { "**/digits.onnx": { dims: { batch: 1 } } } })],
});
