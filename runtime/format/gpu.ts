/**
 * The part of a bound plan that runs on WebGPU. In: the JSON value `plan.gpu` of a header. Out: a checked `GpuPlan` of
 * fresh objects, or a `TilewrightError` `artifact-malformed` that names the field. Invariant: every range lies inside its
 * buffer or memory at an offset that WebGPU allows, every index refers to something, every step binds what its pipeline
 * declares; what a device may still refuse (limits, a shader that does not compile) is found when it is loaded.
 *
 * All offsets and sizes are in bytes. Source of the alignment rules: the WebGPU specification, sections 3.6.2 (limits),
 * 8.2.2 (bind groups) and 21.3 (`writeBuffer`).
 */
import { bytesPerElement, type DType, elementCount } from "../dtype.ts";
import { dtype, integer, list, malformed, object, text } from "./fields.ts";

/** A feature of a WebGPU adapter by the name that the specification gives it. */
export type GpuFeature = "shader-f16" | "subgroups" | "timestamp-query";

/** A program for WebGPU in one or several builds: the first whose features and limits the adapter has is taken. */
export interface GpuPlan {
  readonly variants: readonly GpuVariant[];
}

/** One build of the program for WebGPU. */
export interface GpuVariant {
  /** Limits by WebGPU's names: at least these values, or at most where the name begins with "min". */
  readonly requires: {
    readonly features: readonly GpuFeature[];
    readonly limits: Readonly<Record<string, number>>;
  };
  /** Buffers of the GPU, zero at first; sizes are multiples of 4. */
  readonly buffers: readonly { readonly bytes: number }[];
  readonly weights: readonly GpuWeights[];
  /** WGSL modules: ranges of section "wgsl", UTF-8. */
  readonly modules: readonly GpuModule[];
  readonly pipelines: readonly GpuPipeline[];
  /** Once, when the weights are in place: packing, halos. */
  readonly init: readonly GpuStep[];
  /** One inference. */
  readonly run: readonly GpuStep[];
  /** As many as `BoundPlan.inputs`, in the same order and with the same names; likewise the outputs. */
  readonly inputs: readonly GpuSlot[];
  readonly outputs: readonly GpuSlot[];
  /** Where host steps run; needed if there are any, or slots in linear memory. */
  readonly host?: GpuHost;
}

/** A module's text: a range of section "wgsl". */
export interface GpuModule {
  readonly offset: number;
  readonly bytes: number;
  /** Texts with the same entry points for devices that have more: the first whose features are all there is taken. */
  readonly better?: readonly {
    /** Names of WebGPU: of an adapter's features, or of features of the language ("packed_4x8_integer_dot_product"). */
    readonly features: readonly string[];
    readonly offset: number;
    readonly bytes: number;
  }[];
}

/**
 * The WebAssembly side of a program for WebGPU: a module as that of `BoundPlan.variants` (the same imports, libraries and
 * functions of `Math`), of which only the segments that steps name are called, in a linear memory of its own.
 */
export interface GpuHost {
  readonly section: string;
  /** "simd", "relaxed-simd" as for a `Variant`. */
  readonly requires: readonly ("simd" | "relaxed-simd")[];
  readonly memoryBytes: number;
  /** Ranges of section "weights" that go to linear memory. */
  readonly weights: readonly { readonly offset: number; readonly bytes: number; readonly address: number }[];
}

/** `bytes` bytes at `offset` of section "weights" go to `address` of a buffer; filled up with zeros to a multiple of 4. */
export interface GpuWeights {
  /** A multiple of 4, so that parts of a range that arrive one by one start at one too. */
  readonly offset: number;
  readonly bytes: number;
  readonly buffer: number;
  /** A multiple of 4. */
  readonly address: number;
}

/** A compute pipeline: entry point `entry` of a module, storage buffers at bindings 0, 1, 2, ... of group 0. */
export interface GpuPipeline {
  readonly module: number;
  readonly entry: string;
  /** "read": `var<storage, read>`; "write": `var<storage, read_write>`. */
  readonly bindings: readonly ("read" | "write")[];
  /** Of the kernel, for messages. */
  readonly name: string;
  /** The kernel's schedule as text, for messages. */
  readonly schedule?: string;
}

