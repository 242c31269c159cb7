// Which processes say that they are there: each says so now and then, under a name that no later one has.

/** What a process says before it ends: its name and this. */
export const DRAINING = " draining";

/** Those that said so lately. Who is silent for `goneMs` is gone, and is forgotten with the next one that comes. */
export class Presence {
  readonly #goneMs: number;
  readonly #clock: { now(): number };
  readonly #seen = new Map<string, { readonly atMs: number; readonly isDraining: boolean }>();

  /** @param clock one that nobody sets, milliseconds */
  constructor(goneMs: number, clock: { now(): number } = performance) {
    this.#goneMs = goneMs;
    this.#clock = clock;
  }

  /** Names that are kept. */
  get size(): number {
    return this.#seen.size;
  }

  heard(said: string): void {
    const isDraining = said.endsWith(DRAINING);
    const name = isDraining ? said.slice(0, -DRAINING.length) : said;
    if (!this.#seen.has(name)) {
      for (const known of [...this.#seen.keys()]) if (!this.isThere(known)) this.#seen.delete(known);
    }
    // One that drains takes nothing any more, whatever it said before and arrives late.
    const wasDraining = this.#seen.get(name)?.isDraining === true;
    this.#seen.set(name, { atMs: this.#clock.now(), isDraining: isDraining || wasDraining });
  }

  /** Whether it has said so lately, draining or not. */
  isThere(name: string): boolean {
    const seen = this.#seen.get(name);
    return seen !== undefined && this.#clock.now() - seen.atMs < this.#goneMs;
  }

  /** Names of those that are there and take work. */
  taking(): string[] {
    return [...this.#seen].filter(([name, { isDraining }]) => !isDraining && this.isThere(name)).map(([name]) => name);
  }
}
