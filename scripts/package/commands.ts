/**
 * Runs the programs that a user of the package would run. In: a command, its words, a folder. Out: what it printed.
 * Invariant: a command that fails is an error with all that it said; nothing started here outlives `stopAll`.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";

const onWindows = process.platform === "win32";
/** No program of a user's may take longer. */
const MOST_MILLISECONDS = 1_800_000;

export interface Ended {
  readonly status: number;
  readonly output: string;
}

/** Runs a program to its end, whatever that is. */
export function ended(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  const env = { ...process.env, NO_COLOR: "1", npm_config_update_notifier: "false" };
  // npm tells its settings to what it starts as variables, which a user's shell would not have.
  for (const name of Object.keys(env)) if (/^npm_(config_(?!update)|package_|lifecycle_)/.test(name)) delete env[name as keyof typeof env]; // prettier-ignore
  const options = { cwd, env, shell: onWindows, timeout: MOST_MILLISECONDS, maxBuffer: 1 << 26 };
  return new Promise((resolve) => {
    const child = execFile(onWindows ? `${command}.cmd` : command, args, options, (error, out, err) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ status, output: `${out}${err}` });
    });
    child.stdin?.end();
  });
}

/** Runs a program that has to succeed. */
export async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { status, output } = await ended(command, args, cwd);
  if (status === 0) return output;
  throw new Error(`${[command, ...args].join(" ")} in ${cwd} ended with ${status}:\n${output}`);
}

const started = new Set<ChildProcess>();

/** Starts a program that serves, and waits until it says where: the first address that it prints. */
export function serving(command: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" };
  const child = spawn(command, args, { cwd, env, shell: onWindows, detached: !onWindows });
  started.add(child);
  return new Promise((resolve, reject) => {
    let output = "";
    const hear = (data: Buffer): void => {
      output += String(data);
      const address = /https?:\/\/[\w.:[\]-]+\/\S*/.exec(output)?.[0];
      if (address !== undefined) resolve(address);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject);
    child.on("exit", (status) =>
      reject(new Error(`${command} ${args.join(" ")} ended with ${status}:\n${output}`)),
    );
  });
}

/** Ends all that {@link serving} has started. */
export function stopAll(): void {
  for (const child of started) {
    if (child.pid === undefined || child.exitCode !== null) continue;
    if (onWindows) child.kill();
    else process.kill(-child.pid); // with what it has started itself
  }
  started.clear();
}
