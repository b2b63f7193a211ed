/**
 * What browser tests may ask of the browser itself, by `executeServerCommand`. In: a command's name and payload. Out:
 * JSON. "set-quota": the bytes that the origin may store (0: as before), and whether this browser lets itself be told.
 * "memory": what all its processes hold, in bytes, or null where the system does not tell. "open-tab", "close-tab":
 * another tab of the same profile, closed as a user closes it. Invariant: tabs that a test leaves open are closed with
 * the browser.
 */
import { type CDPSession, type Page } from "puppeteer-core";
import { browserBytes } from "../../bench/cold/processMemory.ts";

/** What a launcher lets tests do with its browser; `id` is that of a test session. */
export interface BrowserUse {
  openTab(id: string, address: string): Promise<void>;
  closeTab(id: string, address: string): Promise<void>;
  withPage<T>(id: string, use: (page: Page) => Promise<T>): Promise<T>;
  /** Its process id, as far as it is known. */
  process(id: string): Promise<number | undefined>;
}

interface CommandCall {
  readonly command: string;
  readonly payload?: unknown;
  readonly session: { readonly id: string; readonly browser: unknown };
}

interface Plugin {
  readonly name: string;
  executeCommand(call: CommandCall): Promise<unknown>;
}

type Command = (use: BrowserUse, id: string, payload: never) => Promise<unknown>;

/** The same of the test runner's own launcher, which keeps its pages at hand. */
function chromeUse(launcher: { getPage(id: string): Page }): BrowserUse {
  const pages = async (id: string): Promise<readonly Page[]> => launcher.getPage(id).browserContext().pages();
  return {
    async openTab(id, address) {
      const tab = await launcher.getPage(id).browserContext().newPage();
      await tab.goto(address);
    },
    async closeTab(id, address) {
      for (const page of await pages(id)) if (page.url() === address) await page.close();
    },
    withPage: (id, use) => use(launcher.getPage(id)),
    process: async (id) => launcher.getPage(id).browser().process()?.pid,
  };
}

/** Sessions stay open: what they override lasts as long as they do. */
const devTools = new WeakMap<Page, CDPSession>();

/** Whether the browser could be told. */
async function setQuota(page: Page, origin: string, quota: number): Promise<boolean> {
  try {
    const session = devTools.get(page) ?? (await page.createCDPSession());
    devTools.set(page, session);
    await session.send(
      "Storage.overrideQuotaForOrigin",
      quota > 0 ? { origin, quotaSize: quota } : { origin },
    );
    return true;
  } catch (error) {
    // By name: the test runner brings a copy of puppeteer's classes.
    if (error instanceof Error && error.name === "UnsupportedOperation") return false;
    throw error;
  }
}

const COMMANDS: Readonly<Record<string, Command>> = {
  "set-quota": async (use, id, { origin, quota }: { readonly origin: string; readonly quota: number }) => ({
    supported: await use.withPage(id, (page) => setQuota(page, origin, quota)),
  }),
  memory: async (use, id) => ({ bytes: browserBytes(await use.process(id)) ?? null }),
  async "open-tab"(use, id, { url }: { readonly url: string }) {
    await use.openTab(id, url);
    return true;
  },
  async "close-tab"(use, id, { url }: { readonly url: string }) {
    await use.closeTab(id, url);
    return true;
  },
};

export function browserCommands(): Plugin {
  return {
    name: "tilewright:browser-commands",
    async executeCommand({ command, payload, session }) {
      const launcher = session.browser as BrowserUse | { getPage(id: string): Page };
      const use = "getPage" in launcher ? chromeUse(launcher) : launcher;
      return COMMANDS[command]?.(use, session.id, payload as never);
    },
  };
}
