/**
 * Layering: reads the imports of every TypeScript file and fails on each arrow that the table below does not
 * allow. In: the source tree. Out: a list of forbidden arrows, which must be empty. Invariant: a file may import
 * from its own layer and from the layers that its layer names, never from anything else; the direction is
 * always "downward" in the sense of ARCHITECTURE.md. The files are parsed with the TypeScript scanner
 * (`preProcessFile`), so type imports, re-exports and dynamic imports with a literal count too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

interface Layer {
  readonly name: string;
  /** Which files belong to the layer; the first layer of the table that matches a file owns it. */
  readonly files: RegExp;
  /** Layers it may import from, besides itself. */
  readonly imports: readonly string[];
  /** npm packages it may import. `*` allows all. */
  readonly packages?: readonly string[];
  /** Whether `node:` modules may be imported. */
  readonly node?: boolean;
}

/** What a compiler layer sees of the runtime: the artifact format and what that itself stands on. */
const FORMAT = "runtime-format";
const COMPILER_BASE = ["compiler-base", FORMAT];
const COMPILER_IR = [...COMPILER_BASE, "compiler-ir"];
const COMPILER_OPS = [...COMPILER_IR, "compiler-ops"];
const COMPILER_STAGES = [...COMPILER_OPS, "compiler-stages"];
const COMPILER_LATE = [...COMPILER_STAGES, "compiler-late"];
const COMPILER_ALL = [...COMPILER_LATE, "compiler-entry"];
const RUNTIME_ALL = [FORMAT, "runtime"];

