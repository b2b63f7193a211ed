/**
 * Starts headless browsers for tests and measurements, and ends them. In: which one. Out: puppeteer's browser, over the
 * DevTools protocol (Chromium) or WebDriver BiDi (Firefox). Invariant: started here, a browser of a kind has the same
 * settings wherever it is used, WebGPU on a software adapter included; ended here, it is gone, even with a page that hangs.
 */
import { launch, type Browser, type LaunchOptions } from "puppeteer-core";
import { chromeFlags, ensureChrome, webgpuFlags } from "./chrome.ts";
import { ensureFirefox, firefoxPrefs } from "./firefox.ts";

export const BROWSERS = ["chromium", "firefox"] as const;
export type BrowserName = (typeof BROWSERS)[number];

export interface BrowserSettings {
  /** Whether Chromium has WebGPU, on its software adapter. Default: true. */
  readonly webgpu?: boolean;
  /** Further flags of Chromium. */
  readonly chromeFlags?: readonly string[];
  /** Further preferences of Firefox. */
  readonly firefoxPrefs?: Readonly<Record<string, unknown>>;
}

/** What puppeteer needs to start this browser, which is installed where there is none. @throws Error as `ensureBrowser` */
export function launchOptions(name: BrowserName, settings: BrowserSettings = {}): LaunchOptions {
  switch (name) {
    case "chromium":
      return {
        executablePath: ensureChrome(),
        args: chromeFlags(
          ...(settings.webgpu === false ? [] : webgpuFlags()),
          ...(settings.chromeFlags ?? []),
        ),
      };
    case "firefox":
      return {
        browser: "firefox",
        protocol: "webDriverBiDi",
        executablePath: ensureFirefox(),
        headless: true,
        extraPrefsFirefox: { ...firefoxPrefs(), ...settings.firefoxPrefs },
      };
  }
}

/** Starts a browser. `protocolTimeout`: milliseconds that an answer may take; 0, the default, for any. */
export function launchBrowser(
  name: BrowserName,
  {
    protocolTimeout = 0,
    networkEnabled = true,
    pipe = false,
    enableExtensions = false,
    ...settings
  }: BrowserSettings &
    Pick<LaunchOptions, "protocolTimeout" | "networkEnabled" | "pipe" | "enableExtensions"> = {},
): Promise<Browser> {
  return launch({
    ...launchOptions(name, settings),
    protocolTimeout,
    networkEnabled,
    pipe,
    enableExtensions,
  });
}

/** Ends a browser, even one whose page is stuck. */
export async function endBrowser(browser: Browser): Promise<void> {
  const killed = setTimeout(() => browser.process()?.kill("SIGKILL"), 5_000);
  await browser.close().catch(() => {});
  clearTimeout(killed);
}
