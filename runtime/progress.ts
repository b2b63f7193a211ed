/**
 * How far a load is, in all its parts. In: what the parts do, as they do it; what they will have to do, as soon as the
 * header of the artifact tells it. Out: one stream of reports. Invariants: no part is ever more than done, nothing goes
 * back (unless what was stored turns out to be damaged and the load begins anew); the last report is "ready", with
 * everything done.
 */

/** What a load consists of. Bytes, except for "run", which counts runs. */
const loadParts = ["download", "verify", "compile", "upload", "run"] as const;
export type LoadPart = (typeof loadParts)[number];

export interface PartProgress {
  readonly done: number;
  /** Undefined until it is known: with the header, which comes first. 0 where there is nothing to do. */
  readonly total: number | undefined;
}

/** How far a load has come. */
export interface Progress {
  /**
   * "download": bytes arrive, are checked, put in place, and compiled; "compile": they are all here and a program is
   * being made; "run": it runs for the first time (option `firstRun`); "ready": it is done.
   */
  readonly phase: "download" | "compile" | "run" | "ready";
  /** Bytes that have arrived. */
  readonly loaded: number;
  /** Bytes in all, as soon as they are known. */
  readonly total: number | undefined;
  /**
   * "download": bytes that arrived, from the network or the cache; "verify": bytes that were checked against their
   * hashes; "compile": bytes of WebAssembly that were compiled, or 1 for a model that is bound here; "upload": bytes of weights that were put in the
   * memory of the program; "run": first runs.
   */
  readonly parts: Readonly<Record<LoadPart, PartProgress>>;
  /** Of everything, from 0 to 1; undefined until the totals are known. */
  readonly fraction: number | undefined;
}

/** What share of a load's time each part is given: a download takes longer than all that happens meanwhile. */
const WEIGHTS: Readonly<Record<LoadPart, number>> = {
  download: 16,
  verify: 1,
  compile: 1,
  upload: 1,
  run: 1,
};

/** Collects and reports; without a listener it does nothing. */
export class Meter {
  readonly #listener: ((progress: Progress) => void) | undefined;
  readonly #done: Record<LoadPart, number> = { download: 0, verify: 0, compile: 0, upload: 0, run: 0 };
  readonly #totals: Partial<Record<LoadPart, number>>;
  #phase: Progress["phase"] = "download";

  constructor(listener: ((progress: Progress) => void) | undefined, total?: number) {
    this.#listener = listener;
    this.#totals = total === undefined ? {} : { download: total };
  }

  /** What there is to do. */
  expect(totals: Partial<Readonly<Record<LoadPart, number>>>): void {
    Object.assign(this.#totals, totals);
    this.#report();
  }

  arrived(loaded: number): void {
    this.#done.download = loaded;
    this.#report();
  }

  add(part: LoadPart, amount: number): void {
    this.#done[part] += amount;
    this.#report();
  }

  enter(phase: Progress["phase"]): void {
    this.#phase = phase;
    if (phase === "ready")
      for (const part of loadParts)
        this.#totals[part] = this.#done[part] = Math.max(this.#done[part], this.#totals[part] ?? 0);
    this.#report();
  }

  #report(): void {
    if (this.#listener === undefined) return;
    const of = (part: LoadPart): PartProgress => ({ done: this.#done[part], total: this.#totals[part] });
    const [download, verify, compile, upload, run] = loadParts.map(of) as [
      PartProgress,
      PartProgress,
      PartProgress,
      PartProgress,
      PartProgress,
    ];
    let known = true;
    let sum = 0;
    let whole = 0;
    for (const part of loadParts) {
      const total = this.#totals[part];
      if (total === undefined) known = false;
      else if (total > 0) {
        whole += WEIGHTS[part];
        sum += WEIGHTS[part] * Math.min(1, this.#done[part] / total);
      }
    }
    const fraction = this.#phase === "ready" ? 1 : known && whole > 0 ? sum / whole : undefined;
    this.#listener({
      phase: this.#phase,
      loaded: download.done,
      total: download.total,
      parts: { download, verify, compile, upload, run },
      fraction,
    });
  }
}
