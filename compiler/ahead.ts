/**
 * What would be done at load is done while compiling, where that makes the artifact no larger. In: a scheduled program.
 * Out: the same with packed weights for constants, and without the calls that packed them: no page that loads it
 * downloads, compiles or runs those, nor holds a weight twice. Invariants: a run gives the same results; the same
 * program gives the same bytes on every machine, since the code that runs here has neither relaxed instructions nor
 * functions of `Math`; where WebAssembly cannot be used (a policy, an old engine), nothing changes but that the calls
 * stay. Weights that grow (int8 that is computed in float, filters transformed for tiles) stay small in the file.
 */
import { keyOf } from "./backend/kernelKey.ts";
import { emitProgram, kernelCode } from "./backend/wasm/program.ts";
import { bytesPerElement, viewOf, type NumericData, type Tensor } from "./ir/dtype.ts";
import type { ValueId } from "./ir/graph.ts";
import type { Nest } from "./ir/nest.ts";
import {
  rootsOf,
  storageElements,
  type ScheduledCall,
  type ScheduledKernel,
  type ScheduledProgram,
} from "./ir/program.ts";
import { placeProgram } from "./lower/place.ts";

/** What the result may have more than its source: rows filled up to whole vectors. */
const MOST_GROWTH = 17 / 16;
const SMALL_BYTES = 256;

/** Bytes of results that are computed in one memory: what compiling takes at a time. */
const BATCH_BYTES = 1 << 26;

const PAGE_BYTES = 65536;

/** Calls at load that belong together: what one makes, another reads. */
interface Component {
  readonly calls: ScheduledKernel[];
  readonly results: readonly ValueId[];
  readonly bytes: number;
}

/** @param nests where nests are kept from one emission to another */
export function packAhead(
  scheduled: ScheduledProgram,
  nests: Map<string, Nest>,
  trace?: (text: () => string, nodes: string) => void,
): ScheduledProgram {
  const components = worthwhile(scheduled, nests);
  const made = new Map<ValueId, Tensor>();
  const done = new Set<unknown>();
  for (const batch of batchesOf(components)) {
    const results = compute(scheduled, batch, nests);
    if (results === undefined) continue;
    for (const [id, tensor] of results) made.set(id, tensor);
    for (const call of batch.flatMap(({ calls }) => calls)) {
      done.add(call);
      trace?.(() => `${call.kernel.name} is done ahead`, call.nodes.join("+"));
    }
  }
  if (done.size === 0) return scheduled;
  const init = scheduled.init.filter((call) => !done.has(call));
  const { program, values, run } = scheduled;
  const read = new Set<ValueId>([...init, ...run].flatMap(({ inputs }) => inputs));
  const kept = [...program.constants].filter(
    ([id]) => read.has(id) || program.outputs.some((o) => o.id === id),
  );
  return { program: { ...program, constants: new Map([...kept, ...made]) }, values, init, run };
}

/** The components that can be computed here, and whose results are hardly larger than what they are made of. */
function worthwhile({ program, values, init, run }: ScheduledProgram, nests: Map<string, Nest>): Component[] {
  const rootOf = rootsOf(values);
  const bytesOf = (root: ValueId): number => {
    const value = values.get(root)!;
    return storageElements(value) * bytesPerElement(value.dtype);
  };
  const rootsRead = ({ inputs }: ScheduledCall): ValueId[] => inputs.filter((id) => id !== "").map(rootOf);
  const rootsMade = ({ outputs }: ScheduledCall): ValueId[] => outputs.filter((id) => id !== "").map(rootOf);
  const needed = new Set([...run.flatMap(rootsRead), ...program.outputs.map(({ id }) => rootOf(id))]);
  const writtenByRuns = new Set(run.flatMap(rootsMade));
  /** By how many components a constant is read. */
  const readers = new Map<ValueId, number>();
  const groups = joined(init, (call) => [...rootsRead(call), ...rootsMade(call)], rootsMade);
  for (const members of groups)
    for (const root of new Set(members.flatMap(rootsRead))) readers.set(root, (readers.get(root) ?? 0) + 1);

  return groups.flatMap((members) => {
    const calls = members.filter((call) => call.kind === "kernel");
    const made = new Set(members.flatMap(rootsMade));
    const sources = new Set(members.flatMap(rootsRead).filter((root) => !made.has(root)));
    if (
      calls.length !== members.length ||
      [...sources].some((root) => !program.constants.has(root)) ||
      [...made].some((root) => writtenByRuns.has(root) || !values.has(root)) ||
      calls.some((call) => kernelCode(call, keyOf(call), nests).mathNames.length > 0)
    )
      return [];
    const results = [...made].filter((root) => needed.has(root));
    const bytes = results.reduce((sum, root) => sum + bytesOf(root), 0);
    const saved = [...sources].filter((root) => !needed.has(root) && readers.get(root) === 1);
    const before = saved.reduce((sum, root) => sum + bytesOf(root), 0);
    return bytes <= before * MOST_GROWTH + SMALL_BYTES ? [{ calls, results, bytes }] : [];
  });
}

