/** What the browser holds in memory, over all its processes. In: nothing. Out: bytes, where the system tells. */
import { executeServerCommand } from "@web/test-runner-commands";

/** Bytes now; undefined where the system does not tell. Garbage that is not yet collected counts. */
export async function heldBytes(): Promise<number | undefined> {
  const { bytes } = await executeServerCommand<{ bytes: number | null }, unknown>("memory");
  return bytes ?? undefined;
}
