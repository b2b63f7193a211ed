/**
 * Names in the text form that all IRs share. In: a name. Out: it as a word, or as a JSON string where it is no plain
 * one. Invariant: the words with a meaning of their own are never written plainly.
 */

const plainWord = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;

/** Words with a meaning of their own where a name may stand. */
const reserved: ReadonlySet<string> = new Set([
  "_",
  "in",
  "inf",
  "nan",
  "f64.inf",
  "f64.nan",
  "true",
  "false",
  "acc",
  "let",
  "for",
  "loop",
  "carried",
  "strides",
  "halo",
]);

/** A name as the text form writes it. */
export function nameText(name: string): string {
  return plainWord.test(name) && !reserved.has(name) ? name : JSON.stringify(name);
}

/** Whether a word has a meaning of its own where a name may stand. */
export function isReserved(word: string): boolean {
  return reserved.has(word);
}
