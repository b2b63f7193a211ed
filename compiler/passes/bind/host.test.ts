/**
 * Strings from end to end: models that take, make and give them, as sessions and the interpreter run them, against
 * onnxruntime-web. Counts what is compiled: a program is for shapes, not for texts.
 */
import { afterAll, describe, expect, it } from "vitest";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import type { Stage } from "../../../runtime/binder.ts";
import { load, type Session } from "../../../runtime/index.ts";
import { compile, interpret, openSource } from "../../whole.ts";
import type { Tensor } from "../../ir/dtype.ts";
import { onnxModel, type OnnxModelBuilder } from "../../frontend/onnx/write.ts";
import { tensorOf } from "../evaluate.ts";

type Tensors = Readonly<Record<string, Tensor>>;

const sessions: { release(): Promise<void> | void }[] = [];

afterAll(async () => {
  for (const session of sessions) await session.release();
});

const text = (...data: string[]): Tensor => ({ dtype: "string", shape: [data.length], data });
const floats = (shape: readonly number[], ...values: number[]): Tensor => tensorOf("float32", shape, values);

async function reference(bytes: Uint8Array): Promise<(inputs: Tensors) => Promise<Tensors>> {
  const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  sessions.push(session);
  return async (inputs) => {
    const feeds = Object.entries(inputs).map(([name, { dtype, shape, data }]) => [
      name,
      new OrtTensor(dtype as "string", data as string[], shape),
    ]);
    const outputs = await session.run(Object.fromEntries(feeds) as Record<string, OrtTensor>);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => {
        const { type, dims, data } = value as OrtTensor;
        return [name, { dtype: type, shape: dims, data } as unknown as Tensor];
      }),
    );
  };
}

interface Counted {
  readonly session: Session;
  /** How many programs were compiled so far. */
  programs(): number;
}

async function counted(bytes: Uint8Array): Promise<Counted> {
  let programs = 0;
  const counting = (stage: Stage): Stage => {
    const following = new Map<Stage, Stage>();
    return {
      ...stage,
      async bind(inputs, values) {
        const bound = await stage.bind(inputs, values);
        if (bound.artifact) programs++;
        if (!bound.next) return bound;
        const next = following.get(bound.next.stage) ?? counting(bound.next.stage);
        following.set(bound.next.stage, next);
        return { ...bound, next: { ...bound.next, stage: next } };
      },
    };
  };
  const session = await load(bytes, { compiler: () => ({ openSource: (source) => counting(openSource(source)) }) }); // prettier-ignore
  sessions.push({ release: () => session.dispose() });
  return { session, programs: () => programs };
}

function expectSame(actual: Tensors, expected: Tensors): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { dtype, shape, data }] of Object.entries(expected)) {
    const made = actual[name]!;
    expect([name, made.dtype, ...made.shape]).toEqual([name, dtype, ...shape]);
    if (dtype === "string") expect([...(made.data as string[])], name).toEqual([...(data as string[])]);
    else Array.from(data as Float32Array, (value, i) => expect(Number(made.data[i]), `${name}[${i}]`).toBeCloseTo(Number(value), 5)); // prettier-ignore
  }
}

/** Runs all inputs on all three devices, and tells how many programs that took. */
async function agree(model: OnnxModelBuilder, runs: readonly Tensors[]): Promise<[Tensors[], number]> {
  const bytes = model.toBytes();
  const ort = await reference(bytes);
  const { session, programs } = await counted(bytes);
  const all: Tensors[] = [];
  for (const inputs of runs) {
    const expected = await ort(inputs);
    expectSame(interpret(bytes, inputs), expected);
    const made = await session.run(inputs);
    expectSame(made, expected);
    all.push(made);
  }
  return [all, programs()];
}

function model(name: string): OnnxModelBuilder {
  const b = onnxModel(name, { opset: 21 });
  b.importOpset("ai.onnx.ml", 3);
  return b;
}

const ML = { domain: "ai.onnx.ml" };

