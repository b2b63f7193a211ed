/**
 * Operators that are dissolved while binding: control flow, sequences and optionals, and derivatives. In: an operator.
 * Out: the door to what dissolves it, which networks without such operators never need. Invariant: as of door.ts; names
 * are known without what is behind a door.
 */
import { fail } from "../../diagnostic.ts";
import { Door } from "../../door.ts";
import type { Graph, OpNode } from "../../ir/graph.ts";
import type { Walk } from "./walk.ts";

/** Binds a node whose outputs are none of its own: it becomes other nodes, lists, or names of other values. */
export type Vanishing = (walk: Walk, node: OpNode) => void;

/** By name: "op" of ai.onnx or "domain:op". */
export type VanishingOps = Readonly<Record<string, Vanishing>>;

const controlFlow = new Door<VanishingOps>(
  "what dissolves control flow",
  async () => (await import("./controlFlow.ts")).controlFlowOps,
);

const derivatives = new Door<VanishingOps>(
  "what dissolves derivatives",
  async () => (await import("./gradient.ts")).gradientOps,
);

const control =
  "If Loop Scan SequenceConstruct SequenceEmpty SequenceInsert SequenceErase SequenceAt SequenceLength SequenceMap " +
  "SplitToSequence ConcatFromSequence Optional OptionalHasElement OptionalGetElement";

const doors: ReadonlyMap<string, Door<VanishingOps>> = new Map([
  ...control.split(" ").map((name) => [name, controlFlow] as const),
  ["ai.onnx.preview.training:Gradient", derivatives],
]);

function nameOf({ domain, op }: Pick<OpNode, "domain" | "op">): string {
  return domain === "" ? op : `${domain}:${op}`;
}

/** The door to what dissolves an operator; undefined for one that has a definition in the table. */
export function vanishingDoor(node: Pick<OpNode, "domain" | "op">): Door<VanishingOps> | undefined {
  return doors.get(nameOf(node));
}

/**
 * What dissolves a node; undefined where nothing does.
 *
 * @throws MissingPart where it has not been loaded
 */
export function vanishingOf(node: OpNode): Vanishing | undefined {
  return vanishingDoor(node)?.get()[nameOf(node)];
}

/** Names of all operators that are dissolved. */
export function vanishingOperators(): string[] {
  return [...doors.keys()];
}

/** Opens the doors, where nothing is downloaded. */
export function addVanishing(controlFlowOps: VanishingOps, gradientOps: VanishingOps): void {
  controlFlow.add(controlFlowOps);
  derivatives.add(gradientOps);
}

/** A graph among a node's attributes. */
export function bodyOf(node: OpNode, attribute: string): Graph {
  const found = node.attributes.get(attribute);
  if (found?.kind === "graph") return found.value;
  return fail("attribute-invalid", `${node.op} without its ${attribute}`, { node: node.name, op: node.op });
}
