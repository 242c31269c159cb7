import type { DpEvent } from "../accounting/events.js";
import { PrivacyError } from "../errors.js";
import { requireInteger, requireOpenUnit, requirePositive } from "../parameters.js";
import { sampleDiscreteGaussian } from "../random/discreteGaussian.js";
import { rationalFromNumber } from "../random/rational.js";
import type { RandomSource } from "../random/source.js";

/** How the clip norm follows a quantile of the update norms: Andrew et al. (2021). */
export interface AdaptiveClipping {
  /** γ: the fraction of updates that should pass unclipped; 0.5 follows the median. */
  readonly targetQuantile: number;
  /** η: the clip changes by at most a factor e^η a round; 0.2 in the paper. */
  readonly learningRate: number;
  /** σ_b: standard deviation of the noise on the number of unclipped updates; a twentieth of the cohort in the paper. */
  readonly countNoiseStdDev: number;
  /** The plan's expected cohort: a fixed divisor, never the number that came. */
  readonly expectedCohort: number;
}

/**
 * What a device reports beside its update: +1 when its update passed unclipped, −1 when it was clipped. Without the −1 a
 * report would weigh 1; this way the fraction's count has half the sensitivity, as the paper's b − 1/2.
 *
 * @param norm of the update before clipping
 * @param clipNorm of this round
 */
export function clippingReport(norm: number, clipNorm: number): 1 | -1 {
  return norm <= clipNorm ? 1 : -1;
}

/**
 * Adds the noise to a sum of reports and turns it into the fraction of unclipped updates.
 *
 * @param sumOfReports Σ over participants of ±1; an integer
 * @param settings noise and expected cohort
 * @param random the cryptographic source
 * @returns b̃, about the fraction of unclipped updates; noise can take it out of [0, 1]
 * @throws PrivacyError INVALID_PARAMETER
 */
export function noisedUnclippedFraction(
  sumOfReports: number,
  settings: AdaptiveClipping,
  random: RandomSource,
): number {
  requireSettings(settings);
  if (!Number.isSafeInteger(sumOfReports)) {
    throw new PrivacyError("INVALID_PARAMETER", `The sum of reports must be an integer, not ${sumOfReports}.`);
  }
  const noise = sampleDiscreteGaussian(rationalFromNumber(2 * settings.countNoiseStdDev), random);
  return (1 + (sumOfReports + Number(noise)) / settings.expectedCohort) / 2;
}

/**
 * The next round's clip norm, C·exp(−η(b̃ − γ)): it shrinks when more than the wanted fraction passes *unclipped*.
 * (With the clipped fraction in its place the clip decays to nothing.)
 * Source: Andrew, Thakkar, McMahan, Ramaswamy, "Differentially Private Learning with Adaptive Clipping" (2021), section 2.
 *
 * @param clipNorm of this round, above 0
 * @param unclippedFraction b̃ from `noisedUnclippedFraction`
 * @param settings target and learning rate
 * @throws PrivacyError INVALID_PARAMETER
 */
export function nextClipNorm(clipNorm: number, unclippedFraction: number, settings: AdaptiveClipping): number {
  requirePositive("clipNorm", clipNorm);
  requireSettings(settings);
  if (!Number.isFinite(unclippedFraction)) {
    throw new PrivacyError("INVALID_PARAMETER", `unclippedFraction must be a finite number, not ${unclippedFraction}.`);
  }
  // Noise must not move the clip by more than the fractions 0 and 1 could.
  const fraction = Math.min(1, Math.max(0, unclippedFraction));
  return clipNorm * Math.exp(-settings.learningRate * (fraction - settings.targetQuantile));
}

/**
 * The noise multiplier z_Δ of the updates, when updates and reports together are to cost as much as one Gaussian of
 * multiplier z: z_Δ = (z^−2 − (2σ_b)^−2)^(−1/2).
 *
 * @param noiseMultiplier z of the round as a whole
 * @param settings whose count noise takes part of it
 * @throws PrivacyError INVALID_PARAMETER when the count alone costs more than z allows
 */
export function updateNoiseMultiplier(noiseMultiplier: number, settings: AdaptiveClipping): number {
  requirePositive("noiseMultiplier", noiseMultiplier);
  requireSettings(settings);
  const left = noiseMultiplier ** -2 - (2 * settings.countNoiseStdDev) ** -2;
  if (!(left > 0)) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      `A count noise of ${settings.countNoiseStdDev} costs all that a noise multiplier of ${noiseMultiplier} allows. ` +
        "Raise countNoiseStdDev above half the noise multiplier.",
    );
  }
  return left ** -0.5;
}

/** @returns what releasing the noised count costs */
export function clippingReportEvent(settings: AdaptiveClipping): DpEvent {
  requireSettings(settings);
  return { type: "DiscreteGaussian", sigma: 2 * settings.countNoiseStdDev, sensitivity: 1 };
}

function requireSettings(settings: AdaptiveClipping): void {
  requireOpenUnit("targetQuantile", settings.targetQuantile);
  requirePositive("learningRate", settings.learningRate);
  requirePositive("countNoiseStdDev", settings.countNoiseStdDev);
  requireInteger("expectedCohort", settings.expectedCohort, 1);
}
