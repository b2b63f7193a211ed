/**
 * Loops as workgroups and invocations. In: a statement of a nest's outermost level. Out: the loops around everything in it
 * that become parts of a dispatch, and what is left. Invariant: each iteration is one workgroup's (or invocation's), also
 * where WebGPU's 65,535 workgroups per dimension do not suffice and dimensions are folded.
 */
import { InternalError } from "../../diagnostic.ts";
import { elementCount } from "../../ir/dtype.ts";
import type { ForStatement, Statement } from "../../ir/nest.ts";
import { WORKGROUP_LIMITS } from "../../lower/workgroup.ts";
import type { Frame } from "./frames.ts";
import { intLiteral } from "./literal.ts";

/** Invocations of a workgroup where the schedule says nothing. */
const USUAL_SIZE = 64;
const { groups: MOST_GROUPS, invocations: MOST_INVOCATIONS } = WORKGROUP_LIMITS;

/** Invocations that have points of their own, and yet meet: they share copies of operands, or the terms of their sums. */
export interface Team {
  /** Points of the loops that are invocations. */
  readonly points: number;
  /** Invocations for each of them, which deal out the group loops inside, a reduction's, among themselves. */
  readonly slices: number;
}

export interface Chain {
  /** Loops whose iterations are workgroups, outermost first. */
  readonly grid: readonly ForStatement[];
  /** Loops inside of these whose iterations are invocations. */
  readonly group: readonly ForStatement[];
  readonly body: readonly Statement[];
  /** Invocations of a workgroup. */
  readonly size: number;
  /** Whether each invocation has iterations of its own; it shares nothing with others unless they are a team. */
  readonly own: boolean;
  readonly team: Team | undefined;
}

/** In an entry point: the number of the workgroup, or of the invocation where each has iterations of its own. */
export const UNIT = "unit";

/**
 * The statements of a nest's outermost level, those together that work on one accumulator: each list is an entry point.
 */
export function stagesOf(body: readonly Statement[]): Statement[][] {
  const stages: { readonly statements: Statement[]; readonly names: Set<string> }[] = [];
  for (const statement of body) {
    if (statement.kind === "barrier" || (statement.kind === "for" && statement.extent <= 0)) continue;
    const names = accumulatorsOf([statement]);
    const last = stages.at(-1);
    if (last && [...names].some((name) => last.names.has(name))) {
      last.statements.push(statement);
      for (const name of names) last.names.add(name);
    } else stages.push({ statements: [statement], names });
  }
  return stages.map(({ statements }) => statements);
}

function accumulatorsOf(body: readonly Statement[], found: Set<string> = new Set()): Set<string> {
  for (const s of body) {
    if (s.kind === "for") accumulatorsOf(s.body, found);
    else if ("accumulator" in s && s.accumulator !== undefined) found.add(s.accumulator);
  }
  return found;
}

export function chainOf(stage: readonly Statement[], workgroup: number | undefined): Chain {
  const grid: ForStatement[] = [];
  const group: ForStatement[] = [];
  let body = stage;
  for (;;) {
    const rest = body.filter((s) => s.kind !== "barrier");
    const [only] = rest;
    if (rest.length !== 1 || only?.kind !== "for" || only.extent < 1) break;
    if (only.mode === "group") group.push(only);
    else if (only.mode === "grid" && group.length === 0) grid.push(only);
    else break;
    body = only.body;
  }
  const points = elementCount(group.map((s) => s.extent));
  let team: Team | undefined;
  if (group.length > 0 && needsGroup(body)) {
    team = teamOf(body, points, workgroup ?? USUAL_SIZE);
    // Loops of a workgroup that must meet inside are not dealt out to workgroups.
    if (!team) {
      body = [group[0]!];
      group.length = 0;
    }
  }
  const own = group.length > 0;
  if (team) return { grid, group, body, size: team.points * team.slices, own, team };
  const size = own
    ? evenSize(points, workgroup ?? USUAL_SIZE)
    : needsGroup(body)
      ? (workgroup ?? USUAL_SIZE)
      : 1;
  return { grid, group, body, size, own, team };
}

function teamOf(body: readonly Statement[], points: number, workgroup: number): Team | undefined {
  const slices = has(body, (s) => s.kind === "combine") ? Math.max(1, Math.floor(workgroup / points)) : 1;
  if (points * slices <= MOST_INVOCATIONS) return { points, slices };
  if (has(body, (s) => s.kind === "for" && s.mode === "together"))
    throw new InternalError(`${points} invocations share a copy, a workgroup has ${MOST_INVOCATIONS}`);
  return undefined;
}

function has(body: readonly Statement[], test: (s: Statement) => boolean): boolean {
  return body.some((s) => test(s) || (s.kind === "for" && has(s.body, test)));
}

