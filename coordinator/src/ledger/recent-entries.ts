/**
 * Entries that were read or written lately: a round's plan is handed to every device that checks in. Two generations
 * instead of an order of use: dropping the older one costs nothing, while a Map that loses its first member at every step
 * walks over what it has lost.
 */
export class RecentEntries {
  readonly #generationBytes: number;
  #young = new Map<number, Uint8Array>();
  #old = new Map<number, Uint8Array>();
  #youngBytes = 0;

  /** @param capacityBytes of all entries together, about */
  constructor(capacityBytes: number) {
    this.#generationBytes = capacityBytes / 2;
  }

  get(index: number): Uint8Array | undefined {
    const young = this.#young.get(index);
    if (young !== undefined) return young;
    const old = this.#old.get(index);
    // What is used again outlives its generation.
    if (old !== undefined) this.add(index, old);
    return old;
  }

  add(index: number, entry: Uint8Array): void {
    if (this.#young.has(index)) return;
    this.#young.set(index, entry);
    this.#youngBytes += entry.length;
    if (this.#youngBytes <= this.#generationBytes) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}
