/**
 * Apps that work without a network. In: the packed file and an empty folder. Out: steps that build the example
 * `offline-pwa` and a page that does what else an app may do with models and a service worker, and look at both in
 * a browser while servers stop, models change, connections break and what is stored is damaged. Invariant: everything is
 * seen from outside: on the page, in what servers were asked, in the browser's storage.
 */
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CDPSession } from "puppeteer-core";
import { type BrowserName } from "../launchBrowser.ts";
import { MOST_MILLISECONDS, openPage, type OpenPage } from "./browser.ts";
import { run } from "./commands.ts";
import { digitsModelThatSays } from "./digits.ts";
import { type Step } from "./freshApp.ts";
import { expectDigit, installExamples, STRICT } from "./recipes.ts";
import { serveFolder, type StaticServer } from "./staticServer.ts";

/** What the page of the second app offers to its test. */
interface Offered {
  /** The digit that a model reads in the picture, and where its bytes came from. */
  digit(url: string, cache: boolean): Promise<{ readonly digit: number; readonly outcome: string }>;
  register(): Promise<string>;
  updates: { readonly url: string; readonly kind: string }[];
  progress: number[];
  take(): Promise<void>;
  follow(url: string): Promise<number>;
  followed(): Promise<number>;
  fetchModel(url: string): Promise<{ readonly by: string; readonly reason?: string }>;
  part(url: string, range: string): Promise<{ readonly status: number; readonly bytes: number }>;
  stored(): Promise<readonly string[]>;
  damage(url: string): Promise<void>;
}

/** The page of the second app: everything it can do hangs from one object. */
const PAGE = `
import { load, model } from "tilewright";
import { listCache } from "tilewright/cache";
import { fetchModel, registerOffline } from "tilewright/offline";
import { mostLikely, seven } from "../../seven.js";

const updates = [];
const progress = [];
let followed;
const offered = {
  updates,
  progress,
  async digit(url, cache) {
    const session = await load(url, { cache });
    const { probabilities } = await session.run({ image: seven });
    const answer = { digit: mostLikely(probabilities.data), outcome: session.stats().cache?.outcome ?? "none" };
    session.dispose();
    return answer;
  },
  async follow(url) {
    followed = model(url);
    return offered.followed();
  },
  async followed() {
    const { probabilities } = await followed({ image: seven });
    return mostLikely(probabilities.data);
  },
  async register() {
    const models = [{ get source() { return followed.source; }, replace: (source) => followed.replace(source) }];
    const offline = await registerOffline("/sw.js", { models });
    offline.on("update", (update) => updates.push(update));
    offline.on("progress", ({ fraction }) => progress.push(fraction));
    await new Promise((ready, failed) => {
      offline.on("ready", ready);
      offline.on("failed", failed);
    });
    if (navigator.serviceWorker.controller === null)
      await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
    return offline.state;
  },
  take: () => updates.at(-1).take(),
  fetchModel: (url) => fetchModel(url, { background: { title: "A model" } }),
  async part(url, range) {
    const response = await fetch(url, { headers: { Range: range } });
    return { status: response.status, bytes: (await response.arrayBuffer()).byteLength };
  },
  async stored() {
    const addresses = (await listCache()).filter(({ whole }) => whole).flatMap(({ urls }) => urls);
    const inCaches = [];
    for (const name of await caches.keys())
      for (const { url } of await (await caches.open(name)).keys()) if (url.includes(".tile")) inCaches.push(name + " " + url);
    return [...addresses.map((url) => "store " + new URL(url).pathname), ...inCaches];
  },
  async damage(url) {
    const db = await new Promise((resolve, reject) => {
      const opening = indexedDB.open("tilewright");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const all = await new Promise((resolve) => {
      db.transaction("entries").objectStore("entries").getAll().onsuccess = ({ target }) => resolve(target.result);
    });
    const entry = all.find(({ urls }) => urls.some((one) => one.endsWith(url)));
    const bytes = new Uint8Array(await entry.content.arrayBuffer());
    bytes[bytes.length - 100] ^= 255;
    const writing = db.transaction("entries", "readwrite");
    writing.objectStore("entries").put({ ...entry, content: new Blob([bytes]) });
    await new Promise((done) => (writing.oncomplete = done));
    db.close();
  },
};
window.offered = offered;
document.body.innerHTML = '<p id="answer">ready</p>';
`;

