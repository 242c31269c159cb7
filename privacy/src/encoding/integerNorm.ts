import { PrivacyError } from "../errors.js";

/** The largest integer norm whose square a double holds exactly: floor(sqrt(2^53 − 1)). */
export const LARGEST_INTEGER_NORM = 94_906_265;

/**
 * The squared L2 norm of an integer vector, exactly.
 *
 * @returns an integer below 2^53
 * @throws PrivacyError OUT_OF_RANGE when it is 2^53 or more
 */
export function integerNormSquared(values: Int32Array): number {
  let sum = 0;
  // Below 2^53 every partial sum is exact; once past it, adding squares never leads back.
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    sum += value * value;
  }
  if (sum > Number.MAX_SAFE_INTEGER) {
    throw new PrivacyError(
      "OUT_OF_RANGE",
      "The squared norm of the integer vector is 2^53 or more, beyond any bound a plan can set. Refuse the vector.",
    );
  }
  return sum;
}
