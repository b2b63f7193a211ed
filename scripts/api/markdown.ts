/**
 * The API reference as a page. In: what the package exports. Out: Markdown. Invariant: the page follows from the
 * sources alone; renewing it without a change of these changes nothing.
 */
import type { Doc, Entry, Exported } from "./publicApi.ts";

/** What comes first is what is called first. */
const ORDER = ["function", "class", "constant"] as const;

/** The whole page. */
export function referencePage(entries: readonly Entry[]): string {
  return [
    "# API reference",
    "",
    "Made from the sources by `npm run docs`; a test holds it true, and the examples are run by another.",
    "",
    ...entries.flatMap(({ specifier, exports }) => [
      `- [\`${specifier}\`](#${anchor(specifier)}): ${ORDER.flatMap((wanted) =>
        exports.filter(({ kind }) => kind === wanted),
      )
        .map(({ name }) => `[${name}](#${anchor(name)})`)
        .join(", ")}`,
    ]),
    "",
    ...entries.flatMap(entryText),
  ]
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .replace(/\n*$/, "\n");
}

function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\w-]/g, "");
}

function entryText(entry: Entry): string[] {
  const values = ORDER.flatMap((wanted) => entry.exports.filter(({ kind }) => kind === wanted));
  const types = entry.exports.filter(({ kind }) => kind === "type");
  return [
    `## \`${entry.specifier}\``,
    "",
    ...docText(entry),
    ...values.flatMap(valueText),
    ...(types.length === 0 ? [] : [`### Types of \`${entry.specifier}\``, "", ...types.flatMap(typeText)]),
  ];
}

function valueText(exported: Exported): string[] {
  return [
    `### ${exported.name}`,
    "",
    ...code(exported.signature),
    ...docText(exported),
    ...exported.members.flatMap((member) => [`#### ${exported.name}.${member.name}`, "", ...code(member.signature), ...docText(member)]), // prettier-ignore
  ];
}

function typeText({ name, signature, text, examples }: Exported): string[] {
  return [
    `#### ${name}`,
    "",
    ...(text === "" ? [] : [text, ""]),
    ...code(signature),
    ...examples.flatMap(code),
  ];
}

function docText({ text, params, returns, throws, examples }: Doc): string[] {
  return [
    ...(text === "" ? [] : [text, ""]),
    ...params.map(({ name, text: what }) => `- \`${name}\`: ${oneLine(what)}`),
    ...(returns === "" ? [] : [`- gives ${oneLine(returns)}`]),
    ...throws.map((what) => `- throws ${oneLine(what)}`),
    "",
    ...examples.flatMap(code),
  ];
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}

function code(text: string): string[] {
  return ["```ts", text, "```", ""];
}
