// Looking as often as one likes: a confidence sequence covers the difference at all looks together.
import { requireOpenUnit, requirePositive } from "../parameters.js";
import type { Difference } from "./difference.js";

/** Where a sequence of looks stands. */
export interface SequentialTest {
  /** Differences of all looks so far, weighted by what each tells. */
  readonly value: number;
  /** Covers the true difference at this and all other looks at once. */
  readonly interval: readonly [number, number];
  /** Always valid: below α at any look is reached with probability α at most if there is no difference. */
  readonly pValue: number;
  /** Whether any look so far has excluded no difference. */
  readonly isDecided: boolean;
}

/**
 * The mixture's scale that is tightest at a given information: ρ = V / (−2 ln α + ln(−2 ln α) + 1)
 * (Howard, Ramdas, McAuliffe, Sekhon 2021, section 3.5).
 */
export function mixtureScale(information: number, alpha: number): number {
  requirePositive("information", information);
  requireOpenUnit("alpha", alpha);
  const double = -2 * Math.log(alpha);
  return information / (double + Math.log(double) + 1);
}

/**
 * Normal mixture over looks at different participants, whose differences are independent: S = Σ dᵢ/uᵢ has intrinsic time
 * V = Σ 1/uᵢ, uᵢ being the variance of people and noise together, and stays within √((V + ρ)·ln((V + ρ)/(ρα²))) of its mean at
 * all looks with probability 1 − α (Howard et al. 2021, equation 14; the mixture sequential probability ratio test of
 * Robbins 1970 turned round). Means over many people and Gaussian noise are sub-Gaussian with these variances but for
 * their being estimated.
 *
 * @param looks in their order
 * @param plannedLooks after how many looks like the first the interval is to be tightest
 */
export function confidenceSequence(
  looks: readonly Pick<Difference, "value" | "variance">[],
  {
    alpha = 0.05,
    plannedLooks = Math.max(looks.length, 1),
  }: { readonly alpha?: number; readonly plannedLooks?: number } = {},
): SequentialTest {
  requireOpenUnit("alpha", alpha);
  const [first] = looks;
  if (first === undefined) {
    return { value: 0, interval: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], pValue: 1, isDecided: false };
  }
  // Chosen by what the plan says and by the first look alone: a scale that followed the data would not be valid.
  const scale = mixtureScale(plannedLooks / first.variance, alpha);
  let sum = 0;
  let information = 0;
  let largest = 0;
  for (const { value, variance } of looks) {
    sum += value / variance;
    information += 1 / variance;
    const time = information + scale;
    largest = Math.max(largest, Math.sqrt(scale / time) * Math.exp((sum * sum) / (2 * time)));
  }
  const time = information + scale;
  const half = Math.sqrt(time * Math.log(time / (scale * alpha * alpha))) / information;
  const value = sum / information;
  const pValue = Math.min(1, 1 / largest);
  return { value, interval: [value - half, value + half], pValue, isDecided: pValue <= alpha };
}
