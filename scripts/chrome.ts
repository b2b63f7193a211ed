/**
 * Chrome or Chromium for the browser tests and the benchmark. In: the environment (`CHROME_PATH`, `PATH`, the usual places
 * of the platform). Out: the path of an executable and the flags to start it with. `scripts/installedBrowser.ts` looks and,
 * where there is none, installs.
 */
import { existsSync, readdirSync } from "node:fs";
import { homedir, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserKind, ensureBrowser, findBrowser, isRoot } from "./installedBrowser.ts";

/** Where installers put the browser outside of `PATH`. */
function usualPlaces(): readonly string[] {
  switch (platform()) {
    case "darwin":
      return ["/Applications", join(homedir(), "Applications")].flatMap((folder) => [
        join(folder, "Google Chrome.app/Contents/MacOS/Google Chrome"),
        join(folder, "Chromium.app/Contents/MacOS/Chromium"),
      ]);
    case "win32":
      return [process.env["PROGRAMFILES"], process.env["PROGRAMFILES(X86)"], process.env["LOCALAPPDATA"]]
        .filter((folder) => folder !== undefined)
        .flatMap((folder) => [
          join(folder, "Google\\Chrome\\Application\\chrome.exe"),
          join(folder, "Chromium\\Application\\chrome.exe"),
        ]);
    default:
      return ["/opt/google/chrome/chrome", "/snap/bin/chromium"];
  }
}

/** Where `npx playwright install chromium` puts its build: one folder per revision, the newest last. */
function playwrightPlaces(): readonly string[] {
  const cache =
    process.env["PLAYWRIGHT_BROWSERS_PATH"] ??
    {
      darwin: join(homedir(), "Library/Caches/ms-playwright"),
      win32: join(process.env["LOCALAPPDATA"] ?? homedir(), "ms-playwright"),
    }[platform() as string] ??
    join(homedir(), ".cache/ms-playwright");
  if (!existsSync(cache)) return [];
  const inside = [
    "chrome-linux/chrome",
    "chrome-linux64/chrome",
    "chrome-mac/Chromium.app/Contents/MacOS/Chromium",
    "chrome-win/chrome.exe",
    "chrome-win64/chrome.exe",
  ];
  return readdirSync(cache)
    .filter((folder) => /^chromium-\d+$/.test(folder))
    .sort((a, b) => Number(b.slice("chromium-".length)) - Number(a.slice("chromium-".length)))
    .flatMap((folder) => inside.map((path) => join(cache, folder, path)));
}

const CHROME: BrowserKind = {
  name: "Chrome or Chromium",
  variable: "CHROME_PATH",
  namesOnPath: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"],
  places: () => [...usualPlaces(), ...playwrightPlaces()],
  debianPackages: ["chromium", "fonts-liberation"],
  install: {
    what: "Playwright's build of Chromium",
    arguments: (asRoot) => ["playwright", "install", ...(asRoot ? ["--with-deps"] : []), "chromium"],
  },
};

/** The path of an installed Chrome or Chromium, or `undefined`. @throws Error as `findBrowser` */
export function findChrome(): string | undefined {
  return findBrowser(CHROME);
}

/**
 * The path of a Chrome or Chromium, installing one if there is none.
 *
 * @throws Error when none could be installed; the message says what to do.
 * @example const executablePath = ensureChrome();
 */
export function ensureChrome(): string {
  return ensureBrowser(CHROME);
}

/**
 * The flags every headless start uses. Without a sandbox only as root, where Chromium refuses to start
 * otherwise. `exposeGc` and further flags are the caller's.
 */
export function chromeFlags(...more: readonly string[]): string[] {
  return [
    "--headless",
    ...(isRoot() ? ["--no-sandbox"] : []),
    ...(process.env["TILEWRIGHT_WEBGPU"] === "native" ? [] : ["--disable-gpu"]),
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    ...more,
  ];
}

/**
 * Flags for WebGPU on the software adapter that Chromium carries with it: the same on every machine, with or without a
 * GPU or a display. `TILEWRIGHT_WEBGPU=native` takes the machine's own adapter instead.
 */
export function webgpuFlags(): string[] {
  if (process.env["TILEWRIGHT_WEBGPU"] === "native")
    return ["--enable-unsafe-webgpu", "--enable-features=Vulkan"];
  return ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(ensureChrome());
