/**
 * The models of one project: what `tilewright/vite` and `tilewright types` share. In: the project's folder, options
 * by file, and imports. Out: compiled models, and TypeScript declarations beside them. Invariant: the same import
 * gives the same artifact and the same types whoever asks; files are written only where they would change.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import type { TargetName } from "./device.ts";
import { mergedOptions, readModelQuery, type ImportedAs, type ModelOptions } from "./importedModel.ts";
import { ModelCache, type CompiledModel } from "./modelCache.ts";
import { modelDeclaration, queryDeclarations, type DeclaredImport } from "./modelDeclaration.ts";
import { importsIn, type Alias } from "./sourceImports.ts";

export interface ModelProjectOptions {
  /** The project's folder. */
  readonly root: string;
  /**
   * Options by file: paths from the root, where `*` stands for any part of a name, `**` for any folders and `{a,b}`
   * for either. Of several that match, later ones win.
   */
  readonly models?: Readonly<Record<string, ModelOptions>> | undefined;
  /** Where compiled models are kept. Default: `node_modules/.cache/tilewright`. */
  readonly cacheFolder?: string | undefined;
  /** Most bytes of all compiled models that are kept. Default: 1 GiB. */
  readonly cacheBytes?: number | undefined;
  /** What imports may begin with instead of a path. */
  readonly alias?: readonly Alias[] | undefined;
}

/** An import of a model, resolved and compiled. */
export interface ImportedModel extends CompiledModel {
  readonly as: ImportedAs;
  /** What it was compiled for. */
  readonly target: TargetName;
  /** Whether the import has a query, so that TypeScript does not take it for the file beside the model. */
  readonly own: boolean;
}

/** A file of declarations. */
export interface DeclarationFile {
  readonly path: string;
  readonly text: string;
}

/** An import that cannot be compiled. */
export interface FailedImport {
  readonly specifier: string;
  readonly importer: string;
  readonly error: unknown;
}

export class ModelProject {
  readonly root: string;
  readonly #models: readonly (readonly [pattern: RegExp, options: ModelOptions])[];
  readonly #cache: ModelCache;
  readonly #alias: readonly Alias[];

  constructor({ root, models = {}, cacheFolder, cacheBytes, alias = [] }: ModelProjectOptions) {
    this.root = resolve(root);
    this.#models = Object.entries(models).map(([pattern, options]) => [globPattern(pattern), options]);
    this.#alias = alias;
    this.#cache = new ModelCache({
      folder: cacheFolder === undefined ? cacheFolderOf(this.root) : resolve(this.root, cacheFolder),
      mostBytes: cacheBytes,
    });
  }

  /**
   * Compiles what an import asks for, or finds that it has been compiled.
   *
   * @param query what follows the `?` of the import
   * @throws CompileError, and errors of the file system for the model itself
   */
  imported(path: string, query: string): ImportedModel {
    const { as, options } = readModelQuery(query);
    const merged = mergedOptions(this.optionsOf(path), options);
    const { target = "wasm" } = merged;
    return { ...this.#cache.compiled(path, merged), as, target, own: query !== "" };
  }

  /** The options that the project has for a file. */
  optionsOf(path: string): ModelOptions {
    const name = relative(this.root, path).split(sep).join("/");
    return this.#models.reduce<ModelOptions>(
      (options, [pattern, more]) => (pattern.test(name) ? mergedOptions(options, more) : options),
      {},
    );
  }

  /** The declarations of a model that is imported without options, beside its file; undefined if not ours to write. */
  declarationOf(path: string, model: CompiledModel): DeclarationFile | undefined {
    if (path.split(sep).includes("node_modules")) return undefined;
    return { path: `${path}.d.ts`, text: modelDeclaration(basename(path), model) };
  }

  /** All declarations of the project: of what its source files import, compiled where it was not. */
  declarations(): { readonly files: readonly DeclarationFile[]; readonly failed: readonly FailedImport[] } {
    const files = new Map<string, DeclarationFile>();
    const declared = new Map<string, DeclaredImport>();
    const failed: FailedImport[] = [];
    for (const { specifier, importer, path, query } of importsIn(this.root, this.#alias)) {
      try {
        const { as, own, target: _, inputs, outputs, ...model } = this.imported(path, query);
        if (own) {
          const ending = specifier.slice(specifier.lastIndexOf("/", specifier.indexOf("?")) + 1);
          declared.set(ending, { ending, as, inputs, outputs });
        } else {
          const file = this.declarationOf(path, { ...model, inputs, outputs });
          if (file !== undefined) files.set(file.path, file);
        }
      } catch (error) {
        failed.push({ specifier, importer, error });
      }
    }
    if (declared.size > 0 || existsSync(this.#queryFile())) {
      const inOrder = [...declared.values()].sort((a, b) => (a.ending < b.ending ? -1 : 1));
      files.set("", { path: this.#queryFile(), text: queryDeclarations(inOrder) });
    }
    return { files: [...files.values()], failed };
  }

  /** Where imports with options are declared: among the sources, which every template's configuration includes. */
  #queryFile(): string {
    const sources = join(this.root, "src");
    return join(existsSync(sources) ? sources : this.root, "tilewright-env.d.ts");
  }
}

/** Whether a file says something else than it should. */
export function isStale({ path, text }: DeclarationFile): boolean {
  return !existsSync(path) || readFileSync(path, "utf8").replaceAll("\r\n", "\n") !== text;
}

/** Writes a file unless it says the same already; whole, since editors and compilers watch it. */
export function writeDeclaration(file: DeclarationFile): boolean {
  if (!isStale(file)) return false;
  const aside = `${file.path}.${process.pid}.part`;
  try {
    writeFileSync(aside, file.text);
    renameSync(aside, file.path);
  } finally {
    rmSync(aside, { force: true });
  }
  return true;
}

/** `node_modules/.cache/tilewright` of the nearest package, made if there is none. */
function cacheFolderOf(root: string): string {
  for (let folder = root; ; folder = dirname(folder)) {
    const modules = join(folder, "node_modules");
    if (existsSync(modules) && statSync(modules).isDirectory()) return join(modules, ".cache", "tilewright");
    if (folder === dirname(folder)) break;
  }
  const own = join(root, "node_modules", ".cache", "tilewright");
  mkdirSync(own, { recursive: true });
  return own;
}

/** A pattern of paths as a regular expression; a leading `./` or `/` means the root. */
function globPattern(pattern: string): RegExp {
  const source = pattern
    .replace(/^\.?\//, "")
    .replace(/[.+^$()|[\]\\]/g, "\\$&")
    .replace(/\*\*\/|\*\*|\*|\?|\{[^{}]*\}/g, (part) => {
      if (part === "**/") return "(?:.*/)?";
      if (part === "**") return ".*";
      if (part === "*") return "[^/]*";
      if (part === "?") return "[^/]";
      return `(?:${part.slice(1, -1).split(",").join("|")})`;
    });
  return new RegExp(`^${source}$`);
}
