/**
 * Builds the library kernels. In: `kernels/*.ts` (AssemblyScript, one module per file) and `asconfig.json`. Out:
 * `compiler/ops/library/modules.generated.ts`, the modules as base64. Invariant: each module imports only
 * `env.memory`, exports one function named as its file, and has no data segment, no start function and no globals
 * of its own, so any number of them can share one memory without a word about who owns which byte. Does nothing
 * when the sources have not changed since the last build (a hash of them is in the generated file); `--force`
 * builds all the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "compiler/ops/library/modules.generated.ts");

const read = (path) => readFileSync(join(root, path), "utf8");
const sourcesIn = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .sort();

const entries = sourcesIn("kernels").map((name) => name.replace(/\.ts$/, ""));

function sourceHash() {
  const hash = createHash("sha256");
  const files = [
    "asconfig.json",
    "scripts/build-kernels.mjs",
    "node_modules/assemblyscript/package.json",
    ...entries.map((name) => `kernels/${name}.ts`),
    ...sourcesIn("kernels/shared").map((name) => `kernels/shared/${name}`),
  ];
  for (const file of files) hash.update(`${file}\0${read(file)}\0`);
  return hash.digest("hex").slice(0, 32);
}

function builtHash() {
  try {
    return /sources: ([0-9a-f]+)/.exec(readFileSync(target, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

/** Names and types of the parameters of the exported function, from its source. */
function parametersOf(name) {
  const signature = new RegExp(`export function ${name}\\(([^)]*)\\): i32 \\{`).exec(
    read(`kernels/${name}.ts`),
  );
  if (!signature) throw new Error(`kernels/${name}.ts: no "export function ${name}(...): i32"`);
  return signature[1]
    .split(",")
    .map((parameter) => parameter.trim())
    .filter(Boolean)
    .map((parameter) => {
      const [, parameterName, type] = /^(\w+): (i32|usize|f32|f64)$/.exec(parameter) ?? [];
      if (!type)
        throw new Error(`kernels/${name}.ts: parameter "${parameter}" is not i32, usize, f32 or f64`);
      return parameterName;
    });
}

async function compileEntry(asc, name) {
  let bytes;
  const { error, stderr } = await asc.main(
    [`kernels/${name}.ts`, "--config", "asconfig.json", "--baseDir", root, "--outFile", `${name}.wasm`],
    {
      writeFile: (file, contents) => {
        if (file === `${name}.wasm`) bytes = contents;
      },
    },
  );
  if (error) throw new Error(`kernels/${name}.ts: ${error.message}\n${stderr.toString()}`);
  check(name, bytes);
  return bytes;
}

/** Throws if the module is anything but one function over an imported memory. */
function check(name, bytes) {
  const module = new WebAssembly.Module(bytes);
  const imports = WebAssembly.Module.imports(module).map((entry) => `${entry.module}.${entry.name}`);
  const exports = WebAssembly.Module.exports(module).map((entry) => entry.name);
  const sections = sectionsOf(bytes);
  const problems = [
    imports.join() !== "env.memory" && `imports ${imports.join(", ")}`,
    exports.join() !== name && `exports ${exports.join(", ")}`,
    sections.includes(6) && "has globals",
    sections.includes(8) && "has a start function",
    sections.includes(11) && "has data segments",
  ].filter(Boolean);
  if (problems.length > 0) throw new Error(`kernels/${name}.ts: the module ${problems.join("; ")}`);
}

/** The section ids of a module, in order (WebAssembly core specification, 5.5). */
function sectionsOf(bytes) {
  const ids = [];
  let at = 8;
  while (at < bytes.length) {
    ids.push(bytes[at++]);
    let size = 0;
    let shift = 0;
    let byte;
    do {
      byte = bytes[at++];
      size |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    at += size;
  }
  return ids;
}

const hash = sourceHash();
if (builtHash() !== hash || process.argv.includes("--force")) {
  const started = performance.now();
  const { default: asc } = await import("assemblyscript/asc");
  const lines = [];
  let total = 0;
  for (const name of entries) {
    const bytes = await compileEntry(asc, name);
    total += bytes.length;
    const base64 = Buffer.from(bytes).toString("base64");
    const params = parametersOf(name).map((parameter) => JSON.stringify(parameter));
    lines.push(`  ${name}: {`, `    base64:`, `      "${base64}",`, `    export: "${name}",`);
    lines.push(`    params: [${params.join(", ")}],`, `  },`);
  }
  const text = [
    "/**",
    " * Generated from kernels/*.ts by scripts/build-kernels.mjs (`npm run kernels`); not to be edited or committed.",
    ` * sources: ${hash}`,
    " */",
    "export const libraryModules: Readonly<",
    "  Record<string, { readonly base64: string; readonly export: string; readonly params: readonly string[] }>",
    "> = {",
    ...lines,
    "};",
    "",
  ].join("\n");
  mkdirSync(dirname(target), { recursive: true });
  // Two builds at once must not see half a file.
  const draft = `${target}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, target);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`kernels: ${entries.length} modules, ${total} bytes, ${seconds} s`);
}
