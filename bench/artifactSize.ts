/**
 * Measures an artifact. In: the bytes of a `.tile` file. Out: what of it is code and what is weights, in bytes as
 * they are and gzipped. Invariant: "code" is everything in the file that is not weights: the header with the plan,
 * all variants, the library modules. Code sections are compressed one by one, as if each were a download.
 */
import { readArtifact, WEIGHTS_SECTION } from "../runtime/format.ts";
import { addSizes, sizeOf, type Size } from "./bundleSize.ts";

export interface ArtifactSize {
  readonly artifact: Size;
  /** Everything but the weights. */
  readonly code: Size;
  readonly weights: Size;
  /** The parts of `code`: `header`, then the name of each section. */
  readonly parts: readonly (readonly [name: string, size: Size])[];
}

/**
 * @throws TilewrightError when `file` is no sound artifact.
 * @example console.log(measureArtifact(readFileSync("model.tile")).code.gzip);
 */
export function measureArtifact(file: Uint8Array): ArtifactSize {
  const { sections } = readArtifact(file);
  const first = Math.min(...[...sections.values()].map((content) => content.byteOffset));
  const header = file.subarray(0, sections.size === 0 ? file.length : first - file.byteOffset);
  const weights = sections.get(WEIGHTS_SECTION);
  const parts: [string, Size][] = [["header", sizeOf(header)]];
  for (const [name, content] of sections) if (content !== weights) parts.push([name, sizeOf(content)]);
  return {
    artifact: sizeOf(file),
    code: addSizes(parts.map(([, size]) => size)),
    weights: sizeOf(weights ?? new Uint8Array(0)),
    parts,
  };
}
