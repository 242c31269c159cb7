import type { DpEvent } from "../accounting/events.js";
import { LARGEST_INTEGER_NORM } from "../encoding/integerNorm.js";
import { paddedDimension } from "../encoding/paddedDimension.js";
import { type Quantisation, roundedNormBound } from "../encoding/quantisation.js";
import { PrivacyError } from "../errors.js";
import { requireInteger, requirePositive } from "../parameters.js";

/** Which noise a device adds. */
export type DistributedNoise = "discrete-gaussian" | "skellam";

/** What a plan chooses for noise on the devices. */
export interface DistributedParameters {
  readonly noise: DistributedNoise;
  /** L2 norm that every update is clipped to. */
  readonly clipNorm: number;
  /** σ of the noise that is guaranteed in the sum, over the sensitivity. */
  readonly noiseMultiplier: number;
  /** The sum is modulo 2^bits. */
  readonly bits: number;
  /** Coordinates of an update. */
  readonly dimension: number;
  /** Devices that the round starts with. */
  readonly cohort: number;
  /** Fraction of the cohort that may be in league with the server, and whose noise counts for nothing. */
  readonly corruptFraction: number;
  /** Fraction of the cohort that may drop out. A round that loses more is abandoned. */
  readonly dropoutFraction: number;
  /** Standard deviations of the sum's coordinates that the modulus holds on each side; 4 unless told otherwise. */
  readonly wrapStdDevs?: number;
}

/** Noise added by the devices, so that the server sees noised sums only. */
export interface DistributedMechanism {
  readonly noise: DistributedNoise;
  readonly quantisation: Quantisation;
  readonly clipNorm: number;
  readonly noiseMultiplier: number;
  readonly dimension: number;
  /** Coordinates of what travels: the dimension, padded to a power of two. */
  readonly length: number;
  /**
   * Honest devices that are guaranteed to be in a sum of `minimumSurvivors`: all corrupt devices may be among the survivors,
   * so these are (1 − dropout − corrupt)·cohort, a little fewer than (1 − dropout)(1 − corrupt)·cohort.
   */
  readonly honestSurvivors: number;
  /** Fewest devices, honest or not, with which the round may complete: ⌈(1 − dropout)·cohort⌉. */
  readonly minimumSurvivors: number;
  /** σ of one device's noise, in integer steps. */
  readonly deviceNoiseStdDev: number;
  /** No coordinate of a device's vector is above this in magnitude, noise included. */
  readonly valueBound: number;
  /** What one release costs, with the noise of the guaranteed honest survivors only. */
  readonly event: DpEvent;
}

const WRAP_STD_DEVS = 4;

/**
 * Distributed differential privacy for one round under secure aggregation: each device rotates its clipped update, rounds it
 * at random to integers of bounded norm and adds discrete Gaussian or Skellam noise; only the sum modulo 2^bits is seen. σ per device is calibrated to the guaranteed honest survivors. The granularity is the finest at which a
 * coordinate of the sum stays within the modulus by `wrapStdDevs` standard deviations even if all updates are equal; what
 * wraps nevertheless is error, never a loss of privacy.
 * Source: Kairouz, Liu, Steinke (2021), sections 4 and 5; Agarwal, Kairouz, Liu (2021) for Skellam noise.
 *
 * @throws PrivacyError INVALID_PARAMETER; OUT_OF_RANGE when no granularity fits the bits
 */
