/* eslint-disable */
// What tilewright found in "digits.onnx". `npx tilewright types` makes it again.
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

declare const model: Model<Types>;
export default model;
