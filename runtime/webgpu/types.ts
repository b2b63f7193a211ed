/**
 * What callers give to and get from a session on the GPU, as types alone: the runtime names them without downloading
 * what implements them. Invariant: nothing here exists at run time.
 */
import { type Tensor } from "../dtype.ts";
import { type GpuTensor } from "./program.ts";

/** A part of a buffer on the session's device (`session.device.gpu`). */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  /** In bytes, a multiple of 4; 0 if left out. */
  readonly offset?: number;
}

/** Something to look at: what `copyExternalImageToTexture` or `importExternalTexture` takes. */
export type PictureSource =
  | ImageBitmap
  | ImageData
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLImageElement
  | HTMLVideoElement
  | VideoFrame;

/**
 * A picture as an input of shape [1, C, H, W], [1, H, W, C], or either without the 1, with C of 1, 3 or 4. It is scaled
 * to the size of the input (bilinear) and converted on the GPU; a value is `scale * c + bias` with c from 0 to 1.
 */
export interface Picture {
  readonly picture: PictureSource;
  /** Where the channels are; told from the shape if left out. */
  readonly layout?: "NCHW" | "NHWC";
  /** For each channel, or for all. Default: 1; 255 where the input is of integers. */
  readonly scale?: number | readonly number[];
  /** Default: 0. */
  readonly bias?: number | readonly number[];
  /** Order of the channels. Default: "RGB". One channel is luma (BT.601), four are these three and alpha. */
  readonly channels?: "RGB" | "BGR";
}

/** What an input may be in a session on the GPU, besides a tensor. */
export type GpuInput = GPUBuffer | BufferRange | Picture | PictureSource;

/**
 * Where outputs are wanted: "cpu", the default; "gpu": in new buffers, which the caller destroys; or by name, either or
 * in buffers that the caller has.
 */
export type Location = "cpu" | "gpu" | Readonly<Record<string, "cpu" | "gpu" | GPUBuffer | BufferRange>>;

/** Outputs by name; those that were wanted on the GPU are there. */
export type GpuOutputs = Record<string, Tensor | GpuTensor>;
