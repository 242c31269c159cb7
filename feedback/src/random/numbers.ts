// Random numbers for choices and simulations. Never for privacy: noise and masks are @fedloop/privacy's.
import { sha256 } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";

/** Uniform and normal numbers from a stream of 32-bit words. */
export class RandomNumbers {
  readonly #word: () => number;
  #spare: number | undefined;

  /** @param word the next uniform integer from 0 to 2^32 − 1 */
  constructor(word: () => number) {
    this.#word = word;
  }

  /** Uniform in [0, 1), a multiple of 2^-53. */
  uniform(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  /** A uniform integer from 0 to bound − 1. @param bound from 1 to 2^32 */
  below(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Normal with mean 0 and variance 1, by Marsaglia's polar method. */
  gaussian(): number {
    const spare = this.#spare;
    if (spare !== undefined) {
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      const x = 2 * this.uniform() - 1;
      const y = 2 * this.uniform() - 1;
      const s = x * x + y * y;
      if (s === 0 || s >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(s)) / s);
      this.#spare = y * scale;
      return x * scale;
    }
  }

  /** Puts a list into a random order, in place. */
  shuffle<T>(list: T[]): T[] {
    for (let at = list.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      const [a, b] = [list[at], list[other]];
      if (a !== undefined && b !== undefined) [list[at], list[other]] = [b, a];
    }
    return list;
  }
}

/**
 * The same numbers for the same seed, everywhere: sfc32 (Doty-Humphrey, PractRand), its state the first 12 bytes of the
 * SHA-256 of the seed.
 *
 * @param seed any text or number
 */
export function seededNumbers(seed: string | number): RandomNumbers {
  const digest = new DataView(sha256(new TextEncoder().encode(`fedloop/seed ${seed}`)).slice().buffer);
  let a = digest.getInt32(0);
  let b = digest.getInt32(4);
  let c = digest.getInt32(8);
  let counter = 1;
  const word = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + result) | 0;
    return result >>> 0;
  };
  for (let round = 0; round < 12; round++) word();
  return new RandomNumbers(word);
}

/** Numbers from the platform's generator, or another source of @fedloop/privacy. */
export function numbersFrom(source: RandomSource): RandomNumbers {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  return new RandomNumbers(() => {
    source.fill(bytes);
    return view.getUint32(0);
  });
}
