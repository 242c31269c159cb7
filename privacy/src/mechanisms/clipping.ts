import { PrivacyError } from "../errors.js";
import { requirePositive } from "../parameters.js";

/** What clipping found: the L2 norm before, and whether the vector was scaled down. */
export interface Clipping {
  readonly norm: number;
  readonly clipped: boolean;
}

/** One part in 2^22: more than rounding to 32-bit floats can add to a norm. */
const SHRINK = 1 - 2 ** -22;

/** Σ of the squares, in four sums: a processor adds to one of them while it waits for another. */
function squares(values: Float32Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const fours = values.length & ~3;
  for (let i = 0; i < fours; i += 4) {
    const p = values[i] ?? 0;
    const q = values[i + 1] ?? 0;
    const r = values[i + 2] ?? 0;
    const s = values[i + 3] ?? 0;
    a += p * p;
    b += q * q;
    c += r * r;
    d += s * s;
  }
  for (let i = fours; i < values.length; i++) a += (values[i] ?? 0) ** 2;
  return a + b + c + d;
}

/**
 * The L2 norm of a vector, summed in doubles.
 *
 * @throws PrivacyError NON_FINITE when an entry is NaN or infinite
 */
export function normL2(values: Float32Array): number {
  const sum = squares(values);
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
