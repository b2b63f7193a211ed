/**
 * Shows a problem. In: a problem as data. Out: a panel with its heading, what to do, and all diagnostics in a
 * table. Invariant: every diagnostic is listed, with its code, its node and its hint where it has them.
 */
import { dataTable } from "./dataTable.ts";
import { element } from "./element.ts";
import type { Problem, ShownDiagnostic } from "./problem.ts";

/** @param hasOpenShapes whether other sizes can be tried in the form above */
export function problemPanel(problem: Problem, hasOpenShapes: boolean): HTMLElement {
  const { kind, title, explanation, diagnostics, stack } = problem;
  const advice =
    hasOpenShapes && kind !== "file"
      ? "It may be that the model needs other sizes for its open dimensions: try them above."
      : "";
  return element(
    "section",
    { className: `panel problem ${kind}`, attributes: { role: "alert" } },
    element("h3", { textContent: title }),
    explanation !== "" && element("p", { textContent: explanation }),
    advice !== "" && element("p", { textContent: advice }),
    diagnostics.length > 0 && diagnosticTable(diagnostics),
    stack !== undefined &&
      element(
        "details",
        {},
        element("summary", {}, "Where it happened"),
        element("pre", { textContent: stack }),
      ),
  );
}

function diagnosticTable(diagnostics: readonly ShownDiagnostic[]): HTMLElement {
  const anyNode = diagnostics.some(({ node, op }) => node !== undefined || op !== undefined);
  const anyHint = diagnostics.some(({ hint }) => hint !== undefined);
  return dataTable(
    "Reasons",
    [
      { heading: "Code", cell: ({ code }) => code, by: ({ code }) => code, style: "code" },
      ...(anyNode
        ? [
            { heading: "Operator", cell: ({ op }: ShownDiagnostic) => op ?? "", by: ({ op }: ShownDiagnostic) => op ?? "" },
            { heading: "Node", cell: ({ node }: ShownDiagnostic) => node ?? "", style: "code" as const },
          ]
        : []),
      { heading: "What is wrong", cell: ({ message }) => message, style: "prose" },
      ...(anyHint
        ? [{ heading: "What to do", cell: ({ hint }: ShownDiagnostic) => hint ?? "", style: "prose" as const }]
        : []),
    ],
    diagnostics,
  ); // prettier-ignore
}
