/** Releases of queries as rounds make them, in process: contributions quantised and summed, noise on the integers. */
import {
  type AnalyticsQuery,
  contribution,
  contributionLength,
  contributionNorm,
  type NoisedSum,
  type Row,
} from "../../src/analytics/index.js";
import { dequantise, quantise } from "../../src/encoding/rounding.js";
import { addCentralNoise, centralGaussian } from "../../src/mechanisms/central.js";
import { clipL2 } from "../../src/mechanisms/clipping.js";
import type { RandomSource } from "../../src/random/source.js";

/** Σ over people without noise, exact but for rounding to integers. */
export function quantisedSum(
  query: AnalyticsQuery,
  people: readonly (readonly Row[])[],
  random: RandomSource,
): Float64Array {
  const { quantisation } = mechanismOf(query, 1);
  const sum = new Float64Array(contributionLength(query));
  for (const rows of people) {
    const own = contribution(query, rows);
    clipL2(own, contributionNorm(query));
    quantise(own, quantisation, random).forEach((value, i) => {
      sum[i] = (sum[i] ?? 0) + value;
    });
  }
  return sum;
}

function mechanismOf(query: AnalyticsQuery, noiseMultiplier: number) {
  return centralGaussian({
    clipNorm: contributionNorm(query),
    noiseMultiplier,
    bits: 24,
    dimension: contributionLength(query),
  });
}

/** A release of a sum: fresh noise from a seed. */
export function released(
  query: AnalyticsQuery,
  sum: Float64Array,
  members: number,
  noiseMultiplier: number,
  random: RandomSource,
): NoisedSum {
  const mechanism = mechanismOf(query, noiseMultiplier);
  const noised = Float64Array.from(sum);
  addCentralNoise(noised, mechanism, random);
  const { granularity } = mechanism.quantisation;
  const noiseVariance = (mechanism.noiseStdDev * granularity) ** 2 + (members * granularity ** 2) / 6;
  return { sums: dequantise(noised, mechanism.quantisation), noiseVariance, members };
}
