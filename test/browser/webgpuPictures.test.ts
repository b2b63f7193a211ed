/**
 * Pictures as inputs of sessions on WebGPU. In: canvases, bitmaps, images and frames of video with known colors. Out: the
 * elements that the conversion on the GPU made of them.
 */
import { load, type Picture, TilewrightError } from "../../runtime/index.ts";
import { picture } from "../gpuPrograms.ts";
import { expect } from "./expect.ts";
import { needsAdapter } from "./skip.ts";

/** Four quarters: red, green, blue, and half white. */
const QUARTERS = ["rgb(255 0 0)", "rgb(0 255 0)", "rgb(0 0 255)", "rgb(51 102 204)"] as const;

function canvasOf(size: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d")!;
  QUARTERS.forEach((color, i) => {
    context.fillStyle = color;
    context.fillRect((i % 2) * (size / 2), i < 2 ? 0 : size / 2, size / 2, size / 2);
  });
  return canvas;
}

async function convert(
  shape: readonly number[],
  input: Picture | Picture["picture"],
  dtype: "float32" | "uint8" = "float32",
): Promise<number[]> {
  const session = await load(picture(shape, dtype), { device: "webgpu" });
  try {
    const { y } = await session.run({ x: input });
    return Array.from(y!.data as Float32Array);
  } finally {
    session.dispose();
  }
}

function expectNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length === expected.length, `${actual.length} elements instead of ${expected.length}`);
  const at = actual.findIndex((value, i) => !(Math.abs(value - expected[i]!) <= tolerance));
  expect(at < 0, `element ${at} is ${actual[at]}, not ${expected[at]} (${actual.slice(0, 16).join(" ")})`);
}

/** Channels of the quarters, 0 to 1. */
const RED = [1, 0, 0, 0.2];
const GREEN = [0, 1, 0, 0.4];
const BLUE = [0, 0, 1, 0.8];

needsAdapter();

describe("a picture as an input", () => {
  it("becomes planes of channels", async () => {
    expectNear(await convert([1, 3, 2, 2], canvasOf(2)), [...RED, ...GREEN, ...BLUE], 1e-6);
  });

  it("becomes pixels of channels, scaled, shifted and reversed", async () => {
    const pixels = RED.flatMap((red, i) => [BLUE[i]! * 2 - 1, GREEN[i]! * 3 - 2, red * 4 - 3]);
    const input = { picture: canvasOf(2), scale: [2, 3, 4], bias: [-1, -2, -3], channels: "BGR" } as const;
    expectNear(await convert([2, 2, 3], input), pixels, 1e-5);
  });

  it("is scaled to the size of the input", async () => {
    const planes = [RED, GREEN, BLUE].flat();
    expectNear(await convert([1, 3, 2, 2], canvasOf(64)), planes, 1e-6);
    const [left, right] = (await convert([1, 1, 1, 2], canvasOf(64))) as [number, number];
    expect(left > 0.1 && left < 0.31 && right > left, `luma is ${left}, ${right}`);
  });

  it("becomes bytes", async () => {
    const bytes = RED.flatMap((red, i) => [red, GREEN[i]!, BLUE[i]!].map((value) => Math.round(value * 255)));
    expectNear(await convert([1, 2, 2, 3], canvasOf(2), "uint8"), bytes, 0);
  });

  it("comes from bitmaps, pixels, images and frames of video alike", async () => {
    const canvas = canvasOf(2);
    const planes = [RED, GREEN, BLUE].flat();
    const bitmap = await createImageBitmap(canvas);
    const pixels = canvas.getContext("2d")!.getImageData(0, 0, 2, 2);
    const image = new Image();
    image.src = URL.createObjectURL(await canvas.convertToBlob());
    await image.decode();
    for (const source of [bitmap, pixels, image])
      expectNear(await convert([1, 3, 2, 2], source), planes, 1e-6);
    const frame = new VideoFrame(canvasOf(64), { timestamp: 0 });
    expectNear(await convert([1, 3, 2, 2], { picture: frame }), planes, 0.03);
    frame.close();
  });

  it("is refused where it does not fit", async () => {
    const cases = [
      ["input-shape", [2, 2], canvasOf(2)],
      ["input-shape", [1, 5, 2, 2], canvasOf(2)],
      ["input-shape", [1, 3, 2, 3], canvasOf(2)],
      ["input-dtype", [1, 3, 2, 2], { picture: {} as ImageBitmap }],
      ["option-invalid", [1, 3, 2, 2], { picture: canvasOf(2), scale: [1, 2] }],
    ] as const;
    for (const [code, shape, input] of cases) {
      const actual = await convert(shape, input).then(
        () => "none",
        (error: unknown) => (error instanceof TilewrightError ? error.code : String(error)),
      );
      expect(actual === code, `[${shape.join()}]: the code is ${actual}, not ${code}`);
    }
  });
});
