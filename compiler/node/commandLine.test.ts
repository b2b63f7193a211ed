import { describe, expect, it } from "vitest";
import {
  commandHelp,
  nameAndValue,
  oneOf,
  parseCommand,
  UsageError,
  type CommandSpec,
} from "./commandLine.ts";

const spec: CommandSpec = {
  name: "cook",
  summary: "cook a meal",
  usage: "RECIPE [options]",
  arity: { least: 1, most: 2 },
  options: [
    { name: "output", short: "o", value: "FILE", description: "where to put it" },
    { name: "dim", value: "NAME=N", multiple: true, description: "a dimension" },
    { name: "trace", value: "STAGE", optionalValue: true, description: "tell what happens" },
    { name: "json", description: "as JSON" },
  ],
  examples: ["cook soup"],
};

const complaint = (words: readonly string[]): string => {
  try {
    parseCommand(spec, words);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error("nothing was wrong");
};

describe("parseCommand", () => {
  it("reads positionals, flags, values in both forms and short names", () => {
    const args = parseCommand(spec, ["soup", "--dim", "batch=1", "-o", "out", "--json", "--dim=width=2"]);
    expect(args.positionals).toEqual(["soup"]);
    expect(args.texts("dim")).toEqual(["batch=1", "width=2"]);
    expect(args.text("output")).toBe("out");
    expect(args.has("json")).toBe(true);
    expect(args.has("trace")).toBe(false);
  });

  it("lets an optional value be left out without taking the next word", () => {
    const args = parseCommand(spec, ["--trace", "soup"]);
    expect(args.text("trace")).toBe("");
    expect(args.positionals).toEqual(["soup"]);
    expect(parseCommand(spec, ["--trace=fuse,wasm:conv1", "soup"]).text("trace")).toBe("fuse,wasm:conv1");
  });

  it("takes what follows -- as it is", () => {
    expect(parseCommand(spec, ["--", "--json"]).positionals).toEqual(["--json"]);
  });

  it("suggests the option that was meant", () => {
    expect(complaint(["soup", "--outptu", "x"])).toBe("cook has no option --outptu; did you mean --output?");
    expect(complaint(["soup", "--zzzzzzzz"])).toBe("cook has no option --zzzzzzzz");
    expect(complaint(["soup", "-x"])).toContain("cook has no option -x");
  });

  it("refuses missing, surplus and repeated values", () => {
    expect(complaint(["soup", "--output"])).toBe("--output takes a value: --output FILE");
    expect(complaint(["soup", "--output", "--json"])).toBe("--output takes a value: --output FILE");
    expect(complaint(["soup", "--json=yes"])).toBe('--json takes no value, but "yes" was given');
    expect(complaint(["soup", "-o", "a", "-o", "b"])).toBe("--output was given twice");
  });

  it("refuses too few and too many positionals, but not for --help", () => {
    expect(complaint([])).toBe("cook needs RECIPE");
    expect(complaint(["a", "b", "c"])).toBe('cook does not know what to do with the argument "c"');
    expect(parseCommand(spec, ["--help"]).has("help")).toBe(true);
  });

  it("reads numbers and refuses what is none", () => {
    const args = parseCommand(spec, ["soup", "--output", "12", "--dim", "1.5"]);
    expect(args.integer("output")).toBe(12);
    expect(args.number("dim")).toBe(1.5);
    expect(() => args.integer("dim")).toThrow('--dim takes a whole number, not "1.5"');
    expect(() => args.integer("output", 13)).toThrow('--output takes a number of at least 13, not "12"');
    expect(() => parseCommand(spec, ["soup", "-o", "many"]).number("output")).toThrow(UsageError);
    expect(args.integer("trace")).toBeUndefined();
  });
});

describe("values", () => {
  it("splits a name from its value at the last equals sign", () => {
    expect(nameAndValue("dim", "a=b=3", "NAME=N")).toEqual(["a=b", "3"]);
    expect(() => nameAndValue("dim", "batch", "NAME=N")).toThrow('--dim takes NAME=N, not "batch"');
    expect(() => nameAndValue("dim", "=3", "NAME=N")).toThrow(UsageError);
    expect(() => nameAndValue("dim", "batch=", "NAME=N")).toThrow(UsageError);
  });

  it("takes one of a few words", () => {
    expect(oneOf("--device", "wasm", ["wasm", "interp"])).toBe("wasm");
    expect(() => oneOf("--device", "wasn", ["wasm", "interp"])).toThrow(
      '--device is one of wasm, interp, not "wasn"; did you mean "wasm"?',
    );
  });
});

describe("commandHelp", () => {
  it("shows every option, the usage and the examples in lines of at most 100 characters", () => {
    const text = commandHelp("kitchen", spec);
    expect(text).toMatchInlineSnapshot(`
      "Usage: kitchen cook RECIPE [options]

      Cook a meal.

      Options:
        -o, --output FILE    where to put it
            --dim NAME=N     a dimension
            --trace[=STAGE]  tell what happens
            --json           as JSON
        -h, --help           show this help

      Examples:
        cook soup"
    `);
  });
});
