/**
 * Work in pages of a headless browser. In: a script, bundled into one page, and files that it fetches. Out: open pages.
 * Invariant: pages are cross-origin isolated; the server is one of this process that serves nothing else; a browser that
 * was ended is started again by the next page.
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, Page } from "puppeteer-core";
import { startServer, type BenchServer } from "../../bench/server.ts";
import { endBrowser, launchBrowser, type BrowserName } from "../../scripts/launchBrowser.ts";

/** Until a page has loaded its script. */
const READY_MILLISECONDS = 300_000;

export interface PageHostOptions {
  readonly browser: BrowserName;
  /** The script of the page. */
  readonly script: URL;
  /** The global that the script sets when it is ready. */
  readonly ready: string;
  /** Most milliseconds of one call into a page; 0 for any. */
  readonly callMilliseconds?: number;
}

export class PageHost {
  readonly #options: PageHostOptions;
  readonly #server: BenchServer;
  #browser: Browser | undefined;

  private constructor(options: PageHostOptions, server: BenchServer) {
    this.#options = options;
    this.#server = server;
  }

  /** @throws Error (esbuild's) when the script does not resolve or parse. */
  static async start(options: PageHostOptions): Promise<PageHost> {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(options.script)],
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2023",
      write: false,
      logLevel: "error",
    });
    const server = await startServer();
    server.put(
      "/index.html",
      Buffer.from("<!doctype html><meta charset=utf-8><script type=module src=/page.js></script>"),
    );
    server.put("/page.js", outputFiles[0]!.contents);
    return new PageHost(options, server);
  }

  /** Serves a file until another takes its path, which it gives back. */
  put(path: string, content: Uint8Array): string {
    this.#server.put(path, content);
    return path;
  }

  /** Name and version of the browser. */
  async version(): Promise<string> {
    return (await this.#started()).version();
  }

  /** A new page, with its script ready. */
  async open(): Promise<Page> {
    const page = await (await this.#started()).newPage();
    page.setDefaultTimeout(READY_MILLISECONDS);
    await page.goto(`${this.#server.origin}/index.html`);
    await page.waitForFunction((name) => name in globalThis, {}, this.#options.ready);
    return page;
  }

  /** Ends the browser, even one that is stuck; the next page starts another. */
  async restart(): Promise<void> {
    const browser = this.#browser;
    this.#browser = undefined;
    if (browser !== undefined) await endBrowser(browser);
  }

  async stop(): Promise<void> {
    await this.restart();
    await this.#server.close();
  }

  async #started(): Promise<Browser> {
    const { browser, callMilliseconds = 0 } = this.#options;
    return (this.#browser ??= await launchBrowser(browser, { protocolTimeout: callMilliseconds }));
  }
}
