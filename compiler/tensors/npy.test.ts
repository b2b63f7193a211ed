import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allocate, elementCount, type DType, type Tensor } from "../../runtime/dtype.ts";
import { NpyError, readNpy, writeNpy } from "./npy.ts";

const kept: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
];

/** A file as NumPy writes it: magic, version, length and text of the header, then the elements. */
function file(header: string, elements: Uint8Array, version = 1): Uint8Array {
  const text = new TextEncoder().encode(`${header}\n`);
  const length =
    version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Uint8Array.from([
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    version,
    0,
    ...length,
    ...text,
    ...elements,
  ]);
}

describe("npy", () => {
  it("reads back what it wrote, bit by bit, for every type that NumPy has", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...kept),
        fc.array(fc.nat(4), { maxLength: 4 }),
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        (dtype, shape, noise) => {
          const data = allocate(dtype, elementCount(shape));
          const bytes = new Uint8Array(data.buffer);
          for (let i = 0; i < bytes.length; i++)
            bytes[i] = dtype === "bool" ? noise[i % 64]! & 1 : noise[i % 64]!;
          const back = readNpy(writeNpy({ dtype, shape, data }));
          expect({ dtype: back.dtype, shape: back.shape }).toEqual({ dtype, shape });
          const view = back.data as Uint8Array;
          expect(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)).toEqual(bytes);
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });

  it("writes the header that NumPy's format prescribes", () => {
    const bytes = writeNpy({ dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) });
    expect(bytes.length).toBe(128 + 12);
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, 128));
    expect(text.slice(1, 6)).toBe("NUMPY");
    expect(text.slice(10).trimEnd()).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
    expect(text.endsWith("\n")).toBe(true);
    const scalar = writeNpy({ dtype: "uint8", shape: [], data: Uint8Array.of(7) });
    expect(new TextDecoder("latin1").decode(scalar)).toContain(
      "{'descr': '|u1', 'fortran_order': False, 'shape': (), }",
    );
  });

  it("writes what NumPy has no type for as float32 or 8-bit integers", () => {
    // 0x3f80 is 1 and 0xc000 is -2 in bfloat16; 0x38 is 1 in float8e4m3fn.
    const brain = readNpy(writeNpy({ dtype: "bfloat16", shape: [2], data: Uint16Array.of(0x3f80, 0xc000) }));
    expect(brain).toEqual({ dtype: "float32", shape: [2], data: Float32Array.of(1, -2) });
    const small = readNpy(writeNpy({ dtype: "float8e4m3fn", shape: [1], data: Uint8Array.of(0x38) }));
    expect(small).toEqual({ dtype: "float32", shape: [1], data: Float32Array.of(1) });
    const nibble = readNpy(writeNpy({ dtype: "int4", shape: [2], data: Int8Array.of(-8, 7) }));
    expect(nibble).toEqual({ dtype: "int8", shape: [2], data: Int8Array.of(-8, 7) });
  });

  it("keeps strings, also beyond the basic plane", () => {
    const tensor: Tensor = { dtype: "string", shape: [2, 2], data: ["tile", "", "wright", "\u{1f9f1}"] };
    expect(readNpy(writeNpy(tensor))).toEqual(tensor);
  });

  it("brings column-major and big-endian files into our form", () => {
    const header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
    // Column-major 1 4 2 5 3 6 is [[1, 2, 3], [4, 5, 6]].
    const bytes = file(header, Uint8Array.from([1, 4, 2, 5, 3, 6].flatMap((value) => [0, value])));
    expect(readNpy(bytes)).toEqual({ dtype: "int16", shape: [2, 3], data: Int16Array.of(1, 2, 3, 4, 5, 6) });
  });

  it("reads a Buffer that is a part of a pool, at any offset", () => {
    const bytes = writeNpy({ dtype: "float32", shape: [2], data: Float32Array.of(1, 2) });
    const pooled = Buffer.concat([Buffer.of(9), bytes]).subarray(1);
    expect(readNpy(pooled)).toEqual({ dtype: "float32", shape: [2], data: Float32Array.of(1, 2) });
  });

  it("reads format version 2 and the long integers of old headers", () => {
    const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2L,), }";
    expect(readNpy(file(header, Uint8Array.of(5, 6), 2))).toEqual({
      dtype: "uint8",
      shape: [2],
      data: Uint8Array.of(5, 6),
    });
  });

  it.each([
    ["nothing", new Uint8Array(0), "does not begin"],
    ["another file", new Uint8Array(64), "does not begin"],
    ["a header cut off", writeNpy({ dtype: "uint8", shape: [1], data: Uint8Array.of(1) }).subarray(0, 40), "ends in its header"], // prettier-ignore
    ["too few elements", writeNpy({ dtype: "int32", shape: [2], data: Int32Array.of(1, 2) }).subarray(0, 132), "takes 8 bytes, 4 are there"], // prettier-ignore
    [
      "complex numbers",
      file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(8)),
      "<c8",
    ],
    ["records", file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", new Uint8Array(4)), "records"], // prettier-ignore
    ["a negative dimension", file("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", new Uint8Array(0)), "dimension -1"], // prettier-ignore
  ])("refuses %s", (_, bytes, reason) => {
    expect(() => readNpy(bytes)).toThrow(NpyError);
    expect(() => readNpy(bytes)).toThrow(reason);
  });
});
