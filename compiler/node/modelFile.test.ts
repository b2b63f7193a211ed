/** A model that is being written is read when it is whole. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { whenWritten } from "./modelFile.ts";

const folder = mkdtempSync(join(tmpdir(), "tilewright-model-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const after = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

it("waits for the rest of a file that has just been begun", async () => {
  const path = join(folder, "begun.onnx");
  writeFileSync(path, "");
  const written = whenWritten(path);
  for (let part = 0; part < 6; part++) {
    await after(40);
    appendFileSync(path, "part");
  }
  await written;
  expect(readFileSync(path, "utf8")).toBe("part".repeat(6));
});

it("waits for a file that takes the place of another", async () => {
  const path = join(folder, "replaced.onnx");
  const written = whenWritten(path);
  await after(50);
  writeFileSync(path, "whole");
  await written;
  expect(readFileSync(path, "utf8")).toBe("whole");
});

it("goes on at once with a file that has been there, and soon with one that is not", async () => {
  const path = join(folder, "old.onnx");
  writeFileSync(path, "old");
  utimesSync(path, 1, 1);
  let waited = false;
  const waiting = after(0).then(() => (waited = true));
  await whenWritten(path);
  expect(waited).toBe(false);
  await waiting;
  await whenWritten(join(folder, "absent.onnx"));
});
