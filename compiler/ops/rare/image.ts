/**
 * Decoding of images. In: nothing. Out: the operators of this group, which a page downloads as one chunk when a model
 * first uses one of them. Invariant: the same operators are listed in `names.ts`, made by `npm run coverage`.
 */
export { imageOps as operators } from "../imageDecoder.ts";