/** A range of a buffer. */
export interface GpuRange {
  readonly buffer: number;
  readonly address: number;
  readonly bytes: number;
}

/** What elements of narrow types are widened to. */
export type GpuElement = "i32" | "u32" | "f32";

/**
 * How elements lie on the GPU. "packed": their ordinary bytes, filled up to a multiple of 4. "wide": each element of 1 or
 * 2 bytes as 4 bytes, of type {@link wideElement}; the runtime converts on the way.
 */
export type GpuForm = "packed" | "wide";

/** Where a tensor of the interface lies: in a buffer, or (`buffer` -1) at `address` of the host's linear memory, packed. */
export interface GpuSlot {
  readonly name: string;
  readonly buffer: number;
  /** A multiple of 4, in a buffer. */
  readonly address: number;
  /** Of the whole, in its form; unpadded in linear memory. */
  readonly bytes: number;
  readonly form: GpuForm;
  /** For an output of dynamic size: where its size is (i32; `buffer` -1: linear memory). */
  readonly size?: GpuRange;
}

/** A tensor that passes between a buffer and linear memory, where it is always packed. */
export interface GpuTransfer {
  readonly gpu: GpuRange;
  readonly address: number;
  readonly form: GpuForm;
  readonly dtype: DType;
  readonly elements: number;
}

export type GpuStep =
  | {
      readonly kind: "dispatch";
      readonly pipeline: number;
      readonly bindings: readonly GpuRange[];
      readonly groups: readonly [number, number, number];
      /** Index into `calls` of the report, for profiles. */
      readonly call?: number;
    }
  | {
      readonly kind: "copy";
      readonly from: GpuRange;
      readonly to: GpuRange;
      readonly call?: number;
    }
  | {
      readonly kind: "host";
      /** An export of the host's module, `() => void`. */
      readonly segment: string;
      /** From buffers to linear memory, before. */
      readonly reads: readonly GpuTransfer[];
      /** From linear memory to buffers, after. */
      readonly writes: readonly GpuTransfer[];
      readonly call?: number;
    };

/** Name of the section that holds WGSL text. */
export const WGSL_SECTION = "wgsl";

/** Offsets of storage bindings are multiples of this: the default, and largest, `minStorageBufferOffsetAlignment`. */
export const STORAGE_ALIGNMENT = 256;

/** Larger than any buffer of an adapter. */
const MOST_BUFFER_BYTES = 2 ** 40;
const MOST_MEMORY_BYTES = 2 ** 32;
/** Of WebGPU's limits none is larger. */
const MOST_LIMIT = 2 ** 53 - 1;
const MOST_BINDINGS = 64;
const MOST_ELEMENTS = 2 ** 40;

/** What elements of a narrow type are in form "wide"; undefined for types that have no wide form. */
export function wideElement(type: DType): GpuElement | undefined {
  switch (type) {
    case "float16":
    case "bfloat16":
      return "f32";
    case "int8":
    case "int16":
    case "int4":
    case "int2":
      return "i32";
    default:
      return bytesPerElement(type) === 1 || type === "uint16" ? "u32" : undefined;
  }
}

/** Bytes that elements take in a buffer. */
export function gpuBytes(type: DType, elements: number, form: GpuForm): number {
  return form === "wide" ? elements * 4 : Math.ceil((elements * bytesPerElement(type)) / 4) * 4;
}

/** What a plan for WebGPU may refer to: the ports of its program and the sections of its artifact. */
export interface GpuSurroundings {
  readonly inputs: readonly Named[];
  readonly outputs: readonly Output[];
  readonly sections: readonly { readonly name: string; readonly bytes: number }[];
  /** Name of the section of weights. */
  readonly weights: string;
}

