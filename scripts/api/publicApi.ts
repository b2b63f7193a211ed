/**
 * What the package exports, as its sources say it. In: package.json's `exports` and the TypeScript sources behind
 * them. Out: for each entry its exports with signature, description, and examples. Invariant: nothing is listed that a
 * user cannot import, nothing that can be imported is left out but what says `@internal`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** What a comment says. */
export interface Doc {
  readonly text: string;
  readonly params: readonly { readonly name: string; readonly text: string }[];
  readonly returns: string;
  readonly throws: readonly string[];
  readonly examples: readonly string[];
}

export interface Member extends Doc {
  readonly name: string;
  readonly signature: string;
}

export interface Exported extends Doc {
  readonly name: string;
  readonly kind: "function" | "class" | "constant" | "type";
  readonly signature: string;
  /** Of a class. */
  readonly members: readonly Member[];
}

export interface Entry extends Doc {
  /** As it is imported, such as `tilewright/compiler`. */
  readonly specifier: string;
  /** The source file, from the root. */
  readonly file: string;
  readonly exports: readonly Exported[];
}

const NO_TRUNCATION =
  ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope | ts.TypeFormatFlags.WriteArrowStyleSignature; // prettier-ignore

/** All entries of the package, in the order of package.json. */
export function publicApi(): readonly Entry[] {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
  };
  const entries = Object.entries(manifest.exports).flatMap(
    ([path, target]) =>
    typeof target === "string"
      ? []
      : [{ specifier: path.replace(/^\./, "tilewright"), file: target.types.replace("./dist/types/", "").replace(/\.d\.ts$/, ".ts") }], // prettier-ignore
  );
  const program = ts.createProgram(
    entries.map(({ file }) => join(root, file)),
    compilerOptions(),
  );
  const checker = program.getTypeChecker();
  return entries.map(({ specifier, file }) => {
    const source = program.getSourceFile(join(root, file));
    const symbol = source && checker.getSymbolAtLocation(source);
    if (source === undefined || symbol === undefined) throw new Error(`${file} exports nothing`);
    const exports = checker.getExportsOfModule(symbol).flatMap((exported) => describe(exported, checker));
    return { specifier, file, exports, ...headOf(source) };
  });
}

/** As the sources are checked, with Node's and the DOM's types. */
export function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, "tsconfig.node.json"), (path) =>
    readFileSync(path, "utf8"),
  );
  const base = ts.parseJsonConfigFileContent({ ...(config as object), include: [], files: ["vite.config.ts"] }, ts.sys, root); // prettier-ignore
  return { ...base.options, incremental: false, noEmit: true };
}

/** The paragraph that opens a file. */
function headOf(source: ts.SourceFile): Doc {
  const [range] = ts.getLeadingCommentRanges(source.text, 0) ?? [];
  const first = source.statements[0];
  if (range === undefined || first === undefined) return docOf([]);
  // The parser gives the first statement all comments before it; the first of those is the file's.
  const comment = ts.getJSDocCommentsAndTags(first).find((node) => node.pos === range.pos);
  return docOf(comment === undefined ? [] : [comment]);
}

function describe(exported: ts.Symbol, checker: ts.TypeChecker): Exported[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const declaration = symbol.valueDeclaration ?? symbol.declarations?.[0];
  if (declaration === undefined) throw new Error(`${exported.name} has no declaration`);
  // What is exported by default goes by its own name.
  const name = exported.name === "default" ? symbol.name === "default" ? nameOf(declaration) : symbol.name : exported.name; // prettier-ignore
  const doc = docOf(commentsOf(declaration));
  const head = { name, ...doc, members: [] };
  if (ts.isFunctionDeclaration(declaration)) {
    const all = (symbol.declarations ?? []).filter(ts.isFunctionDeclaration);
    const called = all.length > 1 ? all.filter(({ body }) => body === undefined) : all;
    const signature = called.map((each) => `function ${name}${callText(each, checker)}`).join("\n");
    return [{ ...head, kind: "function", signature }];
  }
  if (ts.isClassDeclaration(declaration)) {
    const members = overloadsJoined(declaration.members.flatMap((member) => memberOf(member, checker)));
    const base = declaration.heritageClauses?.map((clause) => ` ${clause.getText()}`).join("") ?? "";
    return [{ ...head, kind: "class", signature: `class ${name}${base}`, members }];
  }
  if (ts.isVariableDeclaration(declaration)) {
    const type = checker.typeToString(checker.getTypeOfSymbol(symbol), declaration, NO_TRUNCATION);
    return [{ ...head, kind: "constant", signature: `const ${name}: ${type}` }];
  }
  return [{ ...head, kind: "type", signature: declaration.getText().replace(/^export /, "") }];
}

