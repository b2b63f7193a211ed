/**
 * `npm run check:package`: whether the package that `npm pack` makes is one that others can use. In: the working
 * tree (`npm pack` builds it first), optionally `--only WORD` for the groups of steps that are called so,
 * `--packed FILE` for a package that was packed before, and `--keep` to look at the folder afterwards. Out: an account of the steps; exit status 1 when one fails. In a fresh folder
 * the packed file is installed, imported by Node, called by its command name, type-checked by a strict
 * TypeScript under both module resolutions in use; then come a fresh Vite app, the recipes of `examples/`, and apps
 * that work without a network, in Chromium and in Firefox.
 * Invariant: the folder knows nothing of this repository but the packed file.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launchOptions } from "./launchBrowser.ts";
import { closeBrowsers } from "./package/browser.ts";
import { run, stopAll } from "./package/commands.ts";
import { freshAppSteps, type Step } from "./package/freshApp.ts";
import { offlineSteps } from "./package/offline.ts";
import { recipeSteps } from "./package/recipes.ts";
import { closeAll } from "./package/staticServer.ts";

const { values: options } = parseArgs({
  options: { only: { type: "string" }, keep: { type: "boolean" }, packed: { type: "string" } },
});

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "tilewright-package-"));
const plain = join(folder, "plain");
const packed = options.packed === undefined ? join(folder, "tilewright.tgz") : resolve(options.packed);

/** Types of Workbox name those of workers, which a page's TypeScript has not: whoever uses them skips libraries. */
const OFFLINE_SOURCE = `import { registerOffline, type OfflineUpdate } from "tilewright/offline";
import { offlineModels } from "tilewright/offline/worker";
export const files: { url: string }[] = offlineModels([{ url: "/m.tile" }]);
export const take = async (): Promise<void> => {
  const offline = await registerOffline("/sw.js");
  offline.on("update", (update: OfflineUpdate) => void update.take());
};
`;

/** Runs a program of this repository's development dependencies on the app. */
function tool(name: string, ...args: readonly string[]): Promise<string> {
  return run(join(root, "node_modules", ".bin", name), args, plain);
}

const USER_SOURCE = `import * as runtime from "tilewright";
import * as compiler from "tilewright/compiler";
import { profile, type Profile } from "tilewright/profile";
import { listCache, storeModel, type CachedModel } from "tilewright/cache";
import { compile as compileBeside, modelWorker } from "tilewright/compiler/worker";
import { defineProgress } from "tilewright/progress";
import { serve } from "tilewright/worker";
import tilewright, { type TilewrightPluginOptions } from "tilewright/vite";
const load: typeof runtime.load = runtime.load;
const compile: typeof compiler.compile = compiler.compile;
const profiled: (session: runtime.Session) => Promise<Profile> = (session) => profile(session);
export const listed: () => Promise<readonly CachedModel[]> = () => listCache();
export const beside: Promise<runtime.WorkerSession> = load("/m.tile", { worker: modelWorker, cache: true });
export const others = [storeModel, compileBeside, defineProgress, serve];
export const options: TilewrightPluginOptions = { models: { "*.onnx": { dims: { batch: 1 } } } };
console.log([typeof load, typeof compile, typeof profiled, typeof tilewright].join());
`;

