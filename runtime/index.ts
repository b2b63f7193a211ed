/**
 * The runtime: what a page downloads to run a compiled model. `load` gives a session, `model` a function that loads
 * itself. Nothing here depends on the compiler, on a package, or on anything that is not in every browser, worker and
 * Node alike.
 *
 * @example
 * import { load } from "tilewright";
 * const session = await load("/models/digits.tile");
 * const { probabilities } = await session.run({ image: new Float32Array(28 * 28) });
 */
export {
  type BoundStage,
  type CommonPlace,
  type Compiler,
  type Resident,
  type SourceOptions,
  type Stage,
  type TensorShape,
} from "./binder.ts";
export { type Device, type DeviceKind } from "./device.ts";
export { type DType, type NumericData, type Tensor, type TensorData } from "./dtype.ts";
export { type ErrorCode, TilewrightError } from "./errors.ts";
export { supports } from "./features.ts";
export { type Feature, type Port } from "./format.ts";
export { type Environment, environment } from "./environment.ts";
export { type ElementData, type TensorInput, type TensorLike } from "./inputs.ts";
export { type Into } from "./into.ts";
export { load, type LoadOptions, type WorkerLoadOptions } from "./load.ts";
export { type LoadPart, type PartProgress, type Progress } from "./progress.ts";
export { type Model, model, type ModelSource } from "./model.ts";
export { type AnyModelTypes, type DataOf, type InputOf, type InputsOf, type ModelTypes, type OutputOf, type OutputsOf, type PortType, type TypedSession } from "./modelTypes.ts"; // prettier-ignore
export { type GpuRunOptions, type Inputs, type Outputs, type RunOptions, type Session } from "./session.ts";
export { type Source } from "./source.ts";
export { type LoadTimes, type Place, type SessionStats } from "./stats.ts";
export { type CacheOptions, type CacheOutcome, type CacheStats, type ModelUpdate } from "./store/options.ts";
export { type Threads } from "./threads/shared.ts";
export { type AdapterInfo, type WebGpuOptions } from "./webgpu/device.ts";
export { type GpuStats } from "./webgpu/engine.ts";
export { type GpuTensor } from "./webgpu/program.ts";
export {
  type BufferRange,
  type GpuInput,
  type GpuOutputs,
  type Location,
  type Picture,
  type PictureSource,
} from "./webgpu/types.ts";
export { type Warning, type WarningCode } from "./warning.ts";
export { type WorkerOptions, type WorkerRunOptions } from "./worker/options.ts";
export { type WorkerSession } from "./worker/session.ts";
