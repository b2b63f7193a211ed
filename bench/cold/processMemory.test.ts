/** Where the system tells nothing, nothing is claimed. */
import { expect, it } from "vitest";
import { watchRenderers } from "./processMemory.ts";

it("says nothing without a browser, and of one that renders nothing", () => {
  const none = watchRenderers(undefined);
  none.begin();
  expect(none.stop()).toBeUndefined();
  // This process has no renderers below it.
  const own = watchRenderers(process.pid);
  own.begin();
  expect(own.stop()).toBeUndefined();
  expect(own.stop()).toBeUndefined();
});
