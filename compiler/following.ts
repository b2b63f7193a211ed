/**
 * The stages that follow a stage of a late model. In: what binding left over. Out: a stage for it, the same one for
 * the same leftover. Invariant: two graphs share a stage only if they are equal in nodes, attributes and constants;
 * so a text that a run tells, which changes what goes into the next stage and not the stage, compiles nothing new.
 */
import type { Stage } from "../runtime/binder.ts";
import { sha256Hex } from "../runtime/sha256.ts";
import type { Tensor } from "./ir/dtype.ts";
import type { Attribute, Graph } from "./ir/graph.ts";
import type { ContentNumbers } from "./lower/residents.ts";

/** Most stages that are kept: what is left over may differ from run to run. */
const MOST_STAGES = 32;

export class FollowingStages {
  private readonly weights: ReadonlySet<Tensor>;
  private readonly make: (rest: Graph) => Stage;
  private readonly stages = new Map<string, Stage>();
  private readonly numbering: ContentNumbers;

  /** @param graph what the stages follow: its constants are the same objects in every binding */
  constructor(graph: Graph, numbering: ContentNumbers, make: (rest: Graph) => Stage) {
    this.numbering = numbering;
    this.weights = new Set(graph.constants.values());
    this.make = make;
  }

  stageOf(rest: Graph): Stage {
    const text = this.describe(rest);
    const kept = this.stages.get(text);
    if (kept) return kept;
    const stage = this.make(rest);
    for (const oldest of this.stages.keys()) {
      if (this.stages.size < MOST_STAGES) break;
      this.stages.delete(oldest);
    }
    this.stages.set(text, stage);
    return stage;
  }

  /** A text that says everything about a graph. */
  private describe({ inputs, outputs, nodes, constants }: Graph): string {
    return JSON.stringify([
      inputs,
      outputs,
      nodes.map(({ op, domain, version, inputs, outputs, attributes }) => [
        op,
        domain,
        version,
        inputs,
        outputs,
        [...attributes].map(([name, attribute]) => [name, this.describeAttribute(attribute)]),
      ]),
      [...constants].map(([id, tensor]) => [id, this.describeTensor(tensor)]),
    ]);
  }

  private describeAttribute({ kind, value }: Attribute): unknown {
    if (kind === "graph") return this.describe(value);
    if (kind === "tensor") return this.numbering.of(value);
    // JSON has no words for these.
    if (kind === "float" || kind === "floats") return [value].flat().map((number) => (Object.is(number, -0) ? "-0" : String(number))); // prettier-ignore
    return [kind, value];
  }

  private describeTensor(tensor: Tensor): unknown {
    if (this.weights.has(tensor)) return this.numbering.of(tensor);
    const { dtype, shape, data } = tensor;
    const content = ArrayBuffer.isView(data)
      ? sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      : data;
    return [dtype, shape, content];
  }
}
