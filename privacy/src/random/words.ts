import type { RandomSource } from "./source.js";

/** Uniform 32-bit words and exact uniform integers, read from a source through a buffer. */
export class UniformWords {
  readonly #source: RandomSource;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  #used: number;

  /**
   * @param source where the bits come from
   * @param bufferWords how many 32-bit words to draw at a time
   */
  constructor(source: RandomSource, bufferWords: number = 64) {
    this.#source = source;
    this.#words = new Uint32Array(bufferWords);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.#used = bufferWords;
  }

  /** @returns a uniform integer in [0, 2^32) */
  next(): number {
    if (this.#used === this.#words.length) {
      this.#source.fill(this.#bytes);
      this.#used = 0;
    }
    // The index is below the length, so the default is never taken.
    return this.#words[this.#used++] ?? 0;
  }

  /** @returns a uniform integer in [0, 2^53) */
  next53(): number {
    return (this.next() >>> 11) * 4_294_967_296 + this.next();
  }

  /**
   * @param bits how many bits, at least 0
   * @returns a uniform integer in [0, 2^bits)
   */
  bits(bits: number): bigint {
    let value = 0n;
    let missing = bits;
    while (missing >= 32) {
      value = (value << 32n) | BigInt(this.next());
      missing -= 32;
    }
    return missing === 0 ? value : (value << BigInt(missing)) | BigInt(this.next() >>> (32 - missing));
  }

  /**
   * @param limit above 0
   * @returns a uniform integer in [0, limit), exactly, by rejection
   */
  below(limit: bigint): bigint {
    const bits = (limit - 1n).toString(2).length;
    for (;;) {
      const candidate = this.bits(bits);
      if (candidate < limit) {
        return candidate;
      }
    }
  }
}
