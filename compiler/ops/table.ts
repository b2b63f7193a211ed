/**
 * The table of all operators. In: a domain and an operator's name. Out: its definition, if we have one. Invariant:
 * one entry per operator and domain (a second one is our bug and is refused at start-up); the table is only the
 * concatenation of the families, so adding an operator is one entry in one family file. Families that most models do
 * not use form groups (`rare/`), whose names are known here and whose definitions come when a model needs them:
 * `compiler/index.ts` loads a group on demand, `compiler/whole.ts` has them all from the start.
 */
import { InternalError } from "../diagnostic.ts";
import { MissingPart } from "../door.ts";
import { contractOps } from "./contract.ts";
import type { OpDefinition } from "./define.ts";
import type { OperatorGradient } from "./gradient/differential.ts";
import { normaliseOps } from "./normalise.ts";
import { normaliseRowOps } from "./normaliseRow.ts";
import { reduceOps } from "./reduce.ts";
import { activationOps } from "./elementwiseActivation.ts";
import { arithmeticOps } from "./elementwiseArithmetic.ts";
import { castOps } from "./elementwiseCast.ts";
import { scanOps } from "./elementwiseScan.ts";
import { indexingOps } from "./indexing.ts";
import { movementOps } from "./movement.ts";
import { padOps } from "./movementPad.ts";
import { resizeOps } from "./resize.ts";
import { rareNames } from "./rare/names.ts";
import { windowOps } from "./window.ts";

/** What is always there. */
const families: readonly (readonly OpDefinition[])[] = [
  arithmeticOps,
  activationOps,
  castOps,
  scanOps,
  movementOps,
  padOps,
  indexingOps,
  resizeOps,
  contractOps,
  windowOps,
  reduceOps,
  normaliseOps,
  normaliseRowOps,
];

/** What a module of a group has. */
export interface GroupModule {
  readonly operators: readonly OpDefinition[];
  /** How operators of whatever group are differentiated, by the names that {@link findGradient} takes. */
  readonly gradients?: ReadonlyMap<string, OperatorGradient>;
}

/** Groups of rare operators, each a chunk of its own. */
const loaders = {
  attention: () => import("./rare/attention.ts"),
  image: () => import("./rare/image.ts"),
  irregular: () => import("./rare/irregular.ts"),
  microsoft: () => import("./rare/microsoft.ts"),
  ml: () => import("./rare/ml.ts"),
  quantized: () => import("./rare/quantized.ts"),
  recurrent: () => import("./rare/recurrent.ts"),
  signal: () => import("./rare/signal.ts"),
  strings: () => import("./rare/strings.ts"),
  training: () => import("./rare/training.ts"),
  vision: () => import("./rare/vision.ts"),
} as const satisfies Readonly<Record<string, () => Promise<GroupModule>>>;

export type Group = keyof typeof loaders;

/** Thrown where an operator is needed whose group has not been loaded: load it and begin again. */
export class MissingGroup extends MissingPart {
  constructor(group: Group, op: string) {
    super(`the group "${group}", which has the operator ${op},`, () => loadGroups([group]));
  }
}

function key(domain: string, op: string): string {
  return `${domain === "ai.onnx" ? "" : domain}:${op}`;
}

const table = new Map<string, OpDefinition>();
const loaded = new Set<Group>();
let loadedGradients: GroupModule["gradients"];
/** The group of each rare operator. */
const groupOf = new Map<string, Group>();
for (const [group, text] of Object.entries(rareNames)) {
  for (const name of text.split(" ")) groupOf.set(name.includes(":") ? name : key("", name), group as Group);
}

function add(definitions: readonly OpDefinition[]): void {
  for (const definition of definitions) {
    const at = key(definition.domain ?? "", definition.op);
    if (table.has(at)) throw new InternalError(`operator ${definition.op} is defined twice`);
    table.set(at, definition);
  }
}
add(families.flat());

/** Puts a group's operators into the table; a second time changes nothing. */
export function addGroup(group: Group, module: GroupModule): void {
  if (loaded.has(group)) return;
  add(module.operators);
  loadedGradients = module.gradients ?? loadedGradients;
  loaded.add(group);
}

/** Downloads groups that are not there yet and puts them into the table. */
export async function loadGroups(groups: Iterable<Group>): Promise<void> {
  const missing = [...new Set(groups)].filter((group) => !loaded.has(group));
  await Promise.all(missing.map(async (group) => addGroup(group, await loaders[group]())));
}

/** The group that has an operator, if it is a rare one. */
export function groupWith(domain: string, op: string): Group | undefined {
  return groupOf.get(key(domain, op));
}

/**
 * The definition of an operator; `domain` "" and "ai.onnx" are the same.
 *
 * @throws MissingGroup where it is a rare one whose group has not been loaded
 */
export function findOperator(domain: string, op: string): OpDefinition | undefined {
  const at = key(domain, op);
  const found = table.get(at);
  if (found) return found;
  const group = groupOf.get(at);
  if (group && !loaded.has(group)) throw new MissingGroup(group, op);
  return undefined;
}

/**
 * How an operator is differentiated; undefined where it has no derivative of its own.
 *
 * @throws MissingGroup where the derivatives have not been loaded
 */
export function findGradient(domain: string, op: string): OperatorGradient | undefined {
  if (!loadedGradients) throw new MissingGroup("training", "Gradient");
  return loadedGradients.get(domain === "" ? op : `${domain}:${op}`);
}

export function supports(domain: string, op: string): boolean {
  const at = key(domain, op);
  return table.has(at) || groupOf.has(at);
}

/** Names of all operators of a domain, for "did you mean". */
export function operatorNames(domain: string): string[] {
  const prefix = key(domain, "");
  const names = new Set([...table.keys(), ...groupOf.keys()]);
  return [...names].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
