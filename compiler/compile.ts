/**
 * Compiling, once every operator is there: bytes of a model in, bytes of an artifact out. In: an ONNX model and
 * options. Out: a `.tile` file, bound to shapes or, where dimensions stay free or shapes depend on data, to be bound
 * at run time. Invariant: pure, and done in one go: between the start of a binding and its program nothing else
 * runs, since expressions are interned in one table. `index.ts` and `whole.ts` are the entries that users see.
 *
 * @throws MissingPart (all functions here) where something is needed that has not been loaded
 */
import { writeArtifact, type Port } from "../runtime/format.ts";
import type { BoundStage, CommonPlace, Stage, TensorShape } from "../runtime/binder.ts";
import type { Tensor } from "./ir/dtype.ts";
import { clearInternTable } from "./ir/intern.ts";
import type { Graph, TensorType, ValueId } from "./ir/graph.ts";
import { openModel, portsOf, sectionsOf, typesOfInputs, type OpenedModel } from "./openModel.ts";
import type { CompileOptions, CompileReport, PortDescription } from "./options.ts";
import { rangeBinder } from "./rangeBinder.ts";
import { FollowingStages } from "./following.ts";
import { bindGraph, build, StageClock, type Compiled } from "./pipeline.ts";
import { ContentNumbers } from "./lower/residents.ts";
import { VERSION } from "./version.ts";

/** A compiled model. */
export interface CompileResult {
  /** The bytes of a `.tile` file. */
  readonly artifact: Uint8Array;
  readonly report: CompileReport;
}

/** Compiles a model that was opened with the same options; `compile` of `index.ts` says what comes out. */
export function compileOpened(
  opened: OpenedModel,
  options: CompileOptions,
  clock: StageClock,
): CompileResult {
  clearInternTable();
  const types = typesOfInputs(opened.graph, options);
  if (types.open.length === 0) {
    const bound = clock.time("bind", () => bindGraph(opened.graph, types.bound, new Map(), options, true));
    options.trace?.("bind", () => `${opened.graph.nodes.length} nodes, ${bound.nodes.length} after binding`);
    // On a GPU nobody looks at what would refuse a run: there, branches are bound as they are taken.
    const refusable = bound.refusals.length === 0 || options.targets?.includes("webgpu") !== true;
    if (!bound.rest && bound.known.size === 0 && refusable)
      return build(bound, opened.graph.nodes.length, options, clock);
  }
  return lateArtifact(opened, options, clock);
}

/** The names of dimensions that `compile` would need to make a bound program, by input. */
export function openDimensions(
  model: Uint8Array,
  options: CompileOptions = {},
): readonly { input: string; dims: readonly string[] }[] {
  const opened = openModel(model, options, new StageClock());
  return typesOfInputs(opened.graph, options).open;
}

function lateArtifact(opened: OpenedModel, options: CompileOptions, clock: StageClock): Compiled {
  const ports = portsOf(opened);
  const sections = sectionsOf(opened);
  const plan = { kind: "late", name: opened.graph.name, compiler: VERSION, ...ports } as const;
  const artifact = clock.time("pack", () => writeArtifact(plan, sections, { unsealed: options.unsealed ?? false })); // prettier-ignore
  return {
    artifact,
    report: {
      name: opened.graph.name,
      kind: "late",
      opsIn: opened.graph.nodes.length,
      kernelsOut: 0,
      fused: 0,
      codeBytes: {},
      weightBytes: sections.reduce((sum, { data }) => sum + data.length, 0),
      arenaBytes: 0,
      memoryBytes: 0,
      memoryBoundBytes: 0,
      movedBytes: { fused: 0, unfused: 0 },
      milliseconds: clock.milliseconds,
      kernels: [],
    },
  };
}

/** Does the work of one binding, at once or when what it needs has been loaded. */
export type Binding = <T>(graph: Graph, bind: () => T) => T | Promise<T>;

/** The first stage of a model; `openSource` of `index.ts` says more. */
export function openStage(bytes: Uint8Array, options: CompileOptions, when: Binding): Stage {
  const opened = openModel(bytes, options, new StageClock());
  return stageOf({ ports: portsOf(opened), options, when, numbering: new ContentNumbers() }, opened.graph);
}

/** What all stages of a model have in common. */
interface Staging {
  readonly ports: { readonly inputs: readonly Port[]; readonly outputs: readonly Port[] };
  readonly options: CompileOptions;
  readonly when: Binding;
  readonly numbering: ContentNumbers;
}

function stageOf(staging: Staging, graph: Graph): Stage {
  const following = new FollowingStages(graph, staging.numbering, (rest) => stageOf(staging, rest));
  return {
    ...staging.ports,
    bind: (inputs, values, place) =>
      staging.when(graph, () => bindStage(staging, graph, following, inputs, values, place)),
    bindRange: (range, at, values, place) =>
      staging.when(graph, () => {
        const { options, numbering } = staging;
        const shared = place && { ...place, numbering };
        return rangeBinder
          .get()
          .bindRange(graph, range, at, new Map(Object.entries(values)), options, shared);
      }),
  };
}

function bindStage(
  { options, numbering }: Staging,
  graph: Graph,
  following: FollowingStages,
  inputs: Readonly<Record<string, TensorShape>>,
  values: Readonly<Record<string, Tensor>>,
  place?: CommonPlace,
): BoundStage {
  clearInternTable();
  const clock = new StageClock();
  const known = new Map(Object.entries(values));
  const types = new Map(
    Object.entries(inputs).map(([id, { dtype, shape }]): [ValueId, TensorType] => [id, { dtype, shape }]),
  );
  const bound = clock.time("bind", () => bindGraph(graph, types, known, options));
  const { rest } = bound;
  // Where binding told everything, or left everything, there is nothing to run.
  const runs = bound.outputs.length > 0;
  const shared = place && { ...place, numbering };
  const made = runs
    ? build(bound, graph.nodes.length, { ...options, unsealed: true }, clock, undefined, shared)
    : undefined;
  return {
    ...(made ? { artifact: made.artifact } : {}),
    ...(made?.residents ? { residents: made.residents } : {}),
    ...(bound.known.size > 0 ? { constants: Object.fromEntries(bound.known) } : {}),
    ...(rest
      ? { next: { stage: following.stageOf(rest.graph), demands: rest.demands, carried: rest.carried } }
      : {}),
  };
}

/** What a model is, without compiling it. */
export interface ModelDescription {
  readonly name: string;
  readonly inputs: readonly PortDescription[];
  readonly outputs: readonly PortDescription[];
  readonly opset: Readonly<Record<string, number>>;
  readonly nodes: number;
  /** Number of nodes by operator. */
  readonly ops: Readonly<Record<string, number>>;
}

/** Reads a model's interface and counts its operators. */
export function describe(bytes: Uint8Array, options: CompileOptions = {}): ModelDescription {
  const opened = openModel(bytes, options, new StageClock());
  const { opset, ops } = opened.about;
  return {
    name: opened.graph.name,
    ...portsOf(opened),
    opset,
    nodes: Object.values(ops).reduce((sum, count) => sum + count, 0),
    ops,
  };
}
