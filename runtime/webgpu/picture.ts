/**
 * Pictures as inputs, converted on the GPU. In: a canvas, a bitmap, an image or a frame of video, and how its channels
 * become elements. Out: commands that write the input's place in its buffer. Invariant: no pixel passes through ordinary
 * memory; a frame of video is read where its decoder put it (`importExternalTexture`), everything else through a texture
 * (`copyExternalImageToTexture`); only where an adapter can do neither with a frame does it go through a canvas. Source of the luma weights: ITU-R BT.601-7, section 2.5.1.
 */
import { type DType } from "../dtype.ts";
import { TilewrightError } from "../errors.ts";
import { type Port } from "../format.ts";
import { type GpuSlot, STORAGE_ALIGNMENT, wideElement } from "../format/gpu.ts";
import { COMPUTE_STAGE, textureUsage, usage } from "./constants.ts";
import { type GpuContext } from "./device.ts";
import { type GpuWriter } from "./program.ts";
import { type Picture, type PictureSource } from "./types.ts";

const SOURCES = [
  "ImageBitmap",
  "ImageData",
  "HTMLCanvasElement",
  "OffscreenCanvas",
  "HTMLImageElement",
  "HTMLVideoElement",
  "VideoFrame",
];

/** What the source of a picture is called; told by its tag, since it may come from another frame. */
function kindOf(value: unknown): string | undefined {
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  return SOURCES.includes(kind) ? kind : undefined;
}

/** Whether a value is a picture, with or without words about it. */
export function isPicture(value: unknown): value is Picture | PictureSource {
  if (kindOf(value) !== undefined) return true;
  return typeof value === "object" && value !== null && "picture" in value;
}

/** How elements are stored; numbers of the shader below. */
const STORES = { f32: 0, u32: 1, i32: 2, packed8: 3, packed16: 4 } as const;

/** How elements of a type are stored in a form; undefined for types that a picture cannot have. */
function storeOf(dtype: DType, form: GpuSlot["form"]): keyof typeof STORES | undefined {
  if (dtype === "float32") return "f32";
  if (!["float16", "int8", "uint8", "int16", "uint16", "int32", "uint32"].includes(dtype)) return undefined;
  if (form === "wide") return wideElement(dtype);
  if (dtype === "int32") return "i32";
  if (dtype === "uint32") return "u32";
  if (dtype === "float16") return "packed16";
  return dtype === "int8" || dtype === "uint8" ? "packed8" : undefined;
}

interface Geometry {
  readonly isChannelsFirst: boolean;
  readonly channels: number;
  readonly width: number;
  readonly height: number;
}

function geometryOf(port: Port, layout: Picture["layout"]): Geometry {
  const refuse = (problem: string): never => {
    throw new TilewrightError("input-shape", `input "${port.name}" [${port.shape.join(", ")}]: ${problem}`);
  };
  const dims = port.shape.map((dim) => (typeof dim === "number" ? dim : NaN));
  const shape = dims.length === 4 && dims[0] === 1 ? dims.slice(1) : dims;
  if (shape.length !== 3) refuse("a picture takes an input of the shape [1, C, H, W] or [1, H, W, C]");
  const [first, middle, last] = shape as [number, number, number];
  const isCount = (dim: number): boolean => dim === 1 || dim === 3 || dim === 4;
  if (layout === undefined && isCount(first) && isCount(last)) refuse('say layout: "NCHW" or "NHWC"');
  const isChannelsFirst = layout === undefined ? isCount(first) : layout === "NCHW";
  const channels = isChannelsFirst ? first : last;
  if (!isCount(channels)) refuse("a picture has 1, 3 or 4 channels");
  return isChannelsFirst
    ? { isChannelsFirst, channels, height: middle, width: last }
    : { isChannelsFirst, channels, height: first, width: middle };
}

function perChannel(port: Port, name: string, value: number | readonly number[], channels: number): number[] {
  const values = typeof value === "number" ? Array<number>(4).fill(value) : [...value];
  if (values.some((each) => typeof each !== "number") || values.length < channels) {
    throw new TilewrightError(
      "option-invalid",
      `input "${port.name}": ${name} is a number or one for each of ${channels} channels`,
    );
  }
  return [...values, 0, 0, 0, 0].slice(0, 4);
}

