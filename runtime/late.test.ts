import { describe, expect, it } from "vitest";
import { code, plainArtifact } from "../test/programs.ts";
import { type BoundStage, type Compiler, type Stage } from "./binder.ts";
import { type NumericData, type Tensor } from "./dtype.ts";
import { TilewrightError } from "./errors.ts";
import { type LatePlan, type Port, readArtifact, writeArtifact } from "./format.ts";
import { load, type LoadOptions } from "./load.ts";
import { type Session } from "./session.ts";

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof TilewrightError) return error.code;
    throw error;
  }
  return "none";
}

const float = (name: string, ...shape: (number | string)[]): Port => ({ name, dtype: "float32", shape });
const slot = (name: string, address: number, ...shape: number[]) =>
  ({ name, dtype: "float32", shape, address }) as const;

/** y = factor * x over n floats, one instruction after the other. */
function multiply(n: number, factor: number, output = "y"): Uint8Array {
  const run = Array.from({ length: n }, (_, i) =>
    code.f32Store(1024 + 4 * i, [...code.f32Load(4 * i), ...code.f32(factor), ...code.f32Multiply]),
  ).flat();
  return plainArtifact({ inputs: [slot("x", 0, n)], outputs: [slot(output, 1024, n)], memoryBytes: 65536 }, [
    ...code.when([...code.f32Load(0), ...code.f32(666), ...code.f32Equal], code.unreachable),
    ...run,
  ]);
}

const numbers = (tensor: Tensor | undefined): unknown[] => [...(tensor!.data as NumericData)];

/** A compiler of one stage that counts what it is asked for. */
function counting(
  stage: Partial<Stage> & Pick<Stage, "bind">,
): Compiler & { opened: Uint8Array[]; binds: number } {
  const compiler = {
    opened: [] as Uint8Array[],
    binds: 0,
    openSource(bytes: Uint8Array): Stage {
      compiler.opened.push(bytes);
      return {
        inputs: [float("x", "n")],
        outputs: [float("y", "n")],
        ...stage,
        bind(inputs, values) {
          compiler.binds++;
          return stage.bind(inputs, values);
        },
      };
    },
  };
  return compiler;
}

const doubling = () => counting({ bind: ({ x }) => ({ artifact: multiply(x!.shape[0]!, 2) }) });

const model = Uint8Array.of(0x08, 0x0a);
const latePlan: LatePlan = {
  kind: "late",
  name: "doubling",
  compiler: "by hand",
  inputs: [float("x", "n")],
  outputs: [float("y", "n")],
};

function open(compiler: Compiler, options: LoadOptions = {}): Promise<Session> {
  return load(model, { compiler: () => compiler, ...options });
}

