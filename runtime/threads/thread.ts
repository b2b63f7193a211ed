/**
 * What one thread of a pool does: wait for a run, help with it, wait again. In: messages, and the cells of the pool.
 * Out: parts of runs, computed in the programs' shared memories. Invariants: it never has to be waited for, since a
 * run goes on without it; it looks at its messages whenever there is one more than it has received. The function
 * refers to nothing outside of itself, because where no file can be had for a worker, its text is made one.
 */

/** To a worker of a pool. */
export type ThreadMessage =
  /** The first message: the pool's cells, and the number of this thread, from 1. */
  | { readonly kind: "start"; readonly cells: Int32Array<SharedArrayBuffer>; readonly thread: number }
  /** A program, which gets the number `slot`. */
  | {
      readonly kind: "join";
      readonly slot: number;
      readonly threads: number;
      readonly module: WebAssembly.Module;
      readonly memory: WebAssembly.Memory;
      readonly math: readonly string[];
      /** Address of the program's counters (see BoundPlan). */
      readonly control: number;
    }
  | { readonly kind: "leave"; readonly slot: number };

/** Makes the function that takes the messages. */
export function helpWithRuns(): (message: ThreadMessage) => void {
  // Cells of a pool, and counters of a program, as indices of 32-bit integers: those of pool.ts and BoundPlan.
  const WAKE = 0;
  const SLOT = 16;
  const ASLEEP = 32;
  const MAIL = 48;
  const LINE = 16;
  const DONE = 0;
  const FAILED = 32;
  const TURN = 48;
  const JOINED = 49;
  const HELPED = 50;
  /** Looks at a cell before sleeping: about a tenth of a millisecond. */
  const LOOKS = 20_000;

  let cells: Int32Array<SharedArrayBuffer> | undefined;
  let thread = 0;
  let received = 0;
  let handled = 0;
  const programs = new Map<number, () => void>();

  const join = ({ slot, threads, module, memory, math, control }: ThreadMessage & { kind: "join" }): void => {
    if (thread >= threads) return;
    const counters = new Int32Array(memory.buffer, control, 64);
    const giveUp = (): never => {
      throw new Error("only the first thread calls library kernels");
    };
    const imported = WebAssembly.Module.imports(module);
    const libraries = imported.filter((entry) => entry.module === "lib").map(({ name }) => [name, giveUp]);
    const functions = Math as unknown as Readonly<Record<string, unknown>>;
    const remainder = (a: number, b: number): number => a % b;
    const instance = new WebAssembly.Instance(module, {
      env: { memory, abort: giveUp },
      lib: Object.fromEntries(libraries) as Record<string, () => never>,
      math: Object.fromEntries(
        math.map((name) => [name, (name === "fmod" ? remainder : functions[name]) as () => number]),
      ),
    });
    const run = instance.exports["run"] as (...values: number[]) => number;
    programs.set(slot, () => {
      try {
        Atomics.add(counters, HELPED, run(thread, threads, Atomics.load(counters, TURN), 1));
      } catch {
        Atomics.store(counters, FAILED, 1);
        Atomics.notify(counters, DONE);
      }
    });
    Atomics.add(counters, JOINED, 1);
  };

  /** Helps until there is a message. */
  const help = (own: Int32Array<SharedArrayBuffer>): void => {
    for (;;) {
      let looks = 0;
      while (Atomics.load(own, WAKE) === handled) {
        if (++looks < LOOKS) continue;
        Atomics.add(own, ASLEEP, 1);
        Atomics.wait(own, WAKE, handled);
        Atomics.sub(own, ASLEEP, 1);
      }
      handled = Atomics.load(own, WAKE);
      if (Atomics.load(own, MAIL + LINE * thread) !== received) return;
      programs.get(Atomics.load(own, SLOT))?.();
    }
  };

  return (message) => {
    received++;
    switch (message.kind) {
      case "start":
        cells = message.cells;
        thread = message.thread;
        break;
      case "join":
        try {
          join(message);
        } catch {
          // A thread that cannot join helps with nothing; nobody waits for it.
        }
        break;
      case "leave":
        programs.delete(message.slot);
        break;
      default:
        message satisfies never;
    }
    // With more messages on their way, this one is not the last word.
    if (cells && Atomics.load(cells, MAIL + LINE * thread) === received) help(cells);
  };
}
