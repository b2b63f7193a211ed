/**
 * `npm run coverage`: what the compiler knows of ONNX, as tables. In: the table of operators, the old forms that the
 * frontend rewrites, and with `--report` (twice or more) what the conformance runner found and `--data` its cases.
 * Out: `docs/operators.md`, `docs/conformance.md` (cases that do not pass, with reasons), `docs/conformance.json` (what
 * both of these are made of), a block in README.md, and the names of rare
 * operators in `compiler/ops/rare/names.ts`. Invariant: the texts follow from the table of operators and from
 * `docs/conformance.json` alone, so a test can tell when they are stale. Without a report the counts stay as they are.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { formChanges } from "../compiler/frontend/onnx/adapt.ts";
import { NEWEST_OPSET } from "../compiler/frontend/onnx/import.ts";
import { readModel, type OnnxGraph } from "../compiler/frontend/onnx/model.ts";
import { addAllGroups } from "../compiler/ops/rare/all.ts";
import { operatorNames } from "../compiler/ops/table.ts";
import { vanishingOperators } from "../compiler/passes/bind.ts";
import { findCases } from "../test/conformance/cases.ts";
import type { ConformanceReport } from "../test/conformance/summary.ts";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const TABLE = join(ROOT, "docs/operators.md");
const COUNTS = join(ROOT, "docs/conformance.json");
const README = join(ROOT, "README.md");
const [BEGIN, END] = ["<!-- coverage -->", "<!-- /coverage -->"];

const DOMAINS = ["ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft"];
const DEVICES = ["wasm", "interp"] as const;
type Device = (typeof DEVICES)[number];

interface Counts {
  passed: number;
  total: number;
}

/** The groups of rare operators, as the table was made of them. */
const GROUPS = addAllGroups();

/** What the conformance runner found. */
interface Conformance {
  /** All cases by device. */
  all: Partial<Record<Device, Counts>>;
  /** By "domain.op": cases whose model has the operator, and the element types that flow through such models. */
  operators: Record<string, { dtypes: string[]; cases: Partial<Record<Device, Counts>> }>;
  /** Why a case did not pass, by its name: of each device, or undefined where it did. */
  open?: Record<string, Partial<Record<Device, { status: "failed" | "skipped"; reason: string }>>>;
}

interface Row {
  readonly domain: string;
  readonly op: string;
  readonly versions: string;
}

/** Every operator that a model may have, with the versions in which it may come. */
function rows(): Row[] {
  const changes = formChanges();
  const found: Row[] = [];
  for (const domain of DOMAINS) {
    const own = domain === "ai.onnx";
    const names = new Set(operatorNames(domain));
    if (own) names.add("Constant");
    for (const name of vanishingOperators()) {
      const [op, of = "ai.onnx"] = name.split(":").reverse();
      if (of === domain) names.add(op!);
    }
    for (const key of changes.keys()) {
      if (own && !key.includes(":")) names.add(key);
      else if (key.startsWith(`${domain}:`)) names.add(key.slice(domain.length + 1));
    }
    for (const op of [...names].sort()) {
      const until = (changes.get(own ? op : `${domain}:${op}`) ?? []).filter(Number.isFinite);
      const forms = until.length ? `; other forms before ${until.join(", ")}` : "";
      found.push({ domain, op, versions: own ? `1 to ${NEWEST_OPSET}${forms}` : `all${forms}` });
    }
  }
  return found;
}

/** The module that tells which group of rare operators has which names. */
function namesText(): string {
  const groups = Object.entries(GROUPS).map(([group, { operators }]) => {
    const names = operators.map(({ domain = "", op }) => (domain ? `${domain}:${op}` : op));
    return `  ${group}: ${JSON.stringify(names.sort().join(" "))},\n`;
  });
  return `/**
 * Made by \`npm run coverage\` from the groups beside it; do not edit. In: nothing. Out: the operators of each group,
 * with their domain where it is not ai.onnx. Invariant: a test compares it with the groups.
 */
export const rareNames = {
${groups.join("")}} as const;
`;
}

