import { PrivacyError } from "../errors.js";
import { requirePositive } from "../parameters.js";

/** What clipping found: the L2 norm before, and whether the vector was scaled down. */
export interface Clipping {
  readonly norm: number;
  readonly clipped: boolean;
}

/** One part in 2^22: more than rounding to 32-bit floats can add to a norm. */
const SHRINK = 1 - 2 ** -22;

/**
 * The L2 norm of a vector, summed in doubles.
 *
 * @throws PrivacyError NON_FINITE when an entry is NaN or infinite
 */
export function normL2(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    sum += value * value;
  }
  // A squared float is below 1.2e77, so a sum that is not finite means an entry that is not.
  if (!Number.isFinite(sum)) {
    const index = values.findIndex((value) => !Number.isFinite(value));
    throw new PrivacyError(
      "NON_FINITE",
      `Entry ${index} of the update is NaN or infinite. Training diverged: lower the learning rate, drop this update.`,
    );
  }
  return Math.sqrt(sum);
}

/**
 * Scales `values` in place so that their L2 norm is at most `clipNorm` (McMahan et al. 2018, "flat clipping").
 *
 * @param values a model update; overwritten when it is longer than the clip norm
 * @param clipNorm the largest norm that may leave, above 0
 * @returns the norm before clipping, and whether it was clipped
 * @throws PrivacyError NON_FINITE, INVALID_PARAMETER
 */
export function clipL2(values: Float32Array, clipNorm: number): Clipping {
  requirePositive("clipNorm", clipNorm);
  const norm = normL2(values);
  if (norm <= clipNorm) {
    return { norm, clipped: false };
  }
  let factor = clipNorm / norm;
  do {
    for (let i = 0; i < values.length; i++) {
      values[i] = (values[i] ?? 0) * factor;
    }
    // Rounding to floats may leave the norm a hair above; one more pass with this factor brings it below.
    factor = SHRINK;
  } while (normL2(values) > clipNorm);
  return { norm, clipped: true };
}
