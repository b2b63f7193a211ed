/** Version of the compiler, as it is written into artifacts. Kept equal to package.json's by a test. */
export const VERSION = "0.1.0";
