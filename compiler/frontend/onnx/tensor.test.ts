import { PbfWriter } from "pbf";
import { describe, expect, it } from "vitest";
import { CompileError } from "../../diagnostic.ts";
import { EXTERNAL, FIELD } from "./fields.ts";
import { readNamedTensor, readOptional, readSequence, readTensor } from "./tensor.ts";
import { externalTensor, ONNX_DATA_TYPE, tensor, writeTensor, type OnnxDataType } from "./write.ts";

/** A TensorProto written field by field, for the forms that the writer does not produce. */
function proto(dtype: OnnxDataType, dims: readonly number[], fill: (writer: PbfWriter) => void): Uint8Array {
  const writer = new PbfWriter();
  writer.writePackedVarint(FIELD.tensor.dims, [...dims]);
  fill(writer);
  // The type comes last on purpose: fields may stand in any order.
  writer.writeVarintField(FIELD.tensor.dataType, ONNX_DATA_TYPE[dtype]);
  return writer.finish().slice();
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CompileError) return error.code;
    throw error;
  }
  return "no error";
}

describe("readTensor", () => {
  it("reads raw data of every width", () => {
    expect(readTensor(writeTensor(tensor("float32", [2], [1.5, -2]))).data).toEqual(
      new Float32Array([1.5, -2]),
    );
    expect(readTensor(writeTensor(tensor("float16", [2], [1, -2]))).data).toEqual(
      new Uint16Array([0x3c00, 0xc000]),
    );
    expect(readTensor(writeTensor(tensor("int64", [1, 2], [-1n, 2n ** 63n - 1n])))).toEqual({
      dtype: "int64",
      shape: [1, 2],
      data: new BigInt64Array([-1n, 2n ** 63n - 1n]),
    });
    expect(readTensor(writeTensor(tensor("bool", [], [true])))).toEqual({
      dtype: "bool",
      shape: [],
      data: new Uint8Array([1]),
    });
  });

  it("unpacks sub-byte types to one element per byte, with signs", () => {
    expect(readTensor(writeTensor(tensor("int4", [3], [-8, 7, -1]))).data).toEqual(
      new Int8Array([-8, 7, -1]),
    );
    expect(readTensor(writeTensor(tensor("uint4", [3], [15, 0, 9]))).data).toEqual(
      new Uint8Array([15, 0, 9]),
    );
    expect(readTensor(writeTensor(tensor("int2", [5], [-2, 1, 0, -1, 1]))).data).toEqual(
      new Int8Array([-2, 1, 0, -1, 1]),
    );
    expect(readTensor(writeTensor(tensor("uint2", [5], [3, 1, 0, 2, 3]))).data).toEqual(
      new Uint8Array([3, 1, 0, 2, 3]),
    );
  });

  it("reads typed fields, packed and unpacked", () => {
    const floats = proto("float32", [3], (w) => w.writePackedFloat(FIELD.tensor.floatData, [1, 2, 3]));
    expect(readTensor(floats).data).toEqual(new Float32Array([1, 2, 3]));
    const mixed = proto("float32", [3], (w) => {
      w.writePackedFloat(FIELD.tensor.floatData, [1, 2]);
      w.writeFloatField(FIELD.tensor.floatData, 3);
    });
    expect(readTensor(mixed).data).toEqual(new Float32Array([1, 2, 3]));
    const doubles = proto("float64", [2], (w) => w.writePackedDouble(FIELD.tensor.doubleData, [0.1, -1]));
    expect(readTensor(doubles).data).toEqual(new Float64Array([0.1, -1]));
    const ints = proto("int8", [2], (w) => w.writePackedVarint(FIELD.tensor.int32Data, [-3, 5]));
    expect(readTensor(ints).data).toEqual(new Int8Array([-3, 5]));
    const halves = proto("float16", [2], (w) =>
      w.writePackedVarint(FIELD.tensor.int32Data, [0x3c00, 0xc000]),
    );
    expect(readTensor(halves).data).toEqual(new Uint16Array([0x3c00, 0xc000]));
    const brain = proto("bfloat16", [1], (w) => w.writePackedVarint(FIELD.tensor.int32Data, [0x3f80]));
    expect(readTensor(brain).data).toEqual(new Uint16Array([0x3f80]));
    const nibbles = proto("int4", [3], (w) => w.writePackedVarint(FIELD.tensor.int32Data, [0x78, 0x0f]));
    expect(readTensor(nibbles).data).toEqual(new Int8Array([-8, 7, -1]));
    const longs = proto("int64", [2], (w) => w.writePackedVarint(FIELD.tensor.int64Data, [-7, 2 ** 40]));
    expect(readTensor(longs).data).toEqual(new BigInt64Array([-7n, 2n ** 40n]));
    const words = proto("uint32", [1], (w) => w.writePackedVarint(FIELD.tensor.uint64Data, [2 ** 32 - 1]));
    expect(readTensor(words).data).toEqual(new Uint32Array([2 ** 32 - 1]));
  });

  it("reads strings, names and tensors without elements", () => {
    expect(
      readNamedTensor(writeTensor(tensor("string", [2], ["a", "größer als zwölf Byte"], "words"))),
    ).toEqual({
      name: "words",
      tensor: { dtype: "string", shape: [2], data: ["a", "größer als zwölf Byte"] },
    });
    const empty = proto("float32", [0, 4], () => undefined);
    expect(readTensor(empty)).toEqual({ dtype: "float32", shape: [0, 4], data: new Float32Array(0) });
  });

  it("keeps data as a view of the input where it is aligned, and copies it where not", () => {
    const bytes = writeTensor(tensor("float32", [4], [1, 2, 3, 4]));
    const at = bytes.length - 16;
    for (let shift = 0; shift < 4; shift++) {
      const buffer = new ArrayBuffer(bytes.length + 8);
      const placed = new Uint8Array(buffer, shift, bytes.length);
      placed.set(bytes);
      const { data } = readTensor(placed);
      expect(data).toEqual(new Float32Array([1, 2, 3, 4]));
      expect((data as Float32Array).buffer === buffer).toBe((shift + at) % 4 === 0);
    }
  });

  it("takes external data by offset and length", () => {
    const file = new Uint8Array(32);
    new Float32Array(file.buffer, 8, 2).set([5, 6]);
    const bytes = writeTensor(externalTensor("float32", [2], { location: "w/x.bin", offset: 8, length: 8 }));
    const asked: string[] = [];
    const read = readTensor(bytes, (location) => (asked.push(location), file));
    expect(read.data).toEqual(new Float32Array([5, 6]));
    expect((read.data as Float32Array).buffer).toBe(file.buffer);
    expect(asked).toEqual(["w/x.bin"]);
    expect(codeOf(() => readTensor(bytes))).toBe("external-data-missing");
    expect(codeOf(() => readTensor(bytes, () => file.subarray(0, 15)))).toBe("model-malformed");
  });

  it.each(["../secret", "/etc/passwd", "a/../../b", "C:\\x", "\\\\host\\x", ""])(
    "refuses external data at %j",
    (location) => {
      const bytes = proto("float32", [1], (w) => {
        w.writeMessage(FIELD.tensor.externalData, (_, inner) => {
          inner.writeStringField(FIELD.entry.key, "location");
          inner.writeStringField(FIELD.entry.value, location);
        }, undefined); // prettier-ignore
        w.writeVarintField(FIELD.tensor.dataLocation, EXTERNAL);
      });
      expect(codeOf(() => readTensor(bytes, () => new Uint8Array(4)))).toBe("model-malformed");
    },
  );

  it("refuses sizes that the data does not bear out, before allocating", () => {
    const none = (dims: number[]): string =>
      codeOf(() => readTensor(proto("float32", dims, () => undefined)));
    expect(none([1])).toBe("model-malformed");
    expect(none([2 ** 31])).toBe("model-malformed");
    expect(none([2 ** 20, 2 ** 20])).toBe("model-too-large");
    expect(none([2 ** 50])).toBe("model-too-large");
    expect(none([-1])).toBe("model-malformed");
    expect(none(new Array<number>(1000).fill(1))).toBe("model-too-large");
    const short = proto("int4", [1000], (w) => w.writeBytesField(FIELD.tensor.rawData, new Uint8Array(499)));
    expect(codeOf(() => readTensor(short))).toBe("model-malformed");
  });

  it("refuses complex numbers and unknown types", () => {
    const complex = proto("complex64", [1], (w) => w.writePackedFloat(FIELD.tensor.floatData, [1, 2]));
    expect(codeOf(() => readTensor(complex))).toBe("dtype-unsupported");
    const writer = new PbfWriter();
    writer.writeVarintField(FIELD.tensor.dataType, 99);
    expect(codeOf(() => readTensor(writer.finish().slice()))).toBe("model-malformed");
  });
});

describe("readSequence and readOptional", () => {
  function container(...elements: readonly (readonly [field: number, bytes: Uint8Array])[]): Uint8Array {
    const writer = new PbfWriter();
    for (const [field, bytes] of elements) writer.writeBytesField(field, bytes);
    return writer.finish().slice();
  }
  const one = writeTensor(tensor("int64", [1], [1]));
  const two = writeTensor(tensor("int64", [1], [2]));
  const values = [new BigInt64Array([1n]), new BigInt64Array([2n])];

  it("reads the elements in order, nested ones too", () => {
    const inner = container([FIELD.container.tensor, one], [FIELD.container.tensor, two]);
    expect(readSequence(inner)).toEqual(values.map((data) => ({ dtype: "int64", shape: [1], data })));
    expect(readSequence(container([FIELD.container.sequence, inner]))).toEqual([readSequence(inner)]);
    expect(readOptional(container([FIELD.container.sequence, inner]))).toEqual(readSequence(inner));
  });

  it("tells an optional without a value", () => {
    expect(readOptional(container())).toBeUndefined();
    expect(readOptional(container([FIELD.container.tensor, two]))).toEqual(readTensor(two));
  });
});
