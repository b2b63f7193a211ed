/**
 * What a conformance run found, for people and for machines. In: outcomes. Out: JSON with every name, and a summary
 * that groups failures by reason and operator. Invariant: `passed + failed + skipped` is the number of cases.
 */
import { table } from "../../compiler/tensors/table.ts";
import type { Outcome } from "./runCase.ts";

export interface ConformanceReport {
  readonly device: string;
  readonly passed: readonly string[];
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** The report in the form of the JSON file. */
export function reportOf(device: string, outcomes: readonly Outcome[]): ConformanceReport {
  const withReason = (status: Outcome["status"]): { name: string; reason: string }[] =>
    outcomes
      .filter((outcome) => outcome.status === status)
      .map(({ name, reason }) => ({ name, reason: reason ?? "" }));
  return {
    device,
    passed: outcomes.filter(({ status }) => status === "passed").map(({ name }) => name),
    failed: withReason("failed"),
    skipped: withReason("skipped"),
  };
}

/** Failures with equal kind of reason and operator, most first. */
export function failureTable(outcomes: readonly Outcome[], most = Infinity): string {
  const groups = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    if (outcome.status !== "failed") continue;
    const key = `${kindOf(outcome.reason ?? "")}\0${outcome.ops}`;
    groups.set(key, [...(groups.get(key) ?? []), outcome]);
  }
  const rows = [...groups.values()]
    .sort((a, b) => b.length - a.length)
    .map((group) => [
      String(group.length),
      group[0]!.ops,
      shorten(group[0]!.reason ?? "", 150),
      shorten(group.map(({ name }) => name).join(" "), 120),
    ]);
  const shown = rows.slice(0, most);
  const rest = rows.length - shown.length;
  return `${table([["cases", "ops", "reason of the first", "names"], ...shown], { heading: true })}${rest > 0 ? `\n... and ${rest} groups more` : ""}`;
}

/** Number of failures by the code at the start of their reason, most first. */
export function reasonTable(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { status, reason } of outcomes) {
    if (status === "failed") counts.set(codeOf(reason ?? ""), (counts.get(codeOf(reason ?? "")) ?? 0) + 1);
  }
  const rows = [...counts].sort(([, a], [, b]) => b - a).map(([code, count]) => [code, String(count)]);
  return table([["reason", "cases"], ...rows], { heading: true });
}

function codeOf(reason: string): string {
  return /^\[[\w-]+\]|^[\w ]+(?=:)/.exec(reason)?.[0] ?? reason;
}

/** A reason without what is particular to a case: names in quotes and numbers. */
function kindOf(reason: string): string {
  if (reason.startsWith("wrong:")) return "wrong";
  return reason.replace(/"[^"]*"/g, '""').replace(/\d+/g, "0");
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}
