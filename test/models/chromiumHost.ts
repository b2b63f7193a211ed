/**
 * Models in Chromium. In: models with their data. Out: verdicts from a page. Invariant: every model gets a fresh page
 * of one browser, cross-origin isolated, so that the memory of one is gone before the next; the files come from a
 * server of this process that serves nothing else.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { launch, type Browser } from "puppeteer-core";
import { writeNpy } from "../../compiler/tensors/npy.ts";
import { chromeFlags, ensureChrome, webgpuFlags } from "../../scripts/chrome.ts";
import type { Accuracy } from "./catalog.ts";
import type { Code, ModelVerdict } from "./checkModel.ts";
import type { ModelData, NamedTensor } from "./modelData.ts";
import type { PageJob, RemoteTensor } from "./page.ts";

const PAGE =
  "<!doctype html><meta charset=utf-8><title>models</title><script type=module src=/page.js></script>";

interface ServedFile {
  readonly type: string;
  readonly content: Uint8Array | string;
}

/** The files that the server has now, by path. */
type Files = Map<string, ServedFile>;

async function bundledPage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]!.text;
}

function serve(files: Files): Promise<Server> {
  const server = createServer((request, response) => {
    const file = files.get(new URL(request.url ?? "/", "http://localhost").pathname);
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    response.setHeader("Cache-Control", "no-store");
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "Content-Type": file.type }).end(file.content);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", () => resolve(server));
  });
}

/** A browser and the server of its pages. */
export class ChromiumHost {
  private readonly browser: Browser;
  private readonly server: Server;
  private readonly files: Files;
  private readonly origin: string;

  private constructor(browser: Browser, server: Server, files: Files) {
    this.browser = browser;
    this.server = server;
    this.files = files;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Starts both. */
  static async start(seconds: number): Promise<ChromiumHost> {
    const files: Files = new Map([
      ["/", { type: "text/html", content: PAGE }],
      ["/page.js", { type: "text/javascript", content: await bundledPage() }],
    ]);
    const server = await serve(files);
    const browser = await launch({
      executablePath: ensureChrome(),
      args: chromeFlags(...webgpuFlags()),
      protocolTimeout: seconds * 1000,
    });
    return new ChromiumHost(browser, server, files);
  }

  /** Name and version of the browser. */
  version(): Promise<string> {
    return this.browser.version();
  }

  /** Runs one model in a page of its own. */
  async check(data: ModelData, accuracy: Accuracy, variants: readonly Code[]): Promise<ModelVerdict> {
    const put = (path: string, content: Uint8Array): string => {
      this.files.set(path, { type: "application/octet-stream", content });
      return path;
    };
    const remote = (kind: string, tensors: readonly NamedTensor[]): RemoteTensor[] =>
      tensors.map(({ name, tensor }, i) => ({ name, url: put(`/${kind}_${i}.npy`, writeNpy(tensor)) }));
    const job: PageJob = {
      model: put("/model.onnx", data.model),
      external: [...data.external].map(([name, bytes], i) => ({
        name,
        url: put(`/external_${i}.bin`, bytes),
      })),
      inputs: remote("input", data.inputs),
      outputs: remote("output", data.outputs),
      accuracy,
      variants,
    };
    const page = await this.browser.newPage();
    try {
      await page.goto(this.origin);
      await page.waitForFunction(() => "checkInPage" in globalThis);
      return await page.evaluate((given) => globalThis.checkInPage(given), job);
    } finally {
      await page.close();
    }
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