const SERVICE_WORKER = `
import { clientsClaim } from "workbox-core";
import { precacheAndRoute } from "workbox-precaching";
import { offlineModels } from "tilewright/offline/worker";
clientsClaim();
precacheAndRoute(offlineModels(self.__WB_MANIFEST, { precache: ({ pathname }) => pathname.includes("kept") }));
`;

const INDEX = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Offline</title></head>
<body><script type="module" src="/src/main.js"></script></body></html>\n`;

function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

/** Until a page says so; pages hear of things by the way of service workers, in their own time. */
async function until(what: string, { page, errors }: OpenPage, holds: () => Promise<boolean>): Promise<void> {
  for (const start = performance.now(); !(await holds());) {
    if (performance.now() - start > MOST_MILLISECONDS) {
      const body = await page.$eval("body", (element) => element.innerText).catch(() => "");
      throw new Error(`${what}: this did not happen.\n${errors.join("\n")}\n${body}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function expectInstallable(session: CDPSession): Promise<void> {
  const { errors, url } = await session.send("Page.getAppManifest");
  expect(url !== "" && errors.length === 0, `the manifest: ${JSON.stringify(errors)}`);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  const reasons = installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito");
  expect(reasons.length === 0, `the app cannot be installed: ${reasons.join()}`);
}

const stateOf = ({ page }: OpenPage): Promise<string> =>
  page.$eval("#offline", (chip) => (chip as HTMLElement).dataset["state"] ?? "").catch(() => "");

const tilesIn = (requests: readonly string[]): readonly string[] =>
  requests.filter((path) => path.includes(".tile"));

/**
 * @param root the repository
 * @param packed the file that npm pack made
 * @param folder an empty one
 */
