import { describe, expect, it } from "vitest";
import { Code, Locals, ModuleBuilder } from "./assembler.ts";
import { disassemble } from "./disassemble.ts";
import { allInstructions } from "./opcodes.ts";

/** A module whose only function, of type [] -> [], has this body. */
function moduleWith(body: readonly number[]): Uint8Array {
  const unsigned = (value: number): number[] =>
    value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >> 7)];
  const section = (id: number, content: readonly number[]): number[] => [
    id,
    ...unsigned(content.length),
    ...content,
  ];
  const code = [0, ...body, 0x0b];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  );
}

describe("disassemble", () => {
  it("prints imports, locals, loops, immediates and exports", () => {
    const module = new ModuleBuilder();
    const pow = module.import("math", "pow", { takes: ["f64", "f64"], gives: ["f64"] });
    const locals = new Locals(["i32"]);
    const [i, v] = [locals.take("i32"), locals.take("v128")];
    const code = new Code(locals);
    code.loop();
    code.get(0).access("v128.load", 16).set(v);
    code.get(v).get(v).shuffle([8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]).set(v);
    code.get(0).get(v).access("v128.store64_lane", 0, 1);
    code.get(v).f32(-0).lane("f32x4.replace_lane", 3).drop();
    code
      .f64(0.1)
      .f64(Infinity)
      .call(pow, { takes: ["f64", "f64"], gives: ["f64"] })
      .drop();
    code.v128(Uint8Array.from({ length: 16 }, (_, k) => k)).drop();
    code
      .i64(-(2n ** 63n))
      .i64(1n)
      .i32(-1)
      .select("i64")
      .drop();
    code.get(i).i32(128).op("i32.add").tee(i).brIf(0);
    code.end();
    module.function({ takes: ["i32"], gives: [] }, code, "run");
    const text = disassemble(module.build(3), { name: () => "my kernel" });
    expect(text).toMatchInlineSnapshot(`
      "(module
        (import "math" "pow" (func $pow.0 (param f64 f64) (result f64)))
        (import "env" "memory" (memory 3))
        (func $my_kernel.1 (export "run") (param i32)
          (local i32 v128)
          loop
            local.get 0
            v128.load offset=16 align=4
            local.set 2
            local.get 2
            local.get 2
            i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7
            local.set 2
            local.get 0
            local.get 2
            v128.store64_lane align=4 1
            local.get 2
            f32.const -0
            f32x4.replace_lane 3
            drop
            f64.const 0.1
            f64.const inf
            call $pow.0
            drop
            v128.const i32x4 0x03020100 0x07060504 0x0b0a0908 0x0f0e0d0c
            drop
            i64.const -9223372036854775808
            i64.const 1
            i32.const -1
            select (result i64)
            drop
            local.get 1
            i32.const 128
            i32.add
            local.tee 1
            br_if 0
          end
        )
      )"
    `);
  });

  it("knows every instruction that the assembler has", () => {
    const all = [...allInstructions()];
    const body = all.flatMap(({ bytes, immediates }) => [
      ...bytes,
      ...{ none: [], lane: [1], memory: [2, 0], memoryLane: [2, 8, 1] }[immediates],
    ]);
    const lines = disassemble(moduleWith(body)).split("\n").slice(2, -2);
    const immediates = { none: "", lane: " 1", memory: " align=4", memoryLane: " offset=8 align=4 1" };
    expect(lines.map((line) => line.trim())).toEqual(all.map((one) => one.name + immediates[one.immediates]));
  });

  it("leaves out the code of functions that are not wanted", () => {
    const module = new ModuleBuilder();
    for (const name of ["one", "two"])
      module.function({ takes: [], gives: [] }, new Code(new Locals([])), name);
    const text = disassemble(module.build(1), { wanted: (index) => index === 1 });
    expect(text).not.toContain('"one"');
    expect(text).toContain('(func $1 (export "two")');
  });

  it("refuses what is cut off or unknown", () => {
    const whole = moduleWith([0x41, 5, 0x1a]);
    expect(disassemble(whole)).toContain("i32.const 5\n    drop");
    expect(() => disassemble(whole.subarray(0, whole.length - 2))).toThrow("the module ends too early");
    expect(() => disassemble(moduleWith([0xd0, 0x70]))).toThrow("opcode 208 at byte");
    expect(() => disassemble(moduleWith([0x0b, 0x01]))).toThrow("a function's body ends at byte");
  });
});
