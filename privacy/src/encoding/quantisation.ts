import { PrivacyError } from "../errors.js";
import { requireInteger, requirePositive } from "../parameters.js";
import { LARGEST_INTEGER_NORM } from "./integerNorm.js";

/** How real vectors become integer vectors, and back. */
export interface Quantisation {
  /** The real value of one integer step. */
  readonly granularity: number;
  /** No quantised vector has a larger L2 norm: the sensitivity of a sum of them, in integer units. */
  readonly integerNormBound: number;
  /** Bits a coordinate is sent with, two's complement. */
  readonly bits: number;
}

/** β of Kairouz et al. (2021), as they choose it: e^(−1/2). */
const FAILURE_PROBABILITY = Math.exp(-0.5);

/**
 * The L2 norm that a vector keeps under stochastic rounding to integers with probability at least 1 − β.
 * Source: Kairouz, Liu, Steinke, "The Distributed Discrete Gaussian Mechanism" (2021), Theorem 1 and Proposition 22.
 *
 * @param scaledNorm the vector's norm before rounding, in integer steps
 * @param dimension number of coordinates
 * @param failureProbability β, e^(−1/2) unless told otherwise
 * @returns sqrt(min{s² + d/4 + sqrt(2 ln(1/β))·(s + √d/2), (s + √d)²})
 */
export function roundedNormBound(
  scaledNorm: number,
  dimension: number,
  failureProbability: number = FAILURE_PROBABILITY,
): number {
  const root = Math.sqrt(dimension);
  const likely =
    scaledNorm * scaledNorm + dimension / 4 + Math.sqrt(2 * Math.log(1 / failureProbability)) * (scaledNorm + root / 2);
  return Math.min(Math.sqrt(likely), scaledNorm + root);
}

/**
 * The finest quantisation whose integer norm bound is a given one: it solves `roundedNormBound(clipNorm / granularity)
 * = integerNormBound` for the granularity.
 *
 * @param clipNorm L2 norm that real vectors are clipped to
 * @param integerNormBound an integer; rounding alone needs about √d/2 of it
 * @param dimension number of coordinates
 * @param bits bits per coordinate; 2^(bits−1) must exceed the bound
 * @throws PrivacyError INVALID_PARAMETER, OUT_OF_RANGE (too few bits for the dimension)
 */
export function quantisationFor(
  clipNorm: number,
  integerNormBound: number,
  dimension: number,
  bits: number,
): Quantisation {
  requirePositive("clipNorm", clipNorm);
  requireInteger("dimension", dimension, 1);
  requireInteger("bits", bits, 2, 32);
  requireInteger("integerNormBound", integerNormBound, 1, Math.min(2 ** (bits - 1) - 1, LARGEST_INTEGER_NORM));
  if (roundedNormBound(0, dimension) >= integerNormBound) {
    throw new PrivacyError(
      "OUT_OF_RANGE",
      `${bits} bits are too few for ${dimension} coordinates: rounding alone exceeds the integer norm bound of ` +
        `${integerNormBound}. Use more bits.`,
    );
  }
  let low = 0;
  let high: number = integerNormBound;
  for (let step = 0; step < 64; step++) {
    const middle = (low + high) / 2;
    if (roundedNormBound(middle, dimension) <= integerNormBound) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return { granularity: clipNorm / low, integerNormBound, bits };
}
