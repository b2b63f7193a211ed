import { describe, expect, it } from "vitest";
import { code, plainArtifact, scalingArtifact, TRAP } from "../test/programs.ts";
import { TilewrightError } from "./errors.ts";
import { supports } from "./features.ts";
import { load } from "./load.ts";

async function codeOf(action: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof action === "function" ? action() : action);
  } catch (error) {
    if (error instanceof TilewrightError) return error.code;
    throw error;
  }
  return "none";
}

describe("a bound session", () => {
  it("shows its inputs and outputs and computes, through library, math and packed weights", async () => {
    const session = await load(scalingArtifact());
    expect(session.name).toBe("scaling");
    expect(session.kind).toBe("bound");
    expect(session.inputs).toEqual([{ name: "x", dtype: "float32", shape: [2, 2] }]);
    expect(session.outputs).toEqual([
      { name: "y", dtype: "float32", shape: [2, 2] },
      { name: "level", dtype: "int32", shape: [] },
      { name: "head", dtype: "float32", shape: ["<=4"] },
    ]);
    expect(session.memoryBytes).toBe(65536);
    expect(session.report).toEqual({ kernels: 1 });
    const outputs = await session.run({ x: [1, 10, 100, 1000] });
    expect(outputs).toEqual({
      y: { dtype: "float32", shape: [2, 2], data: Float32Array.of(2, 30, 400, 5000) },
      level: { dtype: "int32", shape: [], data: Int32Array.of(supports("relaxed-simd") ? 2 : 1) },
      head: { dtype: "float32", shape: [1], data: Float32Array.of(2) },
    });
    expect(session.runSync({ x: Float32Array.of(3, 1, 1, 1) })["head"]).toEqual({
      dtype: "float32",
      shape: [3],
      data: Float32Array.of(6, 3, 4),
    });
  });

  it("gives outputs that a later run does not change", async () => {
    const session = await load(scalingArtifact());
    const first = session.runSync({ x: [1, 1, 1, 1] });
    session.runSync({ x: [0, 0, 0, 0] });
    expect(first["y"]!.data).toEqual(Float32Array.of(2, 3, 4, 5));
  });

  it("answers runs that were asked for at once, each with its own inputs even if one array is reused", async () => {
    const session = await load(scalingArtifact());
    const x = new Float32Array(4);
    const order: number[] = [];
    const runs = Array.from({ length: 20 }, (_, index) => {
      x.fill(index % 5);
      return session.run({ x }).then((outputs) => {
        order.push(index);
        return (outputs["y"]!.data as Float32Array)[0];
      });
    });
    expect(await Promise.all(runs)).toEqual(Array.from({ length: 20 }, (_, index) => (index % 5) * 2));
    expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it("refuses wrong inputs before anything runs", async () => {
    const session = await load(scalingArtifact());
    expect(await codeOf(session.run({}))).toBe("input-missing");
    expect(await codeOf(session.run())).toBe("input-missing");
    expect(await codeOf(session.run({ x: [1, 1, 1, 1], z: 1 }))).toBe("input-unknown");
    expect(await codeOf(session.run({ x: [1] }))).toBe("input-shape");
    expect(await codeOf(session.run({ x: new Int32Array(4) }))).toBe("input-dtype");
    expect(await codeOf(() => session.runSync({ x: [1] }))).toBe("input-shape");
  });

  it("says run-failed when the program traps, and goes on", async () => {
    const session = await load(scalingArtifact());
    expect(await codeOf(session.run({ x: [1, TRAP, 1, 1] }))).toBe("run-failed");
    expect(await codeOf(() => session.runSync({ x: [1, TRAP, 1, 1] }))).toBe("run-failed");
    expect((await session.run({ x: [1, 1, 1, 1] }))["y"]!.data).toEqual(Float32Array.of(2, 3, 4, 5));
  });

  it("says run-failed when a dynamic size is out of bounds", async () => {
    const session = await load(scalingArtifact());
    expect(await codeOf(session.run({ x: [5, 0, 0, 0] }))).toBe("run-failed");
    expect(await codeOf(session.run({ x: [-1, 0, 0, 0] }))).toBe("run-failed");
    expect(await codeOf(session.run({ x: [4, 0, 0, 0] }))).toBe("none");
  });

  it("says run-failed when a program overflows the stack", async () => {
    const recursion = await load(plainArtifact({ inputs: [], outputs: [] }, code.call(1)));
    expect(await codeOf(recursion.run())).toBe("run-failed");
  });

  it("keeps the bits of NaN", async () => {
    const bits = Uint8Array.of(0x01, 0x00, 0xa0, 0x7f); // a signalling NaN
    const same = { name: "x", dtype: "float32", shape: [1], address: 16 } as const;
    const session = await load(plainArtifact({ inputs: [same], outputs: [same] }, []));
    const { x } = session.runSync({ x: new Float32Array(bits.buffer) });
    expect(new Uint8Array((x!.data as Float32Array).buffer)).toEqual(bits);
  });

  it("handles scalars, empty tensors and every width of element", async () => {
    const inputs = [
      { name: "wide", dtype: "int64", shape: [], address: 0 },
      { name: "half", dtype: "float16", shape: [1, 2], address: 8 },
      { name: "none", dtype: "float64", shape: [0, 3], address: 512 },
      { name: "flag", dtype: "bool", shape: [3], address: 13 },
      { name: "__proto__", dtype: "uint8", shape: [1], address: 17 },
    ] as const;
    const session = await load(plainArtifact({ inputs, outputs: inputs }, []));
    const given = Object.fromEntries(
      Object.entries({ wide: -7n, half: [1, -2], none: [], flag: Uint8Array.of(2, 0, 1) }),
    );
    Object.defineProperty(given, "__proto__", { value: 9, enumerable: true });
    const outputs = await session.run(given);
    expect(outputs["wide"]).toEqual({ dtype: "int64", shape: [], data: BigInt64Array.of(-7n) });
    expect(outputs["half"]!.data).toEqual(Uint16Array.of(0x3c00, 0xc000));
    expect(outputs["none"]).toEqual({ dtype: "float64", shape: [0, 3], data: new Float64Array(0) });
    expect(outputs["flag"]!.data).toEqual(Uint8Array.of(1, 0, 1));
    expect(Object.getOwnPropertyDescriptor(outputs, "__proto__")?.value).toMatchObject({ dtype: "uint8" });
  });

  it("does not run what was aborted before", async () => {
    const session = await load(scalingArtifact());
    expect(await codeOf(session.run({ x: [1, 1, 1, 1] }, { signal: AbortSignal.abort() }))).toBe("aborted");
    const { signal } = new AbortController();
    expect(await codeOf(session.run({ x: [1, 1, 1, 1] }, { signal }))).toBe("none");
  });

  it("disposes once, twice, and then only says so", async () => {
    const session = await load(scalingArtifact());
    session.dispose();
    session.dispose();
    expect(await codeOf(session.run({ x: [1, 1, 1, 1] }))).toBe("disposed");
    expect(await codeOf(() => session.runSync({ x: [1, 1, 1, 1] }))).toBe("disposed");
    expect(session.memoryBytes).toBe(0);
    expect(session.inputs).toHaveLength(1);
  });

  it("does not share memory with another session of the same file", async () => {
    const file = scalingArtifact();
    const [first, second] = await Promise.all([load(file), load(file)]);
    file.fill(0);
    expect(first.runSync({ x: [1, 2, 3, 4] })["y"]).toEqual(second.runSync({ x: [1, 2, 3, 4] })["y"]);
  });
});
