// Which content a person gets, learned on the device from what this person did with the ones before.
import type { RandomNumbers } from "../random/numbers.js";

/** A choice, and how likely it was: without that nothing can be learned from it afterwards. */
export interface BanditChoice {
  readonly arm: string;
  /** Probability of this arm under the policy at that moment, above 0. */
  readonly propensity: number;
}

/** Sums over decisions for one arm, of one device or of many: what a linear model is made of. */
export interface ArmMoments {
  readonly decisions: number;
  /** Σ x xᵀ, row by row: dimension² numbers. */
  readonly gram: readonly number[];
  /** Σ reward · x: dimension numbers. */
  readonly rewards: readonly number[];
}

/** What a bandit starts from, by arm: sums of many devices, noised, as the coordinator releases them. */
export type BanditPrior = Readonly<Record<string, ArmMoments>>;

/** A contextual bandit. Apps bring their own kinds. */
export interface Bandit {
  readonly arms: readonly string[];
  /** The probability of each arm, in their order; each above 0, in all 1. */
  propensities(context: readonly number[]): readonly number[];
  choose(context: readonly number[], random: RandomNumbers): BanditChoice;
  /** @param reward from 0 to 1 */
  learn(context: readonly number[], arm: string, reward: number): void;
}

/** An arm drawn by its probability. */
export function draw(arms: readonly string[], propensities: readonly number[], random: RandomNumbers): BanditChoice {
  let left = random.uniform();
  for (const [at, arm] of arms.entries()) {
    const propensity = propensities[at] ?? 0;
    if (left < propensity) return { arm, propensity };
    left -= propensity;
  }
  // Rounding can leave a rest: it falls to the likeliest.
  const most = propensities.indexOf(Math.max(...propensities));
  return { arm: arms[most] ?? "", propensity: propensities[most] ?? 0 };
}
