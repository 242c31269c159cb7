import type { RandomSource } from "../../src/random/source.js";

/**
 * A reproducible source for tests: xoshiro128** seeded by splitmix32. Fast and statistically sound, and predictable:
 * nothing outside this test folder can reach it.
 */
export function seededRandom(seed: number): RandomSource {
  let mix = seed >>> 0;
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix();
  const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  return {
    fill(bytes: Uint8Array): void {
      for (let i = 0; i < bytes.length; ) {
        let word = next();
        for (let k = 0; k < 4 && i < bytes.length; k++, i++) {
          bytes[i] = word & 0xff;
          word >>>= 8;
        }
      }
    },
  };
}

/** Bytes given one after the other, to lead a sampler down a wanted path; throws when they run out. */
export function scriptedRandom(words: readonly number[]): RandomSource {
  let at = 0;
  return {
    fill(bytes: Uint8Array): void {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < bytes.length; i += 4) {
        view.setUint32(i, words[at++ % words.length] ?? 0, true);
      }
    },
  };
}
