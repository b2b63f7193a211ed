/**
 * What this page, worker or process has of what makes models fast. In: nothing. Out: facts, each found by asking the
 * platform, and for whatever is missing a sentence that says what is lost and how to get it. Invariant: nothing is
 * changed, nothing is downloaded, and it never fails: what cannot be asked counts as missing. docs/threads.md explains
 * the parts.
 */
import { supports } from "./features.ts";

/** Where the code runs. */
export type Realm = "page" | "worker" | "shared worker" | "service worker" | "node" | "other";

/** What {@link environment} found. */
export interface Environment {
  readonly realm: Realm;
  /** A page that shares no process with other origins; Node counts as one. */
  readonly crossOriginIsolated: boolean;
  /** Whether runs can be shared among threads, and how many a session takes by itself. */
  readonly threads: { readonly available: boolean; readonly cores: number };
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  readonly webgpu: {
    readonly available: boolean;
    /** Vendor and architecture, as far as the browser tells. */
    readonly adapter?: string;
    readonly features?: readonly string[];
  };
  readonly storage: {
    /** Whether there is a database at all: some browsers have none in private windows. */
    readonly available: boolean;
    /** Bytes that this origin may keep, and keeps. */
    readonly quota?: number;
    readonly usage?: number;
    /** Whether the browser keeps it when the disk gets full. */
    readonly persisted?: boolean;
  };
  /** What is missing: what that costs, and what to do about it. Empty where everything is there. */
  readonly advice: readonly string[];
}

/** What is asked of the platform; any of it may be missing. */
interface Platform {
  readonly crossOriginIsolated?: boolean;
  readonly SharedArrayBuffer?: unknown;
  readonly Worker?: unknown;
  readonly document?: unknown;
  readonly indexedDB?: unknown;
  readonly constructor?: { readonly name: string };
  readonly process?: {
    readonly versions?: { readonly node?: string };
    readonly getBuiltinModule?: (name: "node:os") => { availableParallelism(): number };
  };
  readonly navigator?: {
    readonly hardwareConcurrency?: number;
    readonly gpu?: { requestAdapter(): Promise<Adapter | null> };
    readonly storage?: {
      estimate?(): Promise<{ quota?: number; usage?: number }>;
      persisted?(): Promise<boolean>;
    };
  };
}

interface Adapter {
  readonly features: Iterable<string>;
  readonly info?: { readonly vendor?: string; readonly architecture?: string };
}

/**
 * What this page, worker or process has, and what it lacks.
 *
 * @example
 * const { threads, webgpu, advice } = await environment();
 * console.log(threads.available, webgpu.available);
 * for (const line of advice) console.warn(line);
 */
export async function environment(): Promise<Environment> {
  const platform = globalThis as Platform;
  const realm = realmOf(platform);
  const isolated = platform.crossOriginIsolated ?? realm === "node";
  const cores =
    platform.navigator?.hardwareConcurrency ??
    platform.process?.getBuiltinModule?.("node:os").availableParallelism() ??
    1;
  // A service worker cannot start the workers that would be the other threads.
  const canStart = realm !== "service worker" && (realm === "node" || platform.Worker !== undefined);
  const found = {
    realm,
    crossOriginIsolated: isolated,
    threads: { available: isolated && platform.SharedArrayBuffer !== undefined && canStart, cores },
    simd: supports("simd"),
    relaxedSimd: supports("relaxed-simd"),
    webgpu: await webgpuOf(platform),
    storage: await storageOf(platform),
  };
  return { ...found, advice: adviceFor(found) };
}

const REALMS: Readonly<Record<string, Realm>> = {
  DedicatedWorkerGlobalScope: "worker",
  SharedWorkerGlobalScope: "shared worker",
  ServiceWorkerGlobalScope: "service worker",
};

function realmOf(platform: Platform): Realm {
  if (platform.process?.versions?.node !== undefined) return "node";
  if (platform.document !== undefined) return "page";
  return REALMS[platform.constructor?.name ?? ""] ?? "other";
}

async function webgpuOf({ navigator }: Platform): Promise<Environment["webgpu"]> {
  const adapter = await orNothing(async () => navigator?.gpu?.requestAdapter());
  if (!adapter) return { available: false };
  const name = [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(" ");
  return {
    available: true,
    ...(name === "" ? {} : { adapter: name }),
    features: [...adapter.features].sort(),
  };
}

async function storageOf({ indexedDB, navigator }: Platform): Promise<Environment["storage"]> {
  const estimate = await orNothing(async () => navigator?.storage?.estimate?.());
  const persisted = await orNothing(async () => navigator?.storage?.persisted?.());
  return {
    available: indexedDB !== undefined && indexedDB !== null,
    ...(estimate?.quota === undefined ? {} : { quota: estimate.quota }),
    ...(estimate?.usage === undefined ? {} : { usage: estimate.usage }),
    ...(persisted === undefined ? {} : { persisted }),
  };
}

/** What a question to the platform gives, or nothing where it is refused. */
async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}

function adviceFor(found: Omit<Environment, "advice">): string[] {
  const advice: string[] = [];
  if (!found.crossOriginIsolated)
    advice.push(
      "Runs take one thread: the page is not cross-origin isolated. Serve it with the headers " +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp (or credentialless).",
    );
  else if (!found.threads.available)
    advice.push(`Runs take one thread: a ${found.realm} cannot start workers or share memory with them.`);
  else if (found.threads.cores < 2) advice.push("Runs take one thread: the device tells of one core only.");
  if (!found.simd)
    advice.push("Models cannot run: this engine has no WebAssembly SIMD. Use a newer browser.");
  else if (!found.relaxedSimd)
    advice.push(
      "Multiplications and additions are two instructions instead of one: the engine has no relaxed SIMD" +
        (found.realm === "node" ? " (Node 20 has it behind --experimental-wasm-relaxed-simd)." : "."),
    );
  if (found.realm !== "node" && !found.webgpu.available)
    advice.push("Models run on the processor: there is no WebGPU adapter here.");
  if (found.realm !== "node" && !found.storage.available)
    advice.push(
      "Models are downloaded again by each visit: there is no database (a private window, perhaps).",
    );
  return advice;
}
