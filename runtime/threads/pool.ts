/**
 * The threads of this realm, shared by its sessions. In: programs in shared memory. Out: teams, with which they run.
 * Invariants: workers are started when first needed and stay while there are sessions; a run never waits for one that
 * has not come: it does everything itself then. So nothing here is asynchronous to the caller, and a worker that cannot be
 * started (a policy, a missing file) costs speed and nothing else.
 *
 * Cells, each on a cache line of its own: WAKE changes when there is something to do, SLOT is the program that runs,
 * ASLEEP counts the workers that wait for WAKE; then for each thread, by its number, how many messages it was sent.
 */
import { type RunFunction } from "../program.ts";
import { startThread, type Thread } from "./start.ts";
import { type ThreadMessage } from "./thread.ts";

const WAKE = 0;
const SLOT = 16;
const ASLEEP = 32;
const MAIL = 48;
const LINE = 16;

/** More threads than this no run can use. */
export const MOST_THREADS = 16;

/** Counters of a program, as indices of 32-bit integers from its control address. */
const DONE = 0;
const FAILED = 32;
const TURN = 48;
const JOINED = 49;
const HELPED = 50;
const COUNTERS = 64;

/** What a program needs to run on several threads. */
export interface SharedProgram {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly math: readonly string[];
  readonly control: number;
  readonly run: RunFunction;
  /** What of the memory goes when the program does. */
  readonly ownBytes: number;
}

/** The threads of one program. */
export interface Team {
  /** Threads that are there by now, this one included. */
  readonly ready: number;
  /** Parts of runs, in all, that other threads than this one have computed. */
  readonly helped: number;
  /** One inference, with whoever helps. */
  run(): void;
  /** Lets the workers forget the program. */
  leave(): void;
}

/**
 * What workers may go on holding of programs that have left: they let go of memory when they collect garbage, which a
 * worker that sleeps never does. Beyond this they are replaced by new ones, which hold nothing.
 */
const MOST_LEFT_BYTES = 32 << 20;

class Pool {
  private cells = new Int32Array(new SharedArrayBuffer(0));
  private workers: Thread[] = [];
  private readonly waits = maySleep() ? 1 : 0;
  private slots = 0;
  /** What a worker that starts later must be told. */
  private readonly joined = new Map<number, ThreadMessage & { kind: "join" }>();
  private leftBytes = 0;

  join(program: SharedProgram, threads: number): Team {
    const { module, memory, math, control, run, ownBytes } = program;
    const slot = ++this.slots;
    const message = { kind: "join", slot, threads, module, memory, math, control } as const;
    this.workers.forEach((_, i) => this.post(i + 1, message));
    this.joined.set(slot, message);
    this.grow();
    const counters = new Int32Array(memory.buffer, control, COUNTERS);
    let turn = 0;
    let alone = false;
    return {
      get ready() {
        return 1 + Atomics.load(counters, JOINED);
      },
      get helped() {
        return Atomics.load(counters, HELPED);
      },
      run: () => {
        if (alone) {
          run(0, 1, 0, 0);
          return;
        }
        turn = (turn + 1) | 0 || 1;
        Atomics.store(counters, TURN, turn);
        this.call(slot);
        try {
          run(0, threads, turn, this.waits);
        } catch (error) {
          // Who still waits for a part of this run gives up; later runs do without help.
          alone = true;
          Atomics.store(counters, FAILED, 1);
          Atomics.notify(counters, DONE);
          throw error;
        }
      },
      leave: () => this.leave(slot, ownBytes),
    };
  }

  /** Tells the workers which program runs. */
  private call(slot: number): void {
    const { cells } = this;
    Atomics.store(cells, SLOT, slot);
    Atomics.add(cells, WAKE, 1);
    if (Atomics.load(cells, ASLEEP) > 0) Atomics.notify(cells, WAKE);
  }

  private leave(slot: number, bytes: number): void {
    if (!this.joined.delete(slot)) return;
    this.leftBytes += bytes;
    if (this.joined.size === 0 || this.leftBytes > MOST_LEFT_BYTES) {
      for (const worker of this.workers) worker.end();
      this.workers = [];
      this.leftBytes = 0;
      for (const { memory, control } of this.joined.values())
        Atomics.store(new Int32Array(memory.buffer, control, COUNTERS), JOINED, 0);
      this.grow();
    } else this.workers.forEach((_, i) => this.post(i + 1, { kind: "leave", slot }));
  }

  /** Starts the workers that the programs want and that are not there yet. */
  private grow(): void {
    let wanted = 0;
    for (const { threads } of this.joined.values()) wanted = Math.max(wanted, threads - 1);
    if (this.workers.length === 0 && wanted > 0)
      this.cells = new Int32Array(new SharedArrayBuffer((MAIL + LINE * MOST_THREADS) * 4));
    while (this.workers.length < wanted) {
      const thread = this.workers.length + 1;
      this.workers.push(startThread());
      this.post(thread, { kind: "start", cells: this.cells, thread });
      for (const message of this.joined.values()) this.post(thread, message);
    }
  }

  private post(thread: number, message: ThreadMessage): void {
    this.workers[thread - 1]!.post(message);
    Atomics.add(this.cells, MAIL + LINE * thread, 1);
    Atomics.add(this.cells, WAKE, 1);
    Atomics.notify(this.cells, WAKE);
  }
}

let pool: Pool | undefined;

/** Puts a program among those that this realm's threads help with. */
export function joinThreads(program: SharedProgram, threads: number): Team {
  pool ??= new Pool();
  return pool.join(program, threads);
}

/** Whether this thread may sleep: a page's main thread may not. */
function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}
