/**
 * The WebAssembly instructions that we emit. In: names as the specification writes them. Out: opcode bytes and the
 * operand types taken and given, by which the assembler checks every instruction as it is emitted. Source:
 * WebAssembly core specification 2.0 (appendix "Index of Instructions"), and the relaxed SIMD and threads proposals.
 * Atomic instructions are valid on memories that are not shared, too.
 */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

export interface Instruction {
  readonly bytes: readonly number[];
  readonly takes: readonly ValueType[];
  readonly gives: readonly ValueType[];
}

const plain = new Map<string, Instruction>();

const types: Readonly<Record<string, ValueType>> = { i: "i32", l: "i64", f: "f32", d: "f64", v: "v128" };

/** "ff>i": takes two f32, gives an i32. */
function signature(text: string): { takes: ValueType[]; gives: ValueType[] } {
  const [takes, gives] = text.split(">") as [string, string];
  return { takes: [...takes].map((c) => types[c]!), gives: [...gives].map((c) => types[c]!) };
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest);
  return bytes;
}

/** A run of consecutive opcodes with one signature; "-" skips one. */
function run(prefix: number | undefined, first: number, shape: string, names: string): void {
  names
    .trim()
    .split(/\s+/)
    .forEach((name, i) => {
      if (name === "-") return;
      const bytes = prefix === undefined ? [first + i] : [prefix, ...leb(first + i)];
      plain.set(name, { bytes, ...signature(shape) });
    });
}

run(undefined, 0x45, "i>i", "i32.eqz");
run(
  undefined,
  0x46,
  "ii>i",
  "i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u",
);
run(undefined, 0x50, "l>i", "i64.eqz");
run(
  undefined,
  0x51,
  "ll>i",
  "i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u",
);
run(undefined, 0x5b, "ff>i", "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge");
run(undefined, 0x61, "dd>i", "f64.eq f64.ne f64.lt f64.gt f64.le f64.ge");
run(undefined, 0x67, "i>i", "i32.clz i32.ctz i32.popcnt");
run(undefined, 0x6a, "ii>i", "i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u"); // prettier-ignore
run(undefined, 0x7c, "ll>l", "i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u"); // prettier-ignore
run(undefined, 0x8b, "f>f", "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt");
run(undefined, 0x92, "ff>f", "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign");
run(undefined, 0x99, "d>d", "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt");
run(undefined, 0xa0, "dd>d", "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign");
run(undefined, 0xa7, "l>i", "i32.wrap_i64");
run(undefined, 0xac, "i>l", "i64.extend_i32_s i64.extend_i32_u");
run(undefined, 0xb2, "i>f", "f32.convert_i32_s f32.convert_i32_u");
run(undefined, 0xb4, "l>f", "f32.convert_i64_s f32.convert_i64_u");
run(undefined, 0xb6, "d>f", "f32.demote_f64");
run(undefined, 0xb7, "i>d", "f64.convert_i32_s f64.convert_i32_u");
run(undefined, 0xb9, "l>d", "f64.convert_i64_s f64.convert_i64_u");
run(undefined, 0xbb, "f>d", "f64.promote_f32");
run(undefined, 0xbc, "f>i", "i32.reinterpret_f32");
run(undefined, 0xbd, "d>l", "i64.reinterpret_f64");
run(undefined, 0xbe, "i>f", "f32.reinterpret_i32");
run(undefined, 0xbf, "l>d", "f64.reinterpret_i64");
run(undefined, 0xc0, "i>i", "i32.extend8_s i32.extend16_s");
run(0xfc, 0, "f>i", "i32.trunc_sat_f32_s i32.trunc_sat_f32_u");
run(0xfc, 2, "d>i", "i32.trunc_sat_f64_s i32.trunc_sat_f64_u");
run(0xfc, 4, "f>l", "i64.trunc_sat_f32_s i64.trunc_sat_f32_u");
run(0xfc, 6, "d>l", "i64.trunc_sat_f64_s i64.trunc_sat_f64_u");