const LAYERS: readonly Layer[] = [
  // Everything outside the product may look anywhere; no layer of the product may look there.
  {
    name: "tests",
    files: /\.test\.ts$|^test\//,
    imports: ["*"],
    packages: ["*"],
    node: true,
  },
  { name: "scripts", files: /^scripts\/|^[^/]+\.config\.ts$/, imports: ["*"], packages: ["*"], node: true },
  { name: "bench", files: /^bench\//, imports: ["*"], packages: ["*"], node: true },
  {
    name: "playground-build",
    files: /^playground\/(vite\.config\.ts$|scripts\/|sample\/train)/,
    imports: ["*"],
    packages: ["*"],
    node: true,
  },
  {
    name: "playground",
    files: /^playground\//,
    imports: [...COMPILER_ALL, ...RUNTIME_ALL, "compiler-tensors"],
    packages: ["*"],
  },

  // The runtime knows nothing of the compiler. Its format files are the one place where the two meet.
  { name: FORMAT, files: /^runtime\/(format|dtype|errors|binder|sha256)(\.ts$|\/)/, imports: [] },
  { name: "runtime-node", files: /^runtime\/node\//, imports: RUNTIME_ALL, node: true },
  {
    name: "runtime",
    files: /^runtime\//,
    imports: [FORMAT],
    packages: [
      "idb",
      "comlink",
      "workbox-range-requests",
      "workbox-routing",
      "workbox-strategies",
      "workbox-window",
    ],
  },

  // The compiler, from the bottom up.
  {
    name: "compiler-base",
    files: /^compiler\/(base64|diagnostic|door|trace|globals\.d)\.ts$/,
    imports: [FORMAT],
  },
  { name: "compiler-ir", files: /^compiler\/ir\//, imports: COMPILER_BASE },
  { name: "compiler-ops", files: /^compiler\/ops\//, imports: COMPILER_IR },
  {
    name: "compiler-stages",
    files: /^compiler\/(frontend|passes|lower)\//,
    imports: COMPILER_OPS,
    packages: ["pbf", "@tensorflow/tfjs-converter"],
  },
  { name: "compiler-late", files: /^compiler\/(backend|tune)\//, imports: COMPILER_STAGES },
  // What the command line, the page and the tests feed a model, compare and show of it; pure.
  { name: "compiler-tensors", files: /^compiler\/tensors\//, imports: COMPILER_STAGES },
  {
    name: "compiler-node",
    files: /^compiler\/node\//,
    imports: [...COMPILER_ALL, ...RUNTIME_ALL, "runtime-node", "compiler-tensors"],
    packages: ["*"],
    node: true,
  },
  {
    name: "compiler-worker",
    files: /^compiler\/worker\//,
    imports: [...COMPILER_ALL, ...RUNTIME_ALL],
    packages: ["comlink"],
  },
  { name: "compiler-entry", files: /^compiler\/[^/]+\.ts$/, imports: COMPILER_LATE },
];

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const FOLDERS = ["compiler", "runtime", "playground", "bench", "scripts", "test"];

/** All `.ts` files below `folder`, as paths relative to the repository, with forward slashes. */
function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !path.includes("node_modules/"));
}

function layerOf(path: string, layers: readonly Layer[]): Layer | undefined {
  return layers.find((layer) => layer.files.test(path));
}

/** The arrows of one file that the table forbids, each as a sentence. */
function forbiddenImports(path: string, source: string, layers: readonly Layer[] = LAYERS): string[] {
  const layer = layerOf(path, layers);
  if (layer === undefined)
    return [`${path} belongs to no layer: add it to the table in test/layering.test.ts`];
  const allows = (list: readonly string[] | undefined, name: string): boolean =>
    list !== undefined && (list.includes("*") || list.includes(name));
  const found: string[] = [];
  for (const { fileName: specifier } of ts.preProcessFile(source, true, true).importedFiles) {
    if (specifier.startsWith("node:")) {
      if (layer.node !== true) found.push(`${path} (${layer.name}) imports ${specifier}`);
    } else if (specifier.startsWith(".")) {
      // `./x.ts?worker` and `?url` are Vite's; the target is the file before the question mark.
      const target = posix.normalize(posix.join(posix.dirname(path), specifier.replace(/\?.*$/, "")));
      if (!/\.(d\.)?[mc]?ts$/.test(target)) continue; // a stylesheet, a kernel's module, JSON
      const targetLayer = layerOf(target, layers);
      if (targetLayer?.name !== layer.name && !allows(layer.imports, targetLayer?.name ?? "")) {
        found.push(`${path} (${layer.name}) imports ${target} (${targetLayer?.name ?? "no layer"})`);
      }
    } else {
      const name = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
      if (!allows(layer.packages, name)) found.push(`${path} (${layer.name}) imports package ${name}`);
    }
  }
  return found;
}

describe("layering", () => {
  it("allows no arrow but those of the table", () => {
    const files = FOLDERS.flatMap(sourceFiles);
    expect(files).toContain("test/layering.test.ts");
    const forbidden = files.flatMap((path) => forbiddenImports(path, readFileSync(join(ROOT, path), "utf8")));
    expect(forbidden).toEqual([]);
  });

  it.each([
    ["runtime/session.ts", `import { compile } from "../compiler/index.ts";`],
    ["runtime/session.ts", `const c = await import("../compiler/index.ts");`],
    ["runtime/format.ts", `import { Session } from "./session.ts";`],
    ["runtime/session.ts", `import { readFile } from "node:fs/promises";`],
    ["compiler/ir/graph.ts", `import type { OpDef } from "../ops/table.ts";`],
    ["compiler/passes/fold.ts", `export * from "../backend/wasm/emit.ts";`],
    ["compiler/backend/wasm/emit.ts", `import { pipeline } from "../../pipeline.ts";`],
    ["compiler/index.ts", `import { load } from "../runtime/session.ts";`],
    ["compiler/index.ts", `import { main } from "./node/cli.ts";`],
    ["compiler/passes/fold.ts", `import { readFileSync } from "node:fs";`],
    ["compiler/ops/table.ts", `import lodash from "lodash";`],
    ["compiler/ops/table.ts", `import { runOperator } from "../../test/operator.ts";`],
    ["compiler/newfolder/x.ts", ``],
  ])("forbids in %s: %s", (path, source) => {
    expect(forbiddenImports(path, source)).toHaveLength(1);
  });

  it.each([
    ["compiler/backend/wasm/emit.ts", `import { InternalError } from "../../diagnostic.ts";`],
    ["compiler/pipeline.ts", `import { FORMAT_VERSION } from "../runtime/format.ts";`],
    ["compiler/frontend/onnx/wire.ts", `import Pbf from "pbf";`],
    ["compiler/node/cli.ts", `import { load } from "../../runtime/index.ts"; import "node:fs";`],
    ["playground/page.ts", `import CompileWorker from "./compile.worker.ts?worker";`],
  ])("allows in %s: %s", (path, source) => {
    expect(forbiddenImports(path, source)).toEqual([]);
  });
});
