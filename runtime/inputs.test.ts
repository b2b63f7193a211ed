import { describe, expect, it } from "vitest";
import { type DType } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type Port } from "./format.ts";
import { readInputs, type TensorLike } from "./inputs.ts";

const port = (dtype: DType, ...shape: (number | string)[]): Port => ({ name: "x", dtype, shape });

function read(wanted: Port, value: TensorLike): { shape: readonly number[]; data: unknown[] } {
  const { shape, data, dtype } = readInputs([wanted], { x: value }).get("x")!;
  expect(dtype).toBe(wanted.dtype);
  return { shape, data: [...data] };
}

function refusal(wanted: readonly Port[], given: Record<string, unknown>): TilewrightError {
  try {
    readInputs(wanted, given as Record<string, TensorLike>);
  } catch (error) {
    if (error instanceof TilewrightError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("readInputs", () => {
  it.each<[string, Port, TensorLike, readonly number[], unknown[]]>([
    ["a typed array", port("float32", 2, 2), Float32Array.of(1, 2, 3, 4), [2, 2], [1, 2, 3, 4]],
    ["a list", port("float32", 2), [0.5, 2], [2], [0.5, 2]],
    [
      "a tensor",
      port("int32", 1, 2),
      { dtype: "int32", shape: [1, 2], data: Int32Array.of(1, 2) },
      [1, 2],
      [1, 2],
    ],
    ["a tensor with a list", port("int64", 2), { data: [1, 2n] }, [2], [1n, 2n]],
    ["bytes for bool", port("bool", 3), Uint8Array.of(0, 1, 7), [3], [0, 1, 1]],
    ["booleans", port("bool", 2), [true, false], [2], [1, 0]],
    ["bits for float16", port("float16", 1), Uint16Array.of(0x3c00), [1], [0x3c00]],
    ["numbers for float16", port("float16", 1), [1], [1], [0x3c00]],
    ["pixels of a canvas", port("uint8", 2), Uint8ClampedArray.of(3, 255), [2], [3, 255]],
    ["one number for a scalar", port("float32"), 2.5, [], [2.5]],
    ["one bigint for a scalar", port("int64"), 7n, [], [7n]],
    ["false", port("bool"), false, [], [0]],
    ["one number for one element", port("float32", 1, 1), 2, [1, 1], [2]],
    ["nothing for an empty shape", port("float32", 0, 3), [], [0, 3], []],
    [
      "elements that give the open dimension",
      port("float32", "batch", 2),
      [1, 2, 3, 4, 5, 6],
      [3, 2],
      [1, 2, 3, 4, 5, 6],
    ],
    ["an empty batch", port("float32", "batch", 2), [], [0, 2], []],
    ["a shape for open dimensions", port("int8", "a", "b"), { shape: [1, 2], data: [3, 4] }, [1, 2], [3, 4]],
  ])("takes %s", (_, wanted, value, shape, data) => {
    expect(read(wanted, value)).toEqual({ shape, data });
  });

  it("does not copy what fits", () => {
    const data = new Float32Array(4);
    expect(readInputs([port("float32", 4)], { x: data }).get("x")!.data).toBe(data);
  });

  it("takes arrays of another realm and Float16Array where it exists, by their tag", () => {
    const foreign = Uint16Array.of(1, 2);
    Object.defineProperty(foreign, Symbol.toStringTag, { value: "Float16Array" });
    expect(read(port("float16", 2), foreign).data).toEqual([1, 2]);
  });

  it.each<[string, string, Port, unknown, RegExp]>([
    [
      "another typed array",
      "input-dtype",
      port("float32", 2),
      new Float64Array(2),
      /Float32Array.*Float64Array/,
    ],
    ["another dtype", "input-dtype", port("float32", 2), { dtype: "int32", data: [1, 2] }, /"x".*is int32/],
    ["a fraction for an integer", "input-dtype", port("int32", 2), [1, 1.5], /element 1, 1.5/],
    ["too large an integer", "input-dtype", port("uint8", 1), [256], /element 0, 256/],
    ["words", "input-dtype", port("float32", 1), ["a"], /element 0/],
    ["one word", "input-dtype", port("float32", 1), "a", /element 0/],
    ["null", "input-dtype", port("float32", 1), null, /null/],
    ["an object", "input-dtype", port("float32", 1), {}, /object/],
    ["data that is no list", "input-dtype", port("float32", 1), { data: 5 }, /list of numbers/],
    ["a DataView", "input-dtype", port("float32", 1), new DataView(new ArrayBuffer(4)), /./],
    ["numbers for strings", "input-dtype", port("string", 2), ["a", 1], /element 1/],
    ["a typed array for strings", "input-dtype", port("string", 2), new Uint8Array(2), /list of strings/],
    ["too many elements", "input-shape", port("float32", 2, 2), new Float32Array(5), /\[2, 2\].*5 elements/],
    [
      "another shape",
      "input-shape",
      port("float32", 2, 2),
      { shape: [4], data: new Float32Array(4) },
      /\[2, 2\].*\[4\]/,
    ],
    [
      "another dimension",
      "input-shape",
      port("float32", 2, "n"),
      { shape: [3, 1], data: [1, 2, 3] },
      /\[2, n\].*\[3, 1\]/,
    ],
    ["a shape that is no list", "input-shape", port("float32", 2), { shape: 2, data: [1, 2] }, /shape/],
    ["a fractional dimension", "input-shape", port("float32", "n"), { shape: [1.5], data: [1] }, /\[1.5\]/],
    ["a negative dimension", "input-shape", port("float32", "n"), { shape: [-1], data: [] }, /\[-1\]/],
    [
      "elements that do not fill the shape",
      "input-shape",
      port("float32", "n"),
      { shape: [3], data: [1] },
      /3 elements/,
    ],
    ["two open dimensions", "input-shape", port("float32", "n", "m"), [1, 2], /\[n, m\]/],
    ["a batch that does not divide", "input-shape", port("float32", "n", 2), [1, 2, 3], /3 elements/],
  ])("refuses %s with %s", (_, code, wanted, value, message) => {
    const error = refusal([wanted], { x: value });
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toContain('"x"');
  });

  it("takes strings, one or many", () => {
    const read = (value: TensorLike, ...shape: (number | string)[]): unknown =>
      readInputs([port("string", ...shape)], { x: value }).get("x");
    expect(read(["a", "b"], "n")).toEqual({ dtype: "string", shape: [2], data: ["a", "b"] });
    expect(read("word", 1)).toEqual({ dtype: "string", shape: [1], data: ["word"] });
    expect(read({ shape: [1, 2], data: ["a", ""] }, 1, 2)).toMatchObject({ shape: [1, 2], data: ["a", ""] });
  });

  it("takes the elements of a sequence by their names, as many as there are", () => {
    const sequence = { ...port("float32", "x.shape"), name: "x", container: "sequence" } as const;
    const found = readInputs([sequence], {
      "x[0]": { shape: [1, 2], data: [1, 2] },
      "x[1]": { shape: [], data: [3] },
    });
    expect([...found].map(([name, { shape }]) => [name, ...shape])).toEqual([["x[0]", 1, 2], ["x[1]"]]);
    expect(readInputs([sequence], {}).size).toBe(0);
    expect(refusal([sequence], { x: [1] }).message).toContain('give its elements as "x[0]"');
    expect(refusal([sequence], { "x[0]": [1], "x[2]": [1] }).code).toBe("input-unknown");
    expect(refusal([{ ...sequence, shape: [2] }], { "x[0]": [1] }).message).toContain('"x[0]" (float32 [2])');
    expect(refusal([port("float32", 1)], { "x[0]": [1] }).code).toBe("input-unknown");
  });

  it("lets an optional be left out", () => {
    const optional = { ...port("float32", 2), container: "optional" } as const;
    expect(readInputs([optional], {}).size).toBe(0);
    expect(readInputs([optional], { x: [1, 2] }).size).toBe(1);
    expect(refusal([optional], { x: [1] }).code).toBe("input-shape");
  });

  it("takes any shape where not even the rank is known", () => {
    expect(read(port("float32", "x.shape"), { shape: [2, 1], data: [1, 2] }).shape).toEqual([2, 1]);
    expect(read(port("float32", "x.shape"), [1, 2]).shape).toEqual([2]);
  });

  it("names what is missing and what is unknown, with the likely name", () => {
    const ports = [port("float32", 1), { ...port("int64", "n"), name: "attention_mask" }];
    const missing = refusal(ports, { x: [1] });
    expect(missing.code).toBe("input-missing");
    expect(missing.message).toContain('"attention_mask" (int64 [n])');
    const unknown = refusal(ports, { x: [1], atention_mask: [1] });
    expect(unknown.code).toBe("input-unknown");
    expect(unknown.message).toContain('did you mean "attention_mask"?');
    expect(refusal(ports, { completely: 1 }).message).toContain('the inputs are "x", "attention_mask"');
    expect(refusal(ports, { x: [1], attention_mask: undefined }).code).toBe("input-missing");
    // What every object inherits is not given.
    expect(refusal([{ ...port("float32"), name: "toString" }], {}).code).toBe("input-missing");
  });
});
