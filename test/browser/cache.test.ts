/**
 * The cache in a real browser: IndexedDB, locks, quotas, broken connections, several tabs. Every test has a database
 * and an address of its own.
 */
import { executeServerCommand } from "@web/test-runner-commands";
import { openDB } from "idb";
import { clearCache, listCache, storageState, storeModel, whenSettled } from "../../runtime/cache.ts";
import { load, type LoadOptions, type SessionStats, TilewrightError } from "../../runtime/index.ts";
import { type CacheOptions } from "../../runtime/store/options.ts";
import { type Asked } from "../support/modelServer.ts";
import { expect } from "./expect.ts";
import { fillStore } from "./quota.ts";
import { skip } from "./skip.ts";

const MEGABYTES = 5_000_000;
let count = 0;
const databases: string[] = [];

interface Place {
  readonly url: string;
  readonly database: string;
  log(): Promise<readonly Asked[]>;
  version(to: number): Promise<void>;
}

function newPlace(query: Readonly<Record<string, string | number>> = {}): Place {
  const id = `${Date.now().toString(36)}${count++}`;
  const database = `test-${id}`;
  databases.push(database);
  const base = `${location.origin}/models/${id}`;
  const text = new URLSearchParams({ bytes: String(MEGABYTES), ...query } as Record<string, string>);
  return {
    url: `${base}?${text}`,
    database,
    log: async () => (await (await fetch(`${base}/log`)).json()) as readonly Asked[],
    version: async (to) => void (await fetch(`${base}/version?to=${to}`)),
  };
}

/** Loads, runs, waits for what is stored afterwards. */
async function answer(
  { url, database }: Pick<Place, "url" | "database">,
  cache: CacheOptions = {},
  options: LoadOptions = {},
): Promise<{ readonly y: string; readonly stats: SessionStats }> {
  const session = await load(url, { ...options, cache: { database, ...cache } });
  const { y } = await session.run({ x: [1, 1, 1, 1] });
  await whenSettled();
  const stats = session.stats();
  session.dispose();
  return { y: y!.data.join(), stats };
}

function expectOutcome(
  { stats }: { readonly stats: SessionStats },
  outcome: string,
  ...codes: string[]
): void {
  expect(stats.cache?.outcome === outcome, `the outcome is ${stats.cache?.outcome}, not ${outcome}`);
  const found = stats.warnings.map(({ code }) => code).join();
  expect(found === codes.join(), `the warnings are ${JSON.stringify(stats.warnings)}, not ${codes.join()}`);
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof TilewrightError) return error.code;
    throw error;
  }
  return "none";
}

function nextMessage<T>(channel: BroadcastChannel, kind: string): Promise<T> {
  return new Promise((resolve, reject) => {
    channel.addEventListener("message", ({ data }: MessageEvent<{ readonly kind: string }>) => {
      if (data.kind === kind) resolve(data as T);
      else if (data.kind === "failed") reject(new Error(JSON.stringify(data)));
    });
  });
}

