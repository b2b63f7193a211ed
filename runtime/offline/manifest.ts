/**
 * The list of files that a build leaves in a service worker (`self.__WB_MANIFEST`), as Workbox, vite-plugin-pwa and
 * `tilewright/vite` write it. In: that list. Out: the models of it, by address, and what is not a model. Invariant:
 * nothing is in both, so nothing is stored twice.
 */
import { isTile } from "../store/content.ts";
import { type Pinned } from "../store/pins.ts";

/** A file: its address, and what tells its versions apart where the address does not. */
export interface ManifestFile {
  readonly url: string;
  readonly revision?: string | null;
}

export interface SplitManifest<F> {
  readonly models: Pinned;
  readonly files: F[];
}

/** @param base what addresses are relative to: the service worker's */
export function splitManifest<F extends ManifestFile | string>(
  manifest: readonly F[],
  base: string,
): SplitManifest<F> {
  const models: Record<string, string | null> = {};
  const files: F[] = [];
  for (const file of manifest) {
    const { url, revision = null }: ManifestFile = typeof file === "string" ? { url: file } : file;
    if (!isTile(url)) files.push(file);
    else models[new URL(url, base).href] ??= revision;
  }
  return { models, files };
}
