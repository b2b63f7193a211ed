/**
 * `npx tilewright`: the compiler from the command line. In: words. Out: a command's output and an exit status: 0 done,
 * 1 the model cannot be compiled or run or is wrong, 2 the words make no sense. Invariant: whatever goes wrong ends
 * in a sentence; a stack is shown only for a bug of ours.
 */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { CompileError, didYouMean, formatDiagnostic, type Diagnostic } from "../diagnostic.ts";
import { TilewrightError } from "../../runtime/errors.ts";
import { VERSION } from "../version.ts";
import { checkCommand, checkSpec } from "./checkCommand.ts";
import {
  columns,
  commandHelp,
  parseCommand,
  UsageError,
  type Arguments,
  type CommandSpec,
} from "./commandLine.ts";
import { compileCommand, compileSpec } from "./compileCommand.ts";
import { inspectCommand, inspectSpec } from "./inspectCommand.ts";
import { NpyError } from "../tensors/npy.ts";
import { profileCommand, profileSpec } from "./profileCommand.ts";
import { runCommand, runSpec } from "./runCommand.ts";
import { terminalOn, type Terminal } from "./terminal.ts";
import { TestFolderError } from "./testFolder.ts";
import { typesCommand, typesSpec } from "./typesCommand.ts";

const PROGRAM = "tilewright";

interface Command {
  readonly spec: CommandSpec;
  readonly run: (args: Arguments, terminal: Terminal) => Promise<number>;
}

const commands: readonly Command[] = [
  { spec: compileSpec, run: compileCommand },
  { spec: runSpec, run: runCommand },
  { spec: profileSpec, run: profileCommand },
  { spec: inspectSpec, run: inspectCommand },
  { spec: checkSpec, run: checkCommand },
  { spec: typesSpec, run: typesCommand },
];

function globalHelp(): string {
  return [
    "Tilewright compiles ONNX and TF.js models to WebAssembly and WebGPU kernels made for the model's exact shapes.",
    "",
    `Usage: ${PROGRAM} COMMAND [options]`,
    "",
    "Commands:",
    ...columns(commands.map(({ spec }) => [spec.name, spec.summary])),
    "",
    "Options:",
    ...columns([
      ["-h, --help", "show this help, or that of a command"],
      ["    --version", "show the version"],
    ]),
    "",
    "Examples:",
    ...commands.map(({ spec }) => `  ${spec.examples[0]}`),
    "",
    `\`${PROGRAM} COMMAND --help\` shows the options of a command.`,
  ].join("\n");
}

/**
 * Runs the command line.
 *
 * @returns the exit status
 * @example process.exitCode = await main(["compile", "model.onnx"], terminalOn(process.stdout, process.stderr));
 */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  const [word, ...rest] = words;
  if (word === undefined) {
    terminal.error(`${globalHelp()}\n`);
    return 2;
  }
  if (word === "--version" || word === "-V") {
    terminal.out(`${VERSION}\n`);
    return 0;
  }
  if (word === "--help" || word === "-h" || word === "help") {
    return help(word === "help" ? rest[0] : undefined, terminal);
  }
  const command = commandNamed(word);
  if (command === undefined) return unknownCommand(word, terminal);
  const wantsJson = rest.includes("--json");
  try {
    const args = parseCommand(command.spec, rest);
    if (args.has("help")) return help(word, terminal);
    return await command.run(args, terminal);
  } catch (error) {
    terminal.progress(undefined);
    if (wantsJson) terminal.out(`${JSON.stringify({ error: errorJson(error) }, null, 2)}\n`);
    return report(error, command.spec.name, terminal);
  }
}

function commandNamed(name: string): Command | undefined {
  return commands.find(({ spec }) => spec.name === name);
}

function help(name: string | undefined, terminal: Terminal): number {
  if (name === undefined) {
    terminal.out(`${globalHelp()}\n`);
    return 0;
  }
  const command = commandNamed(name);
  if (command === undefined) return unknownCommand(name, terminal);
  terminal.out(`${commandHelp(PROGRAM, command.spec)}\n`);
  return 0;
}

function unknownCommand(word: string, terminal: Terminal): number {
  const names = commands.map(({ spec }) => spec.name);
  const meant = didYouMean(word, names);
  const kind = word.startsWith("-") ? "option" : "command";
  const hint = meant === undefined ? `the commands are ${names.join(", ")}` : `did you mean ${meant}?`;
  terminal.error(`${PROGRAM}: there is no ${kind} ${word}; ${hint}\n`);
  return 2;
}

function report(error: unknown, command: string, terminal: Terminal): number {
  if (error instanceof UsageError) {
    terminal.error(`${PROGRAM}: ${error.message}\nTry \`${PROGRAM} ${command} --help\`.\n`);
    return 2;
  }
  if (error instanceof CompileError) {
    terminal.error(
      `${PROGRAM}: the model cannot be compiled:\n${diagnosticLines(error.diagnostics).join("\n")}\n`,
    );
    return 1;
  }
  if (error instanceof TilewrightError) {
    terminal.error(`${PROGRAM}: [${error.code}] ${error.message}\n`);
    return 1;
  }
  if (error instanceof NpyError || error instanceof TestFolderError || isSystemError(error)) {
    terminal.error(`${PROGRAM}: ${error.message}\n`);
    return 1;
  }
  const stack = error instanceof Error ? error.stack : String(error);
  terminal.error(`${PROGRAM}: this is a bug of Tilewright, please report it with the model:\n${stack}\n`);
  return 1;
}

/** An error of the file system: no permission, no space. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

/** Equal complaints about many nodes are one entry with a count. */
function diagnosticLines(diagnostics: readonly Diagnostic[]): string[] {
  const groups = new Map<string, Diagnostic[]>();
  for (const diagnostic of diagnostics) {
    const key = [diagnostic.code, diagnostic.op, diagnostic.message].join("\0");
    groups.set(key, [...(groups.get(key) ?? []), diagnostic]);
  }
  return Array.from(groups.values(), (group) => {
    const line = `  ${formatDiagnostic(group[0]!)}`;
    return group.length === 1 ? line : `${line} - and ${group.length - 1} more nodes`;
  });
}

function errorJson(error: unknown): Record<string, unknown> {
  if (error instanceof CompileError)
    return { kind: "compile", code: error.code, diagnostics: error.diagnostics };
  if (error instanceof TilewrightError) return { kind: "run", code: error.code, message: error.message };
  const kind = error instanceof UsageError ? "usage" : "other";
  return { kind, message: error instanceof Error ? error.message : String(error) };
}

/** Whether this file is what Node was asked to run (npm starts it through a link). */
function isProgram(): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url);
}

/**
 * How much code runs before V8 makes better code of a function; the default is a quarter of this (Node 20) or less. A
 * compilation is over before most of that pays: for yolox-nano V8's threads take as much processor time as we do.
 */
const INTERRUPT_BUDGET = 500_000;

if (isProgram()) {
  if (process.argv[2] === compileSpec.name) setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
  // Whoever reads our output may stop early, as `head` does.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  process.exitCode = await main(process.argv.slice(2), terminalOn(process.stdout, process.stderr));
}
