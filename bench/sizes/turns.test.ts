/** How players take turns and pass on what they gave, with a clock that moves only when one of them runs. */
import { expect, it } from "vitest";
import { type Tensors } from "../agreement.ts";
import { playInTurns, type Player } from "./turns.ts";
import { verifySeries } from "./verify.ts";

const feedback = { carried: { past: "present" }, logits: "logits", token: "word" };

/** The logits of a run: token `(word + 1) % 5` is the likeliest, `shift` moves all of them. */
function logitsAfter(word: number, shift = 0): Float32Array {
  return Float32Array.from({ length: 5 }, (_, i) => (i === (word + 1) % 5 ? 2 : 1) + shift);
}

function laboratory() {
  let now = 0;
  const log: string[] = [];
  /** A decoder that remembers nothing itself: words come from the run before, with a cache that grows by each. */
  const player = (name: string, milliseconds: number, change: { shift?: number; failsAt?: number } = {}): Player => {
    let given: Tensors = {};
    let compiled = 3;
    return {
      prepare: (inputs) => void (given = inputs),
      run: async () => {
        const past = given["past"]!.data as Float32Array;
        log.push(`${name}${past.length}`);
        if (past.length === change.failsAt) throw new Error("no room");
        compiled += past.length % 4 === 1 ? 1 : 0;
        now += milliseconds * past.length;
        const word = Number(given["word"]!.data[0]);
        return { present: [...past, word], logits: logitsAfter(word, change.shift) };
      },
      read(result) {
        const { present, logits } = result as { present: number[]; logits: Float32Array };
        return {
          logits: { dtype: "float32", shape: [1, 1, 5], data: logits },
          present: { dtype: "float32", shape: [present.length], data: Float32Array.from(present) },
        };
      },
      compiled: () => compiled,
    };
  }; // prettier-ignore
  const play = (players: readonly Player[], count: number) => {
    const first: Tensors = {
      word: { dtype: "int64", shape: [1, 1], data: BigInt64Array.of(2n) },
      past: { dtype: "float32", shape: [1], data: Float32Array.of(9) },
    };
    const place = (at: number): Tensors => ({ place: { dtype: "int64", shape: [1], data: BigInt64Array.of(BigInt(at)) } }); // prettier-ignore
    const inputs = Array.from({ length: count }, (_, i) => ({ ...place(i + 1), ...(i === 0 ? first : {}) }));
    return playInTurns(players, { inputs, feedback }, { now: () => now, pause: async () => {} });
  };
  return { log, player, play };
}

it("times each run once, in turns whose order rotates", async () => {
  const { log, player, play } = laboratory();
  const [a, b] = await play([player("a", 1), player("b", 10)], 11);
  const range = (name: string, from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, i) => `${name}${from + i}`);
  expect(log).toEqual([...range("a", 1, 8), ...range("b", 1, 8), ...range("b", 9, 11), ...range("a", 9, 11)]);
  if (!("runs" in a!) || !("runs" in b!)) throw new Error("a player failed");
  expect(a.runs.map(({ milliseconds }) => milliseconds)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(b.runs.map(({ milliseconds }) => milliseconds)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]); // prettier-ignore
  expect(a.runs.map(({ compiled }) => compiled)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
});

it("gives each player its own outputs back, and keeps what is to be judged", async () => {
  const { player, play } = laboratory();
  const [played] = await play([player("a", 1), player("b", 1)], 4);
  if (!("runs" in played!)) throw new Error("a player failed");
  expect(played.runs.map(({ token }) => token)).toEqual([3, 4, 0, 1]);
  expect(played.runs.map(({ outputs }) => Object.keys(outputs))).toEqual([
    ["logits"],
    ["logits"],
    ["logits"],
    ["logits", "present"],
  ]);
  expect([...played.runs[3]!.outputs["present"]!.data]).toEqual([9, 2, 3, 4, 0]);
});

it("goes on without a player that fails", async () => {
  const { log, player, play } = laboratory();
  const [failing, other] = await play([player("a", 1, { failsAt: 3 }), player("b", 1)], 9);
  expect(failing).toEqual({ run: 2, error: new Error("no room") });
  expect(other).toHaveProperty("runs.length", 9);
  expect(log.filter((entry) => entry.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
});

it("compares every run, and names the first other token", async () => {
  const { player, play } = laboratory();
  const runsOf = async (change: { shift?: number }) => {
    const [played] = await play([player("a", 1, change)], 4);
    if (!("runs" in played!)) throw new Error("the player failed");
    return played.runs;
  };
  const expected = await runsOf({});
  expect(verifySeries(expected, expected, "b", 1e-4)).toMatchObject({ verified: true, worstRatio: 0 });
  const near = verifySeries(await runsOf({ shift: 1e-4 }), expected, "b", 1e-4);
  expect(near.verified).toBe(true);
  expect(near.worstRatio).toBeGreaterThan(0);
  const off = expected.map((run, i) =>
    i === 2 ? { ...run, outputs: { ...run.outputs, logits: { ...run.outputs["logits"]!, data: logitsAfter(4, 0.1) } } } : run); // prettier-ignore
  expect(verifySeries(off, expected, "b", 1e-4)).toMatchObject({ verified: false });
  expect(verifySeries(off, expected, "b", 1e-4).worst).toMatch(/^run 3: logits\[/);
  const other = expected.map((run, i) => (i >= 1 ? { ...run, token: 7 } : run));
  expect(verifySeries(other, expected, "b", 1e-4)).toMatchObject({ verified: false, worst: "run 2: token 7 for 4" }); // prettier-ignore
  const short = verifySeries(expected.slice(0, 3), expected, "b", 1e-4);
  expect(short).toMatchObject({ verified: false, worst: "run 4: token none for 1" });
});
