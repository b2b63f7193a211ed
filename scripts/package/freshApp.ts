/**
 * A fresh Vite app that uses the package: what a web developer does in the first five minutes, and the ways in which
 * such an app is then built. In: the packed file and an empty folder. Out: steps to run in order, each of which throws
 * when something is not as it should be. Invariant: the app is what `npm create vite` makes, with a model, a plugin in
 * its configuration and three lines of code; everything is looked at where a user would see it: in the terminal, in a
 * real browser, in Node.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerOf, openPage } from "./browser.ts";
import { ended, run, serving, stopAll } from "./commands.ts";
import { brokenModel, digitModule, digitsModel, digitsModelThatSays } from "./digits.ts";
import { serveFolder } from "./staticServer.ts";

export type Step = readonly [name: string, step: () => Promise<void>];

/** The digit of the picture in the app. */
const DIGIT = "3";

const PLUGIN = `import { defineConfig } from "vite";
import tilewright from "tilewright/vite";
`;
const CONFIG = `${PLUGIN}export default defineConfig({ plugins: [tilewright()] });\n`;

/** The three lines, around which everything else is the page. */
const MAIN = `import { digit } from "./digit";
import classify from "./digits.onnx?dims.batch=1";
const { probabilities } = await classify({ image: digit });
document.body.innerHTML = \`<p id="answer">\${probabilities.data.indexOf(Math.max(...probabilities.data))}</p>\`;
`;

/** Calls that must not compile, each in a line of its own, with what is wrong. */
const WRONG_CALLS: readonly (readonly [what: string, line: string])[] = [
  ["an input's name", `await classify({ picture: new Float32Array(784) });`],
  ["an input's element type", `await classify({ image: new Int32Array(784) });`],
  ["an input's shape", `await classify({ image: { shape: [1, 3, 28, 28], data: new Float32Array(784) } });`],
  ["a missing input", `await classify({});`],
  ["an output's name", `(await classify({ image: digit })).probability;`],
  ["an output's element type", `export const bytes: Uint8Array = (await classify({ image: digit })).probabilities.data;`], // prettier-ignore
  ["an output's shape", `export const shape: readonly [1, 12] = (await classify({ image: digit })).probabilities.shape;`], // prettier-ignore
];

function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

/** Each line of the code under test may fail in one way. */
function expectAnswer(found: string, where: string, wanted = DIGIT): void {
  expect(found === wanted, `${where}: the page answers ${found} instead of ${wanted}`);
}

