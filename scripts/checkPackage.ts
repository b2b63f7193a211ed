/**
 * `npm run check:package`: whether the package that `npm pack` makes is one that others can use. In: the working
 * tree (`npm pack` builds it first). Out: an account of the steps; exit status 1 when one fails. In a fresh folder
 * the packed file is installed, imported by Node, called by its command name, type-checked by a strict
 * TypeScript under both module resolutions in use, and bundled by a fresh Vite app. Invariant: the folder knows
 * nothing of this repository but the packed file.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "tilewright-package-"));
const app = join(folder, "app");

function run(command: string, args: readonly string[], cwd: string): string {
  const onWindows = process.platform === "win32";
  return execFileSync(onWindows ? `${command}.cmd` : command, args, {
    cwd,
    encoding: "utf8",
    shell: onWindows,
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Runs a program of this repository's development dependencies on the app. */
function tool(name: string, ...args: readonly string[]): string {
  return run(join(root, "node_modules", ".bin", name), args, app);
}

const USER_SOURCE = `import * as runtime from "tilewright";
import * as compiler from "tilewright/compiler";
import { profile, type Profile } from "tilewright/profile";
const load: typeof runtime.load = runtime.load;
const compile: typeof compiler.compile = compiler.compile;
const profiled: (session: runtime.Session) => Promise<Profile> = (session) => profile(session);
document.title = [typeof load, typeof compile, typeof profiled].join();
`;

const STEPS: readonly (readonly [name: string, step: () => void])[] = [
  ["npm pack", () => void run("npm", ["pack", "--silent", "--pack-destination", folder], root)],
  [
    "install in a fresh folder",
    () => {
      const packed = readdirSync(folder).find((name) => name.endsWith(".tgz"));
      if (packed === undefined) throw new Error(`npm pack left no .tgz in ${folder}`);
      mkdirSync(app);
      writeFileSync(
        join(app, "package.json"),
        JSON.stringify({ name: "app", private: true, type: "module" }),
      );
      run("npm", ["install", "--silent", "--no-audit", "--no-fund", join(folder, packed)], app);
    },
  ],
  [
    "import in Node",
    () => {
      const source = `
        const { load } = await import("tilewright");
        const { compile } = await import("tilewright/compiler");
        const { profile } = await import("tilewright/profile");
        console.log(typeof load, typeof compile, typeof profile);`;
      const printed = run(process.execPath, ["--input-type=module", "--eval", source], app).trim();
      if (printed !== "function function function")
        throw new Error(`load, compile and profile are: ${printed}`);
    },
  ],
  [
    "command line",
    () => {
      const help = run(join("node_modules", ".bin", "tilewright"), ["--help"], app);
      if (!help.includes("compile")) throw new Error(`tilewright --help does not speak of compile:\n${help}`);
    },
  ],
  [
    "types",
    () => {
      writeFileSync(join(app, "main.ts"), USER_SOURCE);
      for (const [module, resolution] of [
        ["esnext", "bundler"],
        ["nodenext", "nodenext"],
      ] as const) {
        const options = ["--noEmit", "--strict", "--target", "es2023", "--skipLibCheck", "false"];
        tool("tsc", ...options, "--module", module, "--moduleResolution", resolution, "main.ts");
      }
    },
  ],
  [
    "bundle in a fresh Vite app",
    () => {
      writeFileSync(join(app, "index.html"), `<script type="module" src="/main.ts"></script>`);
      tool("vite", "build", "--logLevel", "warn");
    },
  ],
];

try {
  for (const [name, step] of STEPS) {
    const start = performance.now();
    step();
    console.log(`ok  ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  }
} catch (error) {
  const { message, stdout } = error as Error & { readonly stdout?: string };
  console.error([message, stdout].filter(Boolean).join("\n"));
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