export function offlineSteps(
  root: string,
  packed: string,
  folder: string,
  browser: BrowserName,
): readonly Step[] {
  const examples = join(folder, "examples");
  const example = join(examples, "offline-pwa");
  const app = join(examples, "more");
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(join(app, path, ".."), { recursive: true });
    writeFileSync(join(app, path), content);
  };
  const compiled = (from: string, to: string): Promise<string> =>
    run("npx", ["tilewright", "compile", from, "-o", to, "--dim", "batch=1"], examples);
  let server: StaticServer;
  let open: OpenPage;
  // As text, which the policy of the page has no say in.
  const offered = <R>(
    use: (offered: Offered, ...args: readonly string[]) => Promise<R> | R,
    ...args: string[]
  ): Promise<R> =>
    open.page.evaluate(`(${String(use)})(window.offered, ...${JSON.stringify(args)})`) as Promise<R>;

  const first: readonly Step[] = [
    ["npm install", () => installExamples(root, packed, folder)],
    [
      "the example installs, and its model is on the disk once",
      async () => {
        await run("npm", ["run", "build", "-w", "offline-pwa"], examples);
        server = await serveFolder(join(example, "dist"), STRICT);
        open = await openPage(server.address, browser);
        expectDigit(await open.shown("#answer"), "offline-pwa");
        await until("ready to work offline", open, async () => (await stateOf(open)) === "ready");
        const session = await open.page.createCDPSession().catch(() => undefined);
        if (session) await expectInstallable(session);
        else console.log("    whether it can be installed is not asked: this browser's driver does not tell");
        const asked = tilesIn(server.requests);
        expect(asked.length === 1, `the model was downloaded ${asked.length} times: ${asked.join()}`);
        const inCaches = await open.page.evaluate(async () => {
          const names = await caches.keys();
          const keys = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
          return keys.flat().map(({ url: address }) => address);
        });
        expect(inCaches.length > 4, `Workbox keeps ${inCaches.join(" ")}`);
        expect(!inCaches.some((address) => address.includes(".tile")), `stored twice: ${inCaches.join(" ")}`);
      },
    ],
    [
      "the server stops, the page reloads and reads",
      async () => {
        server.close();
        await open.page.reload();
        expectDigit(await open.shown("#answer"), "offline-pwa without a server");
        const facts = await open.shown("#facts");
        expect(facts.includes("from this device"), `the page says: ${facts}`);
        expect((await stateOf(open)) === "ready", "the page does not say that it works offline");
        expect(open.errors.length === 0, open.errors.join("\n"));
        await open.page.setViewport({ width: 1100, height: 820 });
        await open.page.screenshot({ path: join(folder, "offline.png") });
      },
    ],
    [
      "a new model is deployed: the page is told, and takes it when it wants",
      async () => {
        writeFileSync(join(examples, "digits.onnx"), digitsModelThatSays(root, 4));
        await run("npm", ["run", "build", "-w", "offline-pwa"], examples);
        server = await serveFolder(join(example, "dist"), STRICT, "/", server.port);
        await open.page.reload();
        await open.page.waitForSelector("#update:not([hidden])");
        expect(
          (await open.shown("#news")) === "A newer model is here.",
          "the page does not speak of a model",
        );
        expectDigit(await open.shown("#answer"), "offline-pwa before it takes the new version");
        await open.page.screenshot({ path: join(folder, "update.png") });
        await Promise.all([open.page.waitForNavigation(), open.page.click("#take")]);
        expectDigit(await open.shown("#answer"), "offline-pwa with the new version", "4");
        server.close();
        await open.page.reload();
        expectDigit(await open.shown("#answer"), "offline-pwa with the new version, without a server", "4");
        await open.close();
      },
    ],
  ];

  const more: readonly Step[] = [
    [
      "another app: models at addresses that stay",
      async () => {
        copyFileSync(join(root, "examples/digits.onnx"), join(examples, "digits.onnx"));
        cpSync(join(example, "package.json"), join(app, "package.json"));
        write("index.html", INDEX);
        write("src/main.js", PAGE);
        write("src/sw.js", SERVICE_WORKER);
        const config = `import tilewright from "tilewright/vite";\nexport default { plugins: [tilewright({ serviceWorker: "src/sw.js" })] };\n`;
        write("vite.config.js", config);
        writeFileSync(join(examples, "four.onnx"), digitsModelThatSays(root, 4));
        mkdirSync(join(app, "public"), { recursive: true });
        await compiled("digits.onnx", join(app, "public/kept.tile"));
        copyFileSync(join(app, "public/kept.tile"), join(app, "public/used.tile"));
        copyFileSync(join(app, "public/kept.tile"), join(app, "public/broken.tile"));
        copyFileSync(join(app, "public/kept.tile"), join(app, "public/background.tile"));
        await compiled("four.onnx", join(folder, "four.tile"));
        await run("npx", ["vite", "build"], app);
        server = await serveFolder(join(app, "dist"), STRICT);
        open = await openPage(server.address, browser);
        await open.shown("#answer");
        const state = await offered((page) => page.register());
        expect(state === "ready", `the state is ${state}`);
        const stored = await offered((page) => page.stored());
        expect(stored.join() === "store /kept.tile", `stored is ${stored.join()}`);
      },
    ],
    [
      "what is loaded by way of the service worker is stored, once, and read from there",
      async () => {
        for (const [url, times] of [
          ["/kept.tile", 1],
          ["/used.tile", 1],
        ] as const) {
          const { digit } = await offered((page, address) => page.digit(address!, false), url);
          expectDigit(String(digit), url);
          await until(`${url} is stored`, open, async () => (await offered((page) => page.stored())).includes(`store ${url}`)); // prettier-ignore
          await offered((page, address) => page.digit(address!, false), url);
          const asked = tilesIn(server.requests).filter((path) => path === url && !path.includes(" "));
          // What is stored is asked about afterwards: not changed.
          expect(asked.length >= times, `${url} was never asked for`);
          const { outcome } = await offered((page, address) => page.digit(address!, true), url);
          expect(outcome === "hit", `the page's own cache says ${outcome} of ${url}`);
        }
      },
    ],
    [
      "parts come out of what is stored, or from the server",
      async () => {
        const part = await offered((page) => page.part("/kept.tile", "bytes=100-299"));
        expect(part.status === 206 && part.bytes === 200, `a part: ${JSON.stringify(part)}`);
        expect(
          !server.requests.some((path) => path.startsWith("/kept.tile bytes")),
          "the server was asked for a part",
        );
        const foreign = await offered((page) => page.part("/broken.tile", "bytes=100-299"));
        expect(foreign.status === 206 && foreign.bytes === 200, `a part: ${JSON.stringify(foreign)}`);
        expect(
          server.requests.includes("/broken.tile bytes=100-299"),
          "the part did not come from the server",
        );
      },
    ],
    [
      "a download that breaks off goes on where it stopped",
      async () => {
        for (const cache of ["true", ""]) {
          server.breakNext("broken.tile", 30_000);
          const failed = await offered(
            (page, by) => page.digit(`/broken.tile?${by!}`, by !== "").then(() => "loaded", (error: { code: string }) => error.code), // prettier-ignore
            cache,
          );
          expect(failed === "network", `a broken download: ${failed}`);
          const before = server.requests.length;
          const { digit } = await offered((page, by) => page.digit(`/broken.tile?${by!}`, by !== ""), cache);
          expectDigit(String(digit), "a download that goes on");
          const asked = server.requests.slice(before).filter((path) => path.startsWith("/broken.tile"));
          expect(asked[0] === "/broken.tile bytes=30000-", `it was asked for ${asked.join()}`);
        }
      },
    ],
    [
      "a damaged copy is refused and fetched anew",
      async () => {
        for (const cache of ["true", ""]) {
          await offered((page) => page.damage("/used.tile"));
          const before = tilesIn(server.requests).length;
          const { digit } = await offered((page, by) => page.digit("/used.tile", by !== ""), cache);
          expectDigit(String(digit), "a damaged copy");
          const asked = tilesIn(server.requests).slice(before);
          expect(asked.includes("/used.tile"), `the model was not fetched anew: ${asked.join()}`);
          await until("it is stored again", open, async () => (await offered((page) => page.stored())).includes("store /used.tile")); // prettier-ignore
        }
      },
    ],
    [
      "a newer model at the same address: an event, then hot replacement",
      async () => {
        const before = await offered((page) => page.follow("/kept.tile"));
        expectDigit(String(before), "before the update");
        await until("it is stored", open, async () => (await offered((page) => page.stored())).includes("store /kept.tile")); // prettier-ignore
        copyFileSync(join(folder, "four.tile"), join(app, "dist/kept.tile"));
        // Stale while it revalidates: the old one once more.
        const { digit } = await offered((page) => page.digit("/kept.tile", false));
        expectDigit(String(digit), "while the server is asked");
        await until("an update is told", open, async () => offered((page) => page.updates.length > 0));
        const update = await offered((page) => ({ kind: page.updates[0]!.kind, url: page.updates[0]!.url }));
        expect(update.kind === "model" && update.url.endsWith("/kept.tile"), JSON.stringify(update));
        expectDigit(String(await offered((page) => page.followed())), "before the page takes it");
        await offered((page) => page.take());
        expectDigit(String(await offered((page) => page.followed())), "after the page has taken it", "4");
      },
    ],
    [
      "a model fetched in the background, or without",
      async () => {
        const { by, reason = "" } = await offered((page) => page.fetchModel("/background.tile"));
        console.log(`    by ${by}${reason && `: ${reason}`}`);
        expect(by === "background" || (by === "page" && reason !== ""), `fetched by ${by}`);
        const again = await offered((page) => page.fetchModel("/background.tile"));
        expect(again.by === "store", `the second time it is fetched by ${again.by}`);
        server.close();
        const { digit } = await offered((page) => page.digit("/background.tile", true));
        expectDigit(String(digit), "fetched ahead");
        expect(!open.errors.some((text) => /Refused|violates/.test(text)), open.errors.join("\n"));
        await open.close();
      },
    ],
  ];

  const plugin: readonly Step[] = [
    [
      "with vite-plugin-pwa",
      async () => {
        await run("npm", ["install", "--no-audit", "--no-fund", "--no-save", "vite-plugin-pwa@^2"], examples);
        write("src/main.js", `import classify from "../../digits.onnx?dims.batch=1";\n${PAGE}`.replace("const updates", "offeredModel(classify);\nfunction offeredModel() {}\nconst updates")); // prettier-ignore
        const config = `import { VitePWA } from "vite-plugin-pwa";
import tilewright from "tilewright/vite";
export default { plugins: [tilewright({ serviceWorker: "vite-plugin-pwa" }), VitePWA({ strategies: "injectManifest", srcDir: "src", filename: "sw.js", injectRegister: false, manifest: false })] };\n`;
        write("vite.config.js", config);
        rmSync(join(app, "public"), { recursive: true });
        write("src/sw.js", SERVICE_WORKER.replace(`"kept"`, `"digits"`));
        await run("npx", ["vite", "build", "--emptyOutDir"], app);
        const tile = readdirSync(join(app, "dist/assets")).find((name) => name.endsWith(".tile"))!;
        const code = readFileSync(join(app, "dist/sw.js"), "utf8");
        expect(code.includes(tile), "the models are not in the list of vite-plugin-pwa");
        server = await serveFolder(join(app, "dist"), STRICT);
        open = await openPage(server.address, browser);
        await open.shown("#answer");
        await offered((page) => page.register());
        const stored = await offered((page) => page.stored());
        expect(
          stored.includes(`store /assets/${tile}`) && stored.every((one) => one.startsWith("store")),
          stored.join(),
        );
        await open.close();
      },
    ],
  ];
  // What a build writes is the same for all browsers.
  return browser === "chromium" ? [...first, ...more, ...plugin] : [...first, ...more];
}
