/**
 * The browser that measures. In: jobs. Out: what the page found, or why it did not come back. Invariant: each job has
 * a page of its own, and one that hangs or crashes costs only its own time: the browser is then ended and the next
 * job starts another.
 */
import type { Browser, Page } from "puppeteer-core";
import { type BrowserName, endBrowser, launchBrowser } from "../scripts/launchBrowser.ts";
import { type MemoryResult } from "./cold/coldStart.ts";
import { watchRenderers } from "./cold/processMemory.ts";
import {
  type ColdJob,
  type ColdTimes,
  type Job,
  type JobResult,
  type PageBench,
  type PageDevice,
  PROGRESS_PREFIX,
  type SeriesJob,
  type SeriesPageResult,
} from "./protocol.ts";

declare global {
  // Set by bench/page/main.ts; named here for the functions that run in the page.
  var tilewrightBench: PageBench | undefined;
}

export type Measured<Result = JobResult> =
  | { readonly kind: "result"; readonly result: Result }
  /** The page did not come back; `where` is the last thing that it said it would do. */
  | { readonly kind: "lost"; readonly where: string; readonly reason: string };

const READY_TIMEOUT_MS = 60_000;
const COLD_TIMEOUT_MS = 120_000;

/**
 * Until a page that has just been opened stands still, and the browser with it: after a new context and a page it starts a
 * process in reserve, which takes one of two cores for a while. That would be measured as ours.
 */
const SETTLE_MS = 500;

/** Until a page has stored what it stores in the background. */
const STORE_MS = 1_500;

function launch(kind: BrowserName, withGpu: boolean): Promise<Browser> {
  return launchBrowser(kind, {
    webgpu: withGpu,
    chromeFlags: [
      "--disable-background-timer-throttling",
      "--disable-renderer-backgrounding",
      // Otherwise the memory of a page is told at some later collection of garbage.
      "--enable-blink-features=ForceEagerMeasureMemory",
    ],
    // Else the page keeps a copy of all that it downloads, for DevTools to show: 15 MB more for a model of 14.
    networkEnabled: false,
  });
}

/** A page once nothing is happening any more. */
async function settled(opening: Promise<Page>): Promise<Page> {
  const page = await opening;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return page;
}

export class BenchBrowser {
  readonly #url: string;
  readonly #withGpu: boolean;
  readonly #kind: BrowserName;
  #browser: Browser | undefined;
  /** Starts that this browser's profile has seen. */
  readonly #warmed = new Set<string>();

  /**
   * @param url of the measuring page
   * @param withGpu whether pages have WebGPU
   */
  constructor(url: string, withGpu = false, kind: BrowserName = "chromium") {
    this.#kind = kind;
    this.#url = url;
    this.#withGpu = withGpu;
  }

  /** What the browser calls itself, such as `Chrome/140.0.7339.80`. */
  async version(): Promise<string> {
    return (await this.#started()).version();
  }

  async device(): Promise<PageDevice> {
    const page = await this.#open();
    const device = await page.evaluate(() => globalThis.tilewrightBench!.device());
    await page.close();
    return device;
  }

  async measure(job: Job, timeoutMs: number): Promise<Measured> {
    return this.#watched(await this.#open(), timeoutMs, (page) =>
      page.evaluate((given) => globalThis.tilewrightBench!.measure(given), job),
    );
  }

  /** A series of runs in a browser context of its own, which has its own process and caches nothing. */
  async series(job: SeriesJob, timeoutMs: number): Promise<Measured<readonly SeriesPageResult[]>> {
    const context = await (await this.#started()).createBrowserContext();
    try {
      return await this.#watched(await settled(this.#opened(await context.newPage())), timeoutMs, (page) =>
        page.evaluate((given) => globalThis.tilewrightBench!.series(given), job),
      );
    } finally {
      await context.close().catch(() => {});
    }
  }

