/**
 * The recipes of `examples/`: built and run as their page says. In: the packed file and an empty folder. Out: a step
 * for each recipe. Invariant: what is built is what is committed; all of them share one installation, made by the same
 * two commands that a reader types, and each has to read the same digit.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { answerOf, openBrowser, openPage } from "./browser.ts";
import { run } from "./commands.ts";
import { type Step } from "./freshApp.ts";
import { ISOLATION, serveFolder } from "./staticServer.ts";

/** What all recipes are to read. */
const DIGIT = "7";

/** The policy that `wasm-unsafe-eval` alone goes past. */
export const STRICT = {
  "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
};

/** The examples in a folder of their own, with the packed library. */
export async function installExamples(root: string, packed: string, folder: string): Promise<void> {
  const examples = join(folder, "examples");
  const skipped = /[\\/](node_modules|dist)$/;
  cpSync(join(root, "examples"), examples, { recursive: true, filter: (path) => !skipped.test(path) });
  mkdirSync(folder, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  copyFileSync(packed, join(folder, `tilewright-${version}.tgz`));
  await run("npm", ["install", "--no-audit", "--no-fund"], examples);
}

export function expectDigit(found: string, recipe: string, wanted = DIGIT): void {
  if (found !== wanted) throw new Error(`${recipe} answers ${found} instead of ${wanted}`);
}

/** @param root the repository @param packed the file that npm pack made @param folder an empty one */
export function recipeSteps(root: string, packed: string, folder: string): readonly Step[] {
  const examples = join(folder, "examples");
  const build = (recipe: string): Promise<string> => run("npm", ["run", "build", "-w", recipe], examples);
  /** A recipe whose page shows the digit. */
  const page = (recipe: string, headers: Readonly<Record<string, string>>): Step => [
    recipe,
    async () => {
      await build(recipe);
      const server = await serveFolder(join(examples, recipe, "dist"), headers);
      expectDigit((await answerOf(server.address)).answer, recipe);
    },
  ];
  return [
    ["npm install", () => installExamples(root, packed, folder)],
    [
      "committed declarations are those of the models",
      async () => {
        for (const recipe of ["react", "svelte", "service-worker"])
          await run("npx", ["tilewright", "types", recipe, "--check"], examples);
      },
    ],
    page("react", { ...ISOLATION, ...STRICT }),
    page("svelte", STRICT),
    page("worker", STRICT),
    page("service-worker", ISOLATION),
    page("webpack", ISOLATION),
    [
      "plain-page",
      async () => {
        await build("plain-page");
        const server = await serveFolder(examples, ISOLATION);
        expectDigit((await answerOf(`${server.address}plain-page/`)).answer, "plain-page");
      },
    ],
    [
      "node",
      async () => {
        await build("node");
        const printed = await run("npm", ["run", "--silent", "start", "-w", "node"], examples);
        expectDigit(/The digit is (\d)/.exec(printed)?.[1] ?? printed, "node");
      },
    ],
    [
      "extension",
      async () => {
        await build("extension");
        const id = await (await openBrowser()).installExtension(join(examples, "extension/dist"));
        const { errors, shown, close } = await openPage(`chrome-extension://${id}/popup.html`);
        expectDigit(await shown("#answer"), "extension");
        if (errors.length > 0) throw new Error(errors.join("\n"));
        await close();
      },
    ],
  ];
}