function sizeOf(source: PictureSource, kind: string): readonly [number, number] {
  const { width, height, naturalWidth, naturalHeight, videoWidth, videoHeight, displayWidth, displayHeight } =
    source as unknown as Readonly<Record<string, number>>;
  if (kind === "HTMLImageElement") return [naturalWidth!, naturalHeight!];
  if (kind === "HTMLVideoElement") return [videoWidth!, videoHeight!];
  return kind === "VideoFrame" ? [displayWidth!, displayHeight!] : [width!, height!];
}

/**
 * What writes a picture into its input.
 *
 * @throws TilewrightError `input-shape`, `input-dtype`, `option-invalid`
 */
export function pictureWriter(port: Port, value: Picture | PictureSource): GpuWriter {
  const picture: Picture = "picture" in value ? value : { picture: value };
  const { picture: source, layout, channels: order = "RGB" } = picture;
  const kind = kindOf(source);
  if (kind === undefined) {
    throw new TilewrightError(
      "input-dtype",
      `input "${port.name}": a picture is one of ${SOURCES.join(", ")}`,
    );
  }
  const geometry = geometryOf(port, layout);
  const isFloat = port.dtype.startsWith("float");
  const { scale = isFloat ? 1 : 255, bias = 0 } = picture;
  const scales = perChannel(port, "scale", scale, geometry.channels);
  const biases = perChannel(port, "bias", bias, geometry.channels);
  return {
    write(context, encoder, buffer, slot) {
      const store = storeOf(port.dtype, slot.form);
      if (store === undefined) {
        throw new TilewrightError(
          "input-dtype",
          `input "${port.name}" is ${port.dtype}: no picture can be that`,
        );
      }
      const [width, height] = sizeOf(source, kind);
      if (!(width > 0 && height > 0)) {
        throw new TilewrightError(
          "input-shape",
          `input "${port.name}": the picture is empty or not there yet`,
        );
      }
      const { device } = context;
      const imported =
        kind === "HTMLVideoElement" || kind === "VideoFrame" ? imports(device, source) : undefined;
      const { pipeline, sampler } = converter(context, imported !== undefined);
      const texture = imported === undefined ? textureOf(device, source, kind, width, height) : undefined;
      const view = imported ?? texture!.createView();
      // Bindings start at multiples of 256; what is before the slot is left alone.
      const start = Math.floor(slot.address / STORAGE_ALIGNMENT) * STORAGE_ALIGNMENT;
      const words = slot.bytes / 4;
      const settings = new ArrayBuffer(80);
      new Float32Array(settings, 0, 8).set([...scales, ...biases]);
      const count = geometry.channels * geometry.width * geometry.height;
      new Uint32Array(settings, 32).set([
        ...[geometry.width, geometry.height, geometry.channels, geometry.isChannelsFirst ? 1 : 0],
        ...[STORES[store], (slot.address - start) / 4, words, count],
        ...[order === "BGR" ? 1 : 0, port.dtype === "int8" ? 1 : 0],
      ]);
      const uniform = device.createBuffer({ size: 80, usage: usage.uniform | usage.copyDestination });
      device.queue.writeBuffer(uniform, 0, settings);
      const group = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [
          { binding: 0, resource: { buffer: uniform } },
          { binding: 1, resource: { buffer, offset: start, size: slot.address - start + slot.bytes } },
          { binding: 2, resource: sampler },
          { binding: 3, resource: view },
        ],
      });
      const groups = Math.ceil(words / 64);
      const most = device.limits.maxComputeWorkgroupsPerDimension;
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(Math.min(groups, most), Math.ceil(groups / most));
      pass.end();
      // By the time that this is answered, the commands have been submitted: submission follows without a pause.
      void device.queue.onSubmittedWorkDone().then(() => {
        uniform.destroy();
        texture?.destroy();
      });
    },
  };
}

/** A frame where it is; undefined where the adapter cannot read it there (software adapters), and it has to be copied. */
function imports(device: GPUDevice, source: PictureSource): GPUExternalTexture | undefined {
  try {
    return device.importExternalTexture({ source: source as VideoFrame });
  } catch {
    return undefined;
  }
}

