/**
 * Finds the models that a project imports. In: a folder. Out: for every import of a model in its source files the
 * file that is meant and the query. Invariant: nothing is executed or parsed beyond what says "import": files of any
 * framework are read as text, and what is no file of the project is passed over.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { asksForModel, ownQuery, splitId } from "./importedModel.ts";

/** What an import may begin with instead of a path, as bundlers have it in their configuration. */
export interface Alias {
  readonly find: string | RegExp;
  readonly replacement: string;
}

/** An import of a model. */
export interface SourceImport {
  /** As it is written. */
  readonly specifier: string;
  /** The source file that it is in. */
  readonly importer: string;
  /** The model's file. */
  readonly path: string;
  readonly query: string;
}

const SOURCES = new Set([".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".vue", ".svelte", ".astro", ".html"]);
const NOT_SOURCES = new Set(["node_modules", "dist", "build", "coverage", "public", "out"]);
/** `from "..."`, `import "..."` and `import("...")`, each with a model's file. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*(["'])([^"'\n]+)\1/g;

/** All imports of models in the source files below `root`, in order of the files' names. */
export function importsIn(root: string, alias: readonly Alias[] = []): SourceImport[] {
  return sourceFiles(root).flatMap((importer) => {
    const text = readFileSync(importer, "utf8");
    return [...text.matchAll(IMPORT)].flatMap(([, , specifier]): SourceImport[] => {
      if (specifier === undefined || !asksForModel(specifier)) return [];
      const { path: wanted, query } = splitId(specifier);
      const path = fileOf(wanted, importer, root, alias);
      return path === undefined ? [] : [{ specifier, importer, path, query: ownQuery(query) }];
    });
  });
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.name.startsWith(".") || NOT_SOURCES.has(entry.name)) return [];
      if (entry.isDirectory()) return sourceFiles(path);
      return SOURCES.has(extname(entry.name)) && !entry.name.endsWith(".d.ts") ? [path] : [];
    });
}

function fileOf(wanted: string, importer: string, root: string, alias: readonly Alias[]): string | undefined {
  const candidates = wanted.startsWith(".")
    ? [resolve(dirname(importer), wanted)]
    : [
        ...alias.flatMap(({ find, replacement }) => {
          const begins = typeof find === "string" ? wanted === find || wanted.startsWith(`${find}/`) : find.test(wanted); // prettier-ignore
          return begins ? [resolve(root, wanted.replace(find, replacement))] : [];
        }),
        ...(wanted.startsWith("/") ? [join(root, wanted)] : []),
      ];
  return candidates.find((path) => existsSync(path));
}
