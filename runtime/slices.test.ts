import { expect, it } from "vitest";
import { Slices } from "./slices.ts";

function work(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

it("lets others have their turn when a slice is over, and begins the next one after it", async () => {
  const slices = new Slices();
  expect(slices.over()).toBe(undefined);
  let others = 0;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => void others++;
  port2.postMessage(0);
  for (let i = 0; i < 3; i++) await Promise.resolve(); // what is there already gives nobody a turn
  expect(others).toBe(0);
  work(20);
  await slices.over();
  expect(others).toBe(1);
  expect(slices.over()).toBe(undefined);
  port1.close();
});
