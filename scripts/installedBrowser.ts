/**
 * Finds a browser on this machine, and installs one where there is none. In: what a kind of browser is called, where it is
 * usually put and how it is installed. Out: the path of an executable. Invariant: `findBrowser` changes nothing on the
 * machine; only `ensureBrowser` installs, and says what it does before it does it.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { platform } from "node:os";
import { delimiter, join } from "node:path";

/** One kind of browser, for the person who reads and for the machine that looks. */
export interface BrowserKind {
  /** As in "No Chrome or Chromium here". */
  readonly name: string;
  /** The environment variable that names an executable and wins over everything else. */
  readonly variable: string;
  readonly namesOnPath: readonly string[];
  /** Where installers put it outside of `PATH`; where `install` below puts it. */
  places(): readonly string[];
  readonly debianPackages: readonly string[];
  /** What brings one to a system without the package: arguments of `npx`. */
  readonly install: {
    readonly what: string;
    arguments(asRoot: boolean): readonly string[];
  };
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
 * The path of an installed browser of this kind, or `undefined`.
 *
 * @throws Error when the kind's variable is set but names no executable: silently taking another browser would make
 * a measurement or a test run say something about the wrong one.
 */
export function findBrowser({ variable, namesOnPath, places }: BrowserKind): string | undefined {
  const chosen = process.env[variable];
  if (chosen !== undefined && chosen !== "") {
    if (!isExecutable(chosen)) throw new Error(`${variable} is ${chosen}, which is not an executable file`);
    return chosen;
  }
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const suffix = platform() === "win32" ? ".exe" : "";
  const onPath = namesOnPath.flatMap((name) => folders.map((folder) => join(folder, name + suffix)));
  return [...onPath, ...places()].find(isExecutable);
}

export function isRoot(): boolean {
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
 * The path of a browser of this kind, installing one if there is none: Debian's package where we are root on a Debian
 * or Ubuntu, else what `install` brings.
 *
 * @throws Error when none could be installed; the message says what to do.
 */
export function ensureBrowser(kind: BrowserKind): string {
  const found = findBrowser(kind);
  if (found !== undefined) return found;

  const { name, variable, debianPackages, install } = kind;
  if (isDebianFamily() && isRoot()) {
    console.log(`No ${name} here: installing the distribution's package ${debianPackages[0]}.`);
    if (succeeds("apt-get", "update", "-q"))
      succeeds("apt-get", "install", "-y", "-q", "--no-install-recommends", ...debianPackages);
    const installed = findBrowser(kind);
    // Ubuntu's commands may be scripts that only ask for snap, so try it.
    if (installed !== undefined && succeeds(installed, "--version")) return installed;
  }

  console.log(`No ${name} here: installing ${install.what}.`);
  const npx = platform() === "win32" ? "npx.cmd" : "npx";
  succeeds(npx, "--yes", ...install.arguments(isRoot() && platform() === "linux"));
  const installed = kind.places().find(isExecutable) ?? findBrowser(kind);
  if (installed !== undefined) return installed;

  throw new Error(
    `No ${name} was found and none could be installed. Install one, or set ${variable} to the ` +
      "executable of one that you have.",
  );
}
