/**
 * Entry points of several functions. In: the functions of a kernel's stages, each written for workgroups of its own. Out:
 * one entry point that stands for all of them: side by side, in workgroups one after the other, or in one workgroup that
 * does stage after stage. Invariant: each function finds the number of its workgroup and of its invocation as if it were
 * alone, and barriers stand in uniform control flow.
 */

export interface EmittedEntry {
  readonly name: string;
  readonly groups: readonly [number, number, number];
}

export const BUILTINS = "@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32";

/** The function of a stage. */
export interface Part {
  readonly name: string;
  /** Invocations of a workgroup. */
  readonly size: number;
  /** Whether its invocations never meet. */
  readonly alone: boolean;
  readonly groups: EmittedEntry["groups"];
  readonly lines: (parameters: string) => string[];
}

/** An entry point whose workgroups are those of several functions, one after the other. */
export function together(
  name: string,
  parts: readonly Part[],
  size: number,
): { readonly lines: readonly string[]; readonly groups: EmittedEntry["groups"] } {
  const lines = [`fn ${name}(${BUILTINS}) {`];
  let first = 0;
  for (const { name: part, groups, size: own } of parts) {
    const [x, y, z] = groups;
    const at = first === 0 ? "group.x" : `group.x - ${first}u`;
    first += x * y * z;
    const place = y * z === 1 ? `vec3u(${at}, 0u, 0u)` : `vec3u((${at}) % ${x}u, (${at}) / ${x}u % ${y}u, (${at}) / ${x * y}u)`; // prettier-ignore
    const call =
      own < size ? `if (index < ${own}u) { ${part}(${place}, index); }` : `${part}(${place}, index);`;
    lines.push(` if (group.x < ${first}u) { ${call} return; }`);
  }
  return { lines: [...lines, "}"], groups: [first, 1, 1] };
}

/** An entry point of one workgroup that does what those of several functions would, list after list. */
export function inSequence(name: string, phases: readonly (readonly Part[])[], size: number): string[] {
  const lines = [`fn ${name}(${BUILTINS}) {`];
  const meet = " workgroupBarrier(); storageBarrier();";
  phases.forEach((parts, i) => {
    if (i > 0) lines.push(meet);
    for (const { name: part, groups, size: own, alone } of parts) {
      const [x, y, z] = groups;
      const count = x * y * z;
      const place = count === 1 ? "vec3u()" : y * z === 1 ? "vec3u(g, 0u, 0u)" : `vec3u(g % ${x}u, g / ${x}u % ${y}u, g / ${x * y}u)`; // prettier-ignore
      const call =
        own < size ? `if (index < ${own}u) { ${part}(${place}, index); }` : `${part}(${place}, index);`;
      // Workgroups that share memory would be apart: here the next one waits for those who still read.
      const next = alone ? "" : meet;
      lines.push(
        count === 1 ? ` ${call}${next}` : ` for (var g = 0u; g < ${count}u; g++) { ${call}${next} }`,
      );
    }
  });
  return [...lines, "}"];
}
