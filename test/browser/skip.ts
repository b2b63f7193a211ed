/** Tests that a browser has no means for. In: the running test and what is missing, found by asking. Out: a skipped test. */

/** Skips the running test, and says why where the run is read. */
export function skip(context: Mocha.Context, reason: string): never {
  console.log(`skipped: ${context.test?.fullTitle() ?? "a test"}: ${reason}`);
  return context.skip();
}
