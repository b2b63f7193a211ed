/** A handwritten seven, 28 by 28 pixels, white (1) on black (0). */
export declare const seven: Float32Array;
/** The digit with the largest probability. */
export declare function mostLikely(probabilities: Float32Array): number;