describe("a late session", () => {
  it("binds each shape once and answers right", async () => {
    const compiler = doubling();
    const session = await open(compiler);
    expect(session.kind).toBe("late");
    expect(session.inputs).toEqual([float("x", "n")]);
    expect([session.memoryBytes, session.variant, compiler.binds]).toEqual([0, undefined, 0]);
    for (const x of [[1], [1, 2], [5], [3, 4], [7, 8, 9], [6]]) {
      const { y } = await session.run({ x });
      expect(y).toMatchObject({ dtype: "float32", shape: [x.length] });
      expect(numbers(y)).toEqual(x.map((value) => 2 * value));
    }
    expect(compiler.binds).toBe(3);
    expect(session.memoryBytes).toBe(3 * 65536);
    expect(compiler.opened).toEqual([model]);
  });

  it("binds at load what leaves nothing open", async () => {
    const compiler = counting({ inputs: [float("x", 2)], bind: () => ({ artifact: multiply(2, 2) }) });
    const session = await open(compiler);
    expect(compiler.binds).toBe(1);
    expect(numbers((await session.run({ x: [1, 2] }))["y"])).toEqual([2, 4]);
    expect(compiler.binds).toBe(1);
    expect(await codeOf(session.run({ x: [1] }))).toBe("input-shape");
  });

  it("keeps as many programs as it is told to, the most recently used", async () => {
    const compiler = doubling();
    const session = await open(compiler, { keptPrograms: 2 });
    const bindsOf = async (n: number): Promise<number> => {
      await session.run({ x: Array<number>(n).fill(1) });
      return compiler.binds;
    };
    expect([await bindsOf(1), await bindsOf(2), await bindsOf(1), await bindsOf(3)]).toEqual([1, 2, 2, 3]);
    expect([await bindsOf(1), await bindsOf(2)]).toEqual([3, 4]);
    expect(session.memoryBytes).toBe(2 * 65536);
  });

  it("answers many runs in order, with the inputs as they were when asked", async () => {
    const compiler = doubling();
    const session = await open(compiler);
    const x = new Float32Array(3);
    const order: number[] = [];
    const runs = Array.from({ length: 12 }, async (_, index) => {
      x.fill(index);
      const { y } = await session.run({ x: x.subarray(0, 1 + (index % 3)) });
      order.push(index);
      return numbers(y);
    });
    x.fill(-1);
    expect(await Promise.all(runs)).toEqual(
      Array.from({ length: 12 }, (_, index) => Array(1 + (index % 3)).fill(2 * index)),
    );
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(compiler.binds).toBe(3);
  });

  it("goes on after a run that trapped, and after a bind that failed", async () => {
    const compiler = counting({
      bind({ x }) {
        if (x!.shape[0] === 5) throw new TypeError("no kernel for five");
        return { artifact: multiply(x!.shape[0]!, 2) };
      },
    });
    const session = await open(compiler);
    const runs = [[666], [1], [1, 2, 3, 4, 5], [2]].map((x) => session.run({ x }));
    const [trapped, first, failed, second] = await Promise.allSettled(runs);
    expect(trapped).toMatchObject({ reason: { code: "run-failed" } });
    expect(first).toMatchObject({ value: { y: { data: Float32Array.of(2) } } });
    expect(failed).toMatchObject({ reason: { message: "no kernel for five" } });
    expect(second).toMatchObject({ value: { y: { data: Float32Array.of(4) } } });
  });

  it("rejects what waits when it is aborted or disposed of", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const session = await open(
      counting({
        async bind({ x }) {
          await gate;
          return { artifact: multiply(x!.shape[0]!, 2) };
        },
      }),
    );
    const controller = new AbortController();
    const first = session.run({ x: [1] });
    const second = codeOf(session.run({ x: [2] }, { signal: controller.signal }));
    controller.abort();
    expect(await second).toBe("aborted"); // while the first still waits for its program
    const third = codeOf(session.run({ x: [3] }));
    const firstCode = codeOf(first);
    session.dispose();
    release();
    expect([await firstCode, await third]).toEqual(["disposed", "disposed"]);
    expect(await codeOf(session.run({ x: [1] }))).toBe("disposed");
    expect(session.memoryBytes).toBe(0);
  });

  it("has no runSync", async () => {
    const session = await open(doubling());
    expect(() => session.runSync({ x: [1] })).toThrow(TilewrightError);
  });

  it("refuses a program that is late itself, or wants an input that nobody has", async () => {
    const late = writeArtifact(latePlan, [{ name: "source", data: model }]);
    const again = await open(counting({ bind: () => ({ artifact: late }) }));
    expect(await codeOf(again.run({ x: [1] }))).toBe("run-failed");
    const other = plainArtifact({ inputs: [slot("z", 0, 1)], outputs: [slot("y", 64, 1)] }, []);
    const asking = await open(counting({ bind: () => ({ artifact: other }) }));
    expect(await codeOf(asking.run({ x: [1] }))).toBe("run-failed");
    const silent = await open(counting({ bind: () => ({ artifact: multiply(1, 1, "other") }) }));
    expect(await codeOf(silent.run({ x: [1] }))).toBe("run-failed");
  });
});

