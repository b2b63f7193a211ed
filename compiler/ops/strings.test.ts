import { describe, expect, it } from "vitest";
import { runOperator, tensor, type OperatorUse } from "../../test/operator.ts";
import type { DType, Tensor } from "../ir/dtype.ts";

const text = (shape: readonly number[], ...data: string[]): Tensor => ({ dtype: "string", shape, data });
const words = (...data: string[]): Tensor => text([data.length], ...data);
const numbers = ({ data }: Tensor): unknown[] => Array.from(data as Iterable<number | bigint>, Number);

function first(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: OperatorUse["attributes"] = {},
): Tensor {
  return runOperator({ op, inputs, attributes })[0]!;
}

describe("StringNormalizer", () => {
  it("removes stop words and changes case, one row or none", () => {
    const given = words("Monday", "tuesday", "MONDAY");
    const attributes = { stopwords: ["monday"], case_change_action: "UPPER" };
    expect(first("StringNormalizer", [given], attributes)).toEqual(words("TUESDAY"));
    expect(first("StringNormalizer", [given], { ...attributes, is_case_sensitive: 1 })).toEqual(words("MONDAY", "TUESDAY", "MONDAY")); // prettier-ignore
    expect(first("StringNormalizer", [text([1, 1], "monday")], attributes)).toEqual(text([1, 1], ""));
  });

  it("knows the locale's letters", () => {
    const lower = (locale: string): Tensor =>
      first("StringNormalizer", [words("ISI")], { case_change_action: "LOWER", locale });
    expect([lower("tr_TR.UTF-8"), lower("en_US"), lower("C")]).toEqual([words("ısı"), words("isi"), words("isi")]); // prettier-ignore
    expect(() => lower("no such place")).toThrow(/locale/);
  });

  it("refuses other shapes and actions", () => {
    expect(() => first("StringNormalizer", [text([2, 1], "a", "b")])).toThrow(/\[2,1\]/);
    expect(() => first("StringNormalizer", [words("a")], { case_change_action: "TITLE" })).toThrow(/TITLE/);
  });
});

describe("StringConcat", () => {
  it("broadcasts as numbers do", () => {
    expect(first("StringConcat", [text([2, 1], "a", "b"), words("x", "y", "z")])).toEqual(
      text([2, 3], "ax", "ay", "az", "bx", "by", "bz"),
    );
    expect(first("StringConcat", [text([2, 1, 2], "a", "b", "c", "d"), text([2, 1], "0", "1")])).toEqual(
      text([2, 2, 2], "a0", "b0", "a1", "b1", "c0", "d0", "c1", "d1"),
    );
    expect(first("StringConcat", [text([0, 1]), words("x", "y")])).toEqual(text([0, 2]));
  });

  it("refuses what does not broadcast, and numbers", () => {
    expect(() => first("StringConcat", [words("a", "b"), words("x", "y", "z")])).toThrow(/broadcast/);
    expect(() => first("StringConcat", [words("a"), tensor("float32", [1], [1])])).toThrow(/strings are needed/); // prettier-ignore
  });
});

describe("StringSplit", () => {
  const split = (given: Tensor, attributes: OperatorUse["attributes"] = {}): [Tensor, unknown[]] => {
    const [pieces, counts] = runOperator({ op: "StringSplit", inputs: [given], attributes, outputs: 2 });
    expect(counts!.shape).toEqual(given.shape);
    return [pieces!, numbers(counts!)];
  };

  it("splits at a delimiter and pads with nothing", () => {
    expect(split(words("a,b,,c", "", "d"), { delimiter: "," })).toEqual([
      text([3, 4], "a", "b", "", "c", "", "", "", "", "d", "", "", ""),
      [4, 1, 1],
    ]);
    expect(split(words("a--b--c"), { delimiter: "--", maxsplit: 1 })).toEqual([
      text([1, 2], "a", "b--c"),
      [2],
    ]);
  });

  it("splits at runs of white space, and drops it at the ends", () => {
    expect(split(words(" a  b\tc ", "  "))).toEqual([text([2, 3], "a", "b", "c", "", "", ""), [3, 0]]);
    expect(split(words("  a  b  c "), { maxsplit: 1 })).toEqual([text([1, 2], "a", "b  c"), [2]]);
    expect(split(words("  a b "), { maxsplit: 0 })).toEqual([text([1, 1], "a b"), [1]]);
  });
});

