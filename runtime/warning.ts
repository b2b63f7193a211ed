/**
 * What went wrong without stopping anything. In: a stable code and a sentence. Out: entries of `session.stats()`.
 * Invariant: a cache or a worker that cannot be had costs speed and never an answer, so neither throws; codes never
 * change their meaning.
 */

/** Stable codes of {@link Warning}. */
export type WarningCode =
  | "cache-unavailable" // there is no store here, or it cannot be opened, read or written
  | "cache-blocked" // another tab holds the store in another version
  | "cache-full" // the quota, or the limit that was asked for, leaves no room
  | "cache-corrupt" // what was stored was damaged: it has been dropped and loaded anew
  | "cache-revalidation" // whether a stored model is still current could not be found out
  | "worker-unavailable"; // the session runs where `load` was called

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
}

/** Takes warnings as they come. */
export type Warn = (code: WarningCode, message: string) => void;

/** The message of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
