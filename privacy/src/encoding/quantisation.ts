import { PrivacyError } from "../errors.js";
import { requireInteger, requirePositive } from "../parameters.js";
import type { RandomSource } from "../random/source.js";
import { UniformWords } from "../random/words.js";
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

/**
 * With the bound of `roundedNormBound` one attempt succeeds with probability at least 1 − e^(−1/2), so this many fail
 * together with probability below 2^-92.
 */
const ATTEMPTS = 128;

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

/**
 * Rounds each value/granularity up or down at random, without bias, and starts again while the integer vector's norm
 * is above the bound. Conditioning on that shifts the mean by at most the probability of a retry; it is what lets the
 * bound, not the worst case of rounding, be the sensitivity (Kairouz et al. 2021, Algorithm 1).
 *
 * @param values a clipped update
 * @param q granularity, bound and bits
 * @param random the cryptographic source
 * @returns integers, as many as values, with L2 norm at most `q.integerNormBound`
 * @throws PrivacyError NON_FINITE; NORM_EXCEEDED when the update is too long for the bound: clip it first
 */
export function quantise(values: Float32Array | Float64Array, q: Quantisation, random: RandomSource): Int32Array {
  requirePositive("granularity", q.granularity);
  requirePositive("integerNormBound", q.integerNormBound);
  if (q.integerNormBound > LARGEST_INTEGER_NORM) {
    throw new PrivacyError("INVALID_PARAMETER", `integerNormBound must be at most ${LARGEST_INTEGER_NORM}.`);
  }
  const bound = q.integerNormBound * q.integerNormBound;
  let scaled = 0;
  for (let i = 0; i < values.length; i++) {
    const value = (values[i] ?? 0) / q.granularity;
    scaled += value * value;
  }
  if (Number.isNaN(scaled)) {
    throw new PrivacyError("NON_FINITE", "The update has an entry that is not a number. Drop this update.");
  }
  if (scaled > bound) {
    throw new PrivacyError(
      "NORM_EXCEEDED",
      `The update's norm is ${Math.sqrt(scaled)} steps, above the bound of ${q.integerNormBound}. Clip it first.`,
    );
  }
  const words = new UniformWords(random, Math.max(1, Math.min(16_384, values.length)));
  const out = new Int32Array(values.length);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (roundAtRandom(values, q.granularity, words, out) <= bound) {
      return out;
    }
  }
  throw new PrivacyError(
    "NORM_EXCEEDED",
    `No rounding of the update met the norm bound of ${q.integerNormBound}: use more bits, or clip further.`,
  );
}

/** Rounds into `out` and returns the squared norm. */
function roundAtRandom(
  values: Float32Array | Float64Array,
  granularity: number,
  words: UniformWords,
  out: Int32Array,
): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const scaled = (values[i] ?? 0) / granularity;
    const floor = Math.floor(scaled);
    const integer = words.next() < (scaled - floor) * 4_294_967_296 ? floor + 1 : floor;
    out[i] = integer;
    sum += integer * integer;
  }
  return sum;
}

/**
 * @param sum a sum of quantised vectors, with noise or without
 * @param q the quantisation they were made with
 * @returns the real values, `sum · granularity`
 */
export function dequantise(sum: Float64Array, q: Quantisation): Float32Array {
  requirePositive("granularity", q.granularity);
  const out = new Float32Array(sum.length);
  for (let i = 0; i < sum.length; i++) {
    out[i] = (sum[i] ?? 0) * q.granularity;
  }
  return out;
}