describe("moving strings", () => {
  const six = text([2, 3], "a", "b", "c", "d", "e", "f");
  const ints = (...values: number[]): Tensor => tensor("int64", [values.length], values);

  it.each<[string, readonly (Tensor | undefined)[], OperatorUse["attributes"], Tensor]>([
    ["Identity", [six], {}, six],
    ["Reshape", [six, ints(3, -1)], {}, text([3, 2], "a", "b", "c", "d", "e", "f")],
    ["Flatten", [six], { axis: 0 }, text([1, 6], "a", "b", "c", "d", "e", "f")],
    ["Unsqueeze", [six, ints(0)], {}, text([1, 2, 3], "a", "b", "c", "d", "e", "f")],
    ["Squeeze", [text([1, 2], "a", "b")], {}, words("a", "b")],
    ["Transpose", [six], {}, text([3, 2], "a", "d", "b", "e", "c", "f")],
    ["Slice", [six, ints(-1), ints(-9), ints(1), ints(-2)], {}, text([2, 2], "c", "a", "f", "d")],
    ["Concat", [words("b"), words("a", "b")], { axis: 0 }, words("b", "a", "b")],
    ["Expand", [words("x"), ints(2, 1)], {}, text([2, 1], "x", "x")],
    ["Tile", [words("x", "y"), ints(2)], {}, words("x", "y", "x", "y")],
    ["Gather", [six, ints(1, 0)], { axis: 1 }, text([2, 2], "b", "a", "e", "d")],
    ["GatherND", [six, tensor("int64", [1, 2], [1, 2])], {}, words("f")],
    ["Where", [tensor("bool", [2, 1], [1, 0]), six, words("")], {}, text([2, 3], "a", "b", "c", "", "", "")],
    ["Compress", [words("a", "b", "c"), tensor("bool", [3], [0, 1, 1])], {}, words("b", "c")],
    ["ScatterND", [words("a", "b"), tensor("int64", [1, 1], [1]), words("z")], {}, words("a", "z")],
    ["Shape", [six], {}, ints(2, 3)],
    ["Size", [six], {}, tensor("int64", [], [6])],
  ])("%s", (op, inputs, attributes, expected) => {
    expect(first(op, inputs, attributes)).toEqual(expected);
  });

  it("splits", () => {
    const made = runOperator({ op: "Split", inputs: [six], attributes: { axis: 1 }, outputs: 3 });
    expect(made).toEqual([text([2, 1], "a", "d"), text([2, 1], "b", "e"), text([2, 1], "c", "f")]);
  });

  it("compares", () => {
    const made = first("Equal", [text([2, 1], "a", "b"), words("b", "a")]);
    expect(made).toEqual(tensor("bool", [2, 2], [0, 1, 1, 0]));
  });

  it("finds what is unique, sorted by code points", () => {
    // The first is U+1F600, past U+FF5E, though its UTF-16 begins with a smaller unit.
    const given = words("\u{1f600}", "～", "b", "～", "a");
    const [sorted, indices, inverse, counts] = runOperator({ op: "Unique", inputs: [given], outputs: 4 });
    expect(sorted).toEqual(words("a", "b", "～", "\u{1f600}"));
    expect([indices, inverse, counts].map((made) => numbers(made!))).toEqual([
      [4, 2, 1, 0],
      [3, 2, 1, 2, 0],
      [1, 1, 2, 1],
    ]);
    expect(first("Unique", [given], { sorted: 0 })).toEqual(words("\u{1f600}", "～", "b", "a"));
  });

  it("moves more elements than are folded", () => {
    const many = words(...Array.from({ length: 20_000 }, (_, i) => `${i}`));
    const made = first("Reshape", [many, ints(2, -1)]);
    expect([made.shape, made.data[19_999]]).toEqual([[2, 10_000], "19999"]);
  });

  it("does not add", () => {
    expect(() => first("Add", [six, six])).toThrow(/string/);
  });

  it("fills a shape", () => {
    const value = { kind: "tensor", value: words("-") } as const;
    expect(first("ConstantOfShape", [ints(2, 1)], { value })).toEqual(text([2, 1], "-", "-"));
  });
});

