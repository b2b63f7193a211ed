/**
 * Looks at pages in a real browser. In: an address. Out: what the page shows, once it shows something. Invariant: an
 * error on the page (an exception, a failed request for a file of ours) is an error here, with what the page said.
 */
import { type Browser, type Page } from "puppeteer-core";
import { endBrowser, launchBrowser, type BrowserName } from "../launchBrowser.ts";

/** A page that shows nothing for this long never will, on a busy machine either. */
export const MOST_MILLISECONDS = 120_000;

const browsers = new Map<BrowserName, Promise<Browser>>();

/** The browser of a kind that all steps share. */
export function openBrowser(name: BrowserName = "chromium"): Promise<Browser> {
  let browser = browsers.get(name);
  if (!browser) {
    // Over a pipe, so that an extension can be put in, which a page could not do.
    const settings = name === "chromium" ? { webgpu: false, pipe: true, enableExtensions: true } : {};
    browsers.set(name, (browser = launchBrowser(name, settings)));
  }
  return browser;
}

export async function closeBrowsers(): Promise<void> {
  for (const browser of browsers.values()) await browser.then(endBrowser, () => {});
  browsers.clear();
}

/** A page that is open. */
export interface OpenPage {
  readonly page: Page;
  /** What went wrong on the page so far. */
  readonly errors: readonly string[];
  /** Addresses of all files that were asked for. */
  readonly files: readonly string[];
  /** The text of an element as soon as it is other than `before`. */
  shown(selector: string, before?: string): Promise<string>;
  close(): Promise<void>;
}

/** Opens a page; `#answer` and the like are then asked for with `shown`. */
export async function openPage(address: string, name?: BrowserName): Promise<OpenPage> {
  const page = await (await openBrowser(name)).newPage();
  page.setDefaultTimeout(MOST_MILLISECONDS);
  const errors: string[] = [];
  const files: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error instanceof Error ? error.stack : error)));
  page.on("console", (message) => {
    // Browsers ask for an icon by themselves.
    if (message.type() === "error" && !/favicon/.test(message.location().url ?? ""))
      errors.push(`${message.text()} ${message.location().url ?? ""}`.trim());
  });
  page.on("request", (request) => files.push(request.url()));
  await page.goto(address);
  return { page, errors, files, shown: (selector, before) => shown(page, errors, selector, before), close: () => page.close() }; // prettier-ignore
}

async function shown(page: Page, errors: readonly string[], selector: string, before = ""): Promise<string> {
  const start = performance.now();
  for (;;) {
    const text = await page.$eval(selector, (element) => element.textContent ?? "").catch(() => "");
    if (text !== "" && text !== before) return text;
    if (performance.now() - start > MOST_MILLISECONDS) {
      const content = await page.$eval("body", (body) => body.innerHTML.slice(0, 500)).catch(() => "");
      const told = await page.$eval("vite-error-overlay", (overlay) => overlay.shadowRoot?.textContent).catch(() => ""); // prettier-ignore
      throw new Error(
        `${page.url()} shows nothing in ${selector}.\n${errors.join("\n")}\n${content}\n${told}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a page shows in `#answer`; the page is closed again. */
export async function answerOf(address: string): Promise<{ answer: string; files: readonly string[] }> {
  const open = await openPage(address);
  const answer = await open.shown("#answer");
  if (open.errors.length > 0) throw new Error(`${address}: ${open.errors.join("\n")}`);
  await open.close();
  return { answer, files: open.files };
}
