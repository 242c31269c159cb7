/**
 * Draws an index with probability weight/total, exactly, from one uniform 32-bit word. Walker's alias method with
 * Vose's construction, in integers: `slots` cells of equal capacity, each shared by at most two indices.
 */
export class AliasTable {
  readonly #shift: number;
  readonly #mask: number;
  readonly #thresholds: Uint32Array;
  readonly #aliases: Uint16Array;

  /**
   * @param weights integers at least 0, as many as a power of two (at most 65 536), that sum to `total`
   * @param total 2^32
   */
  constructor(weights: Float64Array, total: 4_294_967_296) {
    const slots = weights.length;
    const capacity = total / slots;
    this.#shift = Math.round(Math.log2(capacity));
    this.#mask = capacity - 1;
    this.#thresholds = new Uint32Array(slots);
    this.#aliases = new Uint16Array(slots);

    const left = Float64Array.from(weights);
    const small: number[] = [];
    const large: number[] = [];
    for (let slot = 0; slot < slots; slot++) {
      ((left[slot] ?? 0) < capacity ? small : large).push(slot);
    }
    for (;;) {
      const receiver = small.pop();
      if (receiver === undefined) {
        break;
      }
      const giver = large.pop();
      if (giver === undefined) {
        throw new RangeError("alias weights must sum to the total");
      }
      const own = left[receiver] ?? 0;
      this.#thresholds[receiver] = own;
      this.#aliases[receiver] = giver;
      const rest = (left[giver] ?? 0) - (capacity - own);
      left[giver] = rest;
      (rest < capacity ? small : large).push(giver);
    }
    for (const slot of large) {
      this.#thresholds[slot] = capacity;
      this.#aliases[slot] = slot;
    }
  }

  /** @param word a uniform 32-bit word @returns the index it selects */
  pick(word: number): number {
    const slot = word >>> this.#shift;
    return (word & this.#mask) < (this.#thresholds[slot] ?? 0) ? slot : (this.#aliases[slot] ?? 0);
  }
}
