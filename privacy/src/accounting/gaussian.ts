import { logErfc } from "../numerics/erfc.js";
import { requirePositive } from "../parameters.js";
import { requireDelta, requireEpsilon, roundedUp } from "./accountant.js";

/**
 * The exact δ of the Gaussian mechanism: Φ(μ/2 − ε/μ) − e^ε·Φ(−μ/2 − ε/μ) with μ = 1 / noiseMultiplier.
 * Source: Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy" (2018), Theorem 8.
 *
 * @param noiseMultiplier σ over the L2 sensitivity
 * @param epsilon at least 0
 * @throws PrivacyError INVALID_PARAMETER
 */
export function gaussianDelta(noiseMultiplier: number, epsilon: number): number {
  requirePositive("noiseMultiplier", noiseMultiplier);
  requireEpsilon(epsilon);
  return Math.exp(logDelta(1 / noiseMultiplier, epsilon));
}

/**
 * The exact ε of the Gaussian mechanism at δ, rounded up.
 *
 * @param noiseMultiplier σ over the L2 sensitivity
 * @param delta at least 1e-12
 * @throws PrivacyError INVALID_PARAMETER, DELTA_TOO_SMALL
 */
export function gaussianEpsilon(noiseMultiplier: number, delta: number): number {
  requirePositive("noiseMultiplier", noiseMultiplier);
  requireDelta(delta);
  const shift = 1 / noiseMultiplier;
  const target = Math.log(delta);
  if (logDelta(shift, 0) <= target) {
    return 0;
  }
  // P(L > ε) bounds δ, and the loss is N(μ²/2, μ²): 8 standard deviations are beyond every δ accepted.
  const high = (shift * shift) / 2 + 8 * shift;
  if (!Number.isFinite(high)) {
    return Number.POSITIVE_INFINITY;
  }
  return roundedUp(smallest(0, high, (epsilon) => logDelta(shift, epsilon) <= target));
}

/**
 * The smallest noise multiplier of a Gaussian mechanism that is (ε, δ)-differentially private, rounded up.
 *
 * @param epsilon above 0
 * @param delta at least 1e-12
 * @throws PrivacyError INVALID_PARAMETER, DELTA_TOO_SMALL
 */
export function gaussianNoiseMultiplier(epsilon: number, delta: number): number {
  requirePositive("epsilon", epsilon);
  requireDelta(delta);
  const target = Math.log(delta);
  let high = 1;
  while (logDelta(1 / high, epsilon) > target) {
    high *= 2;
  }
  let low = high / 2;
  while (logDelta(1 / low, epsilon) <= target) {
    high = low;
    low /= 2;
  }
  return roundedUp(smallest(low, high, (noiseMultiplier) => logDelta(1 / noiseMultiplier, epsilon) <= target));
}

/** The smallest number for which a condition holds that holds from some point on; up to the last bit, rounded up. */
function smallest(low: number, high: number, holds: (value: number) => boolean): number {
  let below = low;
  let above = high;
  for (;;) {
    const middle = (below + above) / 2;
    if (!(middle > below && middle < above)) {
      return above;
    }
    if (holds(middle)) {
      above = middle;
    } else {
      below = middle;
    }
  }
}

/** ln δ, from the two logarithms of normal tails: they are within a factor of each other only for ε near 0. */
function logDelta(shift: number, epsilon: number): number {
  const upper = logErfc((epsilon / shift - shift / 2) * Math.SQRT1_2) - Math.LN2;
  const lower = epsilon + logErfc((epsilon / shift + shift / 2) * Math.SQRT1_2) - Math.LN2;
  return upper + Math.log(-Math.expm1(lower - upper));
}