describe("a chain of programs", () => {
  /** first = 1 * x; then, for k = x[0] read from the first program, y = 3 * x over the first k elements. */
  function cutting() {
    const log: string[] = [];
    const rest: Stage = {
      inputs: [float("x", "n")],
      outputs: [float("first", "n"), float("y", "k")],
      bind(inputs, values) {
        const k = numbers(values["first"])[0] as number;
        log.push(`rest ${inputs["x"]!.shape.join()} ${k} ${Object.keys(values).join()}`);
        const artifact = plainArtifact(
          {
            inputs: [slot("x", 0, inputs["x"]!.shape[0]!)],
            outputs: [slot("y", 1024, k)],
            memoryBytes: 65536,
          },
          Array.from({ length: k }, (_, i) =>
            code.f32Store(1024 + 4 * i, [...code.f32Load(4 * i), ...code.f32(3), ...code.f32Multiply]),
          ).flat(),
        );
        return { artifact };
      },
    };
    const compiler = counting({
      outputs: [float("y", "k"), float("first", "n")],
      bind({ x }): BoundStage {
        log.push(`first ${x!.shape.join()}`);
        return {
          artifact: multiply(x!.shape[0]!, 1, "first"),
          next: { stage: rest, demands: ["first"], carried: ["x"] },
        };
      },
    });
    return { compiler, log };
  }

  it("runs one program, reads a value, binds and runs the next; outputs come from both, in order", async () => {
    const { compiler, log } = cutting();
    const session = await open(compiler);
    const outputs = await session.run({ x: [2, 5, 7] });
    expect(Object.keys(outputs)).toEqual(["y", "first"]);
    expect(outputs["y"]).toEqual({ dtype: "float32", shape: [2], data: Float32Array.of(6, 15) });
    expect(numbers(outputs["first"])).toEqual([2, 5, 7]);
    expect(log).toEqual(["first 3", "rest 3 2 first"]);
  });

  it("binds the next program again for other values, and only for those", async () => {
    const { compiler, log } = cutting();
    const session = await open(compiler);
    const answers: unknown[] = [];
    for (const x of [
      [1, 2],
      [2, 2],
      [1, 2],
      [2, 2],
    ])
      answers.push(numbers((await session.run({ x }))["y"]));
    expect(answers).toEqual([[3], [6, 6], [3], [6, 6]]);
    expect(log).toEqual(["first 2", "rest 2 1 first", "rest 2 2 first"]);
  });

  it("tells strings to the first stage, and shares what follows among all texts", async () => {
    const told: unknown[] = [];
    let programs = 0;
    const rest: Stage = {
      inputs: [],
      outputs: [],
      bind({ x }) {
        programs++;
        return { artifact: multiply(x!.shape[0]!, 3) };
      },
    };
    const compiler = counting({
      inputs: [{ name: "text", dtype: "string", shape: [1] }],
      outputs: [float("y", "n"), { name: "upper", dtype: "string", shape: [1] }],
      bind(_, { text }): BoundStage {
        const [word] = text!.data as readonly string[];
        told.push(word);
        const x: Tensor = { dtype: "float32", shape: [1], data: Float32Array.of(word!.length) };
        const upper: Tensor = { dtype: "string", shape: [1], data: [word!.toUpperCase()] };
        return { constants: { x, upper }, next: { stage: rest, demands: [], carried: ["x"] } };
      },
    });
    const session = await open(compiler);
    expect(compiler.binds).toBe(0); // although every dimension is known
    for (const text of ["a", "bc", "a"]) {
      const { y, upper } = await session.run({ text });
      expect([numbers(y), upper!.data]).toEqual([[3 * text.length], [text.toUpperCase()]]);
      (upper!.data as string[])[0] = "mine";
    }
    expect([told, programs]).toEqual([["a", "bc"], 1]);
    expect(session.memoryBytes).toBe(65536);
  });

  it("still answers when fewer programs are kept than the chain has", async () => {
    const { compiler } = cutting();
    const session = await open(compiler, { keptPrograms: 1 });
    for (const k of [1, 2, 1]) expect((await session.run({ x: [k, 9] }))["y"]!.shape).toEqual([k]);
  });

  it("gives the first stage the values of the inputs that it demands", async () => {
    const seen: unknown[] = [];
    const compiler = counting({
      inputs: [float("x", 2), { name: "shape", dtype: "int64", shape: [1] }],
      demands: ["shape"],
      bind(_, values) {
        seen.push(values);
        return { artifact: multiply(2, 2) };
      },
    });
    const session = await open(compiler);
    expect(compiler.binds).toBe(0); // although every dimension is known
    for (const shape of [[2], [2], [3]]) await session.run({ x: [1, 2], shape });
    expect(seen).toEqual([
      { shape: { dtype: "int64", shape: [1], data: BigInt64Array.of(2n) } },
      { shape: { dtype: "int64", shape: [1], data: BigInt64Array.of(3n) } },
    ]);
  });
});

describe("loading what is late", () => {
  const file = writeArtifact(latePlan, [{ name: "source", data: Uint8Array.of(1, 2, 3) }]);

  it("gives the compiler the checked file, also from a stream", async () => {
    for (const source of [file, new Response(file)]) {
      const compiler = doubling();
      const session = await load(source, { compiler: async () => compiler });
      expect(session.name).toBe("doubling");
      expect(readArtifact(compiler.opened[0]!, { verify: false }).plan).toEqual(latePlan);
      expect(numbers((await session.run({ x: [4] }))["y"])).toEqual([8]);
    }
  });

  it("says compiler-needed without one", async () => {
    expect(await codeOf(load(file))).toBe("compiler-needed");
    expect(await codeOf(load(new Response(file)))).toBe("compiler-needed");
  });

  it("does not give the compiler a damaged file", async () => {
    const broken = file.slice();
    broken[broken.length - 1]! ^= 1;
    const compiler = doubling();
    expect(await codeOf(load(broken, { compiler: () => compiler }))).toBe("artifact-corrupt");
    expect(await codeOf(load(file.subarray(0, -1), { compiler: () => compiler }))).toBe("artifact-malformed");
    expect(compiler.opened).toEqual([]);
  });

  it("lets the compiler's own errors through, and those of its import", async () => {
    const refusing: Compiler = {
      openSource() {
        throw new SyntaxError("no model");
      },
    };
    await expect(load(model, { compiler: () => refusing })).rejects.toThrow(SyntaxError);
    const absent = () => Promise.reject(new TypeError("chunk not found"));
    await expect(load(model, { compiler: absent })).rejects.toThrow("chunk not found");
  });

  it("keeps the memory limit for what is bound later", async () => {
    const session = await open(doubling(), { memoryLimit: 65535 });
    expect(await codeOf(session.run({ x: [1] }))).toBe("out-of-memory");
  });
});
