import { createHash } from "node:crypto";

const MINUTE_MS = 60_000;
const FIRST_SLOTS = 1_024;

/** A set of 64-bit numbers, 16 bytes each or less: open addressing, at most half full. */
class HashSet64 {
  #high = new Uint32Array(FIRST_SLOTS);
  #low = new Uint32Array(FIRST_SLOTS);
  #size = 0;

  /** @returns false when it was there */
  add(high: number, low: number): boolean {
    // Zero marks a free slot; 1 in 2^64 shares a number with another for that.
    const low1 = high === 0 && low === 0 ? 1 : low;
    if (!this.#place(this.#high, this.#low, high, low1)) return false;
    this.#size += 1;
    if (this.#size * 2 > this.#high.length) this.#grow();
    return true;
  }

  #place(highs: Uint32Array, lows: Uint32Array, high: number, low: number): boolean {
    const mask = highs.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      if (highs[slot] === 0 && lows[slot] === 0) {
        highs[slot] = high;
        lows[slot] = low;
        return true;
      }
      if (highs[slot] === high && lows[slot] === low) return false;
    }
  }

  #grow(): void {
    const highs = new Uint32Array(this.#high.length * 2);
    const lows = new Uint32Array(highs.length);
    this.#high.forEach((high, slot) => {
      const low = this.#low[slot] ?? 0;
      if (high !== 0 || low !== 0) this.#place(highs, lows, high, low);
    });
    this.#high = highs;
    this.#low = lows;
  }
}

/**
 * The nonces of signed requests, for as long as their signed times are accepted. Of each, 64 bits of a hash are kept,
 * with those of the same minute of signed time: a minute whose time is over is dropped as a whole. Two different nonces
 * of one device meet in those bits once in 2^64 pairs; the later one is then refused and signed anew.
 */
export class NonceMemory {
  readonly #keepMs: number;
  readonly #minutes = new Map<number, HashSet64>();

  /** @param keepMs how far a signed time may lie in the past */
  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** Minutes of signed time that are kept. */
  get minutes(): number {
    return this.#minutes.size;
  }

  /**
   * Remembers a nonce.
   *
   * @param timeMs the signed time, within the accepted span around `nowMs`
   * @returns false when it was used before, with the same signed minute
   */
  use(nonce: string, timeMs: number, nowMs: number): boolean {
    for (const minute of this.#minutes.keys()) {
      if ((minute + 1) * MINUTE_MS < nowMs - this.#keepMs) this.#minutes.delete(minute);
    }
    const digest = createHash("sha256").update(nonce).digest();
    const minute = Math.floor(timeMs / MINUTE_MS);
    let set = this.#minutes.get(minute);
    if (set === undefined) {
      set = new HashSet64();
      this.#minutes.set(minute, set);
    }
    return set.add(digest.readUInt32BE(0), digest.readUInt32BE(4));
  }
}
