import { afterEach, expect, it, vi } from "vitest";
import { Slices } from "./slices.ts";

afterEach(() => vi.restoreAllMocks());

it("lets others have their turn when a slice is over, and begins the next one after it", async () => {
  // A clock that goes only here: on a busy machine the real one may go on by a slice at any place.
  let now = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const slices = new Slices();
  expect(slices.over()).toBe(undefined);
  let others = 0;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => void others++;
  port2.postMessage(0);
  for (let i = 0; i < 3; i++) await Promise.resolve(); // what is there already gives nobody a turn
  expect(others).toBe(0);
  now += 20;
  await slices.over();
  expect(others).toBe(1);
  expect(slices.over()).toBe(undefined);
  now += 20;
  expect(slices.over()).toBeInstanceOf(Promise);
  port1.close();
});
