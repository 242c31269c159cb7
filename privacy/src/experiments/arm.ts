import type { ArmMoments } from "../analytics/estimate.js";

/** What an experiment's query released, and what its numbers mean. */
export interface ReleasedExperiment {
  readonly arms: readonly ArmMoments[];
  /** Bounds of the outcome: sums are of outcomes scaled to −1 … 1 between them. */
  readonly lower: number;
  readonly upper: number;
  /** Of each sum. */
  readonly noiseVariance: number;
}

/** An arm's mean outcome, in the outcome's own unit. */
export interface ArmMean {
  readonly arm: string;
  /** Participants, by the noised count. */
  readonly count: number;
  readonly mean: number;
  /** How far the mean may lie from that of all who could have taken part, were there no noise. */
  readonly samplingVariance: number;
  /** What noise on count and sum adds, by the delta method. */
  readonly noiseVariance: number;
}

/** With fewer participants than this many noise deviations an arm has no mean to speak of. */
const FEWEST_DEVIATIONS = 4;

/** An arm with no more participants than this, by its noised count, is not told from an empty one. */
export function fewestToTell(noiseVariance: number): number {
  return Math.max(1, FEWEST_DEVIATIONS * Math.sqrt(noiseVariance));
}

/**
 * Mean and variance of an arm. The outcome's variance comes from the noised square, held to what its bounds allow.
 *
 * @returns null for an arm that is not told from an empty one
 */
export function armMean(
  { arm, sums }: ArmMoments,
  { lower, upper, noiseVariance }: ReleasedExperiment,
): ArmMean | null {
  const [count, scaled, squared] = sums;
  if (!(count > fewestToTell(noiseVariance))) return null;
  const half = (upper - lower) / 2;
  const mean = Math.min(Math.max(scaled / count, -1), 1);
  // A number between −1 and 1 of this mean has at most this variance, where two people who differ from all others are
  // thought in: who has seen 12 of 12 succeed does not know that all do (Agresti and Coull 1998).
  const most = 1 - ((mean * count) / (count + 2)) ** 2;
  const variance = Math.min(Math.max(squared / count - mean * mean, 4 / count), most);
  return {
    arm,
    count,
    mean: lower + half + half * mean,
    samplingVariance: (half * half * variance) / count,
    noiseVariance: (half * half * noiseVariance * (1 + mean * mean)) / (count * count),
  };
}

/** The sums of several releases over different participants as one. */
export function pooled(releases: readonly ReleasedExperiment[]): ReleasedExperiment | null {
  const [first] = releases;
  if (first === undefined) return null;
  const arms = first.arms.map(({ arm }, at): ArmMoments => {
    const total = (index: 0 | 1 | 2): number =>
      releases.reduce((sum, release) => sum + (release.arms[at]?.sums[index] ?? 0), 0);
    return { arm, sums: [total(0), total(1), total(2)] };
  });
  return { ...first, arms, noiseVariance: releases.reduce((sum, release) => sum + release.noiseVariance, 0) };
}
