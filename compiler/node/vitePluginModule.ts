/**
 * The JavaScript that stands for an imported model. In: where the artifact will be, and whether the model needs the
 * compiler in the page. Out: the text of a module whose default export is the model as a function, or its address.
 * Invariant: nothing but the artifact's address and `tilewright` itself is in it, so it is the same for every model;
 * only the development server's form knows of hot replacement.
 */
import type { ImportedModel } from "./modelProject.ts";

/** How a module learns the address of the artifact. */
export type AddressOf =
  /** The bundler's own way for files: an import that gives an address. */
  | { readonly kind: "import"; readonly specifier: string }
  /** An expression. */
  | { readonly kind: "expression"; readonly text: string };

/** The module of an import; `hot` for a page of the development server. */
export function moduleOf(model: ImportedModel, address: AddressOf, hot: boolean): string {
  const source =
    address.kind === "import"
      ? `import source from ${JSON.stringify(address.specifier)};`
      : `const source = ${address.text};`;
  if (model.as === "url") return `${source}\nexport default source;\n`;
  const options = optionsOf(model);
  return [
    `import { model } from "tilewright";`,
    source,
    ...(hot ? hotModule(options, interfaceOf(model)) : [`export default /* @__PURE__ */ model(source, ${options});`]), // prettier-ignore
    "",
  ].join("\n");
}

/** What `load` is told, as source text. */
function optionsOf({ kind, target }: ImportedModel): string {
  // What was compiled for one device alone finds that by itself, unless it is compiled in the page.
  const chooses = target === "auto" || (kind === "late" && target !== "wasm");
  const parts = [
    ...(kind === "late" ? [`compiler: () => import("tilewright/compiler")`] : []),
    ...(chooses ? [`device: ${JSON.stringify(target)}`] : []),
  ];
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}

/** What importers rely on: while it stays, a model can be replaced beneath them. */
function interfaceOf({ inputs, outputs }: ImportedModel): string {
  return JSON.stringify(JSON.stringify({ inputs, outputs }));
}

/**
 * The model stays the same function, which goes over to the new artifact. If inputs or outputs are others, importers
 * are evaluated again, which for most pages means that they reload.
 */
function hotModule(options: string, ports: string): string[] {
  return [
    `const options = ${options};`,
    `const ports = ${ports};`,
    "const kept = import.meta.hot?.data.model;",
    "const current = kept ?? model(source, options);",
    "export default current;",
    "if (import.meta.hot) {",
    "  const { data } = import.meta.hot;",
    "  data.model = current;",
    "  data.ports = ports;",
    "  if (kept !== undefined)",
    '    kept.replace(source, options).catch((error) => console.error("[tilewright]", error));',
    "  import.meta.hot.accept(() => {",
    '    if (data.ports !== ports) import.meta.hot.invalidate("the model has other inputs or outputs");',
    "  });",
    "}",
  ];
}
