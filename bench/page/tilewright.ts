/**
 * Tilewright in the measuring page. In: the URL of an artifact and, to force it, a code variant. Out: sessions of
 * our own runtime. Invariant: the runtime is used as the package's users have it, through `load` and `run`; the
 * compiler is downloaded only by an artifact whose shapes are bound at run time.
 */
import { type Feature, load, type Session } from "../../runtime/index.ts";
import { type Tensors } from "../agreement.ts";
import { type PageRuntime, type PageSession } from "./runtime.ts";

/** Made by bench/runtimes/tilewright.ts. */
export interface TilewrightOptions {
  readonly artifact: string;
  readonly variant?: Feature;
}

export const tilewright = (threads: number): PageRuntime => ({
  async create(options) {
    const { artifact, variant } = options as unknown as TilewrightOptions;
    const compiler = () => import("../../compiler/index.ts");
    const session = await load(new URL(artifact, location.href), {
      variant,
      compiler,
      ...({ threads } as object),
    });
    let inputs: Tensors = {};
    return {
      prepare: (given) => void (inputs = given),
      run: () => session.run(inputs),
      read: (result) => result as Tensors,
      dispose: async () => session.dispose(),
      get notes() {
        return {
          binding: session.kind,
          variant: session.variant ?? "none bound",
          threads: threadsText(session.threads),
        };
      },
    } satisfies PageSession;
  },
});

/** How many threads there are of those that were chosen, and what they have done. */
function threadsText(threads: Session["threads"]): string {
  if (threads === undefined) return "1";
  const { ready, count, helped, reason } = threads;
  return `${ready} of ${count}, ${helped} parts by helpers${reason === undefined ? "" : `: ${reason}`}`;
}
