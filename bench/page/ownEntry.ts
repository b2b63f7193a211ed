/**
 * What an application that runs models imports of our library: `load`, and what a session is made of comes with it.
 * The rest that the package exports (profiles, reports about the page, models as modules) a build leaves out.
 */
export { load } from "../../runtime/index.ts";
