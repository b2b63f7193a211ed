/**
 * Runs conformance cases in a thread of its own, so that one that does not end can be stopped. In: cases, one message
 * each. Out: outcomes, one message each, in order. Invariant: one case at a time.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Case } from "./cases.ts";
import { runCase, type CaseOptions } from "./runCase.ts";

const port = parentPort!;
port.on("message", (one: Case) => {
  void runCase(one, workerData as CaseOptions).then((outcome) => port.postMessage(outcome));
});
