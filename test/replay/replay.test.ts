/**
 * The code of fixed models, committed as text: a refactoring that changes nothing leaves it alone, and a change for
 * the better shows what it changes. After a change that is meant, `npx vitest run test/replay --update` writes the
 * text anew; the difference is part of the review.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/whole.ts";
import { inspect } from "../../compiler/inspect.ts";
import { readArtifact } from "../../runtime/format.ts";
import { replayModels } from "./models.ts";

async function hash(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("what is emitted for fixed models", () => {
  it.each(Object.entries(replayModels))("%s", async (name, make) => {
    const bytes = make();
    const { artifact } = compile(bytes);
    const { sections } = readArtifact(artifact);
    const lines: string[] = [];
    for (const section of ["relaxed-simd", "weights"]) {
      const data = sections.get(section)!;
      lines.push(`${section}: ${data.length} bytes, ${await hash(data)}`);
    }
    const text = [lines.join("\n"), inspect(bytes, "nest"), ""].join("\n\n");
    await expect(text).toMatchFileSnapshot(`text/${name}.txt`);
    await expect(inspect(bytes, "wgsl")).toMatchFileSnapshot(`text/${name}.wgsl`);
    // The same again in the same process: nothing depends on what was compiled before.
    expect(inspect(bytes, "nest")).toBe(inspect(make(), "nest"));
    expect(compile(bytes).artifact).toEqual(artifact);
    expect(inspect(bytes, "wgsl")).toBe(inspect(make(), "wgsl"));
  });
});
