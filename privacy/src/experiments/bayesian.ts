import type { ArmMoments } from "../analytics/estimate.js";
import { normalCdf, normalDensity, normalQuantile } from "../statistics/normal.js";
import type { Difference } from "./difference.js";

/** What is believed of a difference once it was seen. */
export interface Posterior {
  readonly mean: number;
  readonly variance: number;
  readonly interval: readonly [number, number];
  /** That the arm is better than the control. */
  readonly probabilityBetter: number;
  /** What choosing the arm would cost on average, were it the worse one. */
  readonly expectedLoss: number;
}

/**
 * Normal prior, normal likelihood: noise that is added to sums is Gaussian, so taking it out of the likelihood by
 * integration adds its variance to that of the people.
 *
 * @param priorStdDev of true differences around 0, in the outcome's unit
 */
export function normalPosterior(
  { value, variance }: Pick<Difference, "value" | "variance">,
  priorStdDev: number,
): Posterior {
  const prior = priorStdDev * priorStdDev;
  const kept = prior / (prior + variance);
  return posterior(kept * value, kept * variance);
}

function posterior(mean: number, variance: number): Posterior {
  const deviation = Math.sqrt(variance);
  const half = normalQuantile(0.975) * deviation;
  const z = mean / deviation;
  return {
    mean,
    variance,
    interval: [mean - half, mean + half],
    probabilityBetter: normalCdf(z),
    // E[max(−d, 0)] of a normal d.
    expectedLoss: deviation * normalDensity(z) - mean * normalCdf(-z),
  };
}

/** Points of a rate at which its posterior is kept. */
const GRID = 4_000;

/** Posterior of a rate: probabilities of GRID cells from 0 to 1. */
export type RatePosterior = Float64Array;

/**
 * Beta prior, binomial outcome, noise marginalised. An outcome of 0 or 1 is released as −1 or 1, so x = Σ scaled is
 * n(2p − 1) on average: given the rate p, x/2 + (½ − p)·n is normal with variance n·p(1−p) + v(¼ + (½ − p)²), people and
 * noise together.
 *
 * @param arm of an experiment whose outcome is 0 or 1
 * @param noiseVariance v of each of its sums
 * @param prior of a Beta distribution, both 1 unless told otherwise
 */
export function ratePosterior(
  { sums: [count, scaled] }: Pick<ArmMoments, "sums">,
  noiseVariance: number,
  prior: { readonly alpha: number; readonly beta: number } = { alpha: 1, beta: 1 },
): RatePosterior {
  const logs = new Float64Array(GRID);
  const people = Math.max(count, 1);
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < GRID; i++) {
    const p = (i + 0.5) / GRID;
    const variance = people * p * (1 - p) + noiseVariance * (0.25 + (0.5 - p) ** 2);
    const error = scaled / 2 + (0.5 - p) * count;
    logs[i] =
      (prior.alpha - 1) * Math.log(p) +
      (prior.beta - 1) * Math.log(1 - p) -
      (error * error) / (2 * variance) -
      Math.log(variance) / 2;
    most = Math.max(most, logs[i] ?? 0);
  }
  const weights = logs.map((log) => Math.exp(log - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** What two posteriors of rates say of arm and control. */
export function compareRates(control: RatePosterior, arm: RatePosterior): Posterior {
  let below = 0;
  let better = 0;
  let loss = 0;
  let controlBelow = 0;
  const moments = [control, arm].map((rate) => {
    let mean = 0;
    let square = 0;
    rate.forEach((weight, i) => {
      const p = (i + 0.5) / GRID;
      mean += weight * p;
      square += weight * p * p;
    });
    return { mean, variance: square - mean * mean };
  });
  const controlMean = moments[0]?.mean ?? 0;
  const armMean = moments[1]?.mean ?? 0;
  for (let i = 0; i < GRID; i++) {
    const p = (i + 0.5) / GRID;
    const here = control[i] ?? 0;
    const own = arm[i] ?? 0;
    better += own * (below + here / 2);
    below += here;
    controlBelow += here * p;
    // E[(control − arm)⁺ | arm = p]: the control's mean above p, less p times its chance to be there.
    loss += own * (controlMean - controlBelow - p * (1 - below));
  }
  const mean = armMean - controlMean;
  const variance = (moments[0]?.variance ?? 0) + (moments[1]?.variance ?? 0);
  const half = normalQuantile(0.975) * Math.sqrt(variance);
  return {
    mean,
    variance,
    interval: [mean - half, mean + half],
    probabilityBetter: better,
    expectedLoss: Math.max(loss, 0),
  };
}
