/** Version of the compiler, as it is written into artifacts: that of the package. */
export { VERSION } from "../runtime/format/version.ts";