function nameOf(declaration: ts.Declaration): string {
  return ts.getNameOfDeclaration(declaration)?.getText() ?? "default";
}

function memberOf(
  member: ts.ClassElement,
  checker: ts.TypeChecker,
): (Member & { readonly implemented: boolean })[] {
  const name = member.name?.getText() ?? "";
  const comments = commentsOf(member);
  const hidden = ts.getJSDocTags(member).some((tag) => tag.tagName.text === "internal");
  if (hidden || name.startsWith("#") || ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private)
    return [];
  if (ts.isMethodDeclaration(member))
    return [{ name, implemented: member.body !== undefined, signature: `${name}${callText(member, checker)}`, ...docOf(comments) }]; // prettier-ignore
  if (!ts.isPropertyDeclaration(member) && !ts.isGetAccessorDeclaration(member)) return [];
  const type =
    member.type?.getText() ?? checker.typeToString(checker.getTypeAtLocation(member), member, NO_TRUNCATION);
  return [{ name, implemented: true, signature: `readonly ${name}: ${type}`, ...docOf(comments) }];
}

/** Overloads as one member with several signatures; what implements them is not for callers. */
function overloadsJoined(members: readonly (Member & { readonly implemented: boolean })[]): Member[] {
  return [...new Set(members.map(({ name }) => name))].map((name) => {
    const same = members.filter((member) => member.name === name);
    const called = same.length > 1 ? same.filter(({ implemented }) => !implemented) : same;
    const { implemented: _, ...first } = called.find(({ text }) => text !== "") ?? called[0]!;
    return { ...first, signature: called.map(({ signature }) => signature).join("\n") };
  });
}

/** Parameters and result, as they are written; a default value is shown as `?`. */
function callText(node: ts.FunctionDeclaration | ts.MethodDeclaration, checker: ts.TypeChecker): string {
  const generic = node.typeParameters
    ? `<${node.typeParameters.map((each) => each.getText()).join(", ")}>`
    : "";
  const parameters = node.parameters.map((parameter, index) => {
    const type = parameter.type?.getText() ?? checker.typeToString(checker.getTypeAtLocation(parameter), parameter, NO_TRUNCATION); // prettier-ignore
    const optional = parameter.initializer || parameter.questionToken ? "?" : "";
    const name = ts.isIdentifier(parameter.name) ? parameter.name.text : index === 0 ? "inputs" : "options";
    return `${parameter.dotDotDotToken ? "..." : ""}${name}${optional}: ${type}`;
  });
  return `${generic}(${parameters.join(", ")}): ${node.type?.getText() ?? "void"}`;
}

function commentsOf(declaration: ts.Node): readonly (ts.JSDoc | ts.JSDocTag)[] {
  const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  // The last comment before a declaration is its own; one before that is the file's.
  return ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).slice(-1);
}

function docOf(comments: readonly (ts.JSDoc | ts.JSDocTag)[]): Doc {
  const docs = comments.filter((node): node is ts.JSDoc => ts.isJSDoc(node));
  const tags = docs.flatMap((doc) => doc.tags ?? []);
  const textOf = (node: { readonly comment?: string | ts.NodeArray<ts.JSDocComment> }): string =>
    (ts.getTextOfJSDocComment(node.comment) ?? "").trim().replace(/\{@link (\w+)\}/g, "`$1`");
  const named = (name: string): readonly ts.JSDocTag[] => tags.filter((tag) => tag.tagName.text === name);
  return {
    text: docs.map(textOf).join("\n"),
    params: tags
      .filter(ts.isJSDocParameterTag)
      .map((tag) => ({ name: tag.name.getText(), text: textOf(tag) })),
    returns: [...named("returns"), ...named("return")].map(textOf).join("\n"),
    throws: tags
      .filter((tag) => tag.tagName.text === "throws")
      // The parser takes the first word for a type; here it is the first word of a sentence.
      .map((tag) => tag.getText().replace(/^@throws\s*/, "").replace(/\n\s*\* ?/g, "\n").trim()), // prettier-ignore
    examples: named("example").map((tag) => exampleText(tag)),
  };
}

/** The lines of an example, as they are written. */
function exampleText(tag: ts.JSDocTag): string {
  return tag
    .getSourceFile()
    .text.slice(tag.pos, tag.end)
    .replace(/^@example[ \t]*\n?/, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\*(?: |$)/, ""))
    .join("\n")
    .replace(/\s*\*\/?\s*$/, "")
    .trim();
}