describe("text in", () => {
  it("becomes numbers for one program, and its result text again", async () => {
    const b = model("classify");
    const sentence = b.input("sentence", "string", [1]);
    const scale = b.input("scale", "float32", [1]);
    const [pieces] = b.nodeWithOutputs("StringSplit", [sentence], 2);
    const tokens = b.node("StringNormalizer", [pieces], { case_change_action: "LOWER" });
    const ids = b.node("LabelEncoder", [tokens], { keys_strings: ["good", "bad", "day"], values_int64s: [1, 2, 3] , default_int64: 0 }, ML); // prettier-ignore
    const table = b.initializer("float32", [4, 2], [0, 0, 2, -1, -3, 1, 0.5, 0.25]);
    const embedded = b.node("Mul", [b.node("Gather", [table, ids]), scale]);
    const scores = b.node("ReduceSum", [embedded, b.int64s([0, 1])], { keepdims: 0 });
    b.output(scores, "float32", [2], "scores");
    const best = b.node("ArgMax", [scores], { axis: 0, keepdims: 1 });
    const names = { keys_int64s: [0, 1], values_strings: ["positive", "negative"] };
    b.output(b.node("LabelEncoder", [best], names, ML), "string", [1], "verdict");
    const runs = ["Good day", "bad day", "what day", "good GOOD"].map((words) => ({
      sentence: text(words),
      scale: floats([1], 2),
    }));
    const [made, programs] = await agree(b, runs);
    expect(made.map(({ verdict }) => verdict!.data[0])).toEqual(["positive", "negative", "positive", "positive"]); // prettier-ignore
    expect(made[3]!["scores"]!.data).toEqual(Float32Array.of(8, -4));
    expect(programs).toBe(1);
  });

  it("is counted by a program that is compiled once", async () => {
    const b = model("counts");
    const words = b.input("words", "string", ["n"]);
    const attributes = {
      mode: "TFIDF",
      min_gram_length: 1,
      max_gram_length: 2,
      max_skip_count: 0,
      ngram_counts: [0, 2],
      ngram_indexes: [0, 1, 2],
      pool_strings: ["a", "b", "a", "b"],
      weights: { kind: "floats", value: [1, 2, 3] } as const,
    };
    b.output(b.node("TfIdfVectorizer", [words], attributes), "float32", [3], "y");
    const [made, programs] = await agree(b, [text("a", "b"), text("b", "b"), text("?", "a"), text("a", "b", "a")].map((words) => ({ words }))); // prettier-ignore
    expect(made.map(({ y }) => [...(y!.data as Float32Array)])).toEqual([[1, 2, 3], [0, 4, 0], [1, 0, 0], [2, 2, 3]]); // prettier-ignore
    expect(programs).toBe(2); // two and three words
  });

  it("takes a branch", async () => {
    const b = model("branch");
    const answer = b.input("answer", "string", [1]);
    const x = b.input("x", "float32", [2]);
    const yes = b.node("Equal", [answer, b.initializer("string", [1], ["yes"])]);
    const branch = (name: string, op: string) =>
      b.subgraph(name, (g) => g.output(g.node(op, [x]), "float32", [2], `${name}_y`));
    const made = b.node("If", [b.node("Squeeze", [yes])], { then_branch: branch("then", "Neg"), else_branch: branch("else", "Exp") }); // prettier-ignore
    b.output(made, "float32", [2], "y");
    const given = { x: floats([2], 0, 1) };
    const runs = ["yes", "no", "yes", "never"].map((word) => ({ answer: text(word), ...given }));
    const [results, programs] = await agree(b, runs);
    expect(results.map(({ y }) => Number(y!.data[0]))).toEqual([-0, 1, -0, 1]);
    expect(programs).toBe(3); // the condition, and either branch
  });

  it("decides shapes", async () => {
    const b = model("shapes");
    const sentence = b.input("sentence", "string", [1]);
    const x = b.input("x", "float32", [1, 2]);
    const [, count] = b.nodeWithOutputs("StringSplit", [sentence], 2);
    const rows = b.node("Concat", [count!, b.int64s([2])], { axis: 0 });
    b.output(b.node("Exp", [b.node("Expand", [x, rows])]), "float32", ["n", 2], "y");
    const runs = ["a", "a b c", "d e f"].map((words) => ({ sentence: text(words), x: floats([1, 2], 1, 2) }));
    const [made] = await agree(b, runs);
    expect(made.map(({ y }) => y!.shape[0])).toEqual([1, 3, 3]);
  });
});

