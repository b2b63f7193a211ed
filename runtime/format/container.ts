/**
 * How inputs and outputs are named that are not one tensor of known rank. The elements of a sequence "s" are tensors of their own, named "s[0]",
 * "s[1]" and so on, up to the first that is missing; an optional, or an optional sequence, without a value has none.
 * Invariant: programs know tensors only; containers exist in a model's interface and while it is being bound.
 */
export const containers = ["sequence", "optional", "optional sequence"] as const;
export type Container = (typeof containers)[number];

/** The name of an element of a sequence. */
export function elementName(sequence: string, position: number): string {
  return `${sequence}[${position}]`;
}

/** The only dimension of a port of which not even the rank is known: any shape fits it. */
export function unknownShape(port: string): string {
  return `${port}.shape`;
}

/** Which names of `from` belong to the value `name`: its own, or those of its elements in order. */
export function namesOf(
  name: string,
  container: Container | undefined,
  from: ReadonlyMap<string, unknown>,
): string[] {
  if (container === undefined || container === "optional") return from.has(name) ? [name] : [];
  const names: string[] = [];
  while (from.has(elementName(name, names.length))) names.push(elementName(name, names.length));
  return names;
}
