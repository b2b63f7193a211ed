/** What everything in the store carries: entries of another artifact format or code generation are as good as absent. */
import { FORMAT_VERSION } from "../format.ts";
import { VERSION } from "../format/version.ts";

export const VERSIONS = `f${FORMAT_VERSION}-c${VERSION}`;