describe("text out", () => {
  it("names what a classifier found, with one program for all", async () => {
    const b = model("labels");
    const x = b.input("x", "float32", [2, 2]);
    const attributes = {
      coefficients: { kind: "floats", value: [1, 0, 0, 1] } as const,
      intercepts: { kind: "floats", value: [0, 0] } as const,
      classlabels_strings: ["left", "right"],
      post_transform: "SOFTMAX",
    };
    const [label, scores] = b.nodeWithOutputs("LinearClassifier", [x], 2, attributes, ML);
    b.output(label!, "string", [2], "label");
    b.output(scores!, "float32", [2, 2], "scores");
    const runs = [floats([2, 2], 1, 2, 4, 3), floats([2, 2], 2, 1, 4, 3)].map((x) => ({ x }));
    const [made, programs] = await agree(b, runs);
    expect(made.map(({ label }) => label)).toEqual([text("right", "left"), text("left", "left")]);
    expect(programs).toBe(1);
    expect(compile(b.toBytes()).report.kind).toBe("late");
  });

  it("shows computed numbers", async () => {
    const b = model("shown");
    const x = b.input("x", "float32", [3]);
    const name = b.input("name", "string", [1]);
    const shown = b.node("Cast", [b.node("Sqrt", [x])], { to: 8 });
    const line = b.node("StringConcat", [b.node("StringConcat", [name, b.initializer("string", [], ["="])]), shown]); // prettier-ignore
    b.output(line, "string", [3], "line");
    const runs = ["a", "b"].map((word) => ({ x: floats([3], 4, 0.0625, 1e16), name: text(word) }));
    const [made] = await agree(b, runs);
    expect(made[1]!["line"]).toEqual(text("b=2", "b=0.25", "b=1e+08"));
  });

  it("may be a constant, or what came in", async () => {
    const b = model("constants");
    const given = b.input("given", "string", ["n"]);
    b.output(b.initializer("string", [2], ["a", "b"]), "string", [2], "fixed");
    b.output(b.node("Identity", [given]), "string", ["n"], "same");
    b.output(b.node("Shape", [given]), "int64", [1], "shape");
    const [made, programs] = await agree(b, [{ given: text("x") }, { given: text("y", "") }]);
    expect(made.map(({ same }) => same!.data)).toEqual([["x"], ["y", ""]]);
    expect(programs).toBe(0);
  });

  it("is the caller's own", async () => {
    const b = model("own");
    const given = b.input("given", "string", [1]);
    b.output(b.node("StringSplit", [given]), "string", [1, "n"], "y");
    b.output(b.node("Cast", [given], { to: 1 }), "float32", [1], "number");
    const { session } = await counted(b.toBytes());
    const first = await session.run({ given: ["5"] });
    (first["y"]!.data as string[])[0] = "spoilt";
    (first["number"]!.data as Float32Array)[0] = 0;
    const again = await session.run({ given: "5" });
    expect([again["y"]!.data, again["number"]!.data]).toEqual([["5"], Float32Array.of(5)]);
  });
});

describe("control flow and sequences of strings", () => {
  it("loop", async () => {
    const b = model("loop");
    const word = b.input("word", "string", [1]);
    const count = b.input("count", "int64", []);
    const body = b.subgraph("body", (g) => {
      g.input("i", "int64", []);
      g.input("on", "bool", []);
      const state = g.input("state", "string", [1]);
      g.output(g.node("Identity", ["on"]), "bool", [], "still");
      g.output(g.node("StringConcat", [state, word]), "string", [1], "longer");
    });
    b.output(b.node("Loop", [count, undefined, word], { body }), "string", [1], "y");
    const runs = [0, 3].map((n) => ({ word: text("ab"), count: tensorOf("int64", [], [n]) }));
    const bytes = b.toBytes();
    const { session } = await counted(bytes);
    for (const [i, inputs] of runs.entries()) {
      expect(interpret(bytes, inputs)["y"]).toEqual(text(["ab", "abababab"][i]!));
      expect((await session.run(inputs))["y"]).toEqual(text(["ab", "abababab"][i]!));
    }
  });

  it("sequence", async () => {
    const b = model("sequence");
    const s = b.inputOfType("s", { kind: "sequence", element: { kind: "tensor", dtype: "string" } });
    b.output(b.node("ConcatFromSequence", [s], { axis: 0 }), "string", ["n"], "y");
    b.output(b.node("SequenceLength", [s]), "int64", [], "length");
    const bytes = b.toBytes();
    const inputs = { "s[0]": text("a"), "s[1]": text("b", "c") };
    const { session } = await counted(bytes);
    for (const made of [interpret(bytes, inputs), await session.run(inputs)]) {
      expect(made["y"]).toEqual(text("a", "b", "c"));
      expect(Number(made["length"]!.data[0])).toBe(2);
    }
  });
});

it("says what is no number when it is cast", async () => {
  const b = model("refused");
  const given = b.input("given", "string", [1]);
  b.output(b.node("Cast", [given], { to: 1 }), "float32", [1], "y");
  const { session } = await counted(b.toBytes());
  await expect(session.run({ given: "five" })).rejects.toThrow(/"five" is not a number/);
  expect((await session.run({ given: "5" }))["y"]!.data).toEqual(Float32Array.of(5));
  await expect(session.run({ given: [5] })).rejects.toThrow(/element 0 is no string/);
});
