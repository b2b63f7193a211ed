/** The built sample, from `scripts/buildSample.ts`. */
declare module "virtual:sample" {
  /** Address of `digits.tile`. */
  export const tileUrl: string;
  /** Bytes of the artifact as sent with gzip. */
  export const tileGzip: number;
  /** Bytes of the runtime, minified, as sent with gzip. */
  export const runtimeGzip: number;
}
