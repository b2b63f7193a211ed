/**
 * Index expressions as linear forms. In: an expression of type "index". Out: a constant, and terms with their
 * coefficients. Invariant: no term is itself a sum or a constant; expr.ts makes an expression of a form again.
 */
import type { Expr } from "./expr.ts";
import { notesOfExpressions } from "./intern.ts";
import { range } from "./range.ts";

/** An index expression as constant + sum of coefficient * term, where no term is itself a sum or a constant. */
export interface Linear {
  readonly constant: number;
  readonly terms: ReadonlyMap<Expr, number>;
}

const forms = notesOfExpressions<Linear>();
const noTerms: ReadonlyMap<Expr, number> = new Map();

/** Splits an index expression into its linear form. */
export function linear(e: Expr): Linear {
  if (e.kind === "const") return { constant: Number(e.value), terms: noTerms };
  let form = forms.get(e);
  if (!form) {
    form = split(e);
    forms.set(e, form);
  }
  return form;
}

function split(e: Expr): Linear {
  if (e.kind === "binary" && e.type === "index") {
    if (e.op === "add") {
      const left = linear(e.a);
      const right = linear(e.b);
      const terms = new Map(left.terms);
      for (const [term, c] of right.terms) terms.set(term, (terms.get(term) ?? 0) + c);
      return { constant: left.constant + right.constant, terms };
    }
    if (e.op === "mul" && e.b.kind === "const") {
      const factor = Number(e.b.value);
      const inner = linear(e.a);
      return {
        constant: inner.constant * factor,
        terms: new Map([...inner.terms].map(([term, c]) => [term, c * factor])),
      };
    }
  }
  return { constant: 0, terms: new Map([[e, 1]]) };
}

/** Inclusive bounds of a linear form. */
export function linearRange(form: Linear): readonly [number, number] {
  let low = form.constant;
  let high = form.constant;
  for (const [term, c] of form.terms) {
    const [l, h] = range(term);
    low += Math.min(l * c, h * c);
    high += Math.max(l * c, h * c);
  }
  return [low, high];
}
