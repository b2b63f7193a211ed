/**
 * What an import of a model asks for. In: the query of an import (`./m.onnx?dims.batch=1`) and the options that a
 * project has for the file. Out: options of the compiler. Invariant: a query names options as `CompileOptions` does,
 * one `name=value` each, and one that means nothing is refused, with what was probably meant; what bundlers put into
 * queries themselves passes.
 */
import { didYouMean, fail } from "../diagnostic.ts";
import { passNames, type CompileOptions, type PassName } from "../options.ts";
import { targets, variants, type TargetName } from "./device.ts";

/** The options of a compilation that an import, or a project for a file, can choose. */
export interface ModelOptions extends CompilerOptions {
  /**
   * What to compile for: "wasm", the default; "webgpu"; or "auto": both, and the page takes what is faster there.
   */
  readonly target?: TargetName;
}

type CompilerOptions = Pick<
  CompileOptions,
  | "dims"
  | "inputShapes"
  | "passes"
  | "winograd"
  | "variants"
  | "memoryLimit"
  | "maxUnrolledNodes"
  | "maxIterations"
  | "profile"
>;

/** What an import gives: the model as a function, or the address of its artifact. */
export type ImportedAs = "model" | "url";

export interface ModelQuery {
  readonly as: ImportedAs;
  readonly options: ModelOptions;
}

/** Parts of a query that are no options: ours, and those that bundlers add. */
const PASSING = new Set(["tile", "url", "import", "t", "v", "no-inline"]);
/** Parts with which a file is asked for in another form, by whoever handles those. */
const FOREIGN = ["url", "raw", "inline", "worker", "sharedworker", "init"];
const EXAMPLES: Readonly<Record<string, string>> = {
  dims: "dims.batch=1",
  inputShapes: "inputShapes.image=1x3x224x224",
  passes: "passes.winograd=false",
  variants: "variants=simd",
  target: "target=webgpu",
  memoryLimit: "memoryLimit=268435456",
  maxUnrolledNodes: "maxUnrolledNodes=1000",
  maxIterations: "maxIterations=100",
  profile: "profile",
};

/** The file and the query of an id, without the `?`. */
export function splitId(id: string): { readonly path: string; readonly query: string } {
  const at = id.indexOf("?");
  return at < 0 ? { path: id, query: "" } : { path: id.slice(0, at), query: id.slice(at + 1) };
}

/** Whether an import is of a model: a file called so, or any with `?tile`, unless it is wanted in another form. */
export function asksForModel(id: string): boolean {
  const { path, query } = splitId(id);
  if (path.startsWith("\0")) return false;
  const parts = new URLSearchParams(query);
  if (parts.has("tile")) return true;
  return /\.(onnx|tile)$/.test(path) && !FOREIGN.some((name) => parts.has(name));
}

/** A query without what a bundler has put in: the same import has the same one. */
export function ownQuery(query: string): string {
  return query
    .split("&")
    .filter((part) => part !== "" && !/^(import|t=.*|v=.*)$/.test(part))
    .join("&");
}

/**
 * Reads a query.
 *
 * @throws CompileError `option-invalid`
 * @example readModelQuery("dims.batch=1&passes.winograd=false").options; // { dims: { batch: 1 }, passes: ... }
 */
export function readModelQuery(query: string): ModelQuery {
  const parts = new URLSearchParams(query);
  const options: { -readonly [K in keyof ModelOptions]: ModelOptions[K] } = {};
  for (const [key, value] of parts) {
    const dot = key.indexOf(".");
    const [option, member] = dot < 0 ? [key, ""] : [key.slice(0, dot), key.slice(dot + 1)];
    if (PASSING.has(key)) continue;
    switch (option) {
      case "dims":
        options.dims = { ...options.dims, [named(key, member)]: whole(key, value) };
        break;
      case "inputShapes":
        options.inputShapes = { ...options.inputShapes, [named(key, member)]: shape(key, value) };
        break;
      case "passes":
        options.passes = { ...options.passes, [pass(member)]: flag(key, value) };
        break;
      case "variants":
        options.variants = value.split(",").map((name) => {
          const known = variants.find((variant) => variant === name);
          return known ?? invalid(key, value, `${variants.join(" or ")}, with a comma between them`);
        });
        break;
      case "target": {
        const names = Object.keys(targets) as TargetName[];
        options.target = names.find((name) => name === value) ?? invalid(key, value, names.join(", "));
        break;
      }
      case "memoryLimit":
      case "maxUnrolledNodes":
      case "maxIterations":
        options[option] = whole(key, value);
        break;
      case "profile":
        options.profile = flag(key, value);
        break;
      default: {
        const meant = didYouMean(option, Object.keys(EXAMPLES));
        const hint = meant ? `did you mean ${EXAMPLES[meant]}?` : `there are ${Object.values(EXAMPLES).join(", ")}`; // prettier-ignore
        fail("option-invalid", `the import has no option ${key}`, { hint });
      }
    }
  }
  return { as: parts.has("url") ? "url" : "model", options };
}

/** Two sets of options as one; the second wins, name by name. */
export function mergedOptions(first: ModelOptions, second: ModelOptions): ModelOptions {
  const both = (a: object | undefined, b: object | undefined): object | undefined =>
    (a || b) && { ...a, ...b };
  const members = {
    dims: both(first.dims, second.dims),
    inputShapes: both(first.inputShapes, second.inputShapes),
    passes: both(first.passes, second.passes),
  };
  const present = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  return { ...first, ...second, ...present };
}

function invalid(key: string, value: string, wanted: string): never {
  return fail("option-invalid", `${key} of the import is "${value}" and should be ${wanted}`);
}

function named(key: string, member: string): string {
  if (member === "") fail("option-invalid", `${key} of the import names nothing`, { hint: `such as ${EXAMPLES[key]}` }); // prettier-ignore
  return member;
}

function whole(key: string, value: string): number {
  return /^\d{1,15}$/.test(value) ? Number(value) : invalid(key, value, "a whole number");
}

function shape(key: string, value: string): readonly number[] {
  if (value === "scalar") return [];
  const dims = value.split(/[x,]/);
  if (!dims.every((dim) => /^\d{1,12}$/.test(dim)))
    invalid(key, value, "a shape such as 1x3x224x224, or scalar");
  return dims.map(Number);
}

function flag(key: string, value: string): boolean {
  if (value === "" || value === "true") return true;
  return value === "false" ? false : invalid(key, value, "true or false");
}

function pass(name: string): PassName {
  const known = passNames.find((candidate) => candidate === name);
  if (known !== undefined) return known;
  const meant = didYouMean(name, passNames);
  return fail("option-invalid", `there is no pass ${name}`, {
    hint: meant ? `did you mean ${meant}?` : `the passes are ${passNames.join(", ")}`,
  });
}