describe("cache", () => {
  afterEach(async () => {
    for (const database of databases.splice(0)) await clearCache({ database });
  });

  it("has the second load without a request", async () => {
    const place = newPlace({ control: "max-age=1000" });
    const first = await answer(place);
    expectOutcome(first, "miss");
    expect(first.stats.cache?.kept === true, "it was not kept");
    expect(first.stats.cache?.networkBytes === first.stats.loadedBytes, "bytes are missing");
    const second = await answer(place);
    expectOutcome(second, "hit");
    expect(second.y === "2,3,4,5" && first.y === second.y, `the answers are ${first.y} and ${second.y}`);
    expect(second.stats.cache?.key === first.stats.cache?.key, "the key has changed");
    expect((await place.log()).length === 1, "there was a second request");
    const [entry] = await listCache(place);
    expect(entry!.urls.join() === place.url && entry!.whole, "the list does not have it");
    expect(entry!.bytes === first.stats.loadedBytes, `${entry!.bytes} bytes are stored`);
  });

  it("does not store without being asked to", async () => {
    const place = newPlace();
    (await load(place.url)).dispose();
    await load(place.url, { cache: false });
    expect((await listCache(place)).length === 0, "something is stored");
    expect((await place.log()).length === 2, "a request is missing");
  });

  it("goes on where a connection was cut", async () => {
    const place = newPlace({ cut: 3_000_000 });
    expect((await codeOf(answer(place))) === "network", "the cut connection was no failure");
    await whenSettled();
    const [partial] = await listCache(place);
    expect(partial!.whole === false && partial!.bytes > 2_000_000, `${partial?.bytes} bytes are there`);
    const second = await answer(place);
    expectOutcome(second, "resumed");
    expect(second.y === "2,3,4,5", `the answer is ${second.y}`);
    const [, rest] = await place.log();
    expect(rest!.status === 206 && rest!.range === `bytes=${partial!.bytes}-`, JSON.stringify(rest));
    expect(rest!.ifRange !== undefined, "the range was asked for without a condition");
    expect(second.stats.cache!.networkBytes === rest!.sent, "more came than was needed");
    expectOutcome(await answer(place, { revalidate: "never" }), "hit");
  });

  it("goes on without validators, since the content vouches for itself", async () => {
    const place = newPlace({ cut: 3_000_000, etag: "no" });
    await codeOf(answer(place));
    await whenSettled();
    const second = await answer(place);
    expectOutcome(second, "resumed");
    expect((await place.log())[1]!.status === 206, "the rest was not asked for");
  });

  it("starts anew when the file has changed meanwhile, with and without validators", async () => {
    for (const etag of ["yes", "no"]) {
      const place = newPlace({ cut: 3_000_000, etag });
      await codeOf(answer(place));
      await whenSettled();
      await place.version(2);
      const second = await answer(place);
      expect(second.y === "4,6,8,10", `the answer is ${second.y}`);
      if (etag === "yes") expectOutcome(second, "miss");
      else expectOutcome(second, "miss", "cache-corrupt");
      expect((await answer(place)).y === "4,6,8,10", "the stored one is another");
    }
  });

  it("asks afterwards and tells of a newer model", async () => {
    const place = newPlace();
    await answer(place);
    expectOutcome(await answer(place), "hit");
    expect((await place.log())[1]!.status === 304, "the server was not asked whether it has changed");
    await place.version(3);
    const told: number[] = [];
    const old = await answer(place, { updated: ({ bytes }) => told.push(bytes) });
    expect(old.y === "2,3,4,5", "the stored one was not used");
    expect(told.length === 1 && told[0]! > MEGABYTES, `told of ${told.join()}`);
    expect((await answer(place)).y === "6,9,12,15", "the newer one is not there");
    expect((await listCache(place)).length === 1, "the older one is still there");
  });

  it("asks first if it is to, and does without the server", async () => {
    const place = newPlace();
    await answer(place);
    await place.version(2);
    const second = await answer(place, { revalidate: "first" });
    expect(second.y === "4,6,8,10", `the answer is ${second.y}`);
    const honest = globalThis.fetch;
    globalThis.fetch = () => Promise.reject(new TypeError("offline"));
    try {
      const offline = await answer(place, { revalidate: "first" });
      expect(offline.y === "4,6,8,10", `offline the answer is ${offline.y}`);
      expectOutcome(offline, "hit", "cache-revalidation");
      expectOutcome(await answer(place), "hit");
    } finally {
      globalThis.fetch = honest;
    }
  });

  it("does not store the same content twice", async () => {
    const place = newPlace();
    const other = { ...newPlace(), database: place.database };
    await answer(place);
    await answer(other);
    const entries = await listCache(place);
    expect(entries.length === 1 && entries[0]!.urls.length === 2, JSON.stringify(entries));
    expectOutcome(await answer(other), "hit");
  });

  it("loads a damaged copy anew", async () => {
    for (const damage of ["content", "missing"] as const) {
      const place = newPlace();
      await answer(place);
      const db = await openDB(place.database);
      const [entry] = (await db.getAll("entries")) as [{ content: Blob; bytes: number }];
      const bytes = new Uint8Array(await entry.content.arrayBuffer());
      bytes[bytes.length - 1_500_000]! ^= 1;
      const content = new Blob(damage === "content" ? [bytes] : [bytes.subarray(0, 1_000_000)]);
      await db.put("entries", { ...entry, content });
      db.close();
      const again = await answer(place);
      expect(again.y === "2,3,4,5", `the answer is ${again.y}`);
      expectOutcome(again, "miss", "cache-corrupt");
      expectOutcome(await answer(place), "hit");
    }
  });

  it("runs without the store where it cannot be opened: a newer version, a tab that blocks, none at all", async () => {
    const newer = newPlace();
    (await openDB(newer.database, 99)).close();
    expectOutcome(await answer(newer), "off", "cache-blocked");

    const absent = newPlace();
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, "indexedDB")!;
    Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true });
    try {
      const result = await answer(absent);
      expect(result.stats.warnings[0]?.code === "cache-unavailable", JSON.stringify(result.stats.warnings));
    } finally {
      Object.defineProperty(globalThis, "indexedDB", descriptor);
    }
  });

  it("lets another tab upgrade the database, and goes on without it", async () => {
    const place = newPlace();
    await answer(place);
    const upgraded = await openDB(place.database, 98);
    const result = await answer(place);
    expectOutcome(result, "off", "cache-blocked");
    expect(result.y === "2,3,4,5", `the answer is ${result.y}`);
    upgraded.close();
  });

  it("runs when the quota is full, having made what room there is, and stores again when there is more", async function () {
    const place = newPlace();
    const { database } = place;
    const sized = (bytes: number): Place => ({ ...newPlace({ bytes }), database });
    // More than the room that can be made.
    const other = sized(4 * MEGABYTES);
    const isThere = async ({ url }: Place): Promise<boolean> =>
      (await listCache(place)).some(({ urls }) => urls.includes(url));
    await answer(place);
    const store = await fillStore(1_000_000);
    if ("impossible" in store) return skip(this, store.impossible);
    try {
      // Chromium asks about the quota every half minute or so, and counts by itself in between.
      const deadline = Date.now() + 300_000;
      for (let count = 1; store.evicts && Date.now() < deadline && (await isThere(place)); count++) {
        await answer(sized(MEGABYTES + count));
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      for (let round = 0; round < 2; round++) {
        const full = await answer(other);
        expect(full.y === "2,3,4,5", `the answer is ${full.y}`);
        expectOutcome(full, "miss", "cache-full");
        expect(full.stats.cache?.kept === false, "it says that it was kept");
      }
      // Where what is not ours fills the store, nothing of ours makes the room, and nothing leaves in vain.
      expect((await isThere(place)) !== store.evicts, "the oldest did not make room, or did so in vain");
      expect(!(await isThere(other)), "a part of what was not kept stayed");
    } finally {
      await store.restore();
    }
    const again = await answer(other);
    expect(again.stats.cache?.kept === true, JSON.stringify(again.stats));
    expectOutcome(await answer(other), "hit");
    expect((await storageState()).used > MEGABYTES, "the browser counts less than is stored");
  });

  it("keeps to the limit that it is given, the least recently used leaving first", async () => {
    const [a, b, c] = [newPlace(), newPlace(), newPlace()].map((place) => place.url);
    const { database } = newPlace();
    const cache = { mostBytes: 2.5 * MEGABYTES, revalidate: "never" } as const;
    // Different contents, since equal ones are stored once.
    for (const [index, url] of [a!, b!].entries())
      await answer({ url: url.replace(String(MEGABYTES), String(MEGABYTES + index)), database }, cache);
    await answer({ url: a!, database }, cache);
    await answer({ url: c!.replace(String(MEGABYTES), String(MEGABYTES + 2)), database }, cache);
    const left = (await listCache({ database })).flatMap(({ urls }) => urls.map((url) => url.split("?")[0]));
    expect(left.join() === [c, a].map((url) => url!.split("?")[0]).join(), `left are ${left.join(" and ")}`);
  });

  it("lets one of two tabs download, and the other go on when that is closed", async () => {
    const place = newPlace({ pace: 1_000, bytes: 8_000_000 });
    const channel = new BroadcastChannel(place.database);
    const page = new URL("./pages/loader.html", import.meta.url);
    page.search = String(
      new URLSearchParams({ url: place.url, database: place.database, channel: place.database }),
    );
    const loading = nextMessage(channel, "loading");
    await executeServerCommand("open-tab", { url: page.href });
    await loading;
    const waiting = answer(place);
    while (((await listCache(place))[0]?.bytes ?? 0) < 1_000_000)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await place.log()).length === 1, "both tabs download");
    await executeServerCommand("close-tab", { url: page.href });
    const result = await waiting;
    expectOutcome(result, "resumed");
    expect(result.stats.cache!.storedBytes >= 1_000_000, "what the other tab had was lost");
    expect(result.y === "2,3,4,5", `the answer is ${result.y}`);
    channel.close();
  });

  it("lets one of two tabs download, and the other take it from the store", async () => {
    const place = newPlace({ pace: 4_000 });
    const channel = new BroadcastChannel(place.database);
    const page = new URL("./pages/loader.html", import.meta.url);
    page.search = String(
      new URLSearchParams({ url: place.url, database: place.database, channel: place.database }),
    );
    const loading = nextMessage(channel, "loading");
    const loaded = nextMessage<{ y: number[] }>(channel, "loaded");
    await executeServerCommand("open-tab", { url: page.href });
    await loading;
    const [result, elsewhere] = await Promise.all([answer(place, { revalidate: "never" }), loaded]);
    expectOutcome(result, "joined");
    expect(result.y === elsewhere.y.join(), "the tabs differ");
    expect((await place.log()).length === 1, "both tabs downloaded");
    await executeServerCommand("close-tab", { url: page.href });
    channel.close();
  });

  it("downloads once for calls at the same time", async () => {
    const place = newPlace({ control: "max-age=1000" });
    const results = await Promise.all([answer(place), answer(place), answer(place)]);
    expect(
      results.every(({ y }) => y === "2,3,4,5"),
      "an answer is wrong",
    );
    expect((await place.log()).length === 1, "there were several requests");
  });

  it("stops waiting when it is aborted, and keeps what it has", async () => {
    const place = newPlace({ pace: 2_000 });
    const controller = new AbortController();
    const progress = ({ loaded }: { loaded: number }): void => {
      if (loaded > 2_500_000) controller.abort();
    };
    const first = codeOf(answer(place, {}, { signal: controller.signal, progress }));
    const second = new AbortController();
    const waiting = codeOf(answer(place, {}, { signal: second.signal }));
    setTimeout(() => second.abort(), 100);
    expect((await waiting) === "aborted" && (await first) === "aborted", "a load was not aborted");
    await whenSettled();
    const [partial] = await listCache(place);
    expect(partial!.bytes > 2_000_000, "what was there is lost");
    expectOutcome(await answer(place), "resumed");
  });

  it("stores ahead of use, lists and clears", async () => {
    const place = newPlace({ control: "immutable" });
    const seen: number[] = [];
    const stored = await storeModel(place.url, {
      database: place.database,
      progress: (loaded) => seen.push(loaded),
    });
    expect(
      stored.kept === true && stored.bytes > MEGABYTES && seen.at(-1) === stored.bytes,
      JSON.stringify(stored),
    );
    expectOutcome(await answer(place), "hit");
    expect((await place.log()).length === 1, "it was asked for again");
    const other = { ...newPlace({ bytes: 10 }), database: place.database };
    await answer(other);
    expect((await clearCache({ database: place.database, url: place.url })) === stored.bytes, "bytes differ");
    expect((await listCache(place)).map(({ urls }) => urls[0]).join() === other.url, "the wrong one is left");
    expect((await clearCache({ database: place.database, unusedFor: 1e9 })) === 0, "a used one was cleared");
    await clearCache({ database: place.database });
    expect((await listCache(place)).length === 0, "something is left");
  });

  it("keeps an ONNX file with hashes of its own", async () => {
    const { onnxModel } = await import("../../compiler/frontend/onnx/write.ts");
    const b = onnxModel("twice", { opset: 22 });
    const x = b.input("x", "float32", [2]);
    b.output(b.node("Add", [x, x]), "float32", undefined, "y");
    const { database } = newPlace();
    const url = URL.createObjectURL(new Blob([b.toBytes() as BlobPart]));
    for (const outcome of ["miss", "hit"]) {
      const session = await load(url, {
        cache: { database, revalidate: "never" },
        compiler: () => import("../../compiler/index.ts"),
      });
      const { y } = await session.run({ x: [1, 2] });
      await whenSettled();
      expect(y!.data.join() === "2,4", `y is ${y!.data.join()}`);
      expectOutcome({ stats: session.stats() }, outcome);
      session.dispose();
    }
    URL.revokeObjectURL(url);
  });
});
