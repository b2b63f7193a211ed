/**
 * What the compiler says when it cannot go on. In: facts about the model. Out: errors whose diagnostics have a
 * stable code, name the node and say what to do next. Invariant: CompileError is for what the user can act on,
 * InternalError for our own bugs; nothing else is thrown on purpose.
 */

/** Stable codes of diagnostics; tests and callers may rely on them. */
export type DiagnosticCode =
  | "model-malformed" // the bytes are not a valid model
  | "model-too-large" // a declared size goes past the limits
  | "external-data-missing" // external data was referred to and not given
  | "opset-unsupported" // IR version or opset outside the supported range
  | "op-unsupported" // no definition for this operator
  | "dtype-unsupported" // the operator does not take this element type here
  | "attribute-invalid" // an attribute is missing or has a wrong value
  | "shape-mismatch" // shapes do not fit the operator
  | "dimension-unbound" // a symbolic dimension has no value
  | "value-needed" // something must be known at compile time and is not
  | "graph-invalid" // names used before definition, cycles, duplicates
  | "option-invalid" // a compile option has a wrong value
  | "limit-exceeded"; // the program would need more memory or code than allowed

export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly message: string;
  /** Name of the node, or its first output when it has none. */
  readonly node?: string;
  readonly op?: string;
  /** What the user can do next. */
  readonly hint?: string;
}

/** The user's model or options cannot be compiled; every reason found is listed. */
export class CompileError extends Error {
  override readonly name = "CompileError";
  /** Of the first diagnostic. */
  readonly code: DiagnosticCode;
  /** All that is wrong. */
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join("\n"));
    this.diagnostics = diagnostics;
    this.code = diagnostics[0]?.code ?? "graph-invalid";
  }
}

/** A state that the compiler's own invariants exclude: a bug of ours, to be reported. */
export class InternalError extends Error {
  override readonly name = "InternalError";
}

/** Throws a {@link CompileError} with one diagnostic. */
export function fail(
  code: DiagnosticCode,
  message: string,
  where: Omit<Diagnostic, "code" | "message"> = {},
): never {
  throw new CompileError([{ code, message, ...where }]);
}

/** One line per diagnostic: where, what, and what to do next. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const where = [diagnostic.op, diagnostic.node && `"${diagnostic.node}"`].filter(Boolean).join(" ");
  const hint = diagnostic.hint ? ` (${diagnostic.hint})` : "";
  return `[${diagnostic.code}] ${where ? `${where}: ` : ""}${diagnostic.message}${hint}`;
}

/** The candidate nearest to `word` by edit distance, when it is near enough to be a likely slip. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}
