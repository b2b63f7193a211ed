/**
 * The playground: `npm start` serves it, `npm run build:playground` builds it to `dist-playground/`. Invariant:
 * every answer carries the two headers that make the page cross-origin isolated, so that threads and precise
 * timers are there.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const folder = fileURLToPath(new URL(".", import.meta.url));

const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  root: folder,
  // Relative, so that the built page can be put into any folder of a server.
  base: "./",
  cacheDir: "../node_modules/.vite/playground",
  // The page imports runtime/ and compiler/, which lie beside its root.
  server: { port: 5173, headers, fs: { allow: [".."] } },
  preview: { port: 4173, headers },
  worker: { format: "es" },
  build: { target: "es2023", outDir: "../dist-playground", emptyOutDir: true, sourcemap: true },
});
