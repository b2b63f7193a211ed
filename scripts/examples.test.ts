/** What the recipes of examples/ share with the rest of the repository stays the same; CI builds and runs them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { load } from "../runtime/index.ts";
import { compile } from "../compiler/whole.ts";
import manifest from "../package.json" with { type: "json" };

const examples = fileURLToPath(new URL("../examples", import.meta.url));

it("installs the package by the name that npm pack gives it", () => {
  const { dependencies, workspaces } = JSON.parse(readFileSync(join(examples, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    workspaces: string[];
  };
  expect(dependencies["tilewright"]).toBe(`file:../tilewright-${manifest.version}.tgz`);
  const recipes = readdirSync(examples, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map(({ name }) => name);
  expect([...workspaces].sort()).toEqual(recipes.sort());
  const readme = readFileSync(join(examples, "README.md"), "utf8");
  for (const recipe of recipes) expect(readme).toContain(`| [${recipe}](${recipe}/`);
  expect(readme).toContain(`tilewright-${manifest.version}.tgz`);
});

it("uses the sample model, which reads the shared picture", async () => {
  const model = readFileSync(join(examples, "digits.onnx"));
  expect(model.equals(readFileSync(join(examples, "../playground/sample/digits.onnx")))).toBe(true);
  const { seven, mostLikely } = (await import(join(examples, "seven.js"))) as {
    seven: Float32Array;
    mostLikely(probabilities: Float32Array): number;
  };
  const session = await load(compile(model, { dims: { batch: 1 } }).artifact);
  const { probabilities } = await session.run({ image: seven });
  expect(mostLikely(probabilities!.data as Float32Array)).toBe(7);
  session.dispose();
});
