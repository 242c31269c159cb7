import type { DpEvent } from "../accounting/events.js";
import { LARGEST_INTEGER_NORM } from "../encoding/integerNorm.js";
import { type Quantisation, quantisationFor } from "../encoding/quantisation.js";
import { PrivacyError } from "../errors.js";
import { requireInteger, requirePositive } from "../parameters.js";
import { DiscreteGaussianSampler } from "../random/gaussianSampler.js";
import type { RandomSource } from "../random/source.js";

/** What a plan chooses for central noise. */
export interface CentralGaussianParameters {
  /** L2 norm that every update is clipped to. */
  readonly clipNorm: number;
  /** Standard deviation of the noise over the sensitivity. */
  readonly noiseMultiplier: number;
  /** Bits per coordinate of an update on the wire. */
  readonly bits: number;
  /** Coordinates of an update. */
  readonly dimension: number;
}

/** A discrete Gaussian on the sum of quantised updates, added by the coordinator; calibrated from the clip norm. */
export interface CentralGaussian {
  readonly quantisation: Quantisation;
  readonly clipNorm: number;
  readonly noiseMultiplier: number;
  /** σ of the noise in integer steps: noiseMultiplier · integerNormBound. */
  readonly noiseStdDev: number;
  /** What one release costs; the sensitivity is the integer norm bound, for one participant added or removed. */
  readonly event: DpEvent;
}

const NOISE_CHUNK = 65_536;

/**
 * Central differential privacy for one round: updates of norm at most `clipNorm` are rounded to integers of norm at
 * most `quantisation.integerNormBound` (each is checked on arrival), and discrete Gaussian noise is added to their
 * integer sum. Noise goes on integers because noise in floating point leaks the value it hides (Mironov 2012).
 *
 * @throws PrivacyError INVALID_PARAMETER; OUT_OF_RANGE when the bits are too few for the dimension
 */
export function centralGaussian(parameters: CentralGaussianParameters): CentralGaussian {
  const { clipNorm, noiseMultiplier, bits, dimension } = parameters;
  requirePositive("noiseMultiplier", noiseMultiplier);
  requireInteger("bits", bits, 2, 32);
  const integerNormBound = Math.min(2 ** (bits - 1) - 1, LARGEST_INTEGER_NORM);
  const quantisation = quantisationFor(clipNorm, integerNormBound, dimension, bits);
  const noiseStdDev = noiseMultiplier * integerNormBound;
  return {
    quantisation,
    clipNorm,
    noiseMultiplier,
    noiseStdDev,
    event: { type: "DiscreteGaussian", sigma: noiseStdDev, sensitivity: integerNormBound, dimension },
  };
}

/**
 * Adds the mechanism's noise to a sum of quantised updates, in place. Once, for one release.
 *
 * @param sum integers; overwritten with integers
 * @param mechanism from `centralGaussian`
 * @param random the cryptographic source
 * @throws PrivacyError OUT_OF_RANGE when a coordinate is not an integer a double can hold after the noise
 */
export function addCentralNoise(sum: Float64Array, mechanism: CentralGaussian, random: RandomSource): void {
  const sampler = new DiscreteGaussianSampler(mechanism.noiseStdDev, random);
  const limit = Number.MAX_SAFE_INTEGER - sampler.largest;
  for (let i = 0; i < sum.length; i++) {
    const value = sum[i] ?? 0;
    if (!Number.isInteger(value) || Math.abs(value) > limit) {
      throw new PrivacyError(
        "OUT_OF_RANGE",
        `Coordinate ${i} of the sum is not an integer of magnitude at most ${limit}. Nothing was changed.`,
      );
    }
  }
  const noise = new Float64Array(Math.min(NOISE_CHUNK, sum.length));
  for (let start = 0; start < sum.length; start += noise.length) {
    const chunk = noise.subarray(0, Math.min(noise.length, sum.length - start));
    sampler.fill(chunk);
    for (let i = 0; i < chunk.length; i++) {
      sum[start + i] = (sum[start + i] ?? 0) + (chunk[i] ?? 0);
    }
  }
  noise.fill(0);
}
