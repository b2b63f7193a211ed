/** The list of files that a service worker is given. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResolvedConfig } from "vite";
import { afterAll, expect, it } from "vitest";
import { filesOf } from "./serviceWorker.ts";

const publicDir = mkdtempSync(join(tmpdir(), "tilewright-public-"));
mkdirSync(join(publicDir, "icons"));
writeFileSync(join(publicDir, "icons/a.svg"), "<svg/>");
writeFileSync(join(publicDir, "_headers"), "");
afterAll(() => rmSync(publicDir, { recursive: true }));

const bundle = {
  "index.html": { type: "asset", source: "<p>" },
  "assets/main-abcdefgh.js": { type: "chunk", code: "1" },
  "assets/main-abcdefgh.js.map": { type: "asset", source: "{}" },
  "assets/digits-abcdefgh.tile": { type: "asset", source: new Uint8Array(3) },
  "assets/fixed.css": { type: "asset", source: "" },
} as unknown as Parameters<typeof filesOf>[0];

const listed = (base: string): ReturnType<typeof filesOf> =>
  filesOf(bundle, { base, publicDir, build: { assetsDir: "assets", copyPublicDir: true } } as ResolvedConfig);

it("lists what pages may ask for, with a revision where the name has none", () => {
  const files = listed("/below/");
  expect(files.map(({ url }) => url)).toEqual([
    "assets/digits-abcdefgh.tile",
    "assets/fixed.css",
    "assets/main-abcdefgh.js",
    "icons/a.svg",
    "index.html",
  ]);
  expect(files.map(({ revision }) => revision === null)).toEqual([true, false, true, false, false]);
  expect(listed("/below/")).toEqual(files);
});

it("names files on another host by their whole address", () => {
  expect(listed("https://cdn.example/").every(({ url }) => url.startsWith("https://cdn.example/"))).toBe(
    true,
  );
});