/** @param root the repository @param packed the file that npm pack made @param folder an empty one */
export function freshAppSteps(root: string, packed: string, folder: string): readonly Step[] {
  const app = join(folder, "app");
  const inApp = (...path: readonly string[]): string => join(app, ...path);
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(join(inApp(path), ".."), { recursive: true });
    writeFileSync(inApp(path), content);
  };
  const vite = (...args: readonly string[]): Promise<string> =>
    run("npx", ["vite", ...args, "--logLevel", "info"], app);
  /** Builds with a configuration of its own, and says where to. */
  const built = async (name: string, config: string): Promise<string> => {
    write(`${name}.config.ts`, `${PLUGIN}export default defineConfig(${config});\n`);
    await vite("build", "--config", `${name}.config.ts`, "--outDir", `out/${name}`, "--emptyOutDir");
    return inApp("out", name);
  };

  return [
    [
      "npm create vite, npm install",
      async () => {
        mkdirSync(folder, { recursive: true });
        await run("npm", ["create", "--yes", "vite@latest", "app", "--", "--template", "vanilla-ts", "--no-interactive"], folder); // prettier-ignore
        await run("npm", ["install", "--no-audit", "--no-fund", packed], app);
        write("vite.config.ts", CONFIG);
        write("src/digits.onnx", digitsModel(root));
        write("src/digit.ts", digitModule(Number(DIGIT)));
        write("src/main.ts", MAIN);
      },
    ],
    [
      "tilewright types, npm run build",
      async () => {
        await run("npx", ["tilewright", "types"], app);
        expect(
          existsSync(inApp("src/tilewright-env.d.ts")),
          "tilewright types wrote no src/tilewright-env.d.ts",
        );
        await run("npx", ["tilewright", "types", "--check"], app);
        const output = await run("npm", ["run", "build"], app);
        expect(/digits-[\w-]+\.tile/.test(output), `the build emits no artifact:\n${output}`);
      },
    ],
    [
      "preview",
      async () => {
        const { answer, files } = await answerOf(
          await serving("npx", ["vite", "preview", "--port", "0"], app),
        );
        expectAnswer(answer, "vite preview");
        const bytes = files
          .filter((file) => file.endsWith(".js"))
          .map((file) => readFileSync(inApp("dist/assets", file.slice(file.lastIndexOf("/") + 1))).length)
          .reduce((sum, length) => sum + length, 0);
        expect(bytes < 100_000, `the page loads ${bytes} bytes of code: the compiler is among them`);
      },
    ],
    [
      "wrong calls do not compile",
      async () => {
        const head = [
          `import { digit } from "./digit";`,
          `import classify from "./digits.onnx?dims.batch=1";`,
        ];
        write("src/wrong.ts", [...head, ...WRONG_CALLS.map(([, line]) => line), ""].join("\n"));
        const { output } = await ended("npx", ["tsc", "--noEmit"], app);
        WRONG_CALLS.forEach(([what], index) => {
          const place = `src/wrong.ts(${head.length + index + 1},`;
          expect(output.includes(place), `${what} may be wrong without an error of TypeScript:\n${output}`);
        });
        expect(!output.includes(`src/main.ts(`), `right calls do not compile:\n${output}`);
        rmSync(inApp("src/wrong.ts"));
      },
    ],
    [
      "options in the configuration, declarations beside the model",
      async () => {
        write("src/main.ts", MAIN.replace("?dims.batch=1", ""));
        const options = `{ models: { "src/*.onnx": { dims: { batch: 1 } } } }`;
        write(
          "vite.config.ts",
          `${PLUGIN}export default defineConfig({ plugins: [tilewright(${options})] });\n`,
        );
        await run("npx", ["tilewright", "types"], app);
        const text = readFileSync(inApp("src/digits.onnx.d.ts"), "utf8");
        expect(text.includes("readonly [1, 1, 28, 28]"), `src/digits.onnx.d.ts says:\n${text}`);
        await run("npm", ["run", "build"], app);
        const server = await serveFolder(inApp("dist"));
        expectAnswer((await answerOf(server.address)).answer, "options in the configuration");
      },
    ],
    [
      "open dimensions bring the compiler as a chunk",
      async () => {
        write("vite.config.ts", CONFIG);
        rmSync(inApp("src/tilewright-env.d.ts"));
        const output = await run("npm", ["run", "build"], app).catch(() =>
          run("npx", ["vite", "build"], app),
        );
        expect(output.includes("batch is open"), `nothing tells of the open dimension:\n${output}`);
        const server = await serveFolder(inApp("dist"));
        const { answer, files } = await answerOf(server.address);
        expectAnswer(answer, "open dimensions");
        expect(
          files.some((file) => /compiler/.test(file)),
          `no chunk of the compiler: ${files.join(" ")}`,
        );
        write("src/main.ts", MAIN);
      },
    ],
    [
      "base: a path, relative, another origin",
      async () => {
        const plugins = "plugins: [tilewright()]";
        const below = await serveFolder(await built("path", `{ base: "/some/where/", ${plugins} }`), {}, "/some/where/"); // prettier-ignore
        expectAnswer((await answerOf(below.address)).answer, "base: a path");
        const anywhere = await serveFolder(await built("relative", `{ base: "./", ${plugins} }`), {}, "/any/place/"); // prettier-ignore
        expectAnswer((await answerOf(anywhere.address)).answer, "base: relative");
        // The page comes from one origin, everything else from another.
        mkdirSync(inApp("out/cdn"), { recursive: true });
        const cdn = await serveFolder(inApp("out/cdn"), { "Access-Control-Allow-Origin": "*" });
        const output = await built("cdn", `{ base: ${JSON.stringify(cdn.address)}, ${plugins} }`);
        mkdirSync(inApp("out/page"), { recursive: true });
        cpSync(join(output, "index.html"), inApp("out/page/index.html"));
        const { answer, files } = await answerOf((await serveFolder(inApp("out/page"))).address);
        expectAnswer(answer, "base: another origin");
        const artifact = files.find((file) => file.endsWith(".tile"));
        expect(artifact?.startsWith(cdn.address) === true, `the artifact came from ${artifact}`);
      },
    ],
    [
      "in a worker, as a module and as a script",
      async () => {
        // A script has no await outside of functions.
        const worker = `import { digit } from "./digit";
import classify from "./digits.onnx?dims.batch=1";
void classify({ image: digit }).then(({ probabilities: { data } }) => postMessage(data.indexOf(Math.max(...data))));\n`;
        write("src/worker.ts", worker);
        const page = `const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
worker.onmessage = ({ data }) => (document.body.innerHTML = \`<p id="answer">\${data}</p>\`);
worker.onerror = ({ message }) => console.error(message);\n`;
        write("src/main.ts", page);
        for (const format of ["es", "iife"]) {
          const config = `{ plugins: [tilewright()], worker: { format: "${format}" } }`;
          const server = await serveFolder(await built(`worker-${format}`, config));
          expectAnswer((await answerOf(server.address)).answer, `worker of format ${format}`);
        }
        const server = await serveFolder(await built("worker", "{ plugins: [tilewright()] }"));
        expectAnswer((await answerOf(server.address)).answer, "worker");
        write("src/main.ts", MAIN);
      },
    ],
    [
      "as a library, in a page and in Node",
      async () => {
        write(
          "src/library.ts",
          `import classify from "./digits.onnx?dims.batch=1";
export async function digitIn(image: Float32Array): Promise<number> {
  const { probabilities } = await classify({ image });
  return probabilities.data.indexOf(Math.max(...probabilities.data));
}\n`,
        );
        const output = await built(
          "library",
          `{ plugins: [tilewright()], publicDir: false, build: { lib: { entry: "src/library.ts", formats: ["es"], fileName: "library" } } }`,
        );
        writeFileSync(join(output, "digit.js"), digitModule(Number(DIGIT)));
        const use = `import { digitIn } from "./library.js";\nimport { digit } from "./digit.js";\n`;
        writeFileSync(join(output, "node.mjs"), `${use}console.log(await digitIn(digit));\n`);
        const page = `<body><script type="module">${use}
          document.body.innerHTML = '<p id="answer">' + (await digitIn(digit)) + "</p>";</script></body>`;
        writeFileSync(join(output, "index.html"), page);
        const anywhere = await serveFolder(output, {}, "/of/somebody/else/");
        expectAnswer((await answerOf(anywhere.address)).answer, "library in a page");
        const inNode = (await run(process.execPath, ["node.mjs"], output)).trim();
        expectAnswer(inNode, "library in Node");
      },
    ],
    [
      "on a server: built, and in development",
      async () => {
        write(
          "src/server.ts",
          `import { digit } from "./digit";
import classify from "./digits.onnx?dims.batch=1";
export async function answer(): Promise<number> {
  const { probabilities } = await classify({ image: digit });
  return probabilities.data.indexOf(Math.max(...probabilities.data));
}\n`,
        );
        await vite("build", "--ssr", "src/server.ts", "--outDir", "out/server");
        const imported = `console.log(await (await import("./out/server/server.js")).answer());`;
        const output = await run(process.execPath, ["--input-type=module", "--eval", imported], app);
        expectAnswer(output.trim(), "server build");
        const inDevelopment = `
          const { createServer } = await import("vite");
          const server = await createServer({ server: { middlewareMode: true, ws: false }, logLevel: "error", appType: "custom" });
          console.log(await (await server.ssrLoadModule("/src/server.ts")).answer());
          await server.close();`;
        const developed = await run(process.execPath, ["--input-type=module", "--eval", inDevelopment], app);
        expectAnswer(developed.trim(), "server in development");
      },
    ],
    [
      "development: hot replacement, and errors in the overlay",
      async () => {
        // The page asks the model again and again, as one that follows a camera would.
        write(
          "src/main.ts",
          `import { digit } from "./digit";
import classify from "./digits.onnx?dims.batch=1";
document.body.innerHTML = '<p id="answer"></p><p id="mark">0</p>';
async function ask() {
  const { probabilities } = await classify({ image: digit });
  document.querySelector("#answer")!.textContent = String(probabilities.data.indexOf(Math.max(...probabilities.data)));
}
setInterval(ask, 100);\n`,
        );
        const address = await serving("npx", ["vite", "--port", "0"], app);
        const { page, shown, close } = await openPage(address);
        expectAnswer(await shown("#answer"), "development");
        // A page that reloads forgets this.
        await page.$eval("#mark", (mark) => (mark.textContent = "1"));
        write("src/digits.onnx", digitsModelThatSays(root, 8));
        expectAnswer(await shown("#answer", DIGIT), "the changed model", "8");
        const mark = await page.$eval("#mark", (element) => element.textContent);
        expect(mark === "1", "the page reloaded instead of replacing the model");

        write("src/digits.onnx", brokenModel(root));
        await page.waitForSelector("vite-error-overlay");
        const told = await page.$eval(
          "vite-error-overlay",
          (overlay) => overlay.shadowRoot?.textContent ?? "",
        );
        for (const word of ["Softmix", "op-unsupported", "digits.onnx"])
          expect(told.includes(word), `the overlay does not speak of ${word}:\n${told}`);
        // Watchers of files take changes that follow one another at once for one; nobody corrects a model so fast.
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        write("src/digits.onnx", digitsModel(root));
        expectAnswer(await shown("#answer", "8"), "the model as it was");
        await page.waitForFunction(() => document.querySelector("vite-error-overlay") === null);
        await close();
      },
    ],
    [
      "one compilation for all of these",
      async () => {
        stopAll();
        const entries = readdirSync(inApp("node_modules/.cache/tilewright"));
        // Bound and open, as it was and changed.
        expect(entries.length === 3, `the cache has ${entries.length} entries: ${entries.join(" ")}`);
        const output = await vite("build");
        expect(!output.includes("compiled in"), `what was compiled before was compiled again:\n${output}`);
      },
    ],
  ];
}
