/**
 * What a session on the GPU takes and gives besides tensors. In: values by name, as a caller has them. Out: inputs of a
 * run, and where outputs are wanted. Invariant: everything has been looked at before anything runs: a buffer is of the
 * session's device and large enough, a picture fits the shape; what cannot be used ends in `input-*`.
 */
import { TilewrightError } from "../errors.ts";
import { type Port } from "../format.ts";
import { type GpuSlot } from "../format/gpu.ts";
import { readInputs, type TensorLike } from "../inputs.ts";
import { type Into } from "../into.ts";
import { type Inputs } from "../session.ts";
import { usage } from "./constants.ts";
import { type GpuEngine } from "./engine.ts";
import { isPicture, pictureWriter } from "./picture.ts";
import { type RunInput, type RunInputs, type Wanted } from "./program.ts";
import { type BufferRange, type Location } from "./types.ts";

/** The inputs of a run. */
export function readGpuInputs(engine: GpuEngine, ports: readonly Port[], given: Inputs): RunInputs {
  const inputs = new Map<string, RunInput>();
  const plain: Record<string, TensorLike> = {};
  const rest: Port[] = [];
  for (const port of ports) {
    const value: unknown = Object.hasOwn(given, port.name) ? given[port.name] : undefined;
    if (isBuffer(value) || isRange(value)) inputs.set(port.name, bufferInput(engine, port, value));
    else if (isPicture(value)) {
      inputs.set(port.name, { kind: "writer", writer: pictureWriter(port, value) });
    } else rest.push(port);
  }
  for (const [name, value] of Object.entries(given)) {
    if (!inputs.has(name)) plain[name] = value as TensorLike;
  }
  for (const [name, tensor] of readInputs(rest, plain)) inputs.set(name, { kind: "data", tensor });
  return inputs;
}

/** Told by its members: `GPUBuffer` is no global everywhere. */
function isBuffer(value: unknown): value is GPUBuffer {
  return typeof value === "object" && value !== null && "mapAsync" in value && "usage" in value;
}

function isRange(value: unknown): value is BufferRange {
  return typeof value === "object" && value !== null && "buffer" in value && isBuffer(value.buffer);
}

function bufferInput(engine: GpuEngine, port: Port, value: GPUBuffer | BufferRange): RunInput {
  const { slot } = engine.program.place("inputs", port.name);
  const { buffer, offset = 0 } = isBuffer(value) ? { buffer: value } : value;
  checkRange(`input "${port.name}"`, buffer, offset, slot, usage.copySource, "COPY_SRC");
  return { kind: "buffer", buffer, offset };
}

function checkRange(
  what: string,
  buffer: GPUBuffer,
  offset: number,
  { bytes, form }: GpuSlot,
  flag: number,
  flagName: string,
): void {
  if ((buffer.usage & flag) === 0) {
    throw new TilewrightError("input-dtype", `${what}: the buffer was not made with the usage ${flagName}`);
  }
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % 4 !== 0) {
    throw new TilewrightError("input-shape", `${what}: the offset ${offset} is no multiple of 4`);
  }
  const size = Math.ceil(bytes / 4) * 4;
  if (buffer.size - offset < size) {
    const how = form === "wide" ? " (four bytes for each element of this type)" : "";
    throw new TilewrightError(
      "input-shape",
      `${what} takes ${size} bytes${how}, the buffer has ${buffer.size - offset} from there`,
    );
  }
}

/** Where the outputs of a run are wanted. */
export function readWanted(
  engine: GpuEngine,
  ports: readonly { readonly name: string }[],
  location: Location | undefined,
  into: Into = {},
): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const { name } of ports) if (Object.hasOwn(into, name)) wanted.set(name, { into: into[name]! });
  if (location === undefined || location === "cpu") return wanted;
  for (const { name } of ports) {
    const how = location === "gpu" ? "gpu" : location[name];
    if (how === undefined || how === "cpu") continue;
    if (how === "gpu") wanted.set(name, "buffer");
    else {
      const { buffer, offset = 0 } = isBuffer(how) ? { buffer: how } : how;
      const { slot } = engine.program.place("outputs", name);
      checkRange(`output "${name}"`, buffer, offset, slot, usage.copyDestination, "COPY_DST");
      wanted.set(name, { buffer, offset });
    }
  }
  if (location !== "gpu") {
    const unknown = Object.keys(location).find((name) => !ports.some((port) => port.name === name));
    if (unknown !== undefined) {
      throw new TilewrightError("output-unknown", `location: the model has no output "${unknown}"`);
    }
  }
  return wanted;
}
