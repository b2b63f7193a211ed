/** A project's models: what is compiled and kept, and the declarations that are written for TypeScript. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readArtifact } from "../../runtime/format.ts";
import { modelDeclaration, queryDeclarations } from "./modelDeclaration.ts";
import { isStale, ModelProject, writeDeclaration } from "./modelProject.ts";
import { importsIn } from "./sourceImports.ts";

const DIGITS = fileURLToPath(new URL("../../playground/sample/digits.onnx", import.meta.url));

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tilewright-project-"));
  mkdirSync(join(root, "node_modules"));
  mkdirSync(join(root, "src"));
  cpSync(DIGITS, join(root, "src/digits.onnx"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const model = (): string => join(root, "src/digits.onnx");
const cache = (): string => join(root, "node_modules/.cache/tilewright");

describe("compiled models", () => {
  it("are compiled once for the same bytes and options", () => {
    const first = new ModelProject({ root }).imported(model(), "dims.batch=1");
    expect(first.milliseconds).toBeGreaterThan(0);
    expect(first.kind).toBe("bound");
    expect(first.inputs).toEqual([{ name: "image", dtype: "float32", shape: [1, 1, 28, 28] }]);
    const again = new ModelProject({ root }).imported(model(), "dims.batch=1");
    expect(again).toEqual({ ...first, milliseconds: undefined });
    const other = new ModelProject({ root }).imported(model(), "dims.batch=2");
    expect(other.milliseconds).toBeGreaterThan(0);
    expect(readdirSync(cache())).toHaveLength(2);
  });

  it("are compiled for what the project says, and the import before it", () => {
    const project = new ModelProject({
      root,
      models: { "src/*.onnx": { dims: { batch: 1 }, target: "webgpu" } },
    });
    const planned = ({ file }: { readonly file: string }): readonly boolean[] => {
      const { plan } = readArtifact(readFileSync(file));
      return plan.kind === "bound" ? [plan.variants.length > 0, plan.gpu !== undefined] : [];
    };
    const webgpu = project.imported(model(), "");
    expect([webgpu.target, ...planned(webgpu)]).toEqual(["webgpu", false, true]);
    const both = project.imported(model(), "target=auto");
    expect([both.target, ...planned(both)]).toEqual(["auto", true, true]);
    const wasm = project.imported(model(), "target=wasm");
    expect([wasm.target, ...planned(wasm)]).toEqual(["wasm", true, false]);
  });

  it("tell which dimensions are open", () => {
    const { kind, open } = new ModelProject({ root }).imported(model(), "");
    expect(kind).toBe("late");
    expect(open).toEqual([{ input: "image", dims: ["batch"] }]);
  });

  it("are compiled again where the cache is damaged", () => {
    const project = new ModelProject({ root });
    const { file, hash } = project.imported(model(), "dims.batch=1");
    for (const damage of [
      () => writeFileSync(file, "no"),
      () => writeFileSync(join(dirname(file), "entry.json"), "{"),
      () => rmSync(file),
    ]) {
      // prettier-ignore
      damage();
      const again = project.imported(model(), "dims.batch=1");
      expect(again.milliseconds).toBeGreaterThan(0);
      expect(again.hash).toBe(hash);
      expect(existsSync(file)).toBe(true);
    }
    expect(readdirSync(cache()).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("leave when all of them are too large, the oldest first, never those in use", () => {
    const sizes = { root, cacheBytes: 60_000 };
    const project = new ModelProject(sizes);
    const files = [1, 2, 3].map((batch) => {
      const { file } = project.imported(model(), `dims.batch=${batch}`);
      const old = new Date(Date.now() - (10 - batch) * 3_600_000);
      utimesSync(dirname(file), old, old);
      return file;
    });
    // Young ones are all still there.
    expect(files.map(existsSync)).toEqual([false, false, true]);
    project.imported(model(), "dims.batch=4");
    expect(files.map(existsSync)).toEqual([false, false, false]);
    project.imported(model(), "dims.batch=5");
    expect(readdirSync(cache())).toHaveLength(2);
  });

  it("take options by file, over which those of the import win", () => {
    const models = { "src/**/*.onnx": { dims: { batch: 4 } }, "other/*.onnx": { dims: { nothing: 1 } } };
    const project = new ModelProject({ root, models });
    expect(project.imported(model(), "").inputs[0]?.shape).toEqual([4, 1, 28, 28]);
    expect(project.imported(model(), "dims.batch=2").inputs[0]?.shape).toEqual([2, 1, 28, 28]);
  });

  it("may be artifacts already", () => {
    const { file } = new ModelProject({ root }).imported(model(), "dims.batch=1");
    const artifact = join(root, "src/other.tile");
    cpSync(file, artifact);
    const { milliseconds, outputs, ...rest } = new ModelProject({ root }).imported(artifact, "");
    expect(rest.file).toBe(artifact);
    expect(milliseconds).toBeUndefined();
    expect(outputs).toEqual([{ name: "probabilities", dtype: "float32", shape: [1, 10] }]);
  });

  it.each([
    ["src/*.onnx", "src/a.onnx", true],
    ["./src/*.onnx", "src/a.onnx", true],
    ["src/*.onnx", "src/deep/a.onnx", false],
    ["src/**/*.onnx", "src/deep/er/a.onnx", true],
    ["**/a.onnx", "../outside/a.onnx", true],
    ["src/{a,b}.onnx", "src/b.onnx", true],
    ["src/a+(1).onnx", "src/a+(1).onnx", true],
  ])("pattern %s, file %s: %s", (pattern, file, matches) => {
    const project = new ModelProject({ root, models: { [pattern]: { profile: true } } });
    expect(project.optionsOf(join(root, file))).toEqual(matches ? { profile: true } : {});
  });
});

