/**
 * Firefox for the browser tests, the models and the benchmark. In: the environment (`FIREFOX_PATH`, `PATH`, the usual
 * places of the platform). Out: the path of an executable and the preferences to start it with; it is driven by WebDriver
 * BiDi. `scripts/installedBrowser.ts` looks and, where there is none, installs.
 */
import { existsSync, readdirSync } from "node:fs";
import { homedir, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserKind, ensureBrowser } from "./installedBrowser.ts";

/** Where installers put the browser outside of `PATH`. */
function usualPlaces(): readonly string[] {
  switch (platform()) {
    case "darwin":
      return ["/Applications", join(homedir(), "Applications")].map((folder) =>
        join(folder, "Firefox.app/Contents/MacOS/firefox"),
      );
    case "win32":
      return [process.env["PROGRAMFILES"], process.env["PROGRAMFILES(X86)"]]
        .filter((folder) => folder !== undefined)
        .map((folder) => join(folder, "Mozilla Firefox\\firefox.exe"));
    default:
      return ["/usr/lib/firefox-esr/firefox-esr", "/usr/lib/firefox/firefox", "/opt/firefox/firefox"];
  }
}

/** Where `@puppeteer/browsers` keeps what it downloads: one folder per version. */
const DOWNLOADS = join(homedir(), ".cache/puppeteer");

function downloadedPlaces(): readonly string[] {
  const folder = join(DOWNLOADS, "firefox");
  if (!existsSync(folder)) return [];
  const inside = ["firefox/firefox", "Firefox.app/Contents/MacOS/firefox", "core/firefox.exe"];
  return readdirSync(folder)
    .sort((a, b) => b.localeCompare(a, undefined, { numeric: true }))
    .flatMap((version) => inside.map((path) => join(folder, version, path)));
}

const FIREFOX: BrowserKind = {
  name: "Firefox",
  variable: "FIREFOX_PATH",
  namesOnPath: ["firefox-esr", "firefox"],
  places: () => [...usualPlaces(), ...downloadedPlaces()],
  // Mesa has a software driver, which is all that WebGPU needs.
  debianPackages: ["firefox-esr", "fonts-liberation", "libvulkan1", "mesa-vulkan-drivers"],
  // Playwright's Firefox is one of its own, which speaks Playwright's protocol; this is Mozilla's.
  install: {
    what: "Mozilla's build by way of @puppeteer/browsers",
    arguments: (asRoot) => [
      ...["@puppeteer/browsers", "install", "firefox@stable", "--path", DOWNLOADS],
      ...(asRoot ? ["--install-deps"] : []),
    ],
  },
};

/**
 * The path of a Firefox, installing one if there is none.
 *
 * @throws Error when none could be installed; the message says what to do.
 */
export function ensureFirefox(): string {
  return ensureBrowser(FIREFOX);
}

/** What an origin may store in a browser of ours: a fifth of what all may, small enough to be filled by a test. */
const STORABLE_KIBIBYTES = 1_000_000;

/**
 * The preferences of every headless start. WebGPU is there on Linux, on whatever adapter there is, software ones included:
 * by default Firefox has it on Windows and macOS only.
 */
export function firefoxPrefs(): Record<string, unknown> {
  return {
    "dom.webgpu.enabled": true,
    "dom.webgpu.workers.enabled": true,
    "gfx.webgpu.ignore-blocklist": true,
    "dom.quotaManager.temporaryStorage.fixedLimit": STORABLE_KIBIBYTES,
    // Windows that nobody sees run as those that somebody does.
    "dom.min_background_timeout_value": 4,
    "dom.timeout.enable_budget_timer_throttling": false,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(ensureFirefox());
