/**
 * Doors to parts of the compiler that most models do without: chunks of their own. In: how a part is loaded. Out: the
 * part, once it has been. Invariant: `MissingPart` is thrown before anything was done that a second try would repeat
 * with another result, so whoever catches it loads what it asks for and begins again.
 */

/** Thrown where something is needed that has not been loaded: load it and begin again. */
export class MissingPart extends Error {
  override readonly name: string = "MissingPart";
  readonly load: () => Promise<void>;

  constructor(part: string, load: () => Promise<void>) {
    super(`${part} has not been loaded`);
    this.load = load;
  }
}

export class Door<Part> {
  private part: Part | undefined;
  private readonly name: string;
  private readonly download: () => Promise<Part>;

  /** @param name of the part, in the words of an error */
  constructor(name: string, download: () => Promise<Part>) {
    this.name = name;
    this.download = download;
  }

  /** @throws MissingPart */
  get(): Part {
    if (this.part === undefined) throw new MissingPart(this.name, () => this.load());
    return this.part;
  }

  add(part: Part): void {
    this.part = part;
  }

  async load(): Promise<void> {
    if (this.part === undefined) this.add(await this.download());
  }
}