interface Named {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

interface Output extends Named {
  readonly dynamicDim?: number;
}

/** The plan for WebGPU, which may refer only to what surrounds it. */
export function readGpuPlan(value: unknown, around: GpuSurroundings): GpuPlan {
  const variants = list(object(value, "plan.gpu")["variants"], "plan.gpu.variants", (item, path) =>
    readVariant(object(item, path), path, around),
  );
  if (variants.length === 0) throw malformed("plan.gpu.variants", "a list of at least one variant");
  return { variants };
}

type Fields = Readonly<Record<string, unknown>>;

/** What the steps of a variant refer to. */
interface Room {
  readonly buffers: GpuVariant["buffers"];
  readonly pipelines: readonly GpuPipeline[];
  readonly host: GpuHost | undefined;
}

function readVariant(fields: Fields, path: string, around: GpuSurroundings): GpuVariant {
  const requires = object(fields["requires"], `${path}.requires`);
  const limits = Object.entries(object(requires["limits"], `${path}.requires.limits`)).map(
    ([name, value]) => [name, integer(value, `${path}.requires.limits.${name}`, 0, MOST_LIMIT)] as const,
  );
  const buffers = list(fields["buffers"], `${path}.buffers`, (item, at) => {
    const bytes = integer(object(item, at)["bytes"], `${at}.bytes`, 4, MOST_BUFFER_BYTES);
    if (bytes % 4 !== 0) throw malformed(`${at}.bytes`, "a multiple of 4");
    return { bytes };
  });
  const weightBytes = bytesOf(around.weights, around);
  const weights = list(fields["weights"], `${path}.weights`, (item, at): GpuWeights => {
    const { offset, bytes } = sectionRange(item, at, weightBytes);
    const to = object(item, at);
    const padded = { buffer: to["buffer"], address: to["address"], bytes: Math.ceil(bytes / 4) * 4 };
    const { buffer, address } = range(padded, at, buffers);
    if (offset % 4 !== 0) throw malformed(`${at}.offset`, "a multiple of 4");
    return { offset, bytes, buffer, address };
  });
  const wgslBytes = bytesOf(WGSL_SECTION, around);
  const modules = list(fields["modules"], `${path}.modules`, (item, at) => module(item, at, wgslBytes));
  const pipelines = list(fields["pipelines"], `${path}.pipelines`, (item, at) =>
    pipeline(object(item, at), at, modules.length),
  );
  const host = fields["host"] === undefined ? undefined : readHost(fields["host"], `${path}.host`, around);
  const room: Room = { buffers, pipelines, host };
  const steps = (key: "init" | "run"): GpuStep[] =>
    list(fields[key], `${path}.${key}`, (item, at) => step(object(item, at), at, room));
  const slots = (key: "inputs" | "outputs"): GpuSlot[] => {
    const read = list(fields[key], `${path}.${key}`, (item, at) => object(item, at));
    if (read.length !== around[key].length) throw malformed(`${path}.${key}`, "as long as that of the plan");
    return read.map((item, index) => slot(item, `${path}.${key}[${index}]`, around[key][index]!, room));
  };
  return {
    // A feature that only a later runtime knows stays: no adapter is then found to have it.
    requires: {
      features: list(requires["features"], `${path}.requires.features`, text) as GpuFeature[],
      limits: Object.fromEntries(limits),
    },
    buffers,
    weights,
    modules,
    pipelines,
    init: steps("init"),
    run: steps("run"),
    inputs: slots("inputs"),
    outputs: slots("outputs"),
    ...(host === undefined ? {} : { host }),
  };
}

function bytesOf(section: string, { sections }: GpuSurroundings): number {
  return sections.find(({ name }) => name === section)?.bytes ?? 0;
}

function sectionRange(value: unknown, path: string, available: number): { offset: number; bytes: number } {
  const fields = object(value, path);
  const offset = integer(fields["offset"], `${path}.offset`, 0, available);
  return { offset, bytes: integer(fields["bytes"], `${path}.bytes`, 0, available - offset) };
}

function module(value: unknown, path: string, wgslBytes: number): GpuModule {
  const given = object(value, path)["better"];
  const own = sectionRange(value, path, wgslBytes);
  if (given === undefined) return own;
  const better = list(given, `${path}.better`, (item, at) => ({
    features: list(object(item, at)["features"], `${at}.features`, text),
    ...sectionRange(item, at, wgslBytes),
  }));
  return { ...own, better };
}

function range(value: unknown, path: string, buffers: GpuVariant["buffers"], alignment = 4): GpuRange {
  const fields = object(value, path);
  const buffer = integer(fields["buffer"], `${path}.buffer`, 0, buffers.length - 1);
  const size = buffers[buffer]!.bytes;
  const address = integer(fields["address"], `${path}.address`, 0, size);
  const bytes = integer(fields["bytes"], `${path}.bytes`, 0, size - address);
  if (address % alignment !== 0) throw malformed(`${path}.address`, `a multiple of ${alignment}`);
  if (bytes % 4 !== 0) throw malformed(`${path}.bytes`, "a multiple of 4");
  return { buffer, address, bytes };
}

function pipeline(fields: Fields, path: string, modules: number): GpuPipeline {
  const bindings = list(fields["bindings"], `${path}.bindings`, (item, at) => {
    if (item !== "read" && item !== "write") throw malformed(at, '"read" or "write"');
    return item;
  });
  if (bindings.length > MOST_BINDINGS) throw malformed(`${path}.bindings`, `at most ${MOST_BINDINGS}`);
  const schedule = fields["schedule"];
  return {
    module: integer(fields["module"], `${path}.module`, 0, modules - 1),
    entry: text(fields["entry"], `${path}.entry`),
    bindings,
    name: text(fields["name"], `${path}.name`),
    ...(schedule === undefined ? {} : { schedule: text(schedule, `${path}.schedule`) }),
  };
}

function readHost(value: unknown, path: string, around: GpuSurroundings): GpuHost {
  const fields = object(value, path);
  const section = text(fields["section"], `${path}.section`);
  if (section === around.weights || !around.sections.some(({ name }) => name === section)) {
    throw malformed(`${path}.section`, "the name of a section of code");
  }
  const requires = list(fields["requires"], `${path}.requires`, (item, at) => {
    if (item !== "simd" && item !== "relaxed-simd") throw malformed(at, "a feature of WebAssembly");
    return item;
  });
  const memoryBytes = integer(fields["memoryBytes"], `${path}.memoryBytes`, 0, MOST_MEMORY_BYTES);
  const available = bytesOf(around.weights, around);
  const weights = list(fields["weights"], `${path}.weights`, (item, at) => {
    const { offset, bytes } = sectionRange(item, at, available);
    return { offset, bytes, address: memoryAddress(item, at, bytes, 1, memoryBytes) };
  });
  return { section, requires, memoryBytes, weights };
}

/** The field `address`: of so many bytes that lie within linear memory. */
function memoryAddress(
  value: unknown,
  path: string,
  bytes: number,
  alignment: number,
  memory: number,
): number {
  const address = integer(object(value, path)["address"], `${path}.address`, 0, memory - bytes);
  if (address % alignment !== 0) throw malformed(`${path}.address`, `a multiple of ${alignment}`);
  return address;
}

function form(value: unknown, path: string, type: DType): GpuForm {
  if (value === "packed") return value;
  if (value === "wide" && wideElement(type) !== undefined) return value;
  throw malformed(path, wideElement(type) === undefined ? '"packed"' : '"packed" or "wide"');
}

function slot(fields: Fields, path: string, port: Output, { buffers, host }: Room): GpuSlot {
  if (fields["name"] !== port.name) throw malformed(`${path}.name`, `"${port.name}"`);
  const { dtype: type, shape, dynamicDim } = port;
  const shaped = form(fields["form"], `${path}.form`, type);
  const place = (where: unknown, at: string, bytes: number, size: number): GpuRange => {
    const { buffer } = object(where, at);
    if (buffer !== -1) return range(where, at, buffers);
    if (host === undefined) throw malformed(`${at}.buffer`, "the index of a buffer: there is no host");
    return { buffer: -1, address: memoryAddress(where, at, bytes, size, host.memoryBytes), bytes };
  };
  const elements = elementCount(shape);
  const isHost = fields["buffer"] === -1;
  if (isHost && shaped === "wide") throw malformed(`${path}.form`, '"packed" in linear memory');
  const size = bytesPerElement(type);
  const bytes = isHost ? elements * size : gpuBytes(type, elements, shaped);
  if (fields["bytes"] !== bytes) throw malformed(`${path}.bytes`, `${bytes}`);
  const where = place(fields, path, bytes, size);
  if ((dynamicDim === undefined) !== (fields["size"] === undefined)) {
    throw malformed(`${path}.size`, dynamicDim === undefined ? "left out" : "the range of the size");
  }
  const sized = dynamicDim === undefined ? undefined : place(fields["size"], `${path}.size`, 4, 4);
  if (sized !== undefined && sized.bytes !== 4) throw malformed(`${path}.size.bytes`, "4");
  return { name: port.name, ...where, form: shaped, ...(sized === undefined ? {} : { size: sized }) };
}

function transfer(value: unknown, path: string, { buffers, host }: Room): GpuTransfer {
  const fields = object(value, path);
  const type = dtype(fields["dtype"], `${path}.dtype`);
  const size = bytesPerElement(type);
  if (size === 0) throw malformed(`${path}.dtype`, "an element type of fixed size");
  const elements = integer(fields["elements"], `${path}.elements`, 0, MOST_ELEMENTS);
  const shaped = form(fields["form"], `${path}.form`, type);
  const gpu = range(fields["gpu"], `${path}.gpu`, buffers);
  const bytes = gpuBytes(type, elements, shaped);
  if (gpu.bytes !== bytes) throw malformed(`${path}.gpu.bytes`, `${bytes}`);
  const address = memoryAddress(value, path, elements * size, size, host?.memoryBytes ?? 0);
  return { gpu, address, form: shaped, dtype: type, elements };
}

function step(fields: Fields, path: string, room: Room): GpuStep {
  const { buffers, pipelines, host } = room;
  const call = fields["call"];
  const counted =
    call === undefined ? {} : { call: integer(call, `${path}.call`, 0, Number.MAX_SAFE_INTEGER) };
  switch (fields["kind"]) {
    case "dispatch": {
      const index = integer(fields["pipeline"], `${path}.pipeline`, 0, pipelines.length - 1);
      const bindings = list(fields["bindings"], `${path}.bindings`, (item, at) => {
        const bound = range(item, at, buffers, STORAGE_ALIGNMENT);
        if (bound.bytes === 0) throw malformed(`${at}.bytes`, "at least 4");
        return bound;
      });
      const wanted = pipelines[index]!.bindings.length;
      if (bindings.length !== wanted) throw malformed(`${path}.bindings`, `a list of ${wanted} ranges`);
      const groups = list(fields["groups"], `${path}.groups`, (item, at) =>
        integer(item, at, 0, 2 ** 32 - 1),
      );
      const [x, y, z, ...more] = groups;
      if (x === undefined || y === undefined || z === undefined || more.length > 0) {
        throw malformed(`${path}.groups`, "a list of three numbers");
      }
      return { kind: "dispatch", pipeline: index, bindings, groups: [x, y, z], ...counted };
    }
    case "copy": {
      const from = range(fields["from"], `${path}.from`, buffers);
      const to = range(fields["to"], `${path}.to`, buffers);
      if (from.bytes !== to.bytes) throw malformed(`${path}.to.bytes`, `${from.bytes}`);
      const apart = Math.abs(from.address - to.address) >= from.bytes;
      if (from.buffer === to.buffer && !apart) throw malformed(path, "a copy between ranges that are apart");
      return { kind: "copy", from, to, ...counted };
    }
    case "host": {
      if (host === undefined) throw malformed(path, "a dispatch or a copy: there is no host");
      const transfers = (key: "reads" | "writes"): GpuTransfer[] =>
        list(fields[key], `${path}.${key}`, (item, at) => transfer(item, at, room));
      const segment = text(fields["segment"], `${path}.segment`);
      return { kind: "host", segment, reads: transfers("reads"), writes: transfers("writes"), ...counted };
    }
    default:
      throw malformed(`${path}.kind`, '"dispatch", "copy" or "host"');
  }
}
