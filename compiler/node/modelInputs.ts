/**
 * Inputs of a model from the command line. In: `--input NAME=FILE` and `--random SEED`. Out: a tensor for every input.
 * Invariant: every input has a file or comes from a seed; a name that no input has is an error.
 */
import { elementName } from "../../runtime/format.ts";
import { didYouMean } from "../diagnostic.ts";
import type { CompileOptions, PortDescription } from "../options.ts";
import { seededTensor } from "../tensors/seededTensors.ts";
import { shapeText } from "../tensors/table.ts";
import { nameAndValue, usage, type Arguments, type OptionSpec } from "./commandLine.ts";
import type { Tensors } from "./device.ts";
import { boundShape } from "./modelOptions.ts";
import { readTensorFile } from "./tensorFile.ts";

export const inputOption: OptionSpec = {
  name: "input",
  value: "NAME=FILE",
  multiple: true,
  description: "an input from a .pb (TensorProto), .npy or .json file",
};

/**
 * Inputs from `--input` files and, for the rest, from `--random`.
 *
 * @param defaultSeed what `--random` is where it is not given; without it, every input must have a file then
 * @throws UsageError
 */
export function readInputs(
  args: Arguments,
  all: readonly PortDescription[],
  options: CompileOptions,
  defaultSeed?: number,
): Tensors {
  const ports = portsToFill(args, all);
  const files = new Map(args.texts("input").map((text) => nameAndFile(text, ports)));
  const seed = args.integer("random") ?? defaultSeed;
  const missing = ports.filter(({ name }) => !files.has(name));
  if (missing.length > 0 && seed === undefined) {
    const wanted = missing.map(({ name, dtype, shape }) => `"${name}" (${dtype} ${shapeText(shape)})`);
    usage(`nothing is given for the input ${wanted.join(" and ")}: give --input NAME=FILE or --random SEED`);
  }
  return Object.fromEntries(
    ports.map((port) => {
      const path = files.get(port.name);
      if (path !== undefined) return [port.name, readTensorFile(path, port)];
      return [port.name, seededTensor(port.name, port.dtype, boundShape(port, options), seed!)];
    }),
  );
}

/** The tensors that make up the inputs: of a sequence and an optional those that have files, without gaps. */
function portsToFill(args: Arguments, ports: readonly PortDescription[]): readonly PortDescription[] {
  const texts = args.texts("input");
  const hasFile = (name: string): boolean => texts.some((text) => text.startsWith(`${name}=`));
  return ports.flatMap((port) => {
    if (port.container === undefined) return [port];
    if (port.container === "optional") return hasFile(port.name) ? [port] : [];
    const elements: PortDescription[] = [];
    for (
      let name = elementName(port.name, 0);
      hasFile(name);
      name = elementName(port.name, elements.length)
    ) {
      elements.push({ ...port, name });
    }
    return elements;
  });
}

/** `NAME=FILE`: names may hold `=`, so the longest known name that fits is taken. */
function nameAndFile(text: string, ports: readonly PortDescription[]): readonly [string, string] {
  const known = ports.map(({ name }) => name).filter((name) => text.startsWith(`${name}=`));
  const longest = known.sort((a, b) => b.length - a.length)[0];
  if (longest !== undefined) return [longest, text.slice(longest.length + 1)];
  const [name] = nameAndValue("input", text, "NAME=FILE");
  const names = ports.map((port) => port.name);
  const meant = didYouMean(name, names);
  const hint = meant === undefined ? `the inputs are ${names.map((n) => `"${n}"`).join(", ") || "none"}` : `did you mean "${meant}"?`; // prettier-ignore
  return usage(`there is no input "${name}": ${hint}`);
}
