import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import {
  assemble,
  code,
  plainArtifact,
  randomNumbers,
  scalingArtifact,
  scalingPlan,
  scalingSections,
  withHeader,
} from "../test/programs.ts";
import { TilewrightError } from "./errors.ts";
import { supports } from "./features.ts";
import { writeArtifact } from "./format.ts";
import { load, type LoadOptions } from "./load.ts";
import { type Progress } from "./progress.ts";
import { type Session } from "./session.ts";
import { type Source } from "./source.ts";

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof TilewrightError) return error.code;
    throw error;
  }
  return "none";
}

function scaled(session: Session): number[] {
  return [...(session.runSync({ x: [1, 1, 1, 1] })["y"]!.data as Float32Array)];
}

/** A stream of the bytes in pieces of the given length. */
function streamOf(bytes: Uint8Array, piece: number, then?: () => void): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.subarray(at, (at += piece)));
      else if (then === undefined) controller.close();
      else then();
    },
  });
}

/** The scaling program with weights of several chunks, of which the program takes the first. */
function largeArtifact(): Uint8Array {
  return writeArtifact(scalingPlan, scalingSections([2, 3, 4, 5], 3_333_333));
}

afterEach(() => vi.unstubAllGlobals());

describe("load", () => {
  const file = scalingArtifact();
  const folder = mkdtempSync(join(tmpdir(), "tilewright-load-"));
  const path = join(folder, "scaling model.tile");
  writeFileSync(path, file);
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each<[string, () => Source]>([
    ["an ArrayBuffer", () => file.buffer],
    ["a Uint8Array", () => file],
    ["a Buffer inside another", () => Buffer.concat([Buffer.of(1, 2, 3), file]).subarray(3)],
    [
      "shared memory",
      () => {
        const shared = new Uint8Array(new SharedArrayBuffer(file.length));
        shared.set(file);
        return shared;
      },
    ],
    ["a Response", () => new Response(file)],
    ["a Blob", () => new Blob([file])],
    ["a stream in pieces of 1 byte", () => streamOf(file, 1)],
    ["a stream in pieces of 61 bytes", () => streamOf(file, 61)],
    ["a stream that fills memory of the reader's", () => new Response(file).body!],
    ["a data URL", () => new URL(`data:;base64,${Buffer.from(file).toString("base64")}`)],
    ["a data URL as a string", () => `data:;base64,${Buffer.from(file).toString("base64")}`],
    ["a Request", () => new Request(`data:;base64,${Buffer.from(file).toString("base64")}`)],
    ["a file URL", () => pathToFileURL(path)],
    ["a file URL as a string", () => pathToFileURL(path).href],
    ["a path", () => path],
  ])("takes %s", async (_, source) => {
    expect(scaled(await load(source()))).toEqual([2, 3, 4, 5]);
  });

  it.each([4096, 65536, 1 << 20, 1e9])(
    "puts weights of several chunks in place, pieces of %d",
    async (piece) => {
      const large = largeArtifact();
      // Ranges across the border of two chunks, against the order of the file.
      const weights = [
        { offset: 2 ** 20 - 3, bytes: 9, address: 4096 },
        { offset: 0, bytes: 16, address: 64 },
        { offset: 2 ** 21 - 1, bytes: 2 ** 20, address: 8192 },
      ];
      const output = { name: "raw", dtype: "uint8", shape: [2 ** 20 + 8192], address: 0 } as const;
      const content = Uint8Array.from({ length: 3_333_349 }, (_, index) => (index * 7 + (index >> 9)) & 255);
      const artifact = writeArtifact(
        { ...scalingPlan, weights, inputs: [], outputs: [output], memoryBytes: 2 ** 21 },
        scalingSections([1, 1, 1, 1]).map((section) =>
          section.name === "weights" ? { name: "weights", data: content } : section,
        ),
      );
      expect(scaled(await load(streamOf(large, piece)))).toEqual([2, 3, 4, 5]);
      const raw = (await load(streamOf(artifact, piece))).runSync()["raw"]!.data as Uint8Array;
      for (const { offset, bytes, address } of weights.slice(0, 3)) {
        if (address === 64) continue; // the program itself works here
        const expected = content.subarray(offset, offset + bytes);
        expect(Buffer.compare(raw.subarray(address, address + bytes), expected)).toBe(0);
      }
    },
  );

  it("verifies with its own hash where the platform has none", async () => {
    vi.stubGlobal("crypto", {});
    expect(scaled(await load(streamOf(largeArtifact(), 100_000)))).toEqual([2, 3, 4, 5]);
    const broken = largeArtifact();
    broken[broken.length - 5]! ^= 4;
    expect(await codeOf(load(broken))).toBe("artifact-corrupt");
  });

  it("finds a changed weight, early and late", async () => {
    for (const fromEnd of [1, 1_500_000, 3_333_340]) {
      const broken = largeArtifact();
      broken[broken.length - fromEnd]! ^= 1;
      expect(await codeOf(load(broken))).toBe("artifact-corrupt");
      expect(await codeOf(load(streamOf(broken, 50_000)))).toBe("artifact-corrupt");
    }
  });

  it("takes the variant that the engine supports, or the one that is asked for", async () => {
    const level = async (options: LoadOptions): Promise<unknown> => {
      const session = await load(file, options);
      expect(session.variant).toBe(options.variant ?? (supports("relaxed-simd") ? "relaxed-simd" : "simd"));
      return session.runSync({ x: [1, 1, 1, 1] })["level"]!.data[0];
    };
    expect(supports("simd")).toBe(true);
    expect(await level({})).toBe(supports("relaxed-simd") ? 2 : 1);
    expect(await level({ variant: "simd" })).toBe(1);
    if (supports("relaxed-simd")) expect(await level({ variant: "relaxed-simd" })).toBe(2);
    else expect(await codeOf(level({ variant: "relaxed-simd" }))).toBe("engine-unsupported");
    const onlyPlain = scalingArtifact({ variants: [{ requires: ["simd"], section: "plain" }] });
    expect(await codeOf(load(onlyPlain, { variant: "relaxed-simd" }))).toBe("engine-unsupported");
    expect((await load(plainArtifact({}, []))).variant).toBe("scalar");
  });

  it("says engine-unsupported where SIMD or WebAssembly is missing", async () => {
    vi.resetModules();
    const validate = vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
    const fresh = await import("./load.ts");
    await expect(fresh.load(file)).rejects.toMatchObject({ code: "engine-unsupported" });
    validate.mockRestore();
    vi.resetModules();
    vi.stubGlobal("WebAssembly", undefined);
    const without = await import("./load.ts");
    await expect(without.load(file)).rejects.toMatchObject({ code: "engine-unsupported" });
  });

  it("reports its progress", async () => {
    const seen: Progress[] = [];
    await load(streamOf(file, 500), { progress: (progress) => seen.push(progress) });
    expect(seen[0]).toMatchObject({ phase: "download", loaded: 500, total: undefined, fraction: undefined });
    const downloads = seen.filter(({ phase }) => phase === "download");
    expect(downloads.length).toBeGreaterThan(2);
    for (let i = 1; i < seen.length; i++) expect(seen[i]!.loaded).toBeGreaterThanOrEqual(seen[i - 1]!.loaded);
    const last = seen.at(-1)!;
    expect(last).toMatchObject({ phase: "ready", loaded: file.length, total: file.length, fraction: 1 });
    expect(seen.find(({ phase }) => phase === "compile")?.loaded).toBe(file.length);
    for (const { done, total } of Object.values(last.parts)) expect(done).toBe(total);
    expect(last.parts.verify.done).toBe(last.parts.compile.done + last.parts.upload.done);
    expect(last.parts.run.total).toBe(0);
    for (let i = 1; i < seen.length; i++)
      expect(seen[i]!.fraction ?? 1).toBeGreaterThanOrEqual(seen[i - 1]!.fraction ?? 0);
  });

  it("knows all totals with the header, the first run's too", async () => {
    const large = largeArtifact();
    const seen: Progress[] = [];
    const session = await load(streamOf(large, 100_000), {
      firstRun: true,
      progress: (one) => seen.push(one),
    });
    const totals = (progress: Progress) => Object.values(progress.parts).map(({ total }) => total);
    const known = seen.findIndex((progress) => totals(progress).every((total) => total !== undefined));
    expect(seen[known]!.loaded).toBeLessThan(large.length / 2);
    for (const progress of seen.slice(known)) expect(totals(progress)).toEqual(totals(seen.at(-1)!));
    expect(seen.at(-1)!.parts.run).toEqual({ done: 1, total: 1 });
    expect(seen.map(({ phase }) => phase)).toContain("run");
    expect(session.stats()).toMatchObject({
      runs: 1,
      loadedBytes: large.length,
      warnings: [],
      cache: undefined,
    });
  });

  it("stops when it is aborted, before or while bytes arrive", async () => {
    expect(await codeOf(load(file, { signal: AbortSignal.abort() }))).toBe("aborted");
    const controller = new AbortController();
    let cancelled = false;
    const hanging = new ReadableStream<Uint8Array>({
      start: (stream) => stream.enqueue(file.subarray(0, 200)),
      pull: () => new Promise(() => {}),
      cancel: () => void (cancelled = true),
    });
    const loading = codeOf(load(hanging, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 20);
    expect(await loading).toBe("aborted");
    expect(cancelled).toBe(true);
  });

  it("says network when the source cannot be read", async () => {
    expect(await codeOf(load(join(folder, "absent.tile")))).toBe("network");
    expect(await codeOf(load(new Response("no", { status: 404 })))).toBe("network");
    expect(await codeOf(load("http://127.0.0.1:1/x.tile"))).toBe("network");
    const used = new Response(file);
    await used.arrayBuffer();
    expect(await codeOf(load(used))).toBe("network");
    const broken = streamOf(file, 100, () => {
      throw new Error("line cut");
    });
    // All the bytes were there, but nobody knows that the file ends here.
    expect(await codeOf(load(new Response(broken)))).toBe("network");
    const early = streamOf(file.subarray(0, 600), 100, () => {
      throw new Error("line cut");
    });
    expect(await codeOf(load(early))).toBe("network");
  });

  it("says compiler-needed of a model, artifact-malformed of anything else", async () => {
    expect(await codeOf(load(Uint8Array.of(0x08, 0x09, 0x12, 0x00)))).toBe("compiler-needed");
    expect(await codeOf(load(new TextEncoder().encode("<!doctype html>")))).toBe("artifact-malformed");
    expect(await codeOf(load(new Uint8Array(0)))).toBe("artifact-malformed");
  });

  it("says out-of-memory above the limit and where the engine refuses", async () => {
    expect(await codeOf(load(file, { memoryLimit: 511 }))).toBe("out-of-memory");
    expect(await codeOf(load(file, { memoryLimit: 512 }))).toBe("none");
    const huge = scalingArtifact({ memoryBytes: 2 ** 32 });
    expect(await codeOf(load(huge))).toBe("out-of-memory");
    vi.stubGlobal("WebAssembly", {
      ...Object.fromEntries(
        Object.getOwnPropertyNames(WebAssembly).map((name) => [name, Reflect.get(WebAssembly, name)]),
      ),
      Memory: class {
        constructor() {
          throw new RangeError("could not allocate memory");
        }
      },
    });
    expect(await codeOf(load(file))).toBe("out-of-memory");
  });

  it("says artifact-malformed when code does not compile or does not fit the plan", async () => {
    const withCode = (data: Uint8Array): Uint8Array =>
      writeArtifact(
        {
          ...scalingPlan,
          weights: [],
          libraries: [],
          math: [],
          variants: [{ requires: [], section: "code" }],
        },
        [{ name: "code", data }],
      );
    const entry = (name: string) => ({ name, type: "entry", body: [] }) as const;
    const broken = assemble({ functions: [entry("init"), { ...entry("run"), body: [0xff] }] });
    expect(await codeOf(load(withCode(broken)))).toBe("artifact-malformed");
    expect(await codeOf(load(withCode(new Uint8Array(0))))).toBe("artifact-malformed");
    expect(await codeOf(load(withCode(assemble({ functions: [entry("run")] }))))).toBe("artifact-malformed");
    const foreign = [{ module: "window", name: "alert", type: "entry" }] as const;
    const asking = assemble({ imports: foreign, functions: [entry("init"), entry("run")] });
    expect(await codeOf(load(withCode(asking)))).toBe("artifact-malformed");
    const hostName = [{ module: "math", name: "pow", type: "f64, f64 -> f64" }] as const;
    const undeclared = assemble({ imports: hostName, functions: [entry("init"), entry("run")] });
    expect(await codeOf(load(withCode(undeclared)))).toBe("artifact-malformed");
    expect(await codeOf(load(plainArtifact({}, [], code.unreachable)))).toBe("run-failed");
  });
});

describe("damaged artifacts", () => {
  const file = writeArtifact(scalingPlan, scalingSections([2, 3, 4, 5], 10_000));
  const sources = (bytes: Uint8Array): Source[] => [bytes, streamOf(bytes, 1500)];

  /** Loads and runs; anything but a typed error or the right answer throws. */
  async function survive(bytes: Uint8Array, checkAnswer: boolean): Promise<string> {
    const codes = await Promise.all(
      sources(bytes).map(async (source) => {
        const code = await codeOf(
          load(source, { memoryLimit: 2 ** 28 }).then((session) => {
            const [input] = session.inputs;
            if (input === undefined) return;
            const x = { shape: input.shape as number[], data: Array<number>(4).fill(1) };
            const { y } = session.runSync({ [input.name]: x });
            if (checkAnswer) expect([...(y!.data as Float32Array)]).toEqual([2, 3, 4, 5]);
          }),
        );
        return code;
      }),
    );
    return codes.join();
  }

  it("700 random flips, truncations, insertions and overwrites give a typed error or the right answer", async () => {
    const random = randomNumbers(20261121);
    const below = (limit: number): number => Math.floor(random() * limit);
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 700; round++) {
      let bytes = file.slice();
      // Half of the changes hit the prefix and the header, which are a small part of the file.
      const at = random() < 0.5 ? below(Math.min(4096, bytes.length)) : below(bytes.length);
      const kind = below(4);
      if (kind === 0) bytes[at]! ^= 1 << below(8);
      else if (kind === 1) bytes = bytes.subarray(0, at);
      else if (kind === 2) bytes.copyWithin(at, below(bytes.length), bytes.length);
      else bytes.fill(below(256), at, at + 1 + below(64));
      const outcome = await survive(bytes, true);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(outcomes.get("artifact-corrupt,artifact-corrupt")).toBeGreaterThan(100);
    expect(outcomes.get("artifact-malformed,artifact-malformed")).toBeGreaterThan(100);
  });

  it("300 absurd values in a header with a right hash give a typed error or some answer", async () => {
    const random = randomNumbers(7);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const absurd = [
      null,
      -1,
      0,
      1,
      0.5,
      64,
      511,
      2 ** 31,
      2 ** 32,
      2 ** 53,
      1e308,
      "",
      "weights",
      [],
      {},
      true,
    ];
    /** Replaces one value somewhere below `json`. */
    const damage = (json: object): void => {
      const fields = json as Record<string, unknown>;
      const key = pick(Object.keys(fields));
      const value = fields[key];
      if (typeof value === "object" && value !== null && Object.keys(value).length > 0 && random() < 0.85) {
        damage(value);
      } else if (random() < 0.1) delete fields[key];
      else fields[key] = pick(absurd);
    };
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 300; round++) {
      const outcome = await survive(withHeader(file, damage), false);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect(outcomes.get("artifact-malformed,artifact-malformed")).toBeGreaterThan(150);
  });
});