const PACKAGE_STEPS: readonly Step[] = [
  [
    "install in a fresh folder",
    async () => {
      mkdirSync(plain);
      const manifest = { name: "plain", private: true, type: "module" };
      writeFileSync(join(plain, "package.json"), JSON.stringify(manifest));
      await run("npm", ["install", "--silent", "--no-audit", "--no-fund", packed], plain);
      const packages = readdirSync(join(plain, "node_modules")).filter((name) => !name.startsWith("."));
      console.log(`    installed: ${packages.join(", ")}`);
    },
  ],
  [
    "import in Node",
    async () => {
      const source = `
        const { load } = await import("tilewright");
        const { compile } = await import("tilewright/compiler");
        const { profile } = await import("tilewright/profile");
        const { default: tilewright } = await import("tilewright/vite");
        console.log(typeof load, typeof compile, typeof profile, tilewright().name);`;
      const printed = (await run(process.execPath, ["--input-type=module", "--eval", source], plain)).trim();
      if (printed !== "function function function tilewright")
        throw new Error(`load, compile, profile and the plugin are: ${printed}`);
    },
  ],
  [
    "command line",
    async () => {
      const help = await run(join("node_modules", ".bin", "tilewright"), ["--help"], plain);
      if (!help.includes("compile")) throw new Error(`tilewright --help does not speak of compile:\n${help}`);
    },
  ],
  [
    "types",
    async () => {
      await run(
        "npm",
        [
          "install",
          "--silent",
          "--no-audit",
          "--no-fund",
          "vite",
          "@types/node",
          ...["precaching", "range-requests", "window"].map((name) => `workbox-${name}`),
        ],
        plain,
      );
      writeFileSync(join(plain, "main.ts"), USER_SOURCE);
      writeFileSync(join(plain, "offline.ts"), OFFLINE_SOURCE);
      for (const [module, resolution] of [
        ["esnext", "bundler"],
        ["nodenext", "nodenext"],
      ] as const) {
        const types = [
          "--noEmit",
          "--strict",
          "--target",
          "es2023",
          "--skipLibCheck",
          "false",
          "--types",
          "node",
        ];
        await tool("tsc", ...types, "--module", module, "--moduleResolution", resolution, "main.ts");
        const skipping = types.map((option) => (option === "false" ? "true" : option));
        await tool("tsc", ...skipping, "--module", module, "--moduleResolution", resolution, "offline.ts");
      }
    },
  ],
];

const GROUPS: readonly (readonly [group: string, steps: readonly Step[]])[] = [
  ["package", PACKAGE_STEPS],
  ["fresh app", freshAppSteps(root, packed, join(folder, "fresh"))],
  ["recipes", recipeSteps(root, packed, join(folder, "recipes"))],
  ["offline", offlineSteps(root, packed, join(folder, "offline"), "chromium")],
  ["offline in Firefox", offlineSteps(root, packed, join(folder, "firefox"), "firefox")],
];

/** `npm pack` under a name that says nothing of the version. */
async function pack(): Promise<void> {
  if (options.packed !== undefined) return;
  await run("npm", ["pack", "--silent", "--pack-destination", folder], root);
  const name = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (name === undefined) throw new Error(`npm pack left no .tgz in ${folder}`);
  renameSync(join(folder, name), packed);
}

/** Steps in a browser that cannot be had here are skipped, and it is said why. */
function missing(group: string): string | undefined {
  if (!group.endsWith("Firefox")) return undefined;
  try {
    launchOptions("firefox");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

let passed = 0;
let skipped = 0;
try {
  const chosen = GROUPS.filter(([group]) => options.only === undefined || group.includes(options.only));
  if (chosen.length === 0)
    throw new Error(`--only takes one of: ${GROUPS.map(([group]) => group).join(", ")}`);
  for (const [group, steps] of [["", [["npm pack", pack] as Step]] as const, ...chosen]) {
    const why = missing(group);
    if (why !== undefined) {
      skipped += steps.length;
      console.log(`skipped  ${group}: ${why}`);
      continue;
    }
    for (const [name, step] of steps) {
      const start = performance.now();
      await step();
      passed++;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`ok  ${group === "" ? "" : `${group}: `}${name} (${seconds} s)`);
    }
  }
  console.log(`${passed} passed, 0 failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log(`${passed} passed, 1 failed`);
  process.exitCode = 1;
} finally {
  stopAll();
  closeAll();
  await closeBrowsers();
  if (options.keep) console.log(folder);
  else rmSync(folder, { recursive: true, force: true });
}
