/**
 * The TypeScript declarations of a model. In: its inputs and outputs. Out: the text of a `.d.ts` file, or of a module
 * declared for one form of import. Invariant: the text follows from nothing but the model's interface and its name, so
 * that writing it again changes nothing; any name is a legal one.
 */
import { unknownShape, type Port } from "../../runtime/format.ts";
import type { ImportedAs } from "./importedModel.ts";

interface Interface {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

const MADE_AGAIN = "`npx tilewright types` makes it again.";

/**
 * The file beside a model: `digits.onnx.d.ts` for `import classify from "./digits.onnx"`.
 *
 * @param file name of the model's file
 */
export function modelDeclaration(file: string, ports: Interface): string {
  return [
    "/* eslint-disable */",
    `// What tilewright found in ${JSON.stringify(file)}.${file.endsWith(".tile") ? "" : ` ${MADE_AGAIN}`}`,
    'import type { Model } from "tilewright";',
    "",
    ...typesOf(ports, "export "),
    "",
    "declare const model: Model<Types>;",
    "export default model;",
    "",
  ].join("\n");
}

/** One form of import with a query, such as `./digits.onnx?dims.batch=1`. */
export interface DeclaredImport extends Interface {
  /** The end of the import, from the last slash: file and query. */
  readonly ending: string;
  readonly as: ImportedAs;
}

/** The file with all imports that have a query: TypeScript looks for no file there, so it is told by pattern. */
export function queryDeclarations(imports: readonly DeclaredImport[]): string {
  const modules = imports.map(({ ending, as, ...ports }) => {
    const body =
      as === "url"
        ? ["const url: string;", "export default url;"]
        : ['import type { Model } from "tilewright";', ...typesOf(ports, "export "), "const model: Model<Types>;", "export default model;"]; // prettier-ignore
    return [`declare module ${JSON.stringify(`*/${ending}`)} {`, ...body.map(indented), "}", ""].join("\n");
  });
  return [
    "/* eslint-disable */",
    `// What tilewright found in models that are imported with options. ${MADE_AGAIN}`,
    ...modules,
  ].join("\n");
}

function typesOf({ inputs, outputs }: Interface, before: string): string[] {
  return [
    `${before}type Types = {`,
    ...portsText("inputs", inputs).map(indented),
    ...portsText("outputs", outputs).map(indented),
    "};",
  ];
}

function portsText(which: string, ports: readonly Port[]): string[] {
  if (ports.length === 0) return [`${which}: {};`];
  return [`${which}: {`, ...ports.flatMap(portText).map(indented), "};"];
}

function portText(port: Port): string[] {
  const { name, dtype, shape, container } = port;
  const anyShape = shape.length === 1 && shape[0] === unknownShape(name);
  const dims = shape.map((dim) => (typeof dim === "number" ? dim : "number"));
  const shapeType =
    anyShape || container?.includes("sequence") ? "readonly number[]" : `readonly [${dims.join(", ")}]`;
  const shown = anyShape ? "any shape" : `[${shape.join(", ")}]`;
  const key =
    container === "sequence" || container === "optional sequence"
      ? `[element: \`${escaped(name)}[\${number}]\`]`
      : /^[A-Za-z_$][\w$]*$/.test(name)
        ? name
        : JSON.stringify(name);
  const mark = container === "optional" ? "?" : "";
  // A name in a comment must not end it.
  const comment = `${dtype} ${shown}${container ? ` (${container})` : ""}`.replaceAll("*/", "* /");
  return [`/** ${comment} */`, `${key}${mark}: { dtype: "${dtype}"; shape: ${shapeType} };`];
}

function escaped(name: string): string {
  return name.replace(/[`\\]|\$\{/g, "\\$&");
}

function indented(line: string): string {
  return line === "" ? "" : `  ${line}`;
}