/** Calls in groups: two that touch what one of them makes are in the same one. */
function joined(
  calls: readonly ScheduledCall[],
  touched: (call: ScheduledCall) => readonly ValueId[],
  made: (call: ScheduledCall) => readonly ValueId[],
): readonly (readonly ScheduledCall[])[] {
  const parents = calls.map((_, i) => i);
  const find = (i: number): number => (parents[i] === i ? i : (parents[i] = find(parents[i]!)));
  const makers = new Map<ValueId, number>();
  calls.forEach((call, i) => {
    for (const root of touched(call)) {
      const maker = makers.get(root);
      if (maker !== undefined) parents[find(maker)] = find(i);
    }
    for (const root of made(call)) makers.set(root, i);
  });
  const groups = new Map<number, ScheduledCall[]>();
  calls.forEach((call, i) => {
    const group = groups.get(find(i));
    if (group) group.push(call);
    else groups.set(find(i), [call]);
  });
  return [...groups.values()];
}

function* batchesOf(components: readonly Component[]): Generator<readonly Component[]> {
  let batch: Component[] = [];
  let bytes = 0;
  for (const component of components) {
    if (batch.length > 0 && bytes + component.bytes > BATCH_BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(component);
    bytes += component.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** The results of components as they lie in memory; undefined where this engine does not let us compute them. */
function compute(
  { program, values }: ScheduledProgram,
  components: readonly Component[],
  nests: Map<string, Nest>,
): Map<ValueId, Tensor> | undefined {
  const calls = components.flatMap((component) => component.calls);
  const results = components.flatMap((component) => component.results);
  const read = new Set(calls.flatMap(({ inputs }) => inputs).map(rootsOf(values)));
  const constants = new Map([...program.constants].filter(([id]) => read.has(id)));
  const outputs = results.map((id) => ({ id, name: id }));
  const alone: ScheduledProgram = {
    program: { ...program, constants, calls: [], inputs: [], outputs },
    values,
    init: calls,
    run: [],
  };
  const { places, bytes, weights } = placeProgram(alone, true);
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const { bytes: code } = emitProgram(calls, [], places, { relaxed: false, pages, nests });
  const memory = run(code, pages, (content) => {
    weights.parts.forEach((part, i) => content.set(part, weights.ranges[i]!.address));
  });
  if (memory === undefined) return undefined;
  return new Map(
    results.map((id): [ValueId, Tensor] => {
      const value = values.get(id)!;
      const elements = storageElements(value);
      const start = places.address(id);
      const own = memory.slice(start, start + elements * bytesPerElement(value.dtype));
      const data: NumericData = viewOf(value.dtype, own.buffer, 0, elements);
      return [id, { dtype: value.dtype, shape: [elements], data }];
    }),
  );
}

/** The part of WebAssembly's interface that this takes; the compiler is not typed against a platform. */
interface Engine {
  readonly Module: new (code: Uint8Array) => object;
  readonly Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: Readonly<Record<string, () => void>> };
}

/** The memory after `init` of a program, filled before by `fill`. */
function run(
  code: Uint8Array,
  pages: number,
  fill: (memory: Uint8Array) => void,
): Uint8Array<ArrayBuffer> | undefined {
  const engine = (globalThis as unknown as { readonly WebAssembly?: Engine }).WebAssembly;
  if (engine === undefined) return undefined;
  let module: object;
  let memory: Uint8Array<ArrayBuffer>;
  let init: (() => void) | undefined;
  try {
    module = new engine.Module(code);
    const imported = new engine.Memory({ initial: pages, maximum: pages });
    memory = new Uint8Array(imported.buffer);
    init = new engine.Instance(module, { env: { memory: imported } }).exports["init"];
  } catch {
    return undefined; // a policy against WebAssembly, an engine without vectors, no memory
  }
  fill(memory);
  init!();
  return memory;
}
