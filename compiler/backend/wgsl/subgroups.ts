/**
 * Reductions by subgroups, the invocations that a GPU runs in step. In: the register in which each invocation of a
 * workgroup has gathered its share. Out: lines after which it holds the whole in every invocation. Invariant: right for
 * subgroups of any size, full or not, whichever invocations they are made of: each counts its members, and one of them
 * hands over what all have.
 *
 * Two barriers, where halving the workgroup again and again takes one for each half. Source: the WGSL specification,
 * section 17.12 (subgroup built-in functions).
 */
import type { ComputeType } from "../../ir/dtype.ts";
import type { Reduction } from "../../ir/kernel.ts";
import type { Frames } from "./frames.ts";
import { indented } from "./frames.ts";

/** The name of the feature, of an adapter and of WGSL. */
export const SUBGROUPS = "subgroups";

export interface SubgroupCombine {
  readonly name: string;
  readonly op: Reduction["op"];
  readonly type: ComputeType;
  /** Invocations of the workgroup. */
  readonly size: number;
  /** Memory of the workgroup: a word for each invocation, a bool as u32. */
  readonly memory: string;
  /** What an empty reduction gives, and NaN. */
  readonly identity: string;
  readonly nan: string;
  /** `isNan` of the library; undefined where no share can be NaN. */
  readonly isNan: string | undefined;
  /** `name = name op text` */
  readonly accumulated: (text: string) => string;
}

/** Whether subgroups have an operation for it. */
export function bySubgroups(type: ComputeType): boolean {
  return type !== "i64" && type !== "u64" && type !== "f64";
}

export function combineBySubgroups(frames: Frames, combine: SubgroupCombine): void {
  const { name, type, size, memory, identity, accumulated } = combine;
  const rank = frames.hoist("subgroupExclusiveAdd(1u)", 0);
  const members = frames.hoist("subgroupAdd(1u)", 0);
  const share = frames.fresh("v");
  frames.line(`let ${share} = ${together(combine, name)};`);
  const handed = `select(${identity}, ${share}, ${rank} == 0u)`;
  frames.line(`${memory}[lane] = ${type === "bool" ? `u32(${handed})` : handed};`);
  frames.line("workgroupBarrier();");
  frames.line(`${name} = ${identity};`);
  const at = frames.fresh("h");
  frames.line(`for (var ${at} = ${rank}; ${at} < ${size}u; ${at} += ${members}) {`);
  frames.open();
  frames.line(`${accumulated(type === "bool" ? `(${memory}[${at}] != 0u)` : `${memory}[${at}]`)};`);
  for (const line of indented(frames.close())) frames.line(line);
  frames.line("}");
  frames.line(`${name} = ${together(combine, name)};`);
  frames.line("workgroupBarrier();");
}

/** What the members of a subgroup have, as text. */
function together({ op, type, isNan, nan }: SubgroupCombine, x: string): string {
  if (type === "bool") return `${op === "max" ? "subgroupAny" : "subgroupAll"}(${x})`;
  if (op === "sum") return `subgroupAdd(${x})`;
  if (op === "prod") return `subgroupMul(${x})`;
  const text = `${op === "max" ? "subgroupMax" : "subgroupMin"}(${x})`;
  // What becomes of NaN in these is left open.
  return type !== "f32" || isNan === undefined
    ? text
    : `select(${text}, ${nan}, subgroupAny(${isNan}(${x})))`;
}
