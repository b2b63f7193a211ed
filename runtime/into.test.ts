import { describe, expect, it } from "vitest";
import { compile, openSource } from "../compiler/whole.ts";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import { plainArtifact, scalingArtifact } from "../test/programs.ts";
import { TilewrightError } from "./errors.ts";
import { load } from "./load.ts";

async function errorOf(action: Promise<unknown> | (() => unknown)): Promise<TilewrightError> {
  try {
    await (typeof action === "function" ? action() : action);
  } catch (error) {
    if (error instanceof TilewrightError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("arrays for outputs", () => {
  it("are written, and are the data of what comes back; other outputs get their own", async () => {
    const session = await load(scalingArtifact());
    const y = new Float32Array(4);
    const outputs = await session.run({ x: [1, 10, 100, 1000] }, { into: { y } });
    expect(outputs["y"]).toEqual({
      dtype: "float32",
      shape: [2, 2],
      data: Float32Array.of(2, 30, 400, 5000),
    });
    expect(outputs["y"]!.data).toBe(y);
    const again = session.runSync({ x: [1, 1, 1, 1] }, { into: { y } });
    expect(again["y"]!.data).toBe(y);
    expect(y).toEqual(Float32Array.of(2, 3, 4, 5));
    expect(again["head"]!.data).not.toBe(outputs["head"]!.data);
    session.dispose();
  });

  it("may have more room than is needed, and lie anywhere", async () => {
    const session = await load(scalingArtifact());
    const room = new Float32Array(20).fill(-1);
    const outputs = await session.run(
      { x: [3, 1, 1, 1] },
      { into: { y: room.subarray(1, 6), head: room.subarray(10) } },
    );
    expect(outputs["y"]!.data).toEqual(Float32Array.of(6, 3, 4, 5));
    expect(outputs["head"]).toEqual({ dtype: "float32", shape: [3], data: Float32Array.of(6, 3, 4) });
    expect([...room]).toEqual([-1, 6, 3, 4, 5, -1, -1, -1, -1, -1, 6, 3, 4, ...Array<number>(7).fill(-1)]);
    session.dispose();
  });

  it("keep the bits of what is no number", async () => {
    const bits = Uint8Array.of(0x01, 0x00, 0xa0, 0x7f);
    const same = { name: "x", dtype: "float32", shape: [1], address: 16 } as const;
    const session = await load(plainArtifact({ inputs: [same], outputs: [same] }, []));
    const x = new Float32Array(1);
    session.runSync({ x: new Float32Array(bits.buffer) }, { into: { x } });
    expect(new Uint8Array(x.buffer)).toEqual(bits);
    session.dispose();
  });

  it("are refused before anything runs where they do not fit", async () => {
    const session = await load(scalingArtifact());
    const run = (into: Readonly<Record<string, Float32Array | Int32Array>>) =>
      errorOf(session.run({ x: [1, 1, 1, 1] }, { into }));
    expect(await run({ yy: new Float32Array(4) })).toMatchObject({
      code: "output-unknown",
      message: expect.stringContaining('did you mean "y"?') as string,
    });
    expect(await run({ y: new Float32Array(3) })).toMatchObject({ code: "output-unfit" });
    expect(await run({ y: new Int32Array(4) })).toMatchObject({
      code: "output-unfit",
      message: 'output "y" needs a Float32Array of 4 or more, not a Int32Array of 4',
    });
    expect((await errorOf(() => session.runSync({ x: [1, 1, 1, 1] }, { into: { y: new Float32Array(0) } }))).code).toBe("output-unfit"); // prettier-ignore
    // The size of this one is known when it has run.
    expect((await run({ head: new Float32Array(0) })).code).toBe("output-unfit");
    session.dispose();
  });

  it("serve sessions that bind shapes as they come", async () => {
    const model = onnxModel("late", { opset: 17 });
    const x = model.input("x", "float32", ["n"]);
    model.output(model.node("Add", [x, x]), "float32", ["n"], "y");
    const { artifact } = compile(model.toBytes());
    const session = await load(artifact, { compiler: () => Promise.resolve({ openSource }) });
    expect(session.kind).toBe("late");
    const y = new Float32Array(3);
    const outputs = await session.run({ x: [1, 2] }, { into: { y } });
    expect(outputs["y"]).toEqual({ dtype: "float32", shape: [2], data: Float32Array.of(2, 4) });
    expect(y).toEqual(Float32Array.of(2, 4, 0));
    expect((await errorOf(session.run({ x: [1, 2, 3, 4] }, { into: { y } }))).code).toBe("output-unfit");
    expect((await session.run({ x: [5] }))["y"]!.data).toEqual(Float32Array.of(10));
    session.dispose();
  });
});