export function distributedMechanism(parameters: DistributedParameters): DistributedMechanism {
  const { noise, clipNorm, noiseMultiplier, bits, dimension, cohort, corruptFraction, dropoutFraction } = parameters;
  requirePositive("clipNorm", clipNorm);
  requirePositive("noiseMultiplier", noiseMultiplier);
  requireInteger("bits", bits, 4, 32);
  requireInteger("dimension", dimension, 1, 2 ** 28);
  requireInteger("cohort", cohort, 1, 2 ** 24);
  requireFraction("corruptFraction", corruptFraction);
  requireFraction("dropoutFraction", dropoutFraction);
  const wrapStdDevs = requirePositive("wrapStdDevs", parameters.wrapStdDevs ?? WRAP_STD_DEVS);
  // Fractions such as 0.1 lie a little off; a relative 2^-40 keeps 0.9 · 10 from being 8.
  const minimumSurvivors = Math.max(1, Math.ceil((1 - dropoutFraction) * cohort * (1 - 2 ** -40)));
  const honestSurvivors = minimumSurvivors - Math.floor(corruptFraction * cohort * (1 + 2 ** -40));
  if (honestSurvivors < 1) {
    throw new PrivacyError(
      "INVALID_PARAMETER",
      `Of ${cohort} devices none is guaranteed to be honest and to stay. Ask for a larger cohort or allow less.`,
    );
  }
  const length = paddedDimension(dimension);
  const largest = 2 ** (bits - 1) - 1;
  const perDevice = (norm: number): number => (noiseMultiplier * norm) / Math.sqrt(honestSurvivors);
  const reach = NOISE_REACH[noise];
  // In integer steps: a clip of `scaled` steps, rounded, noised and summed, must fit the modulus.
  const fits = (scaled: number): boolean => {
    const norm = Math.ceil(roundedNormBound(scaled, length));
    const sigma = perDevice(norm);
    const signal = (cohort * cohort * scaled * scaled) / length;
    const sumStdDev = Math.sqrt(signal + cohort / 4 + cohort * sigma * sigma);
    return wrapStdDevs * sumStdDev <= largest && norm + reach(sigma) <= largest;
  };
  let low = 0;
  let high = MOST_CLIP_STEPS;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const integerNormBound = Math.ceil(roundedNormBound(low, length));
  const deviceNoiseStdDev = perDevice(integerNormBound);
  if (!(integerNormBound <= MOST_INFLATION * low) || deviceNoiseStdDev < LEAST_NOISE) {
    throw new PrivacyError(
      "OUT_OF_RANGE",
      `${bits} bits are too few for ${cohort} devices, ${length} coordinates and a noise multiplier of ` +
        `${noiseMultiplier}: rounding would drown the updates. Use more bits.`,
    );
  }
  return {
    noise,
    quantisation: { granularity: clipNorm / low, integerNormBound, bits },
    clipNorm,
    noiseMultiplier,
    dimension,
    length,
    honestSurvivors,
    minimumSurvivors,
    deviceNoiseStdDev,
    valueBound: Math.min(largest, Math.ceil(integerNormBound + reach(deviceNoiseStdDev))),
    event: distributedEvent(noise, deviceNoiseStdDev, honestSurvivors, integerNormBound, length),
  };
}

/** How far from zero a sample of one device's noise can be: what the samplers draw, and the width of a block. */
const NOISE_REACH: Readonly<Record<DistributedNoise, (sigma: number) => number>> = {
  "discrete-gaussian": (sigma) => 13.6 * sigma + 2,
  skellam: (sigma) => 19.2 * sigma + 65,
};

/** Rounding may double the sensitivity, and with it the noise, at most. */
const MOST_INFLATION = 2;

/** Kairouz, Liu, Steinke (2021) add up discrete Gaussians of at least this σ. */
const LEAST_NOISE = 0.5;

/** A clip norm of more steps than this would be rounded to norms that cannot be checked exactly. */
const MOST_CLIP_STEPS: number = LARGEST_INTEGER_NORM / 2;

function distributedEvent(
  noise: DistributedNoise,
  noiseStdDev: number,
  devices: number,
  l2Sensitivity: number,
  dimension: number,
): DpEvent {
  // Integer vectors: |x| ≤ x², so the L1 norm is at most the square of the L2 norm, and at most √d times it.
  const l1Sensitivity = l2Sensitivity * Math.min(Math.sqrt(dimension), l2Sensitivity);
  return noise === "skellam"
    ? { type: "Skellam", noiseStdDev: noiseStdDev * Math.sqrt(devices), l1Sensitivity, l2Sensitivity }
    : { type: "DistributedDiscreteGaussian", noiseStdDev, devices, l1Sensitivity, l2Sensitivity, dimension };
}

function requireFraction(name: string, value: number): void {
  if (!(value >= 0 && value < 1)) {
    throw new PrivacyError("INVALID_PARAMETER", `${name} must be at least 0 and below 1, not ${value}.`);
  }
}
