/** Runs the checks of the runtime in a worker and posts their results. */
import { runChecks } from "./runtimeChecks.ts";

postMessage(await runChecks());