run(0xfd, 15, "i>v", "i8x16.splat i16x8.splat i32x4.splat");
run(0xfd, 18, "l>v", "i64x2.splat");
run(0xfd, 19, "f>v", "f32x4.splat");
run(0xfd, 20, "d>v", "f64x2.splat");
run(0xfd, 55, "vv>v", "i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s i32x4.ge_u f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge"); // prettier-ignore
run(0xfd, 77, "v>v", "v128.not");
run(0xfd, 78, "vv>v", "v128.and v128.andnot v128.or v128.xor");
run(0xfd, 82, "vvv>v", "v128.bitselect");
run(0xfd, 83, "v>i", "v128.any_true");
run(0xfd, 101, "vv>v", "i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u");
run(0xfd, 103, "v>v", "f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest");
run(0xfd, 133, "vv>v", "i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u");
run(0xfd, 135, "v>v", "i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u"); // prettier-ignore
run(0xfd, 160, "v>v", "i32x4.abs i32x4.neg");
run(0xfd, 167, "v>v", "i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u"); // prettier-ignore
run(0xfd, 171, "vi>v", "i32x4.shl i32x4.shr_s i32x4.shr_u");
run(
  0xfd,
  174,
  "vv>v",
  "i32x4.add - - i32x4.sub - - - i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s i32x4.max_u",
);
run(0xfd, 224, "v>v", "f32x4.abs f32x4.neg - f32x4.sqrt");
run(0xfd, 228, "vv>v", "f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax");
run(
  0xfd,
  248,
  "v>v",
  "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u",
);
run(0xfd, 0x105, "vvv>v", "f32x4.relaxed_madd f32x4.relaxed_nmadd");

const laneTable: Readonly<Record<string, { opcode: number; shape: string }>> = {
  "i32x4.extract_lane": { opcode: 27, shape: "v>i" },
  "i32x4.replace_lane": { opcode: 28, shape: "vi>v" },
  "f32x4.extract_lane": { opcode: 31, shape: "v>f" },
  "f32x4.replace_lane": { opcode: 32, shape: "vf>v" },
};

interface Access extends Instruction {
  /** Natural alignment, as log2 of bytes. */
  readonly align: number;
  readonly lane: boolean;
}

const accessTable = new Map<string, Access>();
function access(name: string, bytes: readonly number[], shape: string, align: number, lane = false): void {
  accessTable.set(name, { bytes, ...signature(shape), align, lane });
}
access("memory.atomic.notify", [0xfe, 0], "ii>i", 2);
access("memory.atomic.wait32", [0xfe, 1], "iil>i", 2);
access("i32.atomic.load", [0xfe, 0x10], "i>i", 2);
access("i32.atomic.store", [0xfe, 0x17], "ii>", 2);
access("i32.atomic.rmw.add", [0xfe, 0x1e], "ii>i", 2);
access("i32.atomic.rmw.cmpxchg", [0xfe, 0x48], "iii>i", 2);
access("i32.load", [0x28], "i>i", 2);
access("i64.load", [0x29], "i>l", 3);
access("f32.load", [0x2a], "i>f", 2);
access("f64.load", [0x2b], "i>d", 3);
access("i32.load8_s", [0x2c], "i>i", 0);
access("i32.load8_u", [0x2d], "i>i", 0);
access("i32.load16_s", [0x2e], "i>i", 1);
access("i32.load16_u", [0x2f], "i>i", 1);
access("i32.store", [0x36], "ii>", 2);
access("i64.store", [0x37], "il>", 3);
access("f32.store", [0x38], "if>", 2);
access("f64.store", [0x39], "id>", 3);
access("i32.store8", [0x3a], "ii>", 0);
access("i32.store16", [0x3b], "ii>", 1);
access("v128.load", [0xfd, 0], "i>v", 4);
access("v128.load16x4_s", [0xfd, 3], "i>v", 3);
access("v128.load16x4_u", [0xfd, 4], "i>v", 3);
access("v128.load32_splat", [0xfd, 9], "i>v", 2);
access("v128.store", [0xfd, 11], "iv>", 4);
access("v128.load32_lane", [0xfd, 86], "iv>v", 2, true);
access("v128.store32_lane", [0xfd, 90], "iv>", 2, true);
access("v128.store64_lane", [0xfd, 91], "iv>", 3, true);
access("v128.load32_zero", [0xfd, 92], "i>v", 2);
access("v128.load64_zero", [0xfd, 93], "i>v", 3);

export function instruction(name: string): Instruction {
  const found = plain.get(name);
  if (!found) throw new RangeError(`no instruction ${name}`);
  return found;
}

export function accessInstruction(name: string): Access {
  const found = accessTable.get(name);
  if (!found) throw new RangeError(`no memory instruction ${name}`);
  return found;
}

export function laneInstruction(name: string): Instruction {
  const found = laneTable[name];
  if (!found) throw new RangeError(`no lane instruction ${name}`);
  return { bytes: [0xfd, ...leb(found.opcode)], ...signature(found.shape) };
}

/** All instruction names by encoding, for the disassembler. */
export function* allInstructions(): Generator<{
  readonly name: string;
  readonly bytes: readonly number[];
  readonly immediates: "none" | "lane" | "memory" | "memoryLane";
}> {
  for (const [name, { bytes }] of plain) yield { name, bytes, immediates: "none" };
  for (const [name, { bytes, lane }] of accessTable)
    yield { name, bytes, immediates: lane ? "memoryLane" : "memory" };
  for (const name of Object.keys(laneTable))
    yield { name, bytes: laneInstruction(name).bytes, immediates: "lane" };
}