describe("Cast of strings", () => {
  const cast = (from: Tensor, to: DType): Tensor => first("Cast", [from], { to });

  it.each<[DType, readonly number[], readonly string[]]>([
    ["float32", [0.1, -0, -2.5, 3.4028234663852886e38, 1e-45, 16777216, 1e8, 1e-7, 0.00012], ["0.1", "-0", "-2.5", "3.4028235e+38", "1e-45", "16777216", "1e+08", "1e-07", "0.00012"]], // prettier-ignore
    ["float32", [NaN, Infinity, -Infinity], ["NaN", "INF", "-INF"]],
    ["float64", [0.1, 1 / 3, 1e16, 1e17], ["0.1", "0.3333333333333333", "10000000000000000", "1e+17"]],
    ["float16", [0.1, 65504, 1 / 3], ["0.1", "65500", "0.3333"]],
    ["bfloat16", [0.1, 3.140625], ["0.1", "3.14"]],
    ["int64", [-5], ["-5"]],
    ["uint8", [200], ["200"]],
    ["bool", [1, 0], ["1", "0"]],
  ])("from %s, and back", (dtype, values, texts) => {
    const given = tensor(dtype, [values.length], values);
    const made = cast(given, "string");
    expect(made).toEqual(words(...texts));
    expect(cast(made, dtype)).toEqual(given);
  });

  it.each<[DType, readonly string[], readonly number[]]>([
    ["float32", [" 1.5 ", "+.5e1", "1E-2", "inf", "-Infinity", "nan"], [1.5, 5, 0.01, Infinity, -Infinity, NaN]], // prettier-ignore
    ["int32", ["-7", "+7", "2.9", "1e3"], [-7, 7, 2, 1000]],
    ["bool", ["0", "2"], [0, 1]],
  ])("to %s", (dtype, texts, values) => {
    expect(cast(words(...texts), dtype)).toEqual(tensor(dtype, [values.length], values));
  });

  it("keeps all digits of 64-bit integers", () => {
    const digits = words("9223372036854775807", "-9223372036854775808");
    expect(cast(digits, "int64").data).toEqual(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)));
    expect(cast(words("18446744073709551615"), "uint64").data).toEqual(BigUint64Array.of(2n ** 64n - 1n));
  });

  it.each(["", "one", "1,5", "0x10", "1e", "--1"])("refuses %j", (given) => {
    expect(() => cast(words(given), "float32")).toThrow(/is not a number/);
  });

  it("is what CastLike does", () => {
    expect(first("CastLike", [tensor("int32", [1], [3]), words("")])).toEqual(words("3"));
  });
});

describe("labels", () => {
  const encode = (given: Tensor, attributes: OperatorUse["attributes"]): Tensor =>
    first("ai.onnx.ml:LabelEncoder", [given], attributes);
  const ints = (...values: number[]): Tensor => tensor("int64", [values.length], values);

  it("go from strings to numbers, to strings and back", () => {
    const keys = { keys_strings: ["a", "b", "a"] };
    expect(encode(words("a", "b", "c"), { ...keys, values_int64s: [1, 2, 3] })).toEqual(ints(3, 2, -1));
    expect(encode(words("b", "c"), { ...keys, values_strings: ["x", "y", "z"] })).toEqual(
      words("y", "_Unused"),
    );
    expect(encode(words("b", "c"), { ...keys, values_floats: { floats: [1, 2, 3] }, default_float: { float: 0.5 } })).toEqual(tensor("float32", [2], [2, 0.5])); // prettier-ignore
    const back = { keys_int64s: [1, 2], values_strings: ["x", "y"], default_string: "?" };
    expect(encode(ints(2, 5, 1), back)).toEqual(words("y", "?", "x"));
    const reals = { keys_floats: { floats: [0.5, NaN] }, values_strings: ["half", "none"] };
    expect(encode(tensor("float32", [2], [NaN, 0.5]), reals)).toEqual(words("none", "half"));
  });

  it("refuses keys of another kind than the input", () => {
    const keys = { keys_strings: ["a"], values_int64s: [1] };
    expect(() => encode(ints(1), keys)).toThrow(/keys of type string/);
  });

  it("map categories either way", () => {
    const attributes = { cats_strings: ["low", "high"], cats_int64s: [10, 20] };
    expect(first("ai.onnx.ml:CategoryMapper", [words("high", "?")], attributes)).toEqual(ints(20, -1));
    const back = { ...attributes, default_string: "?" };
    expect(first("ai.onnx.ml:CategoryMapper", [ints(10, 3)], back)).toEqual(words("low", "?"));
  });

  it("become columns", () => {
    const made = first("ai.onnx.ml:OneHotEncoder", [words("b", "?")], { cats_strings: ["a", "b"] });
    expect(made).toEqual(tensor("float32", [2, 2], [0, 1, 0, 0]));
  });

  it("name the classes of a classifier", () => {
    const attributes = { coefficients: { floats: [1, 0, 0, 1] }, classlabels_strings: ["left", "right"] };
    const given = tensor("float32", [2, 2], [1, 2, 4, 3]);
    expect(first("ai.onnx.ml:LinearClassifier", [given], attributes)).toEqual(words("right", "left"));
  });
});

it("counts n-grams of words as it does those of numbers", () => {
  const attributes = {
    mode: "TF",
    min_gram_length: 1,
    max_gram_length: 2,
    max_skip_count: 1,
    ngram_counts: [0, 2],
    ngram_indexes: [0, 1, 2],
  };
  const names = ["zero", "one", "two", "three"];
  const ids = [1, 3, 2, 1, 2, 0];
  const pool = [1, 2, 1, 2];
  const ofNumbers = first("TfIdfVectorizer", [tensor("int64", [6], ids)], {
    ...attributes,
    pool_int64s: pool,
  });
  const ofWords = first("TfIdfVectorizer", [words(...ids.map((id) => names[id]!))], { ...attributes, pool_strings: pool.map((id) => names[id]!) }); // prettier-ignore
  expect(numbers(ofNumbers)).toEqual([2, 2, 2]);
  expect(ofWords).toEqual(ofNumbers);
});
