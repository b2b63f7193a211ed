/** Version of the package: written into artifacts and into the keys of what is cached. Equal to package.json's by a test. */
export const VERSION = "0.1.0";
