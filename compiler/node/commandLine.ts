/**
 * Arguments of the command line. In: a table of a command's options and the words that the user typed. Out: typed
 * values, or a UsageError that says what was meant. Invariant: nothing is guessed: an unknown option, a missing
 * value or a surplus argument is always an error, and help text is printed from the same table that parses.
 */
import { parseArgs } from "node:util";
import { didYouMean } from "../diagnostic.ts";

export interface OptionSpec {
  /** Long name, without dashes. */
  readonly name: string;
  /** How the value is shown in help, such as `NAME=N`; a flag has none. */
  readonly value?: string;
  /** One letter, without the dash. */
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** The value may be left out; it is "" then, and can only be given as `--name=value`. */
  readonly optionalValue?: boolean;
  readonly description: string;
  /** Known, but not listed one by one in help. */
  readonly hidden?: boolean;
}

/** The positional arguments of a command. */
export interface Arity {
  readonly least: number;
  readonly most: number;
}

export interface CommandSpec {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name in the usage line. */
  readonly usage: string;
  readonly arity: Arity;
  readonly options: readonly OptionSpec[];
  /** Paragraphs under the options. */
  readonly notes?: readonly string[];
  readonly examples: readonly string[];
}

/** The user typed something that cannot be meant: exit status 2, with a pointer to the help. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Throws a {@link UsageError}. */
export function usage(message: string): never {
  throw new UsageError(message);
}

const helpOption: OptionSpec = {
  name: "help",
  short: "h",
  description: "show this help",
};

/** What the user typed, checked against a table. */
export class Arguments {
  readonly positionals: readonly string[];
  private readonly values: ReadonlyMap<string, readonly string[]>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.positionals = positionals;
    this.values = values;
  }

  /** Whether the option was given at all. */
  has(name: string): boolean {
    return this.values.has(name);
  }

  /** The value of an option; the last one wins. */
  text(name: string): string | undefined {
    return this.values.get(name)?.at(-1);
  }

  /** All values of an option, in order. */
  texts(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** A number; `least` is the smallest that is allowed. */
  number(name: string, least = 0): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least) {
      usage(`--${name} takes a number of at least ${least}, not "${text}"`);
    }
    return value;
  }

  /** A whole number; `least` is the smallest that is allowed. */
  integer(name: string, least = 0): number | undefined {
    const value = this.number(name, least);
    if (value === undefined || Number.isSafeInteger(value)) return value;
    return usage(`--${name} takes a whole number, not "${this.text(name)}"`);
  }

  /** One of a few words. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : oneOf(`--${name}`, text, choices);
  }
}

/** `text` as one of the choices, or a UsageError with a suggestion. */
export function oneOf<T extends string>(what: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  const meant = didYouMean(text, choices);
  return usage(
    `${what} is one of ${choices.join(", ")}, not "${text}"${meant ? `; did you mean "${meant}"?` : ""}`,
  );
}

/** Splits `NAME=VALUE` at the first `=` that leaves a value which fits: names may hold `=` and `:` themselves. */
export function nameAndValue(option: string, text: string, form: string): readonly [string, string] {
  const at = text.lastIndexOf("=");
  if (at <= 0 || at === text.length - 1) usage(`--${option} takes ${form}, not "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/**
 * Checks the words after the command's name.
 *
 * @throws UsageError
 * @example parseCommand(compileSpec, ["model.onnx", "-o", "model.tile", "--dim", "batch=1"])
 */
export function parseCommand(spec: CommandSpec, words: readonly string[]): Arguments {
  const options = [...spec.options, helpOption];
  const { tokens } = parseArgs({
    args: words.map((word) => bareOptional(word, options)),
    options: Object.fromEntries(
      options.map(({ name, value, short, multiple }) => [
        name,
        {
          type: value === undefined ? ("boolean" as const) : ("string" as const),
          multiple: multiple ?? false,
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const positionals: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = options.find(({ name }) => name === token.name);
    if (option === undefined) unknownOption(token.rawName, options, spec.name);
    const { name } = option;
    if (option.value === undefined) {
      if (token.value !== undefined) usage(`--${name} takes no value, but "${token.value}" was given`);
    } else if (token.value === undefined || (!token.inlineValue && /^--?[a-z]/i.test(token.value))) {
      usage(`--${name} takes a value: ${optionForm(option)}`);
    }
    const earlier = values.get(name);
    if (earlier !== undefined && option.multiple !== true && option.value !== undefined) {
      usage(`--${name} was given twice`);
    }
    values.set(name, [...(earlier ?? []), token.value ?? ""]);
  }
  if (!values.has("help")) checkArity(spec, positionals);
  return new Arguments(positionals, values);
}

/** An option with an optional value must not swallow the next word. */
function bareOptional(word: string, options: readonly OptionSpec[]): string {
  const bare = options.some(({ name, optionalValue }) => optionalValue === true && word === `--${name}`);
  return bare ? `${word}=` : word;
}

function unknownOption(rawName: string, options: readonly OptionSpec[], command: string): never {
  const meant = didYouMean(rawName.replace(/^-+/, ""), optionNames(options));
  usage(`${command} has no option ${rawName}${meant === undefined ? "" : `; did you mean --${meant}?`}`);
}

function optionNames(options: readonly OptionSpec[]): string[] {
  return options.map(({ name }) => name);
}

function checkArity({ name, usage: form, arity }: CommandSpec, positionals: readonly string[]): void {
  if (positionals.length < arity.least) usage(`${name} needs ${form.split(" ")[0]}`);
  const surplus = positionals[arity.most];
  if (surplus !== undefined) usage(`${name} does not know what to do with the argument "${surplus}"`);
}

function optionForm({ name, value, optionalValue }: OptionSpec): string {
  if (value === undefined) return `--${name}`;
  return optionalValue === true ? `--${name}[=${value}]` : `--${name} ${value}`;
}

const WIDTH = 100;

/** The help of one command. */
export function commandHelp(program: string, spec: CommandSpec): string {
  const options = [...spec.options, helpOption]
    .filter(({ hidden }) => hidden !== true)
    .map((option) => [
      `${option.short === undefined ? "    " : `-${option.short}, `}${optionForm(option)}`,
      option.description,
    ]);
  return [
    `Usage: ${program} ${spec.name} ${spec.usage}`,
    "",
    wrap(capital(spec.summary), 0) + ".",
    "",
    "Options:",
    ...columns(options),
    ...(spec.notes ?? []).flatMap((note) => ["", wrap(note, 0)]),
    "",
    "Examples:",
    ...spec.examples.map((example) => `  ${example}`),
  ].join("\n");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Two columns, the second one wrapped. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const left = Math.min(34, Math.max(...rows.map(([first]) => first!.length)));
  return rows.map(([first, second]) => {
    const text = wrap(second!, left + 4);
    return first!.length <= left
      ? `  ${first!.padEnd(left)}  ${text}`
      : `  ${first}\n${" ".repeat(left + 4)}${text}`;
  });
}

/** Breaks text into lines of {@link WIDTH}, all but the first indented. */
function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.join(`\n${" ".repeat(indent)}`);
}
