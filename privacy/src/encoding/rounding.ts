import { PrivacyError } from "../errors.js";
import { requirePositive } from "../parameters.js";
import type { RandomSource } from "../random/source.js";
import { UniformWords } from "../random/words.js";
import { LARGEST_INTEGER_NORM } from "./integerNorm.js";
import type { Quantisation } from "./quantisation.js";

/**
 * With the bound of `roundedNormBound` one attempt succeeds with probability at least 1 − e^(−1/2), so this many fail
 * together with probability below 2^-92.
 */
const ATTEMPTS = 128;

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
