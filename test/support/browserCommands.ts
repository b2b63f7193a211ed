/**
 * What browser tests may ask of the browser itself, by `executeServerCommand`. In: a command's name and payload. Out:
 * JSON. "set-quota": the bytes that the origin may store (0: as before). "open-tab", "close-tab": another tab of the
 * same profile, closed as a user closes it. Invariant: tabs that a test leaves open are closed with the next ones.
 */
import { type BrowserContext, type CDPSession, type Page } from "puppeteer-core";

interface CommandCall {
  readonly command: string;
  readonly payload?: unknown;
  readonly session: { readonly id: string; readonly browser: unknown };
}

interface Plugin {
  readonly name: string;
  executeCommand(call: CommandCall): Promise<unknown>;
}

export function browserCommands(): Plugin {
  const tabs = new Map<string, Page>();
  /** Sessions stay open: what they override lasts as long as they do. */
  const sessions = new Map<Page, CDPSession>();
  let count = 0;
  return {
    name: "tilewright:browser-commands",
    async executeCommand({ command, payload, session }) {
      if (!["set-quota", "open-tab", "close-tab"].includes(command)) return undefined;
      const { browser } = session as { readonly browser: { getPage(id: string): Page } };
      const page = browser.getPage(session.id);
      if (command === "set-quota") {
        const { origin, quota } = payload as { readonly origin: string; readonly quota: number };
        const cdp = sessions.get(page) ?? (await page.createCDPSession());
        sessions.set(page, cdp);
        await cdp.send(
          "Storage.overrideQuotaForOrigin",
          quota > 0 ? { origin, quotaSize: quota } : { origin },
        );
        return true;
      }
      if (command === "open-tab") {
        const context: BrowserContext = page.browserContext();
        const tab = await context.newPage();
        const id = String(++count);
        tabs.set(id, tab);
        await tab.goto((payload as { readonly url: string }).url);
        return { id };
      }
      const { id } = payload as { readonly id: string };
      await tabs.get(id)?.close();
      tabs.delete(id);
      return true;
    },
  };
}
