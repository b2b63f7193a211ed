/** What a module of a model tells `load`. */
import { expect, it } from "vitest";
import type { ImportedModel } from "./modelProject.ts";
import { moduleOf } from "./vitePluginModule.ts";

const moduleFor = (kind: "bound" | "late", target: "wasm" | "webgpu" | "auto"): string =>
  moduleOf(
    { kind, target, as: "model", inputs: [], outputs: [] } as unknown as ImportedModel,
    { kind: "expression", text: '"m.tile"' },
    false,
  );

it.each([
  ["bound", "wasm", "model(source, {})"],
  ["bound", "webgpu", "model(source, {})"], // it has nothing else to run on
  ["bound", "auto", 'model(source, { device: "auto" })'],
  ["late", "wasm", 'model(source, { compiler: () => import("tilewright/compiler") })'],
  ["late", "webgpu", 'model(source, { compiler: () => import("tilewright/compiler"), device: "webgpu" })'],
  ["late", "auto", 'model(source, { compiler: () => import("tilewright/compiler"), device: "auto" })'],
] as const)("%s for %s", (kind, target, wanted) => {
  expect(moduleFor(kind, target)).toContain(wanted);
});
