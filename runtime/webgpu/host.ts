/**
 * The WebAssembly side of a program on the GPU. In: the host of a variant, its module and libraries, and a memory with
 * its weights. Out: the memory, and segments that can be called by name. Invariant: every segment that a step names is
 * there; one that traps ends in `run-failed` and the host stays usable.
 */
import { TilewrightError } from "../errors.ts";
import { type BoundPlan, type GpuHost, type GpuStep } from "../format.ts";
import { callable, instantiate } from "../program.ts";

export interface HostParts {
  readonly plan: BoundPlan;
  readonly host: GpuHost;
  readonly memory: WebAssembly.Memory;
  readonly modules: ReadonlyMap<string, WebAssembly.Module>;
}

export class Host {
  readonly memory: WebAssembly.Memory;
  readonly #segments: ReadonlyMap<string, () => void>;
  readonly #name: string;

  private constructor({ memory, plan }: HostParts, segments: ReadonlyMap<string, () => void>) {
    this.memory = memory;
    this.#segments = segments;
    this.#name = plan.name;
  }

  /** @throws TilewrightError `artifact-malformed` when a segment is missing */
  static async start(parts: HostParts, steps: readonly (readonly GpuStep[])[]): Promise<Host> {
    const { plan, host, memory, modules } = parts;
    const exports = await instantiate(plan, host.section, memory, modules);
    const segments = new Map<string, () => void>();
    for (const step of steps.flat()) {
      if (step.kind === "host") segments.set(step.segment, callable(exports, step.segment) as () => void);
    }
    return new Host(parts, segments);
  }

  /** A range of the memory. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  call(segment: string): void {
    try {
      this.#segments.get(segment)!();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TilewrightError(
        "run-failed",
        `step "${segment}" of "${this.#name}" trapped: ${reason}`,
        cause,
      );
    }
  }
}
