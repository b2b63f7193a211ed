/** What the page and the compiler's worker say to each other. In and out: plain data that structured cloning carries. */
import type { CompileResult } from "../compile.ts";
import type { CompileOptions, CompileProgress } from "../options.ts";
import type { Reply } from "../../runtime/worker/protocol.ts";

/** Options that cross: those of `compile` without functions, weights files as bytes. */
export interface SentCompileOptions extends Omit<CompileOptions, "externalData" | "trace" | "progress"> {
  /** Weights files beside the model, by location. */
  readonly externalData?: Readonly<Record<string, Uint8Array>>;
}

export interface CompilerHost {
  compile(
    model: Uint8Array,
    options: SentCompileOptions,
    progress?: (progress: CompileProgress) => void,
  ): Promise<Reply<CompileResult>>;
}
