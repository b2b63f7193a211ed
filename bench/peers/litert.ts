/** What the measuring page uses of LiteRT.js, bundled into one file that can be loaded once per thread count. */
export { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
