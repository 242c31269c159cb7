/** Seeded draws for simulated experiments. Not for privacy: these are the people, and noise whose shape is known. */
import { seededRandom } from "../random/seeded.js";

export interface Chance {
  uniform(): number;
  normal(): number;
  /** Successes of so many people at a rate. */
  binomial(people: number, rate: number): number;
}

export function chance(seed: number): Chance {
  const source = seededRandom(seed);
  const bytes = new Uint8Array(4 * 4_096);
  const words = new Uint32Array(bytes.buffer);
  let at = words.length;
  const uniform = (): number => {
    if (at === words.length) {
      source.fill(bytes);
      at = 0;
    }
    return ((words[at++] ?? 0) + 0.5) / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const binomial = (people: number, rate: number): number => {
    let successes = 0;
    for (let i = 0; i < people; i++) successes += uniform() < rate ? 1 : 0;
    return successes;
  };
  return { uniform, normal, binomial };
}
