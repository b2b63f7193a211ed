/**
 * The playground: `npm start` serves it, `npm run build:playground` builds it to `dist-playground/`. Invariants:
 * every answer carries the two headers that make the page cross-origin isolated, so that threads and precise
 * timers are there; no page runs a script that is not one of its own files (in development only Vite's own styles
 * and its socket are let in besides).
 */
import { defineConfig, type Plugin } from "vite";
import { repositoryOf, samplePlugin } from "../scripts/buildSample.ts";

const root = repositoryOf(import.meta.url);

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** What a page of the playground may load (Content Security Policy Level 3, with `wasm-unsafe-eval`). */
function contentSecurityPolicy(development: boolean): string {
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    // Vite waits for its server in a worker of its own, shows errors and replaces styles through style elements,
    // and reloads through a socket.
    `worker-src 'self'${development ? " blob:" : ""}`,
    `style-src 'self'${development ? " 'unsafe-inline'" : ""}`,
    `connect-src 'self'${development ? " ws: wss:" : ""}`,
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/** The policy in the page itself, so that it holds on any server. */
function policyInPage(): Plugin {
  let development = false;
  return {
    name: "tilewright:content-security-policy",
    configResolved: ({ command }) => void (development = command === "serve"),
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: contentSecurityPolicy(development) },
        injectTo: "head-prepend",
      },
    ],
  };
}

export default defineConfig({
  root: `${root}/playground`,
  // Relative, so that the built page can be put into any folder of a server.
  base: "./",
  cacheDir: `${root}/node_modules/.vite/playground`,
  // The page imports runtime/ and compiler/, which lie beside its root.
  server: { port: 5173, headers: isolation, fs: { allow: [root] } },
  // A worker takes its policy from its own answer, not from the page's meta element.
  preview: { port: 4173, headers: { ...isolation, "Content-Security-Policy": contentSecurityPolicy(false) } },
  plugins: [samplePlugin(root), policyInPage()],
  // The worker needs it only when a model is dropped; found then, Vite would reload the page.
  optimizeDeps: { include: ["pbf"] },
  worker: { format: "es" },
  build: {
    target: "es2023",
    outDir: `${root}/dist-playground`,
    emptyOutDir: true,
    sourcemap: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
