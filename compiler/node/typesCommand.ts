/**
 * `tilewright types`: TypeScript declarations of the models that a project imports. In: the project's folder, its Vite
 * configuration if it has one. Out: a `.d.ts` file beside each model, and one for imports with options. Invariant: what
 * the development server would write, so that `tsc` works where no server ever ran; `--check` writes nothing.
 */
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { CompileError, formatDiagnostic } from "../diagnostic.ts";
import { usage, type Arguments, type CommandSpec } from "./commandLine.ts";
import { isStale, ModelProject, writeDeclaration } from "./modelProject.ts";
import type { Terminal } from "./terminal.ts";
import type { TilewrightPluginApi } from "./vitePlugin.ts";

export const typesSpec: CommandSpec = {
  name: "types",
  summary: "write TypeScript declarations of the models that a project imports",
  usage: "[FOLDER] [options]",
  arity: { least: 0, most: 1 },
  options: [
    { name: "check", description: "write nothing; fail if a declaration is missing or says something else" },
  ],
  notes: [
    "FOLDER is the project's, by default this one. Options of models come from its Vite configuration, if it uses tilewright/vite.",
  ],
  examples: ["tilewright types", "tilewright types --check"],
};

/** The part of Vite that is needed here. */
interface Vite {
  resolveConfig(
    config: { readonly root: string; readonly logLevel: "silent" },
    command: "build",
  ): Promise<{ readonly plugins: readonly { readonly name: string; readonly api?: unknown }[] }>;
}

export async function typesCommand(args: Arguments, terminal: Terminal): Promise<number> {
  const root = resolve(args.positionals[0] ?? ".");
  if (!existsSync(root) || !statSync(root).isDirectory()) usage(`there is no folder ${root}`);
  const project = (await projectOfVite(root)) ?? new ModelProject({ root });
  const { files, failed } = project.declarations();
  const check = args.has("check");
  const name = (path: string): string => relative(process.cwd(), path) || ".";
  let stale = 0;
  for (const file of files) {
    if (check ? isStale(file) : writeDeclaration(file)) {
      stale++;
      terminal.out(`${check ? "stale" : "written"}  ${name(file.path)}\n`);
    } else terminal.out(`same     ${name(file.path)}\n`);
  }
  for (const { specifier, importer, error } of failed) {
    if (!(error instanceof CompileError)) throw error;
    const reasons = error.diagnostics.map((diagnostic) => `  ${formatDiagnostic(diagnostic)}\n`).join("");
    terminal.error(
      `tilewright: ${name(importer)} imports "${specifier}", which cannot be compiled:\n${reasons}`,
    );
  }
  if (files.length === 0 && failed.length === 0)
    terminal.out(`No source file in ${name(root)} imports a model (.onnx or .tile).\n`);
  if (check && stale > 0) terminal.error("tilewright: run `tilewright types` and commit what it writes\n");
  return failed.length > 0 || (check && stale > 0) ? 1 : 0;
}

/** The project as its Vite configuration has it; undefined where there is no Vite, or no plugin of ours. */
async function projectOfVite(root: string): Promise<ModelProject | undefined> {
  let entry: string;
  try {
    entry = createRequire(join(root, "package.json")).resolve("vite");
  } catch {
    return undefined;
  }
  const vite = (await import(pathToFileURL(entry).href)) as Vite;
  const { plugins } = await vite.resolveConfig({ root, logLevel: "silent" }, "build");
  const api = plugins.find((plugin) => plugin.name === "tilewright")?.api as TilewrightPluginApi | undefined;
  return api?.project();
}
