/** The reference says what the sources say, and its examples compile and run. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, describe, expect, it } from "vitest";
import * as context from "./api/exampleContext.ts";
import { examplesOf, moduleOf, needsBrowser } from "./api/examples.ts";
import { referencePage } from "./api/markdown.ts";
import { compilerOptions, publicApi, root } from "./api/publicApi.ts";

const entries = publicApi();
const folder = join(root, "build/doc-examples");
const names = Object.keys(context);
const examples = examplesOf(entries).map((example, index) => ({
  ...example,
  path: join(folder, `example${index}.ts`),
  source: moduleOf(example, entries, names, context.models),
}));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const { path, source } of examples) writeFileSync(path, source);

afterAll(() => {
  context.session.dispose();
  rmSync(folder, { recursive: true, force: true });
  rmSync(context.models, { recursive: true, force: true });
});

it("is what docs/api.md says: run `npm run docs` if not", () => {
  expect(readFileSync(join(root, "docs/api.md"), "utf8")).toBe(referencePage(entries));
});

it("describes everything that is exported", () => {
  const silent = entries.flatMap(({ specifier, exports }) =>
    exports.flatMap(({ name, kind, text, members }) => [
      ...(text === "" && kind !== "type" ? [`${specifier}: ${name}`] : []),
      ...members.filter((member) => member.text === "" && member.name !== "name").map((member) => `${specifier}: ${name}.${member.name}`), // prettier-ignore
    ]),
  );
  expect(silent).toEqual([]);
});

describe("examples", () => {
  it("compile", () => {
    const program = ts.createProgram(
      examples.map(({ path }) => path),
      compilerOptions(),
    );
    const problems = examples.flatMap(({ path, of }) =>
      ts
        .getPreEmitDiagnostics(program, program.getSourceFile(path))
        .map(({ messageText, start = 0, file }) => {
          const line = file?.text.slice(start).split("\n")[0];
          return `${of}: ${ts.flattenDiagnosticMessageText(messageText, " ")} at ${line}`;
        }),
    );
    expect(problems).toEqual([]);
  });

  // What Node has no part of is run by the browser tests of each of these; here it has to compile.
  it.each(examples.filter((example) => !needsBrowser(example)))("run: $of, $text", async ({ path }) => {
    await import(/* @vite-ignore */ path);
  });
});
