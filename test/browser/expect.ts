/**
 * The one assertion of the browser tests. In: a condition and a sentence. Out: nothing, or an `Error` whose
 * message is the sentence. Kept this small on purpose: a test page then downloads only what it tests.
 */

/** Throws an `Error` with `message` unless `condition` holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
