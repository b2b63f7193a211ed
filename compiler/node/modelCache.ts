/**
 * Compiled models on disk, so that a model is compiled once for all builds. In: a model file and options. Out: the
 * artifact's file, and what is known of it. Invariant: an entry is found only by the hash of everything that it
 * follows from (the model, the weights files beside it, the options, the compiler itself), it appears whole or not at
 * all (written aside, then renamed), and old ones leave when all of them together are too large. A cache that cannot
 * be read or is damaged costs a compilation, never a failure.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isArtifact, readArtifact, type Port } from "../../runtime/format.ts";
import { compile, openDimensions } from "../whole.ts";
import { VERSION } from "../version.ts";
import { targets } from "./device.ts";
import type { ModelOptions } from "./importedModel.ts";
import { externalDataIn } from "./modelFile.ts";

/** What a page and its types need to know of a compiled model. */
export interface CompiledModel {
  /** The artifact. */
  readonly file: string;
  /** Its SHA-256, in hex. */
  readonly hash: string;
  /** Files whose change makes this one stale: the model and the weights beside it. */
  readonly sources: readonly string[];
  readonly kind: "bound" | "late";
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** The dimensions that are open, by input; empty for a bound model, and where shapes depend on data alone. */
  readonly open: readonly { readonly input: string; readonly dims: readonly string[] }[];
  readonly kernels: number;
  readonly bytes: number;
  /** What compiling took; undefined if it was done before. */
  readonly milliseconds?: number | undefined;
}

/** What is written beside an artifact. */
interface Entry extends Pick<CompiledModel, "kind" | "inputs" | "outputs" | "open" | "kernels" | "hash"> {
  readonly external: readonly { readonly location: string; readonly hash: string }[];
}

const ENTRY_FILE = "entry.json";
/** What all entries may take together unless a project says otherwise. */
const DEFAULT_MOST_BYTES = 2 ** 30;
/** An entry this young may be in use by a build that runs now. */
const IN_USE_MILLISECONDS = 3_600_000;

/** The folder and the size of a cache. */
export interface ModelCacheOptions {
  readonly folder: string;
  /** Most bytes of all artifacts in it; default 1 GiB. */
  readonly mostBytes?: number | undefined;
}

export class ModelCache {
  readonly folder: string;
  readonly #mostBytes: number;

  constructor({ folder, mostBytes = DEFAULT_MOST_BYTES }: ModelCacheOptions) {
    this.folder = folder;
    this.#mostBytes = mostBytes;
  }

  /**
   * The artifact of a model: the file itself if it is one, else what it was or is now compiled to.
   *
   * @param path of a model (`.onnx`) or an artifact (`.tile`)
   * @throws CompileError, and errors of the file system for the model itself
   */
  compiled(path: string, options: ModelOptions): CompiledModel {
    const bytes = readFileSync(path);
    if (isArtifact(bytes)) return describeArtifact(path, bytes);
    const key = hashOf([bytes, JSON.stringify(sorted(options)), compilerIdentity()]);
    const folder = join(this.folder, key.slice(0, 32));
    const name = `${basename(path, extname(path))}.tile`;
    const beside = externalDataIn(dirname(path));
    return this.#kept(folder, name, path, beside) ?? this.#made(folder, name, path, bytes, options, beside);
  }