/** Invocations of a workgroup, at most `most`, so that the last workgroup is about as full as the others. */
function evenSize(points: number, most: number): number {
  if (points <= most) return points;
  const blocks = Math.ceil(points / most);
  return Math.min(most, Math.ceil(points / blocks / 4) * 4);
}

/** Whether invocations of a workgroup work together on some of the statements. */
function needsGroup(body: readonly Statement[]): boolean {
  return has(body, (s) => (s.kind === "for" ? s.mode === "group" || s.mode === "together" : s.kind === "combine" && s.over !== undefined)); // prettier-ignore
}

/** Whether the invocations of a chain never meet. */
export function isAlone({ own, size, team }: Chain): boolean {
  return (own && !team) || size === 1;
}

/** Workgroups that share the invocations' iterations, for each iteration of the grid loops. */
function blocksOf({ group, size, own }: Chain): number {
  return own ? Math.ceil(elementCount(group.map((s) => s.extent)) / size) : 1;
}

/** Workgroups of a chain. */
export function groupsOf(chain: Chain): number {
  return elementCount(chain.grid.map((s) => s.extent)) * blocksOf(chain);
}

/** Units of a chain that have scratch of their own: workgroups, or invocations. */
export function unitsOf(chain: Chain): number {
  return groupsOf(chain) * (chain.own ? chain.size : 1);
}

/** Writes what sets the chain's variables into the head of an entry point's frame; says how many workgroups it takes. */
export function spread(
  chain: Chain,
  root: Frame,
): { readonly groups: readonly [number, number, number]; readonly guard: readonly string[] } {
  const { grid, group, size, own, team } = chain;
  const points = elementCount(group.map((s) => s.extent));
  const blocks = blocksOf(chain);
  const extents = [...grid.map((s) => s.extent), ...(blocks > 1 ? [blocks] : [])];
  const total = elementCount(extents);
  const { head } = root;
  const guard: string[] = [];
  if (size > 1) head.push("let lane = i32(index);");
  const set = (s: ForStatement, text: string, name: string): void => {
    head.push(`let ${name} = ${s.from === 0 ? text : `${text} + ${s.from}`};`);
    root.variables.set(s.variable, name);
  };

  // The number of the block and of the grid loops' iterations, innermost first.
  const dimensions = folded(extents.toReversed());
  let groups: [number, number, number];
  const coordinates: string[] = [];
  if (dimensions) {
    groups = [dimensions[0] ?? 1, dimensions[1] ?? 1, dimensions[2] ?? 1];
    coordinates.push(...["x", "y", "z"].map((d) => `i32(group.${d})`));
  } else {
    const width = Math.min(total, MOST_GROUPS);
    groups = [width, Math.ceil(total / width), 1];
    head.push(`let linear = i32(group.x + group.y * ${width}u);`);
    if (width * groups[1] > total) guard.push(`if (group.x + group.y * ${width}u >= ${total}u) { return; }`);
  }
  let divisor = 1;
  const next = (extent: number, position: number): string => {
    if (dimensions) return coordinates[position]!;
    const quotient = divisor === 1 ? "linear" : `linear / ${divisor}`;
    divisor *= extent;
    return divisor >= total ? quotient : `(${quotient}) % ${extent}`;
  };
  let position = 0;
  let block = "0";
  if (blocks > 1) {
    head.push(`let block = ${next(blocks, position++)};`);
    block = "block";
  }
  for (const s of grid.toReversed()) set(s, next(s.extent, position++), `g${position}`);
  const unit = extents.length === 0 ? "0" : dimensions ? `i32(group.x + group.y * ${groups[0]}u + group.z * ${groups[0] * groups[1]}u)` : "linear"; // prettier-ignore
  if (!own) {
    head.push(`let ${UNIT} = ${unit};`);
    return { groups, guard };
  }
  head.push(`let ${UNIT} = ${size > 1 ? `(${unit}) * ${size} + lane` : unit};`);
  if (team && team.slices > 1) head.push(`let slice = lane / ${team.points};`);
  const point =
    team && team.slices > 1
      ? `lane % ${team.points}`
      : size === 1
        ? block
        : block === "0"
          ? "lane"
          : `block * ${size} + lane`;
  head.push(`let point = ${point};`);
  if (!team && blocks * size > points) head.push(`if (point >= ${intLiteral(points)}) { return; }`);
  let inner = 1;
  group.toReversed().forEach((s, i) => {
    const quotient = inner === 1 ? "point" : `point / ${inner}`;
    inner *= s.extent;
    set(s, inner >= points ? quotient : `(${quotient}) % ${s.extent}`, `l${i}`);
  });
  return { groups, guard };
}

/** At most three dimensions that WebGPU takes, where the extents are such as they stand. */
function folded(extents: readonly number[]): readonly number[] | undefined {
  return extents.length <= 3 && extents.every((extent) => extent <= MOST_GROUPS) ? extents : undefined;
}
