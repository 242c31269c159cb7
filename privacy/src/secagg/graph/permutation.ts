import type { RandomSource } from "../../random/source.js";

/**
 * A uniformly random order of 0 … count−1 (Fisher and Yates), by rejection so that no order is favoured.
 *
 * @param count at most 2^32
 */
export function randomPermutation(count: number, random: RandomSource): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = uniformBelow(i + 1, random);
    const held = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = held;
  }
  return order;
}

function uniformBelow(bound: number, random: RandomSource): number {
  const word = new Uint32Array(1);
  const bytes = new Uint8Array(word.buffer);
  const limit = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    random.fill(bytes);
    const drawn = word[0] ?? 0;
    if (drawn < limit) return drawn % bound;
  }
}
