/* eslint-disable */
// What tilewright found in models that are imported with options. `npx tilewright types` makes it again.
declare module "*/digits.onnx?dims.batch=1&variants=relaxed-simd,simd" {
  import type { Model } from "tilewright";
  export type Types = {
    inputs: {
      /** float32 [1, 1, 28, 28] */
      image: { dtype: "float32"; shape: readonly [1, 1, 28, 28] };
    };
    outputs: {
      /** float32 [1, 10] */
      probabilities: { dtype: "float32"; shape: readonly [1, 10] };
    };
  };
  const model: Model<Types>;
  export default model;
}
