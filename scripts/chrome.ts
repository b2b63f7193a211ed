/**
 * Finds a Chrome or Chromium for the browser tests and the benchmark, and installs one where there is none.
 * In: the environment (`CHROME_PATH`, `PATH`, the usual places of the platform). Out: the path of an executable
 * and the flags to start it with. Invariant: `findChrome` changes nothing on the machine; only `ensureChrome`
 * installs, and says what it does before it does it.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir, platform } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const NAMES_ON_PATH = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The path of an installed Chrome or Chromium, or `undefined`. `CHROME_PATH` wins.
 *
 * @throws Error when `CHROME_PATH` is set but names no executable: silently taking another browser would make
 * a measurement or a test run say something about the wrong one.
 */
export function findChrome(): string | undefined {
  const chosen = process.env["CHROME_PATH"];
  if (chosen !== undefined && chosen !== "") {
    if (!isExecutable(chosen)) throw new Error(`CHROME_PATH is ${chosen}, which is not an executable file`);
    return chosen;
  }
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const suffix = platform() === "win32" ? ".exe" : "";
  const onPath = NAMES_ON_PATH.flatMap((name) => folders.map((folder) => join(folder, name + suffix)));
  return [...onPath, ...usualPlaces(), ...playwrightPlaces()].find(isExecutable);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Debian, Ubuntu or what derives from them: where `apt-get` is to be expected. */
function isDebianFamily(): boolean {
  if (!existsSync("/etc/os-release")) return false;
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** Runs a command with its output shown; says whether it succeeded. Standard input is closed: nothing may ask. */
function succeeds(command: string, ...args: readonly string[]): boolean {
  console.log(`  $ ${[command, ...args].join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Standard output goes to standard error, so that a caller's own output stays clean.
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", 2, 2], env });
  if (error !== undefined) console.log(`  ${error.message}`);
  return status === 0;
}

/**
 * The path of a Chrome or Chromium, installing one if there is none: Debian's package where we are root on a
 * Debian or Ubuntu, else Playwright's build (with its system libraries where we are root).
 *
 * @throws Error when none could be installed; the message says what to do.
 * @example const executablePath = ensureChrome();
 */
export function ensureChrome(): string {
  const found = findChrome();
  if (found !== undefined) return found;

  if (isDebianFamily() && isRoot()) {
    console.log("No Chrome or Chromium here: installing the distribution's chromium package.");
    if (succeeds("apt-get", "update", "-q")) {
      succeeds("apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-liberation");
    }
    const installed = findChrome();
    // Ubuntu's `/usr/bin/chromium-browser` may be a script that only asks for snap, so try it.
    if (installed !== undefined && succeeds(installed, "--version")) return installed;
  }

  console.log("No Chrome or Chromium here: installing Playwright's build of Chromium.");
  const withLibraries = isRoot() && platform() === "linux" ? ["--with-deps"] : [];
  const npx = platform() === "win32" ? "npx.cmd" : "npx";
  succeeds(npx, "--yes", "playwright", "install", ...withLibraries, "chromium");
  const installed = playwrightPlaces().find(isExecutable) ?? findChrome();
  if (installed !== undefined) return installed;

  throw new Error(
    "No Chrome or Chromium was found and none could be installed. Install one, or set CHROME_PATH to the " +
      "executable of one that you have.",
  );
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