  /** What the page answers, or where it was when it no longer came back; it is closed, or its browser ended. */
  async #watched<Result>(
    page: Page,
    timeoutMs: number,
    ask: (page: Page) => Promise<Result>,
  ): Promise<Measured<Result>> {
    let where = "loading";
    page.on("console", (message) => {
      const text = message.text();
      if (text.startsWith(PROGRESS_PREFIX)) where = text.slice(PROGRESS_PREFIX.length);
    });
    let timer: NodeJS.Timeout | undefined;
    const lost = new Promise<never>((_, reject) => {
      const give = (reason: string) => () => reject(new Error(reason));
      timer = setTimeout(give(`no answer within ${(timeoutMs / 1000).toFixed(0)} s`), timeoutMs);
      page.once("error", give("the page crashed"));
    });
    try {
      const result = await Promise.race([ask(page), lost]);
      await page.close();
      return { kind: "result", result };
    } catch (error) {
      await this.close();
      return { kind: "lost", where, reason: error instanceof Error ? error.message : String(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * One start in a browser context of its own, which has its own process and caches nothing.
   *
   * @throws Error with what the page said, or that it took too long
   */
  async cold(job: ColdJob): Promise<ColdTimes> {
    const browser = await this.#started();
    const context = await browser.createBrowserContext();
    try {
      return await this.#coldIn(await settled(this.#opened(await context.newPage())), job);
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      await context.close().catch(() => {});
    }
  }

  /**
   * One start in a new page of a profile on disk that has seen the same start before: what its HTTP cache and its
   * IndexedDB keep is there.
   *
   * @throws Error with what the page said, or that it took too long
   */
  async warm(job: ColdJob): Promise<ColdTimes> {
    const key = JSON.stringify(job.entry);
    if (!this.#warmed.has(key)) {
      await this.#start(job);
      this.#warmed.add(key);
    }
    return this.#start(job);
  }

  async #start(job: ColdJob): Promise<ColdTimes> {
    const page = await settled(this.#open());
    try {
      const times = await this.#coldIn(page, job);
      // What is stored after the first answer.
      await new Promise((resolve) => setTimeout(resolve, STORE_MS));
      return times;
    } finally {
      await page.close();
    }
  }

  /** The memory of a start in a browser of its own; undefined where the system does not tell. */
  async coldMemory(job: ColdJob): Promise<MemoryResult | undefined> {
    const browser = await launch(this.#kind, this.#withGpu);
    const watch = watchRenderers(browser.process()?.pid);
    try {
      const page = await settled(this.#opened(await browser.newPage()));
      watch.begin();
      await this.#coldIn(page, job);
      const watched = watch.stop();
      const heldBytes = await page.evaluate(() => globalThis.tilewrightBench!.memoryOfPage());
      return watched && { ...watched, ...(heldBytes === undefined ? {} : { heldBytes }) };
    } finally {
      watch.stop();
      await browser.close().catch(() => {});
    }
  }

  async #coldIn(page: Page, job: ColdJob): Promise<ColdTimes> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no first answer in time")), COLD_TIMEOUT_MS);
    });
    try {
      return await Promise.race([
        page.evaluate((given) => globalThis.tilewrightBench!.cold(given), job),
        late,
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the browser, even one whose page is stuck. */
  async close(): Promise<void> {
    const browser = this.#browser;
    this.#browser = undefined;
    this.#warmed.clear();
    if (browser === undefined) return;
    await endBrowser(browser);
  }

  async #started(): Promise<Browser> {
    this.#browser ??= await launch(this.#kind, this.#withGpu);
    return this.#browser;
  }

  async #open(): Promise<Page> {
    return this.#opened(await (await this.#started()).newPage());
  }

  /** The page with its script ready. */
  async #opened(page: Page): Promise<Page> {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(this.#url);
    try {
      await page.waitForFunction(() => globalThis.tilewrightBench !== undefined, {
        timeout: READY_TIMEOUT_MS,
      });
    } catch (error) {
      throw new Error(`the measuring page did not start: ${problems.join("; ")}`, { cause: error });
    }
    return page;
  }
}
