/**
 * Firefox for the test runner, driven by WebDriver BiDi. In: addresses of test pages. Out: their tabs, opened and closed.
 * Invariant: while a test page runs there is no WebDriver session, unless a test asks for something. For as long as there is
 * one, Firefox (153) watches workers for WebDriver's realms, and a worker that starts workers of its own then stands still
 * forever in one of ten `new Worker`: not so in the browser that people have. (Its file
 * `WebDriverWorkerListenerChild.sys.mjs` is what watches; no preference turns it off.)
 */
import type { BrowserLauncher, SessionResult } from "@web/test-runner-core";
import { connect, type Browser, type Page } from "puppeteer-core";
import { endBrowser, launchBrowser } from "../../scripts/launchBrowser.ts";
import type { BrowserUse } from "./browserCommands.ts";

/** Until a page goes where it should, while the session that told it so ends. */
const LEAVING_MILLISECONDS = 500;

export function firefoxLauncher(): BrowserLauncher & BrowserUse {
  let started: Promise<Browser> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const addresses = new Map<string, string>();

  /** A browser without a session. */
  const launched = (): Promise<Browser> =>
    (started ??= launchBrowser("firefox").then(async (browser) => {
      await browser.disconnect();
      return browser;
    }));

  /** Something done in a session of its own; there is one at a time. */
  const inSession = <T>(action: (browser: Browser) => Promise<T>): Promise<T> => {
    const done = turn.then(async () => {
      const browserWSEndpoint = (await launched()).wsEndpoint();
      const browser = await connect({ browserWSEndpoint, protocol: "webDriverBiDi" });
      try {
        return await action(browser);
      } finally {
        await browser.disconnect();
      }
    });
    turn = done.catch(() => {});
    return done;
  };

  /** A tab that goes to an address by itself, a little later. */
  const openTab = async (browser: Browser, address: string): Promise<void> => {
    const page = await browser.newPage();
    // Firefox 140 has no command for the orientation that is set with a size; any size will do.
    await page.setViewport({ height: 600, width: 800 }).catch(() => {});
    await page.evaluate(
      (to, later) => void setTimeout(() => location.replace(to), later),
      address,
      LEAVING_MILLISECONDS,
    );
  };

  const closeTab = async (browser: Browser, address: string): Promise<void> => {
    for (const page of await browser.pages()) if (page.url() === address) await page.close();
  };

  return {
    name: "Firefox",
    type: "firefox",
    concurrency: 1,
    async startSession(id, url) {
      addresses.set(id, url);
      await inSession((browser) => openTab(browser, url));
    },
    async stopSession(id): Promise<SessionResult> {
      const address = addresses.get(id)!;
      addresses.delete(id);
      await inSession((browser) => closeTab(browser, address));
      return {};
    },
    isActive: (id) => addresses.has(id),
    getBrowserUrl: (id) => addresses.get(id),
    startDebugSession: () => Promise.reject(new Error("debug in Chromium, or in a Firefox of your own")),
    async stop() {
      if (started !== undefined) await endBrowser(await started);
    },
    openTab: (_id, address) => inSession((browser) => openTab(browser, address)),
    closeTab: (_id, address) => inSession((browser) => closeTab(browser, address)),
    withPage: (id, use: (page: Page) => Promise<never>) =>
      inSession(async (browser) => {
        const address = addresses.get(id);
        return use((await browser.pages()).find((page) => page.url() === address)!);
      }),
    process: async () => (await launched()).process()?.pid,
  };
}
