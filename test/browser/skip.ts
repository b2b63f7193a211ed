/** Tests that a browser has no means for. In: the running test and what is missing, found by asking. Out: a skipped test. */

/** Skips the running test, and says why where the run is read. */
export function skip(context: Mocha.Context, reason: string): never {
  console.log(`skipped: ${context.test?.fullTitle() ?? "a test"}: ${reason}`);
  return context.skip();
}

/** For a file of tests on a GPU: outside of Chromium, which brings an adapter along, they are skipped where there is none. */
export function needsAdapter(): void {
  before(async function () {
    const { gpu, userAgent } = navigator as Partial<Pick<Navigator, "gpu">> & Navigator;
    if (userAgent.includes("Chrome/") || (await gpu?.requestAdapter())) return;
    skip(this, "this browser has no WebGPU adapter here");
  });
}