function textureOf(
  device: GPUDevice,
  source: PictureSource,
  kind: string,
  width: number,
  height: number,
): GPUTexture {
  const { copyDestination, textureBinding, renderAttachment } = textureUsage;
  const texture = device.createTexture({
    size: [width, height],
    format: "rgba8unorm",
    usage: copyDestination | textureBinding | renderAttachment,
  });
  const copy = (from: PictureSource): void =>
    device.queue.copyExternalImageToTexture({ source: from as ImageBitmap }, { texture }, [width, height]);
  try {
    copy(source);
  } catch {
    // Software adapters share no memory with decoders of video, and Firefox takes no pixels; a canvas takes everything.
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d")!;
    if (kind === "ImageData") context.putImageData(source as ImageData, 0, 0);
    else context.drawImage(source as ImageBitmap, 0, 0, width, height);
    copy(canvas);
  }
  return texture;
}

interface Converter {
  readonly pipeline: GPUComputePipeline;
  readonly sampler: GPUSampler;
}

function converter(context: GpuContext, isVideo: boolean): Converter {
  const { device } = context;
  return context.shared(`picture ${isVideo}`, () => {
    const module = device.createShaderModule({ label: "picture", code: shader(isVideo) });
    const layout = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: COMPUTE_STAGE, buffer: { type: "uniform" } },
        { binding: 1, visibility: COMPUTE_STAGE, buffer: { type: "storage" } },
        { binding: 2, visibility: COMPUTE_STAGE, sampler: { type: "filtering" } },
        { binding: 3, visibility: COMPUTE_STAGE, ...(isVideo ? { externalTexture: {} } : { texture: {} }) },
      ],
    });
    const pipeline = device.createComputePipeline({
      label: "picture",
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "convert" },
    });
    return { pipeline, sampler: device.createSampler({ magFilter: "linear", minFilter: "linear" }) };
  });
}

function shader(isVideo: boolean): string {
  const sample = isVideo
    ? "textureSampleBaseClampToEdge(source, linear, at)"
    : "textureSampleLevel(source, linear, at, 0.0)";
  return `
struct Settings {
  scale: vec4f, bias: vec4f,
  width: u32, height: u32, channels: u32, channelsFirst: u32,
  store: u32, first: u32, words: u32, count: u32,
  reversed: u32, signed: u32,
}
@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> elements: array<u32>;
@group(0) @binding(2) var linear: sampler;
@group(0) @binding(3) var source: ${isVideo ? "texture_external" : "texture_2d<f32>"};

fn value(index: u32) -> f32 {
  let plane = settings.width * settings.height;
  let first = settings.channelsFirst != 0u;
  let channel = select(index % settings.channels, index / plane, first);
  let point = select(index / settings.channels, index % plane, first);
  let at = (vec2f(f32(point % settings.width), f32(point / settings.width)) + 0.5)
    / vec2f(f32(settings.width), f32(settings.height));
  let color = ${sample};
  var component = color[channel];
  if (settings.channels == 1u) { component = dot(color.rgb, vec3f(0.299, 0.587, 0.114)); }
  else if (settings.reversed != 0u && channel < 3u) { component = color[2u - channel]; }
  return component * settings.scale[channel] + settings.bias[channel];
}

fn byte(index: u32) -> u32 {
  if (index >= settings.count) { return 0u; }
  let rounded = round(value(index));
  if (settings.signed != 0u) { return u32(i32(clamp(rounded, -128.0, 127.0))) & 0xffu; }
  return u32(clamp(rounded, 0.0, 255.0));
}

@compute @workgroup_size(64)
fn convert(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) local: u32) {
  let word = (group.y * groups.x + group.x) * 64u + local;
  if (word >= settings.words) { return; }
  var bits = 0u;
  switch (settings.store) {
    case ${STORES.f32}u: { bits = bitcast<u32>(value(word)); }
    case ${STORES.u32}u: { bits = u32(max(round(value(word)), 0.0)); }
    case ${STORES.i32}u: { bits = bitcast<u32>(i32(round(value(word)))); }
    case ${STORES.packed8}u: {
      for (var i = 0u; i < 4u; i++) { bits |= byte(word * 4u + i) << (i * 8u); }
    }
    default: {
      let last = word * 2u + 1u;
      bits = pack2x16float(vec2f(value(word * 2u), select(0.0, value(min(last, settings.count - 1u)), last < settings.count)));
    }
  }
  elements[settings.first + word] = bits;
}
`;
}
