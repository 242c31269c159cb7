// What it would take to see a difference: for product people who look at an experiment that does not tell.
import { gaussianEpsilon, gaussianNoiseMultiplier } from "@fedloop/privacy";
import { largestNoise, participantsFor } from "@fedloop/privacy/experiments";

/** What it takes to find a difference with a chance of 80 % in a test of one look at 5 %. */
export interface ExperimentNeed {
  /** The difference, in the outcome's unit. */
  readonly effect: number;
  /** Participants in each arm, with the noise that the query has now. */
  readonly participantsPerArm: number;
  /**
   * ε that the query by itself would need for the participants that there are now; null where they are too few without noise
   * too, or where not even that is known.
   */
  readonly epsilon: number | null;
}

/** How one release of the query is noised. */
export interface NoisedQuery {
  readonly lower: number;
  readonly upper: number;
  /** Of each sum, in participants. */
  readonly noiseStdDev: number;
  /** Of one release by itself; infinite without differential privacy. */
  readonly epsilon: number;
  readonly delta: number;
}

/** Differences that are asked about, as parts of the outcome's range. */
const EFFECTS = [0.05, 0.1, 0.2, 0.4];

/**
 * For differences from small to large. The control is taken to lie where outcomes vary most, so fewer will do elsewhere.
 *
 * @param participantsPerArm that one release has now; 0 where there are none
 */
export function experimentNeeds(query: NoisedQuery, participantsPerArm: number): readonly ExperimentNeed[] {
  const { lower, upper, noiseStdDev } = query;
  return EFFECTS.map((part) => {
    const effect = part * (upper - lower);
    const planned = { baseline: (lower + upper - effect) / 2, effect, lower, upper };
    const bearable = participantsPerArm > 0 ? largestNoise(planned, participantsPerArm) : null;
    return {
      effect,
      participantsPerArm: participantsFor({ ...planned, noiseStdDev }).participantsPerArm,
      epsilon: bearable === null ? null : epsilonWith(query, bearable),
    };
  });
}

/** ε is found by the noise multiplier, which is in proportion to the noise on the sums. */
function epsilonWith({ noiseStdDev, epsilon, delta }: NoisedQuery, bearable: number): number | null {
  if (!(Number.isFinite(epsilon) && epsilon > 0 && bearable > 0)) return null;
  return gaussianEpsilon((gaussianNoiseMultiplier(epsilon, delta) * bearable) / noiseStdDev, delta);
}
