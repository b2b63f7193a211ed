/**
 * Code made to do without relaxed SIMD, against the code that the compiler writes for engines without it. In: the fixed
 * models of the replay tests, and modules with bytes changed. Checked: the same results bit for bit, and for damaged
 * modules a typed error or a module, never anything else.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../compiler/whole.ts";
import { randomNumbers } from "../test/programs.ts";
import { replayModels } from "../test/replay/models.ts";
import { TilewrightError } from "./errors.ts";
import { readArtifact } from "./format.ts";
import { load, type Inputs, type Session } from "./index.ts";
import { withoutRelaxedSimd } from "./plainSimd.ts";

function inputsOf(session: Session): Inputs {
  const random = randomNumbers(5);
  return Object.fromEntries(
    session.inputs.map(({ name, shape, dtype }) => {
      const count = (shape as number[]).reduce((product, dim) => product * dim, 1);
      return [
        name,
        Array.from({ length: count }, () =>
          dtype.startsWith("float") ? random() * 10 - 5 : Math.floor(random() * 5),
        ),
      ];
    }),
  );
}

describe("code without relaxed SIMD", () => {
  it.each(Object.entries(replayModels))("computes what the plain variant does: %s", async (_, make) => {
    const written = await load(compile(make(), { variants: ["simd"] }).artifact);
    const { artifact } = compile(make());
    expect(new Set(readArtifact(artifact).sections.keys())).toContain("relaxed-simd");
    const made = await load(artifact, { variant: "simd" });
    expect([made.variant, written.variant]).toEqual(["simd", "simd"]);
    const inputs = inputsOf(written);
    expect(await made.run(inputs)).toEqual(await written.run(inputs));
  });

  it("has no relaxed instruction, and says no to what it does not know", () => {
    const relaxed = readArtifact(compile(replayModels["convolutions"]!()).artifact).sections.get(
      "relaxed-simd",
    )!;
    const plain = withoutRelaxedSimd(relaxed);
    expect(plain.length).toBeGreaterThan(relaxed.length);
    // This engine may not know the relaxed instructions at all, so it is they that would not validate.
    expect(WebAssembly.validate(plain)).toBe(true);
    expect(withoutRelaxedSimd(plain)).toEqual(plain);
  });

  it("gives 1,500 damaged modules a typed error or some module", () => {
    const whole = readArtifact(compile(replayModels["classifier"]!()).artifact).sections.get("relaxed-simd")!;
    const random = randomNumbers(11);
    const below = (count: number): number => Math.floor(random() * count);
    let refused = 0;
    for (let i = 0; i < 1500; i++) {
      const damaged = i % 3 === 0 ? whole.slice(0, 8 + below(whole.length - 8)) : whole.slice();
      for (let k = below(4); k >= 0; k--) damaged[8 + below(damaged.length - 8)] = below(256);
      try {
        withoutRelaxedSimd(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(TilewrightError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});
