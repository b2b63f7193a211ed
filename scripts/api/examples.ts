/**
 * Makes modules of the examples in the reference. In: what the package exports. Out: one file of TypeScript for each
 * example, which imports what the example leaves to be understood. Invariant: the example's own lines are in it as they
 * are, but for the package's name and the folder `/models/`.
 */
import { join } from "node:path";
import ts from "typescript";
import { root, type Entry } from "./publicApi.ts";

export interface Example {
  /** Where it stands: the entry, and what of it. */
  readonly of: string;
  readonly specifier: string;
  readonly text: string;
}

/** All examples but those that need a bundler or a service worker, which apps have in `npm run check:package`. */
export function examplesOf(entries: readonly Entry[]): readonly Example[] {
  return entries
    .flatMap(({ specifier, exports, examples }) => [
      ...examples.map((text) => ({ of: specifier, specifier, text })),
      ...exports.flatMap(({ name, kind, signature, examples, members }) => [
        ...examples.map((text) => ({ of: `${specifier}: ${name}`, specifier, text })),
        ...members.flatMap((member) => member.examples.map((text) => ({ of: `${specifier}: ${name}.${member.name}`, specifier, text }))), // prettier-ignore
        // Those inside of a type, of its members.
        ...(kind === "type"
          ? examplesIn(signature).map((text) => ({ of: `${specifier}: ${name}`, specifier, text }))
          : []),
      ]),
    ])
    .filter(({ specifier, text }) => !/\.onnx\b/.test(text) && !specifier.startsWith("tilewright/offline"));
}

function examplesIn(signature: string): string[] {
  return [...signature.matchAll(/@example[ \t]*([\s\S]*?)\*\//g)].map(([, text = ""]) =>
    text.replace(/^\s*\* ?/gm, "").trim(),
  );
}

/** @param context names that examples take for granted, in `exampleContext.ts` */
export function moduleOf(
  { text, specifier: own }: Example,
  entries: readonly Entry[],
  context: readonly string[],
  models: string,
): string {
  const sources = new Map(entries.map(({ specifier, file }) => [specifier, join(root, file)]));
  const body = text
    .replace(/(["'])(tilewright(?:\/\w+)*)\1/g, (all, _quote, specifier: string) =>
      sources.has(specifier) ? JSON.stringify(sources.get(specifier)) : all,
    )
    .replaceAll('"/models/', `"${models}/`);
  const parsed = ts.createSourceFile("example.ts", body, ts.ScriptTarget.Latest, true);
  const declared = new Set<string>();
  const used = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { parent } = node;
      const declares =
        (ts.isBindingElement(parent) && parent.name === node) ||
        ((ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isImportSpecifier(parent)) &&
          parent.name === node) || // prettier-ignore
        (ts.isImportClause(parent) && parent.name === node) ||
        (ts.isTypeAliasDeclaration(parent) && parent.name === node);
      const isMember =
        (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        (ts.isPropertyAssignment(parent) && parent.name === node) ||
        (ts.isBindingElement(parent) && parent.propertyName === node);
      if (declares) declared.add(node.text);
      else if (!isMember) used.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  const needed = [...used].filter((name) => !declared.has(name));
  // What two entries call the same is that of the entry that the example belongs to.
  const inOrder = [...entries].sort((a, b) => Number(b.specifier === own) - Number(a.specifier === own));
  const found = new Set<string>();
  const imports = inOrder.flatMap(({ file, exports }) => {
    const names = needed.filter(
      (name) =>
        !found.has(name) && exports.some((exported) => exported.name === name && exported.kind !== "type"),
    );
    for (const name of names) found.add(name);
    return names.length === 0
      ? []
      : [`import { ${names.join(", ")} } from ${JSON.stringify(join(root, file))};`];
  });
  const granted = needed.filter((name) => context.includes(name));
  if (granted.length > 0)
    imports.push(`import { ${granted.join(", ")} } from ${JSON.stringify(join(root, "scripts/api/exampleContext.ts"))};`); // prettier-ignore
  return [...imports, "export {};", body, ""].join("\n");
}

/** Whether an example needs what only browsers have: workers of theirs, a database, elements, a GPU. */
export function needsBrowser({ of, text }: Example): boolean {
  return /"gpu"|tilewright\/(?:cache|progress|worker|compiler\/worker)|WorkerSession|worker: /.test(
    `${of}\n${text}`,
  );
}