  #kept(folder: string, name: string, path: string, beside: ExternalData): CompiledModel | undefined {
    const file = join(folder, name);
    try {
      const entry = JSON.parse(readFileSync(join(folder, ENTRY_FILE), "utf8")) as Entry;
      const bytes = readFileSync(file);
      if (hashOf([bytes]) !== entry.hash) return undefined;
      for (const { location, hash } of entry.external) {
        const data = beside(location);
        if (data === undefined || hashOf([data]) !== hash) return undefined;
      }
      touch(folder);
      return modelOf(entry, file, path, bytes.length);
    } catch {
      return undefined; // not there, or not whole: it is made again
    }
  }

  #made(
    folder: string,
    name: string,
    path: string,
    bytes: Uint8Array,
    options: ModelOptions,
    beside: ExternalData,
  ): CompiledModel {
    // prettier-ignore
    const external = new Map<string, string>();
    const externalData = (location: string): Uint8Array | undefined => {
      const data = beside(location);
      if (data !== undefined && !external.has(location)) external.set(location, hashOf([data]));
      return data;
    };
    const start = performance.now();
    const { target, ...rest } = options;
    const compileOptions = { ...rest, externalData, ...(target && { targets: targets[target] }) };
    const { artifact, report } = compile(bytes, compileOptions);
    const milliseconds = performance.now() - start;
    const { plan } = readArtifact(artifact, { verify: false });
    const entry: Entry = {
      hash: hashOf([artifact]),
      kind: report.kind,
      ...portsOf(plan),
      open: report.kind === "late" ? openDimensions(bytes, compileOptions) : [],
      kernels: report.kernelsOut,
      external: [...external].map(([location, hash]) => ({ location, hash })),
    };
    this.#write(folder, name, artifact, entry);
    return { ...modelOf(entry, join(folder, name), path, artifact.length), milliseconds };
  }

  #write(folder: string, name: string, artifact: Uint8Array, entry: Entry): void {
    const aside = `${folder}.${randomUUID()}.part`;
    mkdirSync(aside, { recursive: true });
    try {
      writeFileSync(join(aside, name), artifact);
      writeFileSync(join(aside, ENTRY_FILE), JSON.stringify(entry));
      // A folder in the way is damaged, or of other weights, or has just been written by another build: all the same.
      if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
      renameSync(aside, folder);
    } catch (error) {
      rmSync(aside, { recursive: true, force: true });
      if (!existsSync(join(folder, name))) throw error;
    }
    this.#shrink(folder);
  }

  /** Removes the entries that were not used for longest until all others fit. */
  #shrink(newest: string): void {
    const entries = readdirSync(this.folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => sizeOf(join(this.folder, name)))
      .sort((a, b) => b.used - a.used);
    let sum = 0;
    for (const { path, bytes, used } of entries) {
      sum += bytes;
      const old = Date.now() - used > IN_USE_MILLISECONDS;
      if (path !== newest && old && (sum > this.#mostBytes || path.endsWith(".part")))
        rmSync(path, { recursive: true, force: true });
    }
  }
}

type ExternalData = (location: string) => Uint8Array | undefined;

function modelOf(entry: Entry, file: string, path: string, bytes: number): CompiledModel {
  const { external, ...known } = entry;
  const sources = [path, ...external.map(({ location }) => join(dirname(path), location))];
  return { ...known, file, sources, bytes };
}

/** What is known of an artifact that nobody keeps. */
export function describeArtifact(path: string, bytes: Uint8Array): CompiledModel {
  const { plan } = readArtifact(bytes, { verify: false });
  const known = { kind: plan.kind, ...portsOf(plan), open: [], kernels: 0 };
  return { ...known, file: path, hash: hashOf([bytes]), sources: [path], bytes: bytes.length };
}

/** Inputs and outputs as a session shows them. */
function portsOf(plan: ReturnType<typeof readArtifact>["plan"]): Pick<CompiledModel, "inputs" | "outputs"> {
  if (plan.kind === "late") return { inputs: plan.inputs, outputs: plan.outputs };
  return {
    inputs: plan.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    outputs: plan.outputs.map(({ name, dtype, shape, dynamicDim }) => ({
      name,
      dtype,
      shape: shape.map((dim, axis) => (axis === dynamicDim ? `<=${dim}` : dim)),
    })),
  };
}

function hashOf(parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(typeof part === "string" ? part : part).update("\0");
  return hash.digest("hex");
}

/** The same value with the members of every object in order of their names. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

let identity: string | undefined;

/**
 * Version and contents of this compiler. In the package this file imports chunks by names with hashes of their
 * contents, so that a build of the same version with other code has another identity.
 */
function compilerIdentity(): string {
  identity ??= `${VERSION} ${hashOf([readFileSync(fileURLToPath(import.meta.url))])}`;
  return identity;
}

function touch(folder: string): void {
  const now = new Date();
  utimesSync(folder, now, now);
}

/** The bytes of an entry and when it was last used; nothing if it has just gone. */
function sizeOf(path: string): { path: string; bytes: number; used: number }[] {
  try {
    const bytes = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
    return [{ path, bytes, used: statSync(path).mtimeMs }];
  } catch {
    return [];
  }
}
