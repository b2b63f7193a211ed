/**
 * Tilewright in the measuring page. In: the URL of an artifact and, to force it, a code variant. Out: sessions of
 * our own runtime. Invariant: the runtime is used as the package's users have it, in the chunks that their build makes, and
 * `run` is given the arrays for its outputs again (onnxruntime-web always makes new ones: its WebAssembly backend leaves
 * tensors that are given for outputs as they are); the compiler is downloaded only by an artifact whose shapes are
 * bound at run time.
 */
import type * as Compiler from "../../compiler/index.ts";
import type * as Runtime from "../../runtime/index.ts";
import { type NumericData } from "../../runtime/dtype.ts";
import { type Tensors } from "../agreement.ts";
import { type PageRuntime, type PageSession } from "./runtime.ts";

/** Made by bench/runtimes/tilewright.ts. */
export interface TilewrightOptions {
  readonly artifact: string;
  readonly variant?: Runtime.Feature;
  /** Whether the artifact is kept in IndexedDB: for starts that are not the first (--warm). */
  readonly cache?: boolean;
  readonly device?: "webgpu";
  /** Whether sizes that change from run to run share programs; as of `load`. */
  readonly ranges?: boolean;
}

/** Where the driver serves our library (bench/runtimes/ownBundle.ts). */
export const OWN_FOLDER = "/tilewright/";
export const RUNTIME_SCRIPT = "runtime.js";
/** What the bundler makes it import, which a page of its making asks for at the same time (`modulepreload`). */
export const RUNTIME_PARTS = ["rolldown-runtime.js", "entry.js"];
export const COMPILER_SCRIPT = "compiler/index.js";

const own = (path: string): string => new URL(OWN_FOLDER + path, location.href).href;

export async function startTilewright(threads: number): Promise<PageRuntime> {
  for (const part of RUNTIME_PARTS) {
    const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href: own(part) });
    document.head.append(link);
  }
  const { load } = (await import(own(RUNTIME_SCRIPT))) as typeof Runtime;
  const compiler = async () => (await import(own(COMPILER_SCRIPT))) as typeof Compiler;
  return {
    async create(options, first) {
      const { artifact, variant, device, cache = false, ranges } = options as unknown as TilewrightOptions;
      const url = new URL(artifact, location.href);
      // Where a page knows what the first answer is asked for, it says so, and has it with the last byte.
      const session = await load(url, {
        variant,
        compiler,
        threads,
        device,
        cache,
        ranges,
        firstRun: first,
      });
      let inputs: Tensors = {};
      // Outputs of known size go into the arrays of the first run, as in an application that runs again and again.
      const kept = session.outputs.filter(({ shape }) => shape.every((dim) => typeof dim === "number"));
      let into: Record<string, NumericData> | undefined;
      return {
        prepare: (given) => void (inputs = given),
        async run() {
          const { firstOutputs } = session;
          session.firstOutputs = undefined;
          const outputs = firstOutputs ?? (await session.run(inputs, { into }));
          into ??= Object.fromEntries(
            kept.flatMap(({ name }) => {
              const data = outputs[name]?.data;
              return data !== undefined && ArrayBuffer.isView(data) ? [[name, data]] : [];
            }),
          );
          return outputs;
        },
        read: (result) => result as Tensors,
        dispose: async () => session.dispose(),
        stats() {
          const { memoryBytes, programs } = session.stats();
          return { memoryBytes, compiled: programs.compiled };
        },
        get notes() {
          return {
            binding: session.kind,
            variant: session.variant ?? session.device?.kind ?? "none bound",
            ...(device === "webgpu" ? {} : { threads: threadsText(session.threads) }),
          };
        },
      } satisfies PageSession;
    },
  };
}

/** How many threads there are of those that were chosen, and what they have done. */
function threadsText(threads: Runtime.Session["threads"]): string {
  if (threads === undefined) return "1";
  const { ready, count, helped, reason } = threads;
  return `${ready} of ${count}, ${helped} parts by helpers${reason === undefined ? "" : `: ${reason}`}`;
}
