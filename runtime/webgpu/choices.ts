/**
 * What trials found, kept for the next visit. In: a key of artifact, adapter and browser. Out: a choice, if there is one.
 * Invariant: nothing here fails or waits long: where there is no IndexedDB, or it is full, blocked or slow, nothing is
 * remembered and the trial is done again. (Not localStorage, which workers do not have.)
 */
import { type DeviceKind } from "../device.ts";
import { type GpuContext } from "./device.ts";

export interface Choice {
  readonly kind: DeviceKind;
  readonly reason: string;
}

const DATABASE = "tilewright-devices";
const STORE = "choices";
/** A database that another tab holds up is not worth waiting for. */
const PATIENCE_MILLISECONDS = 300;

/** What a choice depends on: the artifact, the adapter, the browser, and how many cores the CPU has. */
export function choiceKey(artifact: string, context: GpuContext): string {
  const { vendor, architecture, description } = context.adapter;
  const { userAgent = "", hardwareConcurrency = 0 } = globalThis.navigator as Partial<Navigator>;
  const threads = (globalThis as { readonly crossOriginIsolated?: boolean }).crossOriginIsolated === true;
  return JSON.stringify([
    artifact,
    vendor,
    architecture,
    description,
    userAgent,
    hardwareConcurrency,
    threads,
  ]);
}

export async function recall(key: string): Promise<Choice | undefined> {
  const found: unknown = await attempt("readonly", (store) => store.get(key));
  if (typeof found !== "object" || found === null) return undefined;
  const { kind, reason } = found as Partial<Choice>;
  if ((kind !== "wasm" && kind !== "webgpu") || typeof reason !== "string") return undefined;
  return { kind, reason };
}

export async function remember(key: string, choice: Choice): Promise<void> {
  await attempt("readwrite", (store) => store.put(choice, key));
}

/** The result of a request; undefined if anything is in the way. */
function attempt(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  return new Promise((resolve) => {
    const give = (): void => resolve(undefined);
    setTimeout(give, PATIENCE_MILLISECONDS);
    try {
      const opening = indexedDB.open(DATABASE, 1);
      opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE);
      opening.onerror = give;
      opening.onblocked = give;
      opening.onsuccess = () => {
        const database = opening.result;
        try {
          const request = use(database.transaction(STORE, mode).objectStore(STORE));
          request.onsuccess = () => {
            resolve(request.result);
            database.close();
          };
          request.onerror = () => {
            give();
            database.close();
          };
        } catch {
          give();
          database.close();
        }
      };
    } catch {
      give();
    }
  });
}
