import { gaussianNoiseMultiplier } from "../accounting/gaussian.js";
import { PrivacyError } from "../errors.js";
import { requireOpenUnit, requirePositive } from "../parameters.js";
import { normalCdf, normalQuantile } from "../statistics/normal.js";

/** An experiment that is planned: two arms, one of them the control. */
export interface PlannedExperiment {
  /** Mean outcome in the control arm, and the least difference that is to be found, in the outcome's unit. */
  readonly baseline: number;
  readonly effect: number;
  /** Bounds of the outcome; 0 and 1 for a conversion. */
  readonly lower?: number;
  readonly upper?: number;
  /** Of one participant's outcome; that of a conversion with the baseline as its rate unless given. */
  readonly outcomeVariance?: number;
  /** ε and δ that the experiment's query may spend; no noise unless given. */
  readonly privacy?: { readonly epsilon: number; readonly delta: number };
  /** Standard deviation of the noise on each sum, in participants, where it is known; instead of `privacy`. */
  readonly noiseStdDev?: number;
  /**
   * Part of the devices whose noise the guarantee counts on: honest, and not dropped out. All add noise, so the sum has more
   * than it needs by the inverse of this. 1 where the coordinator adds it.
   */
  readonly guaranteedFraction?: number;
  readonly alpha?: number;
  /** Chance to find the effect. */
  readonly power?: number;
}

export interface PowerAnswer {
  readonly participantsPerArm: number;
  readonly power: number;
  /** Standard deviation of the noise on each sum, in participants. */
  readonly noiseStdDev: number;
  /** How many times more participants than without noise. */
  readonly costOfPrivacy: number;
}

const MOST_PARTICIPANTS = 1e9;

/** L2 norm of a participant's contribution to an experiment's query: 1, outcome and square. */
const EXPERIMENT_NORM = Math.sqrt(3);

function noiseVarianceOf({ privacy, noiseStdDev, guaranteedFraction = 1 }: PlannedExperiment): number {
  if (noiseStdDev !== undefined) return noiseStdDev * noiseStdDev;
  if (privacy === undefined) return 0;
  if (!(guaranteedFraction > 0 && guaranteedFraction <= 1)) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      `guaranteedFraction must be above 0 and at most 1, not ${guaranteedFraction}.`,
    );
  }
  const multiplier = gaussianNoiseMultiplier(privacy.epsilon, privacy.delta);
  return (multiplier * EXPERIMENT_NORM) ** 2 / guaranteedFraction;
}

/** Variance of the difference of two arms of so many participants each: people, and the noise of count and sum. */
function varianceOf(experiment: PlannedExperiment, perArm: number, noiseVariance: number): number {
  const { baseline, effect, lower = 0, upper = 1 } = experiment;
  const half = (upper - lower) / 2;
  const scaled = (mean: number): number => (mean - lower - half) / half;
  const rate = (mean: number): number => (mean - lower) * (upper - mean);
  return [baseline, baseline + effect].reduce((sum, mean) => {
    const outcome = experiment.outcomeVariance ?? rate(mean);
    const noise = (half * half * noiseVariance * (1 + scaled(mean) ** 2)) / (perArm * perArm);
    return sum + outcome / perArm + noise;
  }, 0);
}

/** The chance to find the effect with so many participants in each arm. @throws PrivacyError INVALID_PARAMETER */
export function powerOf(experiment: PlannedExperiment, participantsPerArm: number): number {
  requirePlan(experiment);
  requirePositive("participantsPerArm", participantsPerArm);
  return chance(experiment, participantsPerArm, noiseVarianceOf(experiment));
}

function chance(experiment: PlannedExperiment, perArm: number, noiseVariance: number): number {
  const { effect, alpha = 0.05 } = experiment;
  const z = Math.abs(effect) / Math.sqrt(varianceOf(experiment, perArm, noiseVariance));
  const critical = normalQuantile(1 - alpha / 2);
  return normalCdf(z - critical) + normalCdf(-z - critical);
}

function requirePlan({ baseline, effect, lower = 0, upper = 1, alpha = 0.05, power = 0.8 }: PlannedExperiment): void {
  requireOpenUnit("alpha", alpha);
  requireOpenUnit("power", power);
  if (
    !(
      lower < upper &&
      baseline >= lower &&
      baseline <= upper &&
      baseline + effect >= lower &&
      baseline + effect <= upper
    )
  ) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      `The baseline and the baseline with the effect must lie between ${lower} and ${upper}, not at ${baseline} and ${baseline + effect}.`,
    );
  }
  if (effect === 0)
    throw new PrivacyError("INVALID_PARAMETER", "An effect of 0 cannot be found; name the least that matters.");
}

/** The fewest participants in each arm with which the effect is found with the wanted chance. */
export function participantsFor(experiment: PlannedExperiment): PowerAnswer {
  requirePlan(experiment);
  const noiseVariance = noiseVarianceOf(experiment);
  const perArm = fewest(experiment, noiseVariance);
  return {
    participantsPerArm: perArm,
    power: chance(experiment, perArm, noiseVariance),
    noiseStdDev: Math.sqrt(noiseVariance),
    costOfPrivacy: perArm / fewest(experiment, 0),
  };
}

/** Halvings that leave no digit of a double to be found. */
const HALVINGS = 60;

/**
 * The most noise with which so many participants in each arm still find the effect, as a standard deviation of each sum in
 * participants.
 *
 * @returns null where they would not find it without noise either
 * @throws PrivacyError INVALID_PARAMETER
 */
export function largestNoise(experiment: PlannedExperiment, participantsPerArm: number): number | null {
  requirePlan(experiment);
  requirePositive("participantsPerArm", participantsPerArm);
  const { power = 0.8 } = experiment;
  const isEnough = (noise: number): boolean => chance(experiment, participantsPerArm, noise * noise) >= power;
  if (!isEnough(0)) return null;
  // Noise of as many people as there are drowns them: the answer lies below.
  let low = 0;
  let high = participantsPerArm;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (isEnough(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function fewest(experiment: PlannedExperiment, noiseVariance: number): number {
  const { power = 0.8 } = experiment;
  let high = 2;
  while (chance(experiment, high, noiseVariance) < power) {
    high *= 2;
    if (high > MOST_PARTICIPANTS) {
      throw new PrivacyError(
        "TARGET_UNREACHABLE",
        `Not even ${MOST_PARTICIPANTS} participants in each arm find this effect.`,
      );
    }
  }
  let low = high / 2;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (chance(experiment, middle, noiseVariance) < power) low = middle;
    else high = middle;
  }
  return high;
}
