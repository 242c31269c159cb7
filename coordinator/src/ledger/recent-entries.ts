/** Entries that were read or written lately: a round's plan is handed to every device that checks in. */
export class RecentEntries {
  readonly #capacityBytes: number;
  readonly #entries = new Map<number, Uint8Array>();
  #bytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  get(index: number): Uint8Array | undefined {
    const entry = this.#entries.get(index);
    if (entry === undefined) return undefined;
    // A Map keeps the order of insertion: what is used again goes to its end.
    this.#entries.delete(index);
    this.#entries.set(index, entry);
    return entry;
  }

  add(index: number, entry: Uint8Array): void {
    if (this.#entries.has(index)) return;
    this.#entries.set(index, entry);
    this.#bytes += entry.length;
    for (const [oldest, { length }] of this.#entries) {
      if (this.#bytes <= this.#capacityBytes) return;
      this.#entries.delete(oldest);
      this.#bytes -= length;
    }
  }
}
