/**
 * What went wrong, for the page to show. In: whatever was thrown, and while what was done. Out: plain data with a
 * heading, an explanation and every diagnostic. Invariant: nothing that was thrown is swallowed: what is known to be
 * the user's to mend is told apart from what is a bug of ours, which keeps its stack.
 */
import type { Diagnostic } from "../compiler/index.ts";

export interface Problem {
  /** "file": it is no model; "model": it cannot be compiled; "run": it compiled but did not run; "bug": our fault. */
  readonly kind: "file" | "model" | "run" | "bug";
  readonly title: string;
  readonly explanation: string;
  readonly diagnostics: readonly ShownDiagnostic[];
  /** Where it happened, for a report. */
  readonly stack?: string;
}

/** A diagnostic of the compiler, or an error of the runtime in the same form. */
export interface ShownDiagnostic extends Omit<Diagnostic, "code"> {
  readonly code: string;
}

/** Told by name and form: the classes live in modules that may not have been loaded, or in another thread. */
export function problemOf(error: unknown, during: "open" | "compile" | "run"): Problem {
  if (!(error instanceof Error)) return bug(String(error), undefined);
  if (error.name === "CompileError" && "diagnostics" in error && Array.isArray(error.diagnostics)) {
    return ofDiagnostics(error.diagnostics as readonly ShownDiagnostic[], during);
  }
  if (error.name === "TilewrightError" && "code" in error) {
    const code = String(error.code);
    const diagnostics = [{ code, message: error.message, ...hintFor(code) }];
    return code.startsWith("artifact-")
      ? { kind: "file", title: "This artifact cannot be loaded", explanation: "", diagnostics }
      : { kind: "run", title: "The model did not run", explanation: "", diagnostics };
  }
  if (error instanceof RangeError && /memory|allocation|array length|buffer size/i.test(error.message)) {
    const message = `the browser could not give the memory that this takes: ${error.message}`;
    const diagnostics = [{ code: "out-of-memory", message, ...hintFor("out-of-memory") }];
    return { kind: "run", title: "There is not enough memory", explanation: "", diagnostics };
  }
  return bug(`${error.name}: ${error.message}`, error.stack);
}

function ofDiagnostics(diagnostics: readonly ShownDiagnostic[], during: "open" | "compile" | "run"): Problem {
  const malformed = diagnostics.length > 0 && diagnostics.every(({ code }) => code === "model-malformed");
  if (malformed) {
    const explanation =
      "It is no ONNX model, or it was cut short or damaged on its way here. Try to export or download it again.";
    return { kind: "file", title: "This file cannot be read as a model", explanation, diagnostics };
  }
  const count = diagnostics.length === 1 ? "one reason" : `${diagnostics.length} reasons`;
  const hinted = diagnostics.some(({ hint }) => hint !== undefined);
  return {
    kind: "model",
    title: during === "run" ? "The model cannot be run with these shapes" : "This model cannot be compiled",
    explanation: `The compiler gives ${count}.${hinted ? " What can be done stands beside." : ""}`,
    diagnostics,
  };
}

function bug(message: string, stack: string | undefined): Problem {
  return {
    kind: "bug",
    title: "This is a bug in Tilewright",
    explanation: "The model may well be fine. Please report this, with the model if you can share it.",
    diagnostics: [{ code: "internal-error", message }],
    ...(stack === undefined ? {} : { stack }),
  };
}

/** What to do about an error of the runtime, where there is something to be done in this page. */
function hintFor(code: string): { hint?: string } {
  const hint = HINTS[code];
  return hint === undefined ? {} : { hint };
}

const HINTS: Readonly<Record<string, string>> = {
  "artifact-malformed": "compile the model again, or drop the .onnx file itself",
  "artifact-corrupt": "download or copy the file again",
  "artifact-version": "compile the model again with this version",
  "engine-unsupported": "use a browser with WebAssembly SIMD: all of them since 2023",
  "out-of-memory": "try smaller dimensions, or close other pages",
  "input-dtype": "this input cannot be made up; the model itself has been compiled",
  "run-failed": "random inputs may be outside of what the model takes: indices past a table's end, say",
};
