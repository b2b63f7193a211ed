/** A model as a function: when it loads, what is shared, what is freed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { onnxModel } from "../compiler/frontend/onnx/write.ts";
import * as compiler from "../compiler/whole.ts";
import { model } from "./model.ts";

type Types = {
  inputs: { x: { dtype: "float32"; shape: readonly [number] } };
  outputs: { y: { dtype: "float32"; shape: readonly [number] } };
};

let folder: string;
const file = (name: string): string => join(folder, name);

/** y = x + x, or y = x * x. */
function onnx(op: "Add" | "Mul", length: number | string): Uint8Array {
  const b = onnxModel(op, { opset: 22 });
  const x = b.input("x", "float32", [length]);
  b.output(b.node(op, [x, x]), "float32", [length], "y");
  return b.toBytes();
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tilewright-model-"));
  writeFileSync(file("add.tile"), compiler.compile(onnx("Add", 2)).artifact);
  writeFileSync(file("mul.tile"), compiler.compile(onnx("Mul", 2)).artifact);
  writeFileSync(file("late.tile"), compiler.compile(onnx("Mul", "n")).artifact);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: { code?: string }) => error.code,
  );

it("loads when it is called, once", async () => {
  const add = model<Types>(file("add.tile"));
  const answers = await Promise.all([add({ x: [1, 2] }), add({ x: new Float32Array([3, 4]) })]);
  expect(answers.map(({ y }) => [...y.data])).toEqual([[2, 4], [6, 8]]); // prettier-ignore
  expect(await add.load()).toBe(await add.load());
  expect(add.source).toBe(file("add.tile"));
  add.dispose();
});

it("reports progress of the load that it begins, and brings its compiler", async () => {
  const phases = new Set<string>();
  const late = model<Types>(file("late.tile"), { compiler: () => compiler });
  const session = await late.load({ progress: ({ phase }) => phases.add(phase) });
  expect(session.kind).toBe("late");
  expect([...phases].at(-1)).toBe("ready");
  expect([...(await late({ x: [3] })).y.data]).toEqual([9]);
  late.dispose();
});

it("tries again after a load that failed", async () => {
  const later = model<Types>(file("later.tile"));
  expect(await code(later({ x: [1, 2] }))).toBe("network");
  writeFileSync(file("later.tile"), compiler.compile(onnx("Add", 2)).artifact);
  expect([...(await later({ x: [1, 2] })).y.data]).toEqual([2, 4]);
  later.dispose();
});

it("goes over to another artifact, and frees the old one when its runs are over", async () => {
  const changing = model<Types>(file("add.tile"));
  const old = await changing.load();
  const before = changing({ x: [3, 4] });
  const replaced = changing.replace(file("mul.tile"));
  expect([...(await before).y.data]).toEqual([6, 8]);
  await replaced;
  expect([...(await changing({ x: [3, 4] })).y.data]).toEqual([9, 16]);
  await Promise.resolve();
  expect(await code(old.run({ x: [1, 2] }))).toBe("disposed");
  changing.dispose();
});

it("keeps what it has where the other artifact is not to be had", async () => {
  const staying = model<Types>(file("add.tile"));
  await staying.load();
  expect(await code(staying.replace(file("gone.tile")))).toBe("network");
  expect([...(await staying({ x: [3, 4] })).y.data]).toEqual([6, 8]);
  expect(staying.source).toBe(file("add.tile"));
  staying.dispose();
});

it("takes the last of several replacements", async () => {
  const often = model<Types>(file("add.tile"));
  await often.load();
  await Promise.all([
    often.replace(file("late.tile"), { compiler: () => compiler }),
    often.replace(file("mul.tile")),
  ]);
  expect(often.source).toBe(file("mul.tile"));
  expect([...(await often({ x: [3, 4] })).y.data]).toEqual([9, 16]);
  often.dispose();
});

it("loads again after it was freed", async () => {
  const freed = model<Types>(file("add.tile"));
  const first = await freed.load();
  freed.dispose();
  expect([...(await freed({ x: [1, 2] })).y.data]).toEqual([2, 4]);
  expect(await code(first.run({ x: [1, 2] }))).toBe("disposed");
  freed.dispose();
});

it("answers its first call while it loads; wrong inputs fail that call and no other", async () => {
  const add = model<Types>(file("add.tile"));
  const [wrong, right] = await Promise.allSettled([add({ x: [1, 2, 3] }), add({ x: [3, 4] })]);
  expect(wrong).toMatchObject({ status: "rejected", reason: { code: "input-shape" } });
  expect(right.status === "fulfilled" && [...right.value.y.data]).toEqual([6, 8]);
  add.dispose();
  const first = await add({ x: [5, 6] });
  expect([...first.y.data]).toEqual([10, 12]);
  const session = await add.load();
  expect(session.stats().runs).toBe(1);
  expect(session.firstOutputs).toBeUndefined();
  add.dispose();
});
