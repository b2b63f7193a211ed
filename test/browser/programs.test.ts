/**
 * Programs that a late model was bound to, kept in IndexedDB: found again by another load without a compiler, never for
 * other shapes, compiled anew where they are damaged, gone with their model.
 */
import { openDB } from "idb";
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { clearCache, listCache, whenSettled } from "../../runtime/cache.ts";
import { load, type Outputs, type SessionStats } from "../../runtime/index.ts";
import { expect } from "./expect.ts";

let count = 0;

interface Place {
  readonly url: string;
  readonly database: string;
  /** As of `load`. */
  readonly ranges?: boolean;
}

/** A model at an address of its own. */
function placeOf(bytes: Uint8Array): Place {
  const database = `programs-${Date.now().toString(36)}${count++}`;
  return { database, url: URL.createObjectURL(new Blob([bytes as BlobPart])) };
}

/** y = x + x over a dimension that stays open. */
function twice(): Place {
  const b = onnxModel("twice", { opset: 22 });
  const x = b.input("x", "float32", ["n"]);
  b.output(b.node("Add", [x, x]), "float32", undefined, "y");
  return placeOf(b.toBytes());
}

/** The places of what is not zero: as many as the data say, so there is a second program. */
function chained(): Place {
  const b = onnxModel("chained", { opset: 22 });
  const x = b.input("x", "float32", ["n"]);
  const places = b.node("NonZero", [x]);
  b.output(b.node("Add", [places, places]), "int64", undefined, "y");
  return placeOf(b.toBytes());
}

interface Answer {
  readonly y: string;
  readonly stats: SessionStats;
  /** How often the compiler was asked for. */
  readonly compilers: number;
}

async function answer(
  { url, database, ranges }: Place,
  ...runs: readonly (readonly number[])[]
): Promise<Answer> {
  let compilers = 0;
  const session = await load(url, {
    cache: { database, revalidate: "never" },
    ranges,
    compiler: () => {
      compilers++;
      return import("../../compiler/index.ts");
    },
  });
  const found: string[] = [];
  for (const x of runs) {
    const { y } = (await session.run({ x: [...x] })) as Outputs;
    found.push(Array.from(y!.data as ArrayLike<number | bigint>, String).join());
  }
  await whenSettled();
  const stats = session.stats();
  session.dispose();
  return { y: found.join("; "), stats, compilers };
}

function expectAnswer(
  { y, stats, compilers }: Answer,
  wanted: {
    readonly y: string;
    readonly stored: number;
    readonly compiled: number;
    readonly compilers: number;
  },
): void {
  const found = { y, ...stats.programs, compilers };
  const text = JSON.stringify({ y: wanted.y, stored: wanted.stored, compiled: wanted.compiled, compilers: wanted.compilers }); // prettier-ignore
  expect(JSON.stringify(found) === text, `${JSON.stringify(found)} instead of ${text}, ${JSON.stringify(stats.warnings)}`); // prettier-ignore
}

describe("programs on disk", () => {
  it("are found by another load, which needs no compiler", async () => {
    const place = twice();
    expectAnswer(await answer(place, [1, 2]), { y: "2,4", stored: 0, compiled: 1, compilers: 1 });
    expectAnswer(await answer(place, [3, 4]), { y: "6,8", stored: 1, compiled: 0, compilers: 0 });
    const [model] = await listCache(place);
    expect(model!.programs === 1, `${model!.programs} programs are listed`);
  });

  it("are found for their shapes, or a range of them; the compiler comes when another one does", async () => {
    const place = twice();
    await answer(place, [1, 2]);
    expectAnswer(await answer(place, [1, 2], [1, 2, 3]), {
      y: "2,4; 2,4,6",
      stored: 1,
      compiled: 1,
      compilers: 1,
    });
    expectAnswer(await answer(place, [1, 2, 3], [1, 2]), {
      y: "2,4,6; 2,4",
      stored: 1,
      compiled: 0,
      compilers: 0,
    });
  });

  it("for a range of sizes are found by another load, for every size within it", async () => {
    const place = twice();
    const ones = (count: number): number[] => new Array<number>(count).fill(1);
    const twos = (count: number): string => new Array<string>(count).fill("2").join();
    const first = await answer(place, ones(20), ones(23));
    expectAnswer(first, { y: `${twos(20)}; ${twos(23)}`, stored: 0, compiled: 2, compilers: 1 });
    expectAnswer(await answer(place, ones(25), ones(32)), {
      y: `${twos(25)}; ${twos(32)}`,
      stored: 1,
      compiled: 0,
      compilers: 0,
    });
    const other = await answer(place, ones(20), ones(33));
    expectAnswer(other, { y: `${twos(20)}; ${twos(33)}`, stored: 1, compiled: 1, compilers: 1 });
  });

  it("follow one another where shapes depend on data, and go over to the compiler between two of them", async () => {
    const place = chained();
    const first = await answer(place, [0, 1, 1]);
    expect(first.y === "2,4", `y is ${first.y}`);
    const { compiled } = first.stats.programs;
    expectAnswer(await answer(place, [1, 0, 1]), { y: "0,4", stored: compiled, compiled: 0, compilers: 0 });
    const other = await answer(place, [1, 1, 1]);
    expect(other.y === "0,2,4" && other.compilers === 1, JSON.stringify(other));
  });

  it("are compiled anew where they are damaged", async () => {
    const place = twice();
    await answer(place, [1, 2]);
    const db = await openDB(place.database);
    const entries = (await db.getAll("entries")) as { id: string; owner?: string; content?: Blob }[];
    for (const entry of entries.filter(
      ({ owner, content }) => owner !== undefined && content !== undefined,
    )) {
      const bytes = new Uint8Array(await entry.content!.arrayBuffer());
      bytes[bytes.length - 20]! ^= 1;
      await db.put("entries", { ...entry, content: new Blob([bytes]) });
    }
    db.close();
    const damaged = await answer(place, [1, 2]);
    expectAnswer(damaged, { y: "2,4", stored: 0, compiled: 1, compilers: 1 });
    expect(damaged.stats.warnings[0]?.code === "cache-corrupt", JSON.stringify(damaged.stats.warnings));
    expectAnswer(await answer(place, [1, 2]), { y: "2,4", stored: 1, compiled: 0, compilers: 0 });
  });

  it("leave with their model, and the oldest for newer ones", async () => {
    const place = { ...twice(), ranges: false };
    const shapes = Array.from({ length: 18 }, (_, n) => new Array<number>(n + 1).fill(1));
    await answer(place, ...shapes);
    const [model] = await listCache(place);
    expect(model!.programs >= 12 && model!.programs <= 16, `${model!.programs} programs are kept`);
    await clearCache({ database: place.database, url: place.url });
    const db = await openDB(place.database);
    expect((await db.count("entries")) === 0, "something is left");
    db.close();
  });
});
