import type { DpEvent } from "../accounting/events.js";
import { LARGEST_INTEGER_NORM } from "../encoding/integerNorm.js";
import { type Quantisation, quantisationFor } from "../encoding/quantisation.js";
import { PrivacyError } from "../errors.js";
import { requireInteger, requirePositive } from "../parameters.js";

/** What example-level training is told. The unit of its guarantee is one example, added or removed. */
export interface DpSgdParameters {
  /** L2 norm that each example's gradient is clipped to. */
  readonly clipNorm: number;
  /** Standard deviation of the noise over the clip norm. */
  readonly noiseMultiplier: number;
  /** Each example enters each step's batch with this probability, independently. */
  readonly samplingProbability: number;
  readonly steps: number;
  /** Numbers in a gradient. */
  readonly dimension: number;
}

/** DP-SGD (Abadi et al. 2016) on integers: gradients are clipped one by one, rounded, summed, and noised. */
export interface DpSgdMechanism extends DpSgdParameters {
  readonly quantisation: Quantisation;
  /** σ of a step's noise in integer steps. */
  readonly noiseStdDev: number;
  /** What all steps cost together, for one example. */
  readonly event: DpEvent;
}

/** Sums stay on one machine: their grain can be fine, and many examples still fit a double. */
const BITS = 26;

/**
 * @throws PrivacyError INVALID_PARAMETER
 */
export function dpSgd(parameters: DpSgdParameters): DpSgdMechanism {
  const { clipNorm, noiseMultiplier, samplingProbability, steps, dimension } = parameters;
  requirePositive("noiseMultiplier", noiseMultiplier);
  requirePositive("samplingProbability", samplingProbability);
  if (samplingProbability > 1) {
    throw new PrivacyError("INVALID_PARAMETER", `samplingProbability must be at most 1, not ${samplingProbability}.`);
  }
  requireInteger("steps", steps, 1);
  const integerNormBound = Math.min(2 ** (BITS - 1) - 1, LARGEST_INTEGER_NORM);
  const quantisation = quantisationFor(clipNorm, integerNormBound, dimension, BITS);
  const noiseStdDev = noiseMultiplier * integerNormBound;
  const noised: DpEvent = { type: "DiscreteGaussian", sigma: noiseStdDev, sensitivity: integerNormBound, dimension };
  const step: DpEvent =
    samplingProbability === 1 ? noised : { type: "PoissonSampled", samplingProbability, event: noised };
  return { ...parameters, quantisation, noiseStdDev, event: { type: "SelfComposed", count: steps, event: step } };
}