describe("declarations", () => {
  it("are written for all that source files import", () => {
    write(
      "src/a.ts",
      `import classify from "./digits.onnx";\nimport url from '../src/digits.onnx?tile&url';`,
    );
    write("src/deep/b.svelte", `<script>const m = await import("../digits.onnx?dims.batch=1")</script>`);
    write("src/c.ts", `import other from "@/digits.onnx?dims.batch=2"; import gone from "./gone.onnx";`);
    write("node_modules/x/index.js", `import no from "../../src/digits.onnx?dims.batch=9";`);
    const alias = [{ find: "@", replacement: join(root, "src") }];
    expect(importsIn(root, alias).map(({ specifier }) => specifier)).toEqual([
      "./digits.onnx",
      "../src/digits.onnx?tile&url",
      "@/digits.onnx?dims.batch=2",
      "../digits.onnx?dims.batch=1",
    ]);
    const { files, failed } = new ModelProject({ root, alias }).declarations();
    expect(failed).toEqual([]);
    expect(files.map(({ path }) => path)).toEqual([
      join(root, "src/digits.onnx.d.ts"),
      join(root, "src/tilewright-env.d.ts"),
    ]);
    expect(files[0]?.text).toContain('image: { dtype: "float32"; shape: readonly [number, 1, 28, 28] }');
    expect(files[1]?.text).toContain(`declare module "*/digits.onnx?dims.batch=1" {`);
    expect(files[1]?.text).toContain(`declare module "*/digits.onnx?dims.batch=2" {`);
    expect(files[1]?.text).toContain(`declare module "*/digits.onnx?tile&url" {\n  const url: string;`);
  });

  it("are written only where they would change", () => {
    write("src/a.ts", `import classify from "./digits.onnx";`);
    const [file] = new ModelProject({ root }).declarations().files;
    expect(isStale(file!)).toBe(true);
    expect(writeDeclaration(file!)).toBe(true);
    const { mtimeMs } = statSync(file!.path);
    expect(writeDeclaration(file!)).toBe(false);
    expect(statSync(file!.path).mtimeMs).toBe(mtimeMs);
    writeFileSync(file!.path, readFileSync(file!.path, "utf8").replaceAll("\n", "\r\n"));
    expect(isStale(file!)).toBe(false);
  });

  it("tell of models that cannot be compiled, and go on", () => {
    write("src/bad.onnx", "no model");
    write("src/a.ts", `import bad from "./bad.onnx"; import classify from "./digits.onnx";`);
    const { files, failed } = new ModelProject({ root }).declarations();
    expect(files).toHaveLength(1);
    expect(failed).toMatchObject([{ specifier: "./bad.onnx", error: { code: "model-malformed" } }]);
  });

  it("say containers, open shapes and odd names", () => {
    const ports = {
      inputs: [
        { name: "a b`${", dtype: "int64", shape: ["n", 2] },
        { name: "seq`${x}", dtype: "float16", shape: ["seq`${x}.shape"], container: "sequence" },
        { name: "maybe", dtype: "bool", shape: [], container: "optional" },
        { name: "any", dtype: "string", shape: ["any.shape"] },
      ],
      outputs: [],
    } as const;
    expect(modelDeclaration("odd.onnx", ports)).toMatchInlineSnapshot(`
      "/* eslint-disable */
      // What tilewright found in "odd.onnx". \`npx tilewright types\` makes it again.
      import type { Model } from "tilewright";

      export type Types = {
        inputs: {
          /** int64 [n, 2] */
          "a b\`\${": { dtype: "int64"; shape: readonly [number, 2] };
          /** float16 any shape (sequence) */
          [element: \`seq\\\`\\\${x}[\${number}]\`]: { dtype: "float16"; shape: readonly number[] };
          /** bool [] (optional) */
          maybe?: { dtype: "bool"; shape: readonly [] };
          /** string any shape */
          any: { dtype: "string"; shape: readonly number[] };
        };
        outputs: {};
      };

      declare const model: Model<Types>;
      export default model;
      "
    `);
    expect(queryDeclarations([{ ending: "odd.onnx?profile", as: "model", ...ports }])).toContain("  const model: Model<Types>;"); // prettier-ignore
  });
});
