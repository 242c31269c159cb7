/** Seeded draws for simulated experiments. Not for privacy: these are the people, and noise whose shape is known. */
import { seededRandom } from "../random/seeded.js";

export interface Chance {
  uniform(): number;
  normal(): number;
  /** Successes of so many people at a rate. */
  binomial(people: number, rate: number): number;
}

/** So few people are drawn one by one. */
const FEW = 32;
const MOST_DISTRIBUTIONS = 2_000;

function binomialDistribution(people: number, rate: number): Float64Array {
  const distribution = new Float64Array(people + 1);
  let logChance = people * Math.log1p(-rate);
  let sum = 0;
  for (let k = 0; k <= people; k++) {
    sum += Math.exp(logChance);
    distribution[k] = sum;
    logChance += Math.log((people - k) / (k + 1)) + Math.log(rate) - Math.log1p(-rate);
  }
  return distribution;
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
  const distributions = new Map<string, Float64Array>();
  /** One draw for all people: the first number of successes whose distribution function is above it. */
  const inverted = (people: number, rate: number): number => {
    const name = `${people} ${rate}`;
    if (distributions.size > MOST_DISTRIBUTIONS) distributions.clear();
    const known = distributions.get(name) ?? binomialDistribution(people, rate);
    distributions.set(name, known);
    const draw = uniform();
    let [low, high] = [0, people];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((known[middle] ?? 1) > draw) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const binomial = (people: number, rate: number): number => {
    if (people > FEW && rate > 0 && rate < 1) return inverted(people, rate);
    let successes = 0;
    for (let i = 0; i < people; i++) successes += uniform() < rate ? 1 : 0;
    return successes;
  };
  return { uniform, normal, binomial };
}