function countText(counts: Counts | undefined): string {
  return counts ? `${counts.passed}/${counts.total}` : "";
}

function operatorsText(all: readonly Row[], conformance: Conformance): string {
  const lines = [
    "# Operators",
    "",
    "Made by `npm run coverage` from the table of operators in `compiler/ops/`; do not edit.",
    "",
    "Every operator runs on both devices, `wasm` and `interp`. _Versions_ are those of the operator set in which a " +
      "model may use it, and where its form changed. _Element types_ are those of the official test cases that have " +
      "the operator and pass; `cases` says how many of them pass on each device. Operators of `com.microsoft` have " +
      "no official cases: their tests compare with onnxruntime-web.",
  ];
  for (const domain of DOMAINS) {
    const own = all.filter((row) => row.domain === domain);
    if (!own.length) continue;
    lines.push("", `## ${domain}`, "", `${own.length} operators.`, "");
    lines.push("| operator | versions | element types | cases wasm | cases interp |", "| --- | --- | --- | --- | --- |"); // prettier-ignore
    for (const { op, versions } of own) {
      const found = conformance.operators[`${domain}.${op}`];
      const cases = DEVICES.map((device) => countText(found?.cases[device]));
      lines.push(`| ${op} | ${versions} | ${(found?.dtypes ?? []).join(" ")} | ${cases.join(" | ")} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Every case that does not pass, by name, with its reason. */
function casesText({ all, open = {} }: Conformance): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
  const rows = Object.entries(open).map(([name, reasons]) => {
    const where = DEVICES.filter((device) => reasons[device]);
    const [first] = where;
    const { status, reason } = reasons[first!]!;
    return `| ${name} | ${where.join(", ")} | ${status === "skipped" ? "cannot be compared" : "fails"} | ${cell(reason)} |`;
  });
  const counts = DEVICES.flatMap((device) => {
    const found = all[device];
    return found ? [`${found.passed} pass on \`${device}\``] : [];
  });
  return [
    "# Official cases that do not pass",
    "",
    "Made by `npm run coverage` from the reports of `npm run conformance`; do not edit.",
    "",
    `Of the official ONNX backend tests, ${counts.join(", ")}. These do not:`,
    "",
    "| case | device | | reason |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

function summaryText(all: readonly Row[], conformance: Conformance): string {
  const counts = DOMAINS.flatMap((domain) => {
    const count = all.filter((row) => row.domain === domain).length;
    return count ? [`| \`${domain}\` | ${count} |`] : [];
  });
  const results = DEVICES.flatMap((device) => {
    const found = conformance.all[device];
    return found ? [`${found.passed} of ${found.total} on \`${device}\``] : [];
  });
  return [
    "| domain | operators |",
    "| --- | --- |",
    ...counts,
    "",
    `All versions of the standard operator set up to ${NEWEST_OPSET}; [docs/operators.md](docs/operators.md) lists ` +
      `them one by one.${results.length ? ` Official ONNX backend tests passed: ${results.join(", ")}; [docs/conformance.md](docs/conformance.md) names the others, with reasons.` : ""}`,
  ].join("\n");
}

/** Names of all operators of a graph and its subgraphs, as "domain.op". */
function operatorsIn(graph: OnnxGraph, into = new Set<string>()): Set<string> {
  for (const { op, domain, attributes } of graph.nodes) {
    into.add(`${domain || "ai.onnx"}.${op}`);
    for (const attribute of attributes.values())
      if (attribute.kind === "graph") operatorsIn(attribute.value, into);
  }
  return into;
}

/** Counts of the reports, by operator, added to those of devices that were not run. */
function counted(data: string, reports: readonly ConformanceReport[], before: Conformance): Conformance {
  const result: Conformance = structuredClone(before);
  const cases = findCases(data).map(({ name, path }) => {
    const model = readModel(readFileSync(join(path, "model.onnx")));
    const ops = operatorsIn(model.graph);
    for (const fn of model.functions)
      for (const { op, domain } of fn.nodes) ops.add(`${domain || "ai.onnx"}.${op}`);
    const types = [...model.graph.inputs, ...model.graph.outputs].flatMap(({ type }) =>
      type.kind === "tensor" && type.dtype ? [type.dtype] : [],
    );
    return { name, ops, types };
  });
  const types = new Map<string, Set<string>>();
  for (const report of reports) {
    const device = report.device as Device;
    const passed = new Set(report.passed);
    const skipped = new Set(report.skipped.map(({ name }) => name));
    const ran = cases.filter(({ name }) => !skipped.has(name));
    const open = (result.open ??= {});
    for (const reasons of Object.values(open)) delete reasons[device];
    for (const status of ["failed", "skipped"] as const)
      for (const { name, reason } of report[status]) (open[name] ??= {})[device] = { status, reason };
    result.open = Object.fromEntries(
      Object.entries(open)
        .filter(([, reasons]) => Object.keys(reasons).length > 0)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    result.all[device] = { passed: passed.size, total: ran.length };
    for (const found of Object.values(result.operators)) delete found.cases[device];
    for (const { name, ops, types: own } of ran) {
      for (const op of ops) {
        const found = (result.operators[op] ??= { dtypes: [], cases: {} });
        const counts = (found.cases[device] ??= { passed: 0, total: 0 });
        counts.total++;
        if (!passed.has(name)) continue;
        counts.passed++;
        const seen = types.get(op) ?? new Set(found.dtypes);
        for (const type of own) seen.add(type);
        types.set(op, seen);
      }
    }
  }
  for (const [op, seen] of types) result.operators[op]!.dtypes = [...seen].sort();
  result.operators = Object.fromEntries(
    Object.entries(result.operators).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  return result;
}

function knownCounts(): Conformance {
  if (!existsSync(COUNTS)) return { all: {}, operators: {} };
  return JSON.parse(readFileSync(COUNTS, "utf8")) as Conformance;
}

/** All texts as they should be; `path` is relative to the repository. */
export async function coverageTexts(
  conformance: Conformance = knownCounts(),
): Promise<{ readonly path: string; readonly text: string }[]> {
  const all = rows();
  const readme = readFileSync(README, "utf8");
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md has no ${BEGIN} ... ${END}`);
  const block = `${BEGIN}\n\n${summaryText(all, conformance)}\n\n`;
  const texts = [
    { path: "docs/operators.md", text: operatorsText(all, conformance) },
    { path: "docs/conformance.md", text: casesText(conformance) },
    { path: "README.md", text: readme.slice(0, from) + block + readme.slice(to) },
    { path: "compiler/ops/rare/names.ts", text: namesText() },
  ];
  const options = await resolveConfig(README);
  return Promise.all(
    texts.map(async ({ path, text }) => ({
      path,
      text: await format(text, { ...options, filepath: path }),
    })),
  );
}

async function main(words: readonly string[]): Promise<void> {
  const values = (name: string): string[] => words.flatMap((word, i) => (word === name && words[i + 1] !== undefined ? [words[i + 1]!] : [])); // prettier-ignore
  const reports = values("--report").map(
    (path) => JSON.parse(readFileSync(path, "utf8")) as ConformanceReport,
  );
  const shared = process.env["TILEWRIGHT_DATA"];
  const data = values("--data")[0] ?? (shared && join(shared, "onnx-conformance"));
  mkdirSync(dirname(TABLE), { recursive: true });
  let conformance = knownCounts();
  if (reports.length) {
    if (!data) throw new Error("--report needs the cases: --data DIR, or TILEWRIGHT_DATA");
    conformance = counted(data, reports, conformance);
    writeFileSync(COUNTS, await format(JSON.stringify(conformance), { ...(await resolveConfig(README)), parser: "json" })); // prettier-ignore
  } else console.log("Without --report FILE.json of the conformance runner the counts stay as they are.");
  for (const { path, text } of await coverageTexts(conformance)) writeFileSync(join(ROOT, path), text);
  console.log(`docs/operators.md: ${rows().length} operators`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
